"""One node of the gateway: what every story needs at hand. ``app.py`` builds it; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from gateway.core.model import Environment
from gateway.core.protocol import Checkpoint
from gateway.net import Lines
from gateway.node.committed import Committed
from gateway.node.connecting import ClientKeys
from gateway.node.signing import Signing
from gateway.settings import Settings
from gateway.store.active import ActivePartners
from gateway.store.database import Database, Writer, database_clock
from gateway.store.messages import Kept
from gateway.trust.certificates import TrustStore
from gateway.trust.revocation import Revocation
from gateway.wire.signature import Signer

T = TypeVar("T")


class LargeMessages(Protocol):
    """Checks and records what is too large for the event loop (``exchange/receive/worker.py``)."""

    def warm(self) -> object:
        """Has it start, if it has not."""
        ...

    async def work(self, node: Node, kept: Kept) -> Any:
        """Steps 1 to 7 of receiving for one message that is kept; how it ended. Raises what broke, which is then no verdict."""
        ...

    def close(self) -> None: ...


def _nothing(_: str) -> None:
    """What a step does outside the tests that stop a process at it."""


@dataclass(slots=True)
class Node:
    """``clock`` gives aware UTC, ``database_clock`` that of the database, which all its nodes have in common.

    ``committed`` is how this node sees what was committed. ``fault_point`` is called with the name of each step of receiving, of
    delivery and of sealing when it is done: tests stop a process there. ``large`` judges what is too large for the event loop; without it a thread does. ``revocation`` is what
    ``trust`` knows of revocations, where that is kept fresh. ``lines`` are the connections to partners that are kept, ``client_keys`` what
    we present on them.
    """

    settings: Settings
    database: Database
    writer: Writer
    partners: ActivePartners
    trust: TrustStore
    signing: Signing
    clock: Callable[[], datetime]
    checkpoint: Checkpoint | None = None
    database_clock: Callable[[Connection], datetime] = database_clock
    fault_point: Callable[[str], None] = _nothing
    large: LargeMessages | None = None
    revocation: Revocation | None = None
    lines: Lines = field(default_factory=Lines)
    client_keys: ClientKeys = field(init=False)
    committed: Committed = field(init=False)
    environment: Environment = field(init=False)

    @property
    def signer(self) -> Signer:
        return self.signing.now()[0]

    @property
    def fingerprint(self) -> str:
        return self.signing.now()[1]

    def __post_init__(self) -> None:
        self.client_keys = ClientKeys(self.settings, self.clock)
        self.committed = Committed(self.database)
        self.environment = Environment.PRODUCTION if self.settings.mode == "production" else Environment.TEST

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Has the writer run ``job``; when this returns, what it did is durable."""
        return await self.writer.awaited(job)
