"""An announced rollover, changed when one of its two keys is stolen.

Where the key that signs now was stolen, the switch is brought forward: partners accept the next key from the moment it was made, so
nobody who acknowledged it has to do anything. Where the next one was stolen, it is dropped and never signs; its folder stays, as what
it was, and another is made by ``KeyRing.rotate``. Every fault is a ``Refusal`` DATA_INVALID.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from gateway.core.errors import Code, Refusal
from gateway.trust.keys import Key, KeyRing, State, open_key


def bring_forward(ring: KeyRing, name: str, passphrase: str, *, signs_from: datetime, now: datetime) -> Key:
    """Lets the next key sign from an earlier moment on, ``now`` at the soonest. It is opened first: what cannot sign takes over from nobody."""
    key = coming(ring, name, now)
    announced = key.record.signs_from
    if not now <= signs_from < announced:
        raise Refusal(
            Code.DATA_INVALID,
            f"The switch is brought forward: from now ({now.isoformat()}) on, and before {announced.isoformat()}, as announced.",
        )
    key.signer(passphrase)
    return _rewrite(key, signs_from=signs_from.astimezone(UTC))


def drop(ring: KeyRing, name: str, *, now: datetime) -> Key:
    """The next key never signs."""
    return _rewrite(coming(ring, name, now), dropped=now.astimezone(UTC))


def coming(ring: KeyRing, name: str, now: datetime) -> Key:
    """The key that is to take over."""
    states = ring.states(name, now)
    if not states:
        raise Refusal(Code.DATA_INVALID, f"There is no key named {name} in {ring.directory}.", remedy="aeo-gateway key list")
    for key in ring.all(name):
        if states[key.id] is State.NEXT:
            return key
    raise Refusal(Code.DATA_INVALID, f"No key is to take over from {name}.", remedy=f"aeo-gateway key rotate {name}")


def _rewrite(key: Key, **changes: datetime) -> Key:
    """Whole or not at all: a node may be reading it."""
    record = msgspec.structs.replace(key.record, **changes)
    written = key.folder / "key.json.new"
    try:
        written.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
        written.replace(key.folder / "key.json")
    except OSError as error:
        raise Refusal(Code.DATA_INVALID, f"{key.folder} cannot be written: {error.strerror}.") from error
    return open_key(key.folder)
