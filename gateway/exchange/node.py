"""One node of the gateway: what every story needs at hand. ``app.py`` builds it; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from gateway.core.model import Environment
from gateway.settings import Settings
from gateway.store.database import Database, Writer
from gateway.store.live import Partners
from gateway.trust.certificates import TrustStore
from gateway.trust.keys import KeyRing
from gateway.wire.envelope import Checkpoint
from gateway.wire.signature import Signer


def new_id() -> str:
    """A message id: random, so that nobody can guess or reserve one."""
    return str(uuid4())


class Signing:
    """Our key as it is now: a rotation takes effect at its announced moment on every node, without a restart."""

    def __init__(self, ring: KeyRing, name: str, passphrase: str, clock: Callable[[], datetime], *, production: bool) -> None:
        self._ring, self._name, self._passphrase, self._clock, self._production = ring, name, passphrase, clock, production
        self._until = datetime.min.replace(tzinfo=UTC)
        self.now()

    def now(self) -> tuple[Signer, str]:
        """The signer and the fingerprint of its certificate. Raises ``Refusal`` naming what is missing."""
        moment = self._clock()
        if moment >= self._until:
            key = self._ring.current(self._name, moment, production=self._production)
            self._current = (key.signer(self._passphrase), key.fingerprint)
            self._until = moment + timedelta(seconds=1)
        return self._current


@dataclass(slots=True)
class Node:
    """``clock`` gives aware UTC. ``changed`` receives the packed timelines of operators that a committed message changed."""

    settings: Settings
    database: Database
    writer: Writer
    partners: Partners
    trust: TrustStore
    signing: Signing
    clock: Callable[[], datetime]
    changed: Callable[[Mapping[str, bytes]], None] = lambda _: None
    checkpoint: Checkpoint | None = None
    environment: Environment = field(init=False)

    @property
    def signer(self) -> Signer:
        return self.signing.now()[0]

    @property
    def fingerprint(self) -> str:
        return self.signing.now()[1]

    def __post_init__(self) -> None:
        self.environment = Environment.PRODUCTION if self.settings.mode == "production" else Environment.TEST
