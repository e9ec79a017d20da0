"""What the routes serve from: one node, its index and its answers, who may ask, how much, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from gateway.clearance.answer import Answers
from gateway.clearance.index import Index
from gateway.clearance.templates import Templates
from gateway.clearance.wording import Language
from gateway.core.access import Scope
from gateway.node.node import Node
from gateway.operate.passwords import Passwords
from gateway.running.background import Background
from gateway.store.tokens import Caller, Callers
from gateway.web.http.body import Room
from gateway.web.http.limiter import Limiter
from gateway.web.http.metrics import Metrics
from gateway.web.http.turns import Turns
from gateway.web.http.waiting import Waiting

#: Bodies held at once: as many bytes as this many of the largest messages; who comes then is asked to come again. A node needs as much
#: again to hand them to the database.
AT_ONCE = 3
#: Requests about a past moment that are worked on at once; the next one waits, and nobody else does.
PAST = 2


@dataclass(slots=True)
class Service:
    """``app.py`` gives the first three. ``look`` is the latest at whether the database answers, ``document``
    what the routes are, once anybody asked."""

    node: Node
    answers: Answers
    index: Index
    callers: Callers = field(init=False)
    limiter: Limiter = field(init=False)
    metrics: Metrics = field(init=False)
    room: Room = field(init=False)
    language: Language = field(init=False)
    turns: Turns = field(init=False)
    waiting: Waiting = field(init=False, default_factory=Waiting)
    past: asyncio.Semaphore = field(init=False)
    passwords: Passwords = field(init=False, default_factory=Passwords)
    background: Background = field(init=False, default_factory=Background)
    alike: Templates = field(init=False)
    look: asyncio.Task[bool] | None = field(init=False, default=None)
    document: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        node = self.node
        self.callers = Callers(node.database, node.writer, node.clock)
        self.limiter = Limiter(node.settings.rate)
        self.metrics = Metrics()
        self.language = Language(node.settings.language)
        self.alike = Templates(self.answers, self.index)
        self.past = asyncio.Semaphore(PAST)
        self.room = Room(AT_ONCE * node.settings.body_limit)
        self.turns = Turns()

    def admit(self, authorization: str, scope: Scope) -> Awaitable[Caller]:
        """Who presents this Authorization header, if that carries ``scope``. Raises ``Refusal``: UNAUTHENTICATED, FORBIDDEN, BUSY."""
        bearer = authorization[:7].lower() == "bearer "
        return self.callers.check(authorization[7:].strip() if bearer else "", scope)

    def end(self) -> None:
        """The node is told to end: nobody waits any more, for the rest of a body or for news."""
        self.room.close()
        self.waiting.close()
