"""Putting partner data in force: only what was checked and rehearsed to the letter, by two people where the settings ask for it.

Rehearsals, proposals and activations are journal entries, so that who tried and who decided what is sealed with everything else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from gateway.core.errors import Code, Refusal
from gateway.onboarding.finding import Checked, Mark
from gateway.onboarding.rehearsal import Rehearsal
from gateway.partners import Bundle
from gateway.settings import Settings
from gateway.store import journal
from gateway.store import partners as stored
from gateway.store.tables import entry


def note_rehearsal(connection: Connection, rehearsal: Rehearsal, *, who: str, at: datetime) -> None:
    """Journals how a rehearsal ended, under the digest of the data that was rehearsed."""
    steps = {step.name: step.passed for step in rehearsal.steps}
    body: dict[str, object] = {"passed": rehearsal.passed, "against": rehearsal.against, "steps": steps, "who": who}
    journal.append(connection, "rehearsal", rehearsal.digest, body, at=at, partner=rehearsal.iso)


def put_in_force(
    connection: Connection, bundle: Bundle, checked: Checked, settings: Settings, *, who: str, reason: str, at: datetime
) -> str:
    """Activates ``bundle`` in this transaction; returns a sentence on what happened, or on who must still agree.

    Raises ``Refusal`` DATA_INVALID naming everything that stands against it at once. In demo mode no rehearsal is asked for.
    """
    against = _against(connection, bundle, checked, settings)
    if against:
        raise Refusal(
            Code.DATA_INVALID,
            f"{bundle.iso} is not activated: " + " ".join(against),
            remedy=f"aeo-gateway partner check {bundle.iso}",
        )
    if stored.in_force_now(connection, bundle.iso) == bundle.digest and _state(connection, bundle.iso) == "active":
        return "Nothing changed: that very data is in force."
    if settings.two_people and not _agreed(connection, bundle.iso, bundle.digest, who):
        return _propose(connection, bundle.iso, bundle.digest, who=who, reason=reason, at=at)
    stored.activate(connection, bundle.iso, bundle.digest, bundle.content, at=at, who=who, reason=reason)
    waived = " (demo mode: no rehearsal was asked for)" if settings.mode == "demo" else ""
    return f"Activated {bundle.iso}, data {bundle.digest[:16]}{waived}."


def put_law_in_force(
    connection: Connection, digest: str, content: bytes, settings: Settings, *, who: str, reason: str, at: datetime
) -> str:
    """The same for what is common to all arrangements. The first law needs no second person: alone it grants nothing (choice)."""
    before = stored.in_force_now(connection, stored.LAW)
    if before == digest:
        return "The law common to all arrangements: nothing changed."
    if settings.two_people and before is not None and not _agreed(connection, stored.LAW, digest, who):
        return "The law common to all arrangements: " + _propose(connection, stored.LAW, digest, who=who, reason=reason, at=at)
    stored.activate(connection, stored.LAW, digest, content, at=at, who=who, reason=reason)
    return "The law common to all arrangements: activated."


def rehearsed(connection: Connection, digest: str) -> bool:
    """Whether the latest rehearsal of the very data with this digest passed."""
    noted = _noted(connection, "rehearsal", digest)
    return bool(noted) and bool(noted[-1]["passed"])


def _against(connection: Connection, bundle: Bundle, checked: Checked, settings: Settings) -> list[str]:
    said = [f"{finding.what} {finding.remedy}" for finding in checked.points if finding.mark is Mark.BAD]
    if checked.digest != bundle.digest:
        said.append("What was checked is not what is to be activated.")
    if settings.mode == "production" and not rehearsed(connection, bundle.digest):
        said.append(f"This very data has passed no rehearsal: aeo-gateway partner rehearse {bundle.iso}.")
    if stored.in_force_now(connection, stored.LAW) is None:
        said.append("The law common to all arrangements is not in force yet: aeo-gateway partner activate --law.")
    return said


def _state(connection: Connection, iso: str) -> str | None:
    return next((state for known, state, _ in stored.in_force(connection) if known == iso), None)


def _propose(connection: Connection, iso: str, digest: str, *, who: str, reason: str, at: datetime) -> str:
    journal.append(connection, "proposal", digest, {"who": who, "reason": reason}, at=at, partner=iso)
    return f"Proposed by {who}. It comes in force when a second person activates the very same data."


def _agreed(connection: Connection, iso: str, digest: str, who: str) -> bool:
    """Whether somebody else proposed this data since the last change: an older proposal was used up, or overtaken, by that change."""
    changed = select(func.max(entry.c.id)).where(entry.c.kind == "partner", entry.c.subject == iso)
    proposed = _noted(connection, "proposal", digest, after=connection.execute(changed).scalar() or 0)
    return any(one["who"] != who for one in proposed)


def _noted(connection: Connection, kind: str, digest: str, *, after: int = 0) -> list[dict[str, Any]]:
    asked = select(entry.c.body).where(entry.c.kind == kind, entry.c.subject == digest, entry.c.id > after)
    rows = connection.execute(asked.order_by(entry.c.id))
    return [msgspec.json.decode(body) for body in rows.scalars()]
