"""Demo keys: those of a node, of partners, of servers and of thieves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from gateway.trust.keys import Key, Purpose, create_file_key
from gateway.trust.selfsigned import Subject


def demo_key(folder: Path, name: str, since: datetime, *, days: int = 365, hosts: tuple[str, ...] = ()) -> Key:
    """A new key without a passphrase; its certificate begins ``since``."""
    return create_file_key(folder, name, "ecdsa-p256-sha256", Subject(name, hosts=hosts), Purpose.DEMO, "", days, now=since)
