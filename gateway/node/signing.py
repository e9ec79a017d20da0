"""Our key as it is now: a rotation takes effect at its announced moment, and a key that cannot be used is a fault of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway.core.errors import Refusal
from gateway.trust.keys import KeyRing
from gateway.wire.signature import Signer

if TYPE_CHECKING:
    pass


#: How long an opened key is used before its directory is looked at again.
_KEPT = timedelta(seconds=1)


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
        self._current = (key.signer(self._passphrase), key.fingerprint, key.ends)
        self._until = moment + _KEPT
