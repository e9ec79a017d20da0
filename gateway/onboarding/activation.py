"""Putting partner data in force: only what was checked and rehearsed to the letter, by two people where the settings ask for it.

Rehearsals, proposals and activations are journal entries, so that who tried and who decided what is sealed with everything else.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.onboarding.finding import Checked, Mark
from gateway.onboarding.rehearsal import Rehearsal
from gateway.partners import Bundle
from gateway.settings import Settings
from gateway.store import journal, proposals
from gateway.store import partners as stored
from gateway.store.proposals import Matter, Proposal
from gateway.store.tables import entry


def note_rehearsal(connection: Connection, rehearsal: Rehearsal, *, who: Actor, at: datetime) -> None:
    """Journals how a rehearsal ended, under the digest of the data that was rehearsed."""
    steps = {step.name: step.passed for step in rehearsal.steps}
    body: dict[str, object] = {
        "passed": rehearsal.passed,
        "against": rehearsal.against,
        "steps": steps,
        "who": who.name,
        "by": who.noted,
    }
    journal.append(connection, "rehearsal", rehearsal.digest, body, at=at, partner=rehearsal.iso)


def put_in_force(
    connection: Connection, bundle: Bundle, checked: Checked, settings: Settings, *, who: Actor, reason: str, at: datetime
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
    if stored.locked(connection, bundle.iso) == ("active", bundle.digest):
        return "Nothing changed: that very data is in force."
    matter = Matter(Decision.ACTIVATION, bundle.digest, bundle.iso)
    decided = proposals.propose_or_agree(connection, matter, two_people=settings.two_people, who=who, reason=reason, at=at)
    if isinstance(decided, Proposal):
        return decided.sentence
    stored.activate(connection, bundle.iso, bundle.digest, bundle.content, at=at, who=who, reason=reason)
    waived = " (demo mode: no rehearsal was asked for)" if settings.mode == "demo" else ""
    return f"Activated {bundle.iso}, data {bundle.digest[:16]}{waived}."


def put_law_in_force(
    connection: Connection, digest: str, content: bytes, settings: Settings, *, who: Actor, reason: str, at: datetime
) -> str:
    """The same for what is common to all arrangements. The first law needs no second person: alone it grants nothing (choice)."""
    before = stored.locked(connection, stored.LAW)
    if before == ("active", digest):
        return "The law common to all arrangements: nothing changed."
    two_people = settings.two_people and before is not None
    matter = Matter(Decision.LAW, digest, stored.LAW)
    decided = proposals.propose_or_agree(connection, matter, two_people=two_people, who=who, reason=reason, at=at)
    if isinstance(decided, Proposal):
        return f"The law common to all arrangements: {decided.sentence}"
    stored.activate(connection, stored.LAW, digest, content, at=at, who=who, reason=reason)
    return "The law common to all arrangements: activated."


def rehearsed(connection: Connection, digest: str) -> bool:
    """Whether the latest rehearsal of the very data with this digest passed."""
    noted = select(entry.c.body).where(entry.c.kind == "rehearsal", entry.c.subject == digest)
    latest = connection.execute(noted.order_by(entry.c.id.desc()).limit(1)).scalar_one_or_none()
    return latest is not None and bool(msgspec.json.decode(latest)["passed"])


def _against(connection: Connection, bundle: Bundle, checked: Checked, settings: Settings) -> list[str]:
    said = [f"{finding.what} {finding.remedy}" for finding in checked.points if finding.mark is Mark.BAD]
    if checked.digest != bundle.digest:
        said.append("What was checked is not what is to be activated.")
    if settings.mode == "production" and not rehearsed(connection, bundle.digest):
        said.append(f"This very data has passed no rehearsal: aeo-gateway partner rehearse {bundle.iso}.")
    if stored.in_force_now(connection, stored.LAW) is None:
        said.append("The law common to all arrangements is not in force yet: aeo-gateway partner activate --law.")
    return said
