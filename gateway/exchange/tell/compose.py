"""Putting words into a partner's own XML and its queue: what every message of ours to a partner has in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from gateway.core.model import Kind, Picture, Statement
from gateway.node.context import Context, day_of, new_id
from gateway.store import outbox, queries
from gateway.store.active import ActivePartner
from gateway.wire.dialect import Reading
from gateway.wire.xml import parse


def document(
    node: Context,
    live: ActivePartner,
    kind: Kind,
    statements: Sequence[Statement],
    message_id: str,
    at: datetime,
    *,
    picture: Picture | None = None,
    query: Mapping[str, str] | None = None,
) -> str:
    """The partner's document. Raises ``Refusal`` for what its dialect has no place or no code for."""
    said: dict[str, str | int | date | datetime] = {"id": message_id, "issued": at, "as_of": picture.as_of if picture else at}
    said |= {"sender": node.settings.administration, "receiver": live.arrangement.iso}
    dialect = live.bundle.dialects[_spoken(live, at)]
    told = tuple(dialect.fitted(kind, one) for one in statements)
    return dialect.write(kind, Reading(said, told, dict(query or {})), live.bundle.signatory)


def validate(live: ActivePartner, payload: str, at: datetime) -> None:
    """Raises ``Refusal`` for what the partner's own schema would refuse: better one enterprise unsaid than a whole message returned."""
    live.bundle.dialects[_spoken(live, at)].validate(parse(payload.encode()))


def enqueue(
    connection: Connection,
    node: Context,
    live: ActivePartner,
    kind: Kind,
    payload: str,
    message_id: str,
    at: datetime,
    *,
    picture: Picture | None = None,
    refers_to: str | None = None,
    codes: Iterable[str] = (),
) -> int:
    """Queues one message of the partner's dialect and returns its row. ``codes`` are of the operators of whom it states anything."""
    return outbox.enqueue(
        connection,
        partner=live.arrangement.iso,
        sender=node.settings.administration,
        environment=node.environment,
        message_id=message_id,
        kind=kind,
        payload=payload,
        at=at,
        retry_for=live.arrangement.binding.retry_for,
        bundle=live.bundle.digest,
        dialect=_spoken(live, at),
        refers_to=refers_to,
        picture=picture,
        codes=codes,
    )


def ask(connection: Connection, node: Context, live: ActivePartner, code: str, at: datetime) -> str:
    """Queues our own query about one of a partner's codes; returns the message id."""
    message_id = new_id()
    enqueue(
        connection,
        node,
        live,
        Kind.QUERY,
        document(node, live, Kind.QUERY, (), message_id, at, query={"tin": code}),
        message_id,
        at,
        codes=[code],
    )
    queries.asked(connection, live.arrangement.iso, code, message_id, at=at, accept_for=live.arrangement.binding.accept_for)
    return message_id


def _spoken(live: ActivePartner, at: datetime) -> tuple[str, str]:
    choice = live.arrangement.dialect.on(day_of(at)).value
    assert choice is not None, "the loader lets no partner be without a dialect"
    return choice.name, choice.version
