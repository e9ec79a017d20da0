"""What each partner was told about each Chinese enterprise, under which code, and what proves it.

One row for each telling of a code. The newest is what its partner was last told; one whose arrival is proven puts the older away.
A message that nobody has tried to send yet has told nobody: it can be taken back, and then what was told before stands again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.core.model import Kind, Statement
from gateway.store import packing
from gateway.store.bulk import chunks
from gateway.store.tables import belief, outbox

#: A list speaks of everybody and stays: its own order (``as_of``) already yields to what is issued later.
_CAN_BE_TAKEN_BACK = (Kind.UPDATE.value, Kind.NOTICE.value)


_ARRIVED = update(belief).where(belief.c.outbox == bindparam("row"), belief.c.received.is_(None))


class Disclosure(msgspec.Struct, frozen=True):
    """``row`` is the message in the outbox, ``state`` how far it came; ``untried``: it can still be taken back.

    ``since``: when it was queued. ``received``: when a receipt proved its arrival. ``outcome``: what the partner's result says.
    """

    partner: str
    uscc: str
    statement: Statement
    row: int
    message_id: str
    state: str
    untried: bool
    since: datetime
    received: datetime | None
    outcome: str | None
    outcome_message: str | None

    @property
    def proven(self) -> bool:
        """It arrived, and the partner's result, where there is one, takes it."""
        return self.received is not None and self.outcome in (None, "accepted")


def tellings(
    connection: Connection, partner: str | None = None, usccs: Iterable[str] | None = None, tins: Iterable[str] = ()
) -> list[Disclosure]:
    """Everything told of the codes under which these enterprises were ever told of, and of ``tins``; of each code the oldest first.

    A code may have gone to another enterprise, whose tellings are then among them. ``usccs`` None: everything.
    """
    query = (
        select(belief, outbox.c.message_id, outbox.c.kind, outbox.c.state, outbox.c.attempt)
        .join(outbox, outbox.c.id == belief.c.outbox)
        .order_by(belief.c.outbox)
    )
    told_of = select(belief.c.tin).distinct()
    if partner is not None:
        query, told_of = query.where(belief.c.partner == partner), told_of.where(belief.c.partner == partner)
    queries = [query]
    if usccs is not None:
        codes = set(tins)
        for batch in chunks(usccs):
            codes.update(connection.execute(told_of.where(belief.c.uscc.in_(batch))).scalars())
        queries = [query.where(belief.c.tin.in_(batch)) for batch in chunks(sorted(codes))]
    return [_opened(row) for one in queries for row in connection.execute(one)]


def told(connection: Connection, *, partner: str | None = None, usccs: Iterable[str]) -> list[Disclosure]:
    """What partners (or one) were last told about these enterprises, in the order of partner and code: queued, or on its way, or proven."""
    usccs = set(usccs)
    newest = {(one.partner, one.statement.tin): one for one in tellings(connection, partner, usccs)}
    return [one for _, one in sorted(newest.items()) if one.uscc in usccs]


def _opened(row: Any) -> Disclosure:
    return Disclosure(
        row.partner,
        row.uscc,
        packing.statement(row.body),
        row.outbox,
        row.message_id,
        row.state,
        row.state == "queued" and row.attempt == 0 and row.kind in _CAN_BE_TAKEN_BACK,
        row.since,
        row.received,
        row.outcome,
        row.outcome_message,
    )


def enterprise_told_as(connection: Connection, customs_code: str) -> str | None:
    """The USCC of the enterprise that any partner was last told of under a code that ends in these ten digits."""
    named = belief.c.tin.endswith(customs_code, autoescape=True)
    return connection.execute(select(belief.c.uscc).where(named).order_by(belief.c.outbox.desc()).limit(1)).scalar_one_or_none()


def tell(connection: Connection, partner: str, about: Iterable[tuple[str, Statement]], row: int, at: datetime) -> None:
    """Notes what the queued message ``row`` tells: (uscc, statement) pairs, each code once."""
    for batch in chunks(about):
        connection.execute(
            insert(belief),
            [
                {"partner": partner, "tin": one.tin, "outbox": row, "uscc": uscc, "body": packing.pack(one), "since": at}
                for uscc, one in batch
            ],
        )


def take_back(connection: Connection, rows: Iterable[int], at: datetime) -> set[str]:
    """Supersedes those of these messages that are still untried; returns the enterprises that they spoke of."""
    usccs: set[str] = set()
    for batch in chunks(rows):
        gone = (
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_(batch), outbox.c.state == "queued", outbox.c.attempt == 0)
                .values(state="superseded", finished=at)
                .returning(outbox.c.id)
            )
            .scalars()
            .all()
        )
        usccs.update(connection.execute(delete(belief).where(belief.c.outbox.in_(gone)).returning(belief.c.uscc)).scalars())
    return usccs


def arrived(connection: Connection, row: int, at: datetime) -> None:
    """A receipt proved that the message ``row`` arrived: what was told before of the same codes is history."""
    if connection.execute(_ARRIVED, {"row": row, "received": at}).rowcount == 0:
        return  # it told nothing, as most do not, or it is known already
    partner = connection.execute(select(outbox.c.partner).where(outbox.c.id == row)).scalar_one()
    named = select(belief.c.tin).where(belief.c.outbox == row)
    connection.execute(
        delete(belief).where(belief.c.partner == partner, belief.c.outbox < row, belief.c.tin.in_(named.scalar_subquery()))
    )


def accepted(connection: Connection, row: int, outcomes: Mapping[str, str], message_id: str) -> None:
    """The partner's result says what became of each record of the message ``row``: code -> outcome."""
    for outcome in sorted(set(outcomes.values())):
        for batch in chunks(tin for tin, said in outcomes.items() if said == outcome):
            connection.execute(
                update(belief)
                .where(belief.c.outbox == row, belief.c.tin.in_(batch))
                .values(outcome=outcome, outcome_message=message_id)
            )
