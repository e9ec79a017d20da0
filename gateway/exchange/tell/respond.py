"""The answer to a partner's query about one of our codes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from gateway.core.model import Kind, Picture, Statement
from gateway.domestic.projection import (
    customs_code_asked,
    project,
)
from gateway.exchange.tell import compose
from gateway.exchange.tell.told import last_told, proven_to_know
from gateway.node import context
from gateway.node.context import Context, new_id
from gateway.store import disclosures, enterprises
from gateway.store.active import ActivePartner
from gateway.store.enterprises import unpack


def respond(connection: Connection, node: Context, live: ActivePartner, code: str, refers_to: str, at: datetime) -> None:
    """Queues the answer to a partner's query about one Chinese code: valid, suspended, or not an AEO. Never the tier."""
    day = context.day_of(at)
    asked = customs_code_asked(code, live.arrangement, day)
    found = enterprises.by_customs_code(connection, asked) if asked else None
    now = project(unpack(found[1]), live.arrangement, day) if found else None
    pairs = [(found[0], now)] if found and isinstance(now, Statement) else []
    message_id, picture = new_id(), Picture(as_of=at)
    statements = [statement for _, statement in pairs]
    payload = compose.document(node, live, Kind.RESPONSE, statements, message_id, at, picture=picture, query={"tin": code})
    row = compose.enqueue(connection, node, live, Kind.RESPONSE, payload, message_id, at, picture=picture, refers_to=refers_to)
    last, _ = last_told(disclosures.tellings(connection, live.arrangement.iso, [uscc for uscc, _ in pairs]))
    disclosures.tell(
        connection, live.arrangement.iso, [(uscc, one) for uscc, one in pairs if not proven_to_know(last.get(uscc), one)], row, at
    )
