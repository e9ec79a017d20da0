"""Long work at a person's word, each as a job does it and as a command shows it: reading the whole journal again, and putting away."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import func, select

from gateway.core.protocol import Checkpoint
from gateway.journal import audit
from gateway.journal.audit import Audited
from gateway.node.workplace import Tell, Workplace, nobody
from gateway.operate import retention
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.store.tables import checkpoint
from gateway.trust.keys import KeyRing

#: Seconds between two words on how far it has come.
_SAID_EVERY = 1.0


def verify(settings: Settings, database: Database, witnesses: Iterable[Checkpoint], tell: Tell = nobody) -> Audited:
    """Reads the whole journal again, as ``audit.verify`` says."""
    ours = {key.fingerprint: key.certificate for key in KeyRing(settings.keys).all()}
    said = [time.monotonic()]

    def far(size: int) -> None:
        if time.monotonic() >= said[0] + _SAID_EVERY:
            said[0] = time.monotonic()
            tell(size, whole, "entries read again")

    with database.reading() as connection:
        whole = int(connection.execute(select(func.max(checkpoint.c.size))).scalar_one() or 0)
        return audit.verify(connection, ours, settings.administration, witnesses, far)


def verify_journal(desk: Workplace, given: dict[str, Any], who: str, tell: Tell) -> tuple[str, bytes]:
    """``given``: ``witnesses``, checkpoints of receipts that partners kept."""
    witnesses = msgspec.convert(given["witnesses"], list[Checkpoint])
    found = verify(desk.settings, desk.database, witnesses, tell)
    said = f"{found.entries:,} entries in {found.checkpoints:,} sealed batches read; {found.witnesses} receipts agree."
    whole = "The journal is what was sealed." if found.fault is None else f"It is not what was sealed: {found.fault.detail}"
    return f"{said} {whole}", msgspec.json.encode(found)


def run_retention(desk: Workplace, given: dict[str, Any], who: str, tell: Tell) -> tuple[str, bytes]:
    """``given``: ``shelf``, one class or None for all, and ``dry_run``."""
    found = retention.run(desk, given["shelf"], datetime.now(UTC), dry_run=given["dry_run"], tell=tell)
    rows = sum(one.due if given["dry_run"] else one.gone for one in found.values())
    return f"{rows:,} rows {'would go' if given['dry_run'] else 'went'}.", msgspec.json.encode(found)
