"""Story two: what changes at home is told abroad, in each partner's own XML."""
