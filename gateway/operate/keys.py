"""Our own signing keys as an administrator keeps them: what each is, who heard of it, the next one made, brought forward or dropped.

What changes the key directory is noted in the journal with whoever decided it. Where nodes keep keys of their own, it is done on each.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.exchange.certificates import announce
from gateway.exchange.certificates.announce import AnnouncementState
from gateway.node.context import Context
from gateway.settings import Settings
from gateway.store import journal, proposals
from gateway.store.proposals import Matter, Proposal
from gateway.trust import rollover
from gateway.trust.keys import Key, KeyRing, State
from gateway.trust.pkcs11 import Token

#: A hundred years: later no certificate can say when it ends.
MAX_DAYS = 36_500


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """One of our keys, without its secret. ``state``: next, current, retired or dropped; ``fingerprint`` is of its certificate."""

    id: str
    purpose: str
    algorithm: str
    created: datetime
    signs_from: datetime
    not_after: datetime
    fingerprint: str
    subject: str
    held_by: str
    state: str


class Hastened(msgspec.Struct, frozen=True, kw_only=True):
    """The key that takes over sooner, and the connected partners that have not acknowledged it: from then on they do not understand us until
    they pin it by hand."""

    key: KeyShown
    deaf: list[str]


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """The key that never signs, and who heard of it: they accept it until they remove it."""

    key: KeyShown
    announced: list[AnnouncementState]


def every(settings: Settings, at: datetime) -> list[KeyShown]:
    """Every key, and what it is at a moment."""
    ring = KeyRing(settings.keys)
    keys = ring.all()
    states = {identity: state for name in {key.record.name for key in keys} for identity, state in ring.states(name, at).items()}
    return [_shown(key, states[key.id]) for key in keys]


def find(settings: Settings, identity: str, at: datetime) -> Key:
    """By its id; where it is none, by its name the one that signs now. Raises ``Refusal`` NOT_FOUND."""
    ring = KeyRing(settings.keys)
    by_id = {key.id: key for key in ring.all()}
    if identity in by_id:
        return by_id[identity]
    for one, state in ring.states(identity, at).items():
        if state is State.CURRENT:
            return by_id[one]
    raise Refusal(Code.NOT_FOUND, f"There is no key {identity}.", remedy="aeo-gateway key list")


def shown(settings: Settings, key: Key, at: datetime) -> KeyShown:
    return _shown(key, KeyRing(settings.keys).states(key.record.name, at)[key.id])


def rotate(
    connection: Connection,
    settings: Settings,
    name: str,
    *,
    switch: int,
    days: int,
    who: Actor,
    at: datetime,
    token: Token | None = None,
) -> KeyShown | Proposal:
    """Makes the next key; it signs ``switch`` days from now on, and its certificate is valid for ``days``. A serving gateway announces it within a
    minute. Where that takes two people, the first one's word proposes it. Raises ``Refusal``
    DATA_INVALID."""
    if (waits := _waits(connection, settings, who, at, f"key rotate {name} --switch {switch} --days {days}")) is not None:
        return waits
    secret, signs_from = settings.key_passphrase.get_secret_value(), at + timedelta(days=switch)
    key = KeyRing(settings.keys).rotate(name, secret, days, signs_from=signs_from, now=at, token=token)
    _note(connection, "key-rotate", key, who, at)
    return _shown(key, State.NEXT)


def hasten(
    connection: Connection, node: Context, name: str, *, signs_from: datetime | None, who: Actor, at: datetime
) -> Hastened | Proposal:
    """Brings the announced switch forward, because the key that signs now was stolen; whoever has not acknowledged the next certificate is
    told of it again. Where that takes two people, the first one's word proposes it. Raises ``Refusal``
    DATA_INVALID."""
    settings = node.settings
    if (
        waits := _waits(
            connection, settings, who, at, f"key hasten {name}" + (f" --at {signs_from.isoformat()}" if signs_from else "")
        )
    ) is not None:
        return waits
    ring, secret = KeyRing(settings.keys), settings.key_passphrase.get_secret_value()
    key = rollover.bring_forward(ring, name, secret, signs_from=signs_from or at, now=at)
    _note(connection, "key-hasten", key, who, at)
    announce.again(connection, key.fingerprint)
    understood = {one.partner for one in announce.states_of(connection, key.fingerprint) if one.state == "delivered"}
    deaf = sorted(iso for iso, live in node.partners.all().items() if announce.roles(settings, key, live) and iso not in understood)
    return Hastened(key=shown(settings, key, at), deaf=deaf)


def drop(connection: Connection, settings: Settings, name: str, *, who: Actor, at: datetime) -> Dropped | Proposal:
    """Drops the next key before it takes over, because it was stolen. Where that takes two people, the first one's word proposes it. Raises ``Refusal``
    DATA_INVALID."""
    if (waits := _waits(connection, settings, who, at, f"key drop {name}")) is not None:
        return waits
    key = rollover.drop(KeyRing(settings.keys), name, now=at)
    _note(connection, "key-drop", key, who, at)
    announce.take_back(connection, key.fingerprint, at)
    told = [one for one in announce.states_of(connection, key.fingerprint) if one.state != "superseded"]
    return Dropped(key=shown(settings, key, at), announced=told)


def _waits(connection: Connection, settings: Settings, who: Actor, at: datetime, command: str) -> Proposal | None:
    """The proposal that waits for a second person to ask for the very same, where that takes two and nobody else did yet."""
    matter = Matter(Decision.KEYS, proposals.digest(command))
    decided = proposals.propose_or_agree(connection, matter, two_people=settings.two_people, who=who, reason=command, at=at)
    return decided if isinstance(decided, Proposal) else None


def _note(connection: Connection, decision: str, key: Key, who: Actor, at: datetime) -> None:
    said: dict[str, object] = {
        "decision": decision,
        "who": who.name,
        "by": who.noted,
        "certificate": key.fingerprint,
        "signs_from": key.record.signs_from,
    }
    journal.append(connection, "decision", key.id, said, at=at)


def _shown(key: Key, state: State) -> KeyShown:
    return KeyShown(
        id=key.id,
        purpose=str(key.record.purpose),
        algorithm=key.record.algorithm,
        created=key.record.created,
        signs_from=key.record.signs_from,
        not_after=key.ends,
        fingerprint=key.fingerprint,
        subject=key.x509.subject.rfc4514_string(),
        held_by="token" if key.record.token else "file",
        state=str(state),
    )
