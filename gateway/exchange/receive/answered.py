"""A response of a partner: the answer to one open query of ours, or it is refused (exchange/RULES.md, Queries and responses).

What it states of the operator is recorded like any other statement. Where it states nothing, partner data says what that means
(``[responses]`` of the dialect): ``not-an-AEO`` takes away what the partner had granted under the code asked about, as of the moment
pictured; ``cannot-say`` changes no standing and is told to a person.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind, PlacedStatement
from gateway.core.protocol import QueryOutcome
from gateway.exchange.lists.weigh import delisted
from gateway.exchange.receive.translate import Translated
from gateway.store import journal, queries, sent, statements
from gateway.store.active import ActivePartner
from gateway.store.queries import Query
from gateway.wire.xml import parse

log = logging.getLogger(__name__)


def take_answer(connection: Connection, message: Translated, received: datetime) -> tuple[PlacedStatement, ...]:
    """Closes the query that the response answers; returns what it implies beside what it states.

    Raises ``Refusal`` REFERENCE_UNKNOWN where it answers none that is open, or speaks of another code than was asked about.
    """
    header, reading, live = message.proven.header, message.reading, message.proven.live
    assert reading is not None, "translate reads every response"
    assert header.picture is not None, "translate refuses a response that pictures no moment"
    asked = _open_query(connection, live, header, received)
    spoken_of = {one.statement.tin for one in message.placed} | {reading.query.get("tin", asked.tin)}
    if spoken_of != {asked.tin}:
        problem, remedy = f"Query {header.refers_to} was about {asked.tin}.", "Speak of what was asked about, and of nobody else."
        raise Refusal(Code.REFERENCE_UNKNOWN, problem, field="tin", value=min(spoken_of - {asked.tin}), remedy=remedy)
    # A bundle of release 0.1.0 says nothing of what a response without a statement means: nothing is taken away by a guess.
    outcome = QueryOutcome.STATED if message.placed else reading.outcome or QueryOutcome.CANNOT_SAY
    as_of = header.picture.as_of
    queries.close(connection, asked.id, outcome, header.id, received, as_of=as_of)
    said: dict[str, object] = {"asked": asked.tin, "outcome": outcome.value, "as_of": as_of, "query": header.refers_to}
    journal.append(connection, "query", header.id, said, at=received, partner=header.sender)
    if outcome is QueryOutcome.CANNOT_SAY:
        log.warning("%s cannot say whether %s is an AEO; its standing stays as it was", header.sender, asked.tin)
    known = outcome is QueryOutcome.NOT_AN_AEO and statements.statements_of(connection, header.sender, {asked.tin}).get(asked.tin)
    return (delisted(asked.tin, as_of, header.id, message.proven.digest, received),) if known else ()


def _open_query(connection: Connection, live: ActivePartner, header: Header, received: datetime) -> Query:
    about = header.refers_to or ""
    asked = queries.find(connection, header.sender, about) or _of_before(connection, live, header.sender, about)
    if asked is None:
        problem = f"This gateway sent {header.sender} no query {about or '(none named)'}."
    elif asked.closed is not None:
        problem = f"Query {about} was answered before, by message {asked.answered_by}."
    elif asked.expires <= received:
        problem = f"Query {about} could be answered until {asked.expires.isoformat(timespec='seconds')}."
    else:
        return asked
    remedy = "Answer an open query, once; tell news by an update or a notice."
    raise Refusal(Code.REFERENCE_UNKNOWN, problem, field="RefersTo", value=about, remedy=remedy)


def _of_before(connection: Connection, live: ActivePartner, iso: str, message_id: str) -> Query | None:
    """A query that release 0.1.0 sent, which noted nothing of it beside the message itself."""
    ours = sent.find(connection, iso, message_id)
    if ours is None:
        return None
    header, payload = sent.content(connection, ours.id)
    spoken = live.bundle.dialects.get((header.dialect or "", header.version or ""))
    if header.kind is not Kind.QUERY or spoken is None:
        return None
    tin = spoken.read(Kind.QUERY, parse(payload.encode())).query.get("tin", "")
    queries.asked(connection, iso, tin, message_id, at=header.created, accept_for=live.arrangement.binding.accept_for)
    return queries.find(connection, iso, message_id)
