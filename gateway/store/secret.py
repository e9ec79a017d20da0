"""Secrets of ours that nobody can guess: of each only a hash is kept, and a fast one is sound."""

from __future__ import annotations

import secrets
from hashlib import sha256


def new() -> str:
    """256 random bits, as they can stand in a cookie or an address."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of one."""
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
