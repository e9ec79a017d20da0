"""What we connect with: a key of ours, made and rotated like the one that signs, whose certificate we present where a binding says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.core.errors import Code, Refusal
from gateway.net import Identity
from gateway.settings import Settings
from gateway.trust.keys import KeyRing, read_secret

#: How long what was found is used before the directory is looked at again.
_KEPT = timedelta(seconds=1)


def client_identity(settings: Settings, name: str, at: datetime) -> Identity:
    """Our key of this name as it is at a moment. Raises ``Refusal`` DATA_INVALID, naming what is missing."""
    key = KeyRing(settings.keys).current(name, at, production=settings.mode == "production")
    if key.record.token is not None:
        raise Refusal(
            Code.DATA_INVALID,
            f"{key.id} is held by a token, and connections are made with a key in a file.",
            remedy="Make another one without --token, and name it as client_key.",
        )
    read_secret(key.folder / "key.pem")
    return Identity(key.folder / "certificate.pem", key.folder / "key.pem", settings.key_passphrase.get_secret_value())


class ClientKeys:
    """The same for a node, as it is now: a rotation takes effect at its announced moment, without a restart."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        self._kept: dict[str, tuple[datetime, Identity]] = {}

    def identity(self, name: str) -> Identity:
        """Raises ``Refusal``."""
        moment = self._clock()
        kept = self._kept.get(name)
        if kept is None or not kept[0] <= moment < kept[0] + _KEPT:  # a clock may also jump back
            kept = self._kept[name] = (moment, client_identity(self._settings, name, moment))
        return kept[1]
