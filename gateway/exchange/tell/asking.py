"""A person asks a partner about one of its codes; what it answers is recorded like any statement of its own."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.exchange.tell import compose
from gateway.node.context import Context, connected


class AskedPartner(msgspec.Struct, frozen=True, kw_only=True):
    """Whom we asked, in which message."""

    message: str
    partner: str


def ask_about(connection: Connection, node: Context, code: str, at: datetime) -> AskedPartner:
    """Queues our query to the partner whose code this is. Raises ``Refusal``: NOT_FOUND, DATA_INVALID where it is not connected."""
    arrangement = node.partners.registry.arrangement_for(code)
    if arrangement is None:
        raise Refusal(Code.NOT_FOUND, f"No partner has codes like {code}.", field="code", remedy="aeo-gateway partner list")
    live = node.partners.get(arrangement.iso)
    if not connected(live):
        remedy = f"aeo-gateway partner check {arrangement.iso}"
        raise Refusal(
            Code.DATA_INVALID, f"{arrangement.iso} is not connected, so nothing can be asked.", field="code", remedy=remedy
        )
    return AskedPartner(message=compose.ask(connection, node, live, code, at), partner=arrangement.iso)
