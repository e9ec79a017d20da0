"""Which partner data is in force: bundles by digest, activated by a person, never read from a node's disk."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.text import a_reason
from gateway.partners import FORMAT
from gateway.store import journal, proposals
from gateway.store.prepared import Prepared
from gateway.store.tables import activation, bundle, partner

#: The row under which the law common to all arrangements is kept and activated like a partner.
LAW = "**"

_LOCK = Prepared(select(partner.c.state).where(partner.c.iso == bindparam("iso")).with_for_update())


def activate(connection: Connection, iso: str, digest: str, content: bytes, *, at: datetime, who: Actor, reason: str) -> bool:
    """Stores the bundle and puts it in force; False when that very bundle already is."""
    row = connection.execute(select(partner.c.digest, partner.c.state).where(partner.c.iso == iso)).first()
    if row is not None and (row.digest, row.state) == (digest, "active"):
        return False
    if connection.execute(select(bundle.c.digest).where(bundle.c.digest == digest)).first() is None:
        connection.execute(insert(bundle).values(digest=digest, iso=iso, content=content, stored=at, format=FORMAT))
    _put(connection, iso, "active", digest, at=at, who=who, reason=reason, known=row is not None)
    return True


def set_state(connection: Connection, iso: str, state: str, *, at: datetime, who: Actor, reason: str) -> None:
    """Suspends, resumes or retires a partner that has been activated before. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    a_reason(reason)
    row = connection.execute(select(partner.c.digest, partner.c.state).where(partner.c.iso == iso)).first()
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"No partner {iso} has been activated.", remedy="aeo-gateway partner activate")
    if row.state == "retired" and state != "retired":
        # resuming asks for no second person, no check and no rehearsal
        raise Refusal(Code.DATA_INVALID, f"{iso} is retired.", remedy=f"aeo-gateway partner activate {iso}")
    _put(connection, iso, state, row.digest, at=at, who=who, reason=reason, known=True)


def _put(connection: Connection, iso: str, state: str, digest: str, *, at: datetime, who: Actor, reason: str, known: bool) -> None:
    values = {"state": state, "digest": digest, "changed": at}
    if known:
        connection.execute(update(partner).where(partner.c.iso == iso).values(values))
    else:
        connection.execute(insert(partner).values(iso=iso, **values))
    connection.execute(insert(activation).values(iso=iso, state=state, digest=digest, at=at, who=who.name, reason=reason))
    journal.append(
        connection,
        "partner",
        iso,
        {"state": state, "bundle": digest, "who": who.name, "by": who.noted, "reason": reason},
        at=at,
        partner=iso,
    )
    because = f"what is in force changed meanwhile: {state}, data {digest[:16]}"
    proposals.end_of_partner(connection, iso, because=because, at=at)


def in_force(connection: Connection) -> list[tuple[str, str, str]]:
    """(iso, state, bundle digest) of every partner ever activated."""
    return [
        (row.iso, row.state, row.digest)
        for row in connection.execute(select(partner).where(partner.c.iso != LAW).order_by(partner.c.iso))
    ]


def in_force_now(connection: Connection, iso: str) -> str | None:
    """The digest of what is in force for one partner, or for the law."""
    return connection.execute(select(partner.c.digest).where(partner.c.iso == iso)).scalar_one_or_none()


def in_force_at(connection: Connection, iso: str, moment: datetime) -> tuple[str, str] | None:
    """(state, bundle digest) of one partner as of a past moment, or None where nothing was activated yet."""
    row = connection.execute(
        select(activation.c.state, activation.c.digest)
        .where(activation.c.iso == iso, activation.c.at <= moment)
        .order_by(activation.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.state, row.digest)


class Stored(NamedTuple):
    """Partner data as it was activated: whose it is (``LAW`` for the law), its bytes, and the format in which they were written."""

    iso: str
    content: bytes
    format: int


def content(connection: Connection, digest: str) -> Stored:
    """What was activated under this digest; raises ``Refusal`` NOT_FOUND."""
    columns = select(bundle.c.iso, bundle.c.content, bundle.c.format)
    found = connection.execute(columns.where(bundle.c.digest == digest)).one_or_none()
    if found is None:
        raise Refusal(Code.NOT_FOUND, f"There is no partner data with the digest {digest}.")
    return Stored(found.iso, bytes(found.content), found.format)


def lock(connection: Connection, iso: str) -> str:
    """Takes the partner's row for this transaction and returns its state: whatever touches one partner queues here."""
    locked = _LOCK.row(connection, iso=iso)
    if locked is None:
        raise Refusal(Code.PARTNER_UNKNOWN)
    return str(locked[0])


def locked(connection: Connection, iso: str) -> tuple[str, str] | None:
    """(state, digest) of one partner, or of the law, its row taken as ``lock`` does; None where nothing was activated yet."""
    row = connection.execute(select(partner.c.state, partner.c.digest).where(partner.c.iso == iso).with_for_update()).first()
    return None if row is None else (row.state, row.digest)
