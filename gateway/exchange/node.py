"""One node of the gateway: what every story needs at hand. ``app.py`` builds it; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from gateway.core.model import Environment
from gateway.settings import Settings
from gateway.store.database import Database, Writer
from gateway.store.live import Partners
from gateway.trust.certificates import TrustStore
from gateway.wire.envelope import Checkpoint
from gateway.wire.signature import Signer


def new_id() -> str:
    """A message id: random, so that nobody can guess or reserve one."""
    return str(uuid4())


@dataclass(slots=True)
class Node:
    """``clock`` gives aware UTC. ``changed`` receives the packed timelines of operators that a committed message changed."""

    settings: Settings
    database: Database
    writer: Writer
    partners: Partners
    trust: TrustStore
    signer: Signer
    clock: Callable[[], datetime]
    changed: Callable[[Mapping[str, bytes]], None] = lambda timelines: None
    checkpoint: Checkpoint | None = None
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.environment = Environment.PRODUCTION if self.settings.mode == "production" else Environment.TEST
