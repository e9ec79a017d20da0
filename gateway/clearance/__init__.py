"""Story three: what a declared foreign AEO is entitled to, on a day, and why."""
