"""A partner that cannot be called comes for its messages: the answer to a ``pull`` is the next queued message, signed, and the
receipt for that comes as a message of the partner's own. With nothing queued the answer is the receipt for the pull.

Until its receipt came the same message is given again, with the same bytes, whoever of our nodes is asked.
"""

from __future__ import annotations

import logging
from functools import partial

from gateway.core.model import Header
from gateway.exchange.deliver.prepare import prepare
from gateway.node.node import Node
from gateway.store import messages, outbox, sent

log = logging.getLogger(__name__)


async def give(node: Node, pull: Header, *, fresh: bool) -> bytes | None:
    """The bytes that answer a recorded pull; None for none. A repeated pull (not ``fresh``) gets what it got, as long as that is open:
    whoever replays a captured one learns nothing new."""
    if not fresh:
        with node.database.reading() as connection:
            given = messages.answered_with(connection, pull.sender, pull.id)
            before = sent.find(connection, pull.sender, given) if given else None
        return before.body if before and before.state in outbox.OPEN else None
    live = node.partners.get(pull.sender)
    leased = await prepare(node, live, again=live.arrangement.binding.endpoint is None)
    if leased is None:
        return None
    await node.write(partial(messages.answer_with, partner=pull.sender, message_id=pull.id, given=leased.header.id))
    header = leased.header
    log.info(
        "given", extra={"partner": pull.sender, "id": header.id, "kind": header.kind.value, "outcome": "waits for its receipt"}
    )
    return leased.body
