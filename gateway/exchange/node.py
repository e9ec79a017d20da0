"""One node of the gateway: what every story needs at hand. ``app.py`` builds it; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from sqlalchemy import Connection

from gateway.core.errors import Refusal
from gateway.core.model import Environment
from gateway.settings import Settings
from gateway.store.database import Database, Writer, shared_clock
from gateway.store.live import Partners
from gateway.trust.certificates import TrustStore
from gateway.trust.keys import KeyRing
from gateway.trust.revocation import Revocation
from gateway.wire.envelope import Checkpoint
from gateway.wire.signature import Signer

if TYPE_CHECKING:
    from gateway.exchange.large import Large

T = TypeVar("T")


#: How long an opened key is used before its directory is looked at again.
_KEPT = timedelta(seconds=1)


def new_id() -> str:
    """A message id: random, so that nobody can guess or reserve one."""
    return str(uuid4())


class CannotSign(Exception):
    """Our key cannot be used now: a fault of ours, and never a verdict on what came."""


class Signing:
    """Our key as it is now: a rotation takes effect at its announced moment on every node, without a restart.

    Raises ``Refusal`` naming what is missing when it is made, and ``CannotSign`` from then on.
    """

    def __init__(self, ring: KeyRing, name: str, passphrase: str, clock: Callable[[], datetime], *, production: bool) -> None:
        self._ring, self._name, self._passphrase, self._clock, self._production = ring, name, passphrase, clock, production
        self._open(clock())

    def now(self) -> tuple[Signer, str, datetime]:
        """The signer, the fingerprint of its certificate and when that ends."""
        moment = self._clock()
        if not self._until - _KEPT <= moment < self._until:  # a clock may also jump back
            try:
                self._open(moment)
            except Refusal as refusal:
                raise CannotSign(f"{refusal.detail} {refusal.remedy}") from refusal
        return self._current

    def _open(self, moment: datetime) -> None:
        key = self._ring.current(self._name, moment, production=self._production)
        self._current = (key.signer(self._passphrase), key.fingerprint, key.x509.not_valid_after_utc)
        self._until = moment + _KEPT


def _nothing(_: str) -> None:
    """What a step does outside the tests that stop a process at it."""


@dataclass(slots=True)
class Node:
    """``clock`` gives aware UTC, ``shared`` the clock of the database, which all its nodes have in common.

    ``changed`` receives the packed timelines of operators that a committed message changed; ``ahead`` remembers which journal entry
    each of them is of, until the follower has come that far. ``step`` is called with the name of each step of receiving, of
    delivery and of sealing when it is done. ``large`` judges what is too large for the event loop; without it a thread does. ``revocation`` is what
    ``trust`` knows of revocations, where that is kept fresh.
    """

    settings: Settings
    database: Database
    writer: Writer
    partners: Partners
    trust: TrustStore
    signing: Signing
    clock: Callable[[], datetime]
    changed: Callable[[Mapping[str, bytes]], None] = lambda _: None
    checkpoint: Checkpoint | None = None
    shared: Callable[[Connection], datetime] = shared_clock
    step: Callable[[str], None] = _nothing
    ahead: dict[str, int] = field(default_factory=dict)
    large: Large | None = None
    revocation: Revocation | None = None
    environment: Environment = field(init=False)

    @property
    def signer(self) -> Signer:
        return self.signing.now()[0]

    @property
    def fingerprint(self) -> str:
        return self.signing.now()[1]

    def __post_init__(self) -> None:
        self.environment = Environment.PRODUCTION if self.settings.mode == "production" else Environment.TEST

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Has the writer run ``job``; when this returns, what it did is durable."""
        return await self.writer.awaited(job)
