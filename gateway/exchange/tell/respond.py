"""The answer to a partner's query about one of our codes (domestic/RULES.md, What a query learns).

    1  whether anything can be said under the arrangement at all, before any enterprise is looked up: otherwise ``cannot-say``, alike for
       every code, whoever has it
    2  how often this partner has asked today: a limit, and a word to a person where it seems to try codes out
    3  what its next complete list would say of the enterprise; everything that it may not learn is one and the same answer, of every
       enterprise that there is or is not

Never the tier, and nothing that a list would not have told.
"""

from __future__ import annotations

import logging
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.home import own_code
from gateway.core.model import Kind, Picture
from gateway.domestic.projection import code_prefix, in_list, project
from gateway.exchange.tell import compose
from gateway.exchange.tell.told import last_told, proven_to_know
from gateway.node import context
from gateway.node.context import Context, new_id
from gateway.store import disclosures, enterprises, journal, queries
from gateway.store.active import ActivePartner
from gateway.store.enterprises import unpack

log = logging.getLogger(__name__)

#: Queries of one partner a day, and how many of them may have no answer before a person is told (choice).
MOST, SUSPICIOUS = 5_000, 50


def respond(connection: Connection, node: Context, live: ActivePartner, code: str, refers_to: str, at: datetime) -> None:
    """Queues the answer: valid, suspended, or that no status is communicated. Raises ``Refusal``: CANNOT_SAY, TOO_MANY_REQUESTS."""
    iso, day = live.arrangement.iso, context.day_of(at)
    if not sayable(live, at):  # 1
        raise Refusal(Code.CANNOT_SAY)
    asked, unanswered = queries.load(connection, iso, at)  # 2
    if asked >= MOST:
        raise Refusal(Code.TOO_MANY_REQUESTS, f"More than {MOST} queries came today.", remedy="A complete list says it of all.")
    number = own_code(code)  # 3
    found = enterprises.by_customs_code(connection, number) if number else None
    last, _ = last_told(disclosures.tellings(connection, iso, [found[0]] if found else []))
    before = last[found[0]].statement if found and found[0] in last else None
    statement = in_list(before, project(unpack(found[1]), live.arrangement, day)) if found else None
    message_id, picture = new_id(), Picture(as_of=at)
    said = [msgspec.structs.replace(statement, tin=code)] if statement else []  # in whichever form it asked
    payload = compose.document(node, live, Kind.RESPONSE, said, message_id, at, picture=picture, query={"tin": code})
    row = compose.enqueue(
        connection, node, live, Kind.RESPONSE, payload, message_id, at, picture=picture, refers_to=refers_to, codes=[code]
    )
    if found and statement and not proven_to_know(last.get(found[0]), statement):
        disclosures.tell(connection, iso, [(found[0], statement)], row, at)
    queries.count(connection, iso, at, answered=statement is not None)
    if statement is None and unanswered + 1 == SUSPICIOUS:
        body: dict[str, object] = {"asked": asked + 1, "unanswered": SUSPICIOUS, "day": day}
        journal.append(connection, "enumeration", iso, body, at=at, partner=iso)
        log.warning("%s asked about %d codes today of which nothing can be told: it may be trying codes out", iso, SUSPICIOUS)


def sayable(live: ActivePartner, at: datetime) -> bool:
    """Whether anything at all can be said of our operators: the arrangement in force, the form of our codes known, and what may be shared
    stated. Reasons of the whole arrangement only: that it cannot be said must not tell one enterprise from another."""
    day, arrangement = context.day_of(at), live.arrangement
    return (
        arrangement.in_force.on(day).value is True
        and code_prefix(arrangement, day) is not None
        and arrangement.shared.on(day).value is not None
    )
