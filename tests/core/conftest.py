"""Laws are tried on machines that are busy with other things: an example may take its time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
