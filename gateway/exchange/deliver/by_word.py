"""At a person's word many messages that ended are sent again at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from gateway.core.access import Actor
from gateway.core.text import a_reason
from gateway.exchange.deliver import resend
from gateway.node.context import Context
from gateway.store import sent
from gateway.store.outbox import FAILED


class Resent(msgspec.Struct, frozen=True, kw_only=True):
    """``queued`` are the messages that are queued again, or what stands for them now; ``left`` those that are unknown or have not ended.
    ``more``: others that failed were not looked at yet."""

    queued: list[str]
    left: list[str]
    more: bool = False


def send_again(
    connection: Connection,
    node: Context,
    message_ids: Sequence[str],
    *,
    failed: bool,
    partner: str | None,
    who: Actor,
    reason: str,
    at: datetime,
    most: int | None = None,
) -> Resent:
    """Has the messages named sent again, and with ``failed`` those that were given up or expired, to one partner or to all, the oldest first and
    at most so many. Raises ``Refusal`` DATA_INVALID without a reason."""
    a_reason(reason)
    found = sent.ids_in(connection, FAILED, partner) if failed else []
    chosen = [*message_ids, *found[:most]]
    done = resend.by_hand(connection, node, chosen, who=who, reason=reason, at=at) if chosen else []
    known = set(done)
    return Resent(queued=done, left=[one for one in chosen if one not in known], more=most is not None and len(found) > most)
