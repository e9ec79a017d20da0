"""Our own rollover: every connected partner is told of the next certificate, under the current key, well before it takes over.

Where envelope 2 is agreed, the next key itself signs to whom it is announced: proof that we hold it, made before any lock is taken.

It may be accepted from the moment it was made, so nobody's clock matters: from then on a partner takes both keys, and the new one
signs from its own moment on. An announcement that no receipt came for is made again as long as the switch lies ahead; one that was
refused is left to a person, like every refused message, until the switch is brought forward.

A key that we connect with is announced likewise, to those whose binding names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.core.model import Kind
from gateway.core.protocol import Announced, Proof, possession
from gateway.node.context import Context, connected, new_id
from gateway.node.node import Node
from gateway.settings import Settings
from gateway.store import outbox
from gateway.store.active import ActivePartner
from gateway.store.tables import announcement
from gateway.store.tables import outbox as sent
from gateway.trust.certificates import Role
from gateway.trust.endings import Ending
from gateway.trust.keys import Key, KeyRing, State
from gateway.wire import payloads
from gateway.wire.algorithms import Signer

#: How often our keys are looked at.
EVERY = timedelta(seconds=30)


class AnnouncementState(msgspec.Struct, frozen=True):
    """How far the announcement of one certificate has come with one partner. ``state`` is the message's, ``delivered`` with a receipt."""

    partner: str
    state: str
    message_id: str
    finished: datetime | None


async def announce(node: Node) -> None:
    """Looks at our keys. Every node may: who comes second finds it done."""
    next_keys = await asyncio.to_thread(coming, node, node.clock())
    if next_keys:
        proofs = Proofs(node.settings)
        await asyncio.to_thread(_prepare, node, next_keys, proofs)
        await node.write(partial(look, node=node, keys=next_keys, at=node.clock(), proofs=proofs))


def names(node: Context) -> list[str]:
    """Of our keys: the one that signs, and those that we connect with."""
    bindings = (live.arrangement.binding for live in node.partners.all().values())
    return sorted({node.settings.key, *(binding.client_key for binding in bindings if binding.client_key)})


def coming(node: Context, at: datetime) -> list[Key]:
    """Our keys that take over later."""
    ring = KeyRing(node.settings.keys)
    states = {identity: state for name in names(node) for identity, state in ring.states(name, at).items()}
    return [key for key in ring.all() if states.get(key.id) is State.NEXT]


def roles(settings: Settings, key: Key, live: ActivePartner) -> tuple[Role, ...]:
    """For what a partner has to accept this key of ours; for nothing where it is not connected."""
    names: tuple[tuple[Role, str | None], ...] = (("signing", settings.key), ("tls", live.arrangement.binding.client_key))
    return tuple(role for role, name in names if name == key.record.name) if connected(live) else ()


class Proofs:
    """Our next keys as they are announced to each partner, with their proofs, each made once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signers: dict[str, Signer] = {}
        self._made: dict[tuple[str, str, Role], Announced] = {}

    def of(self, key: Key, live: ActivePartner) -> list[Announced]:
        """For each of its uses. Raises ``Refusal`` where the key cannot be opened: what cannot sign takes over from nobody."""
        return [self._of(key, live, role) for role in roles(self._settings, key, live)]

    def _of(self, key: Key, live: ActivePartner, role: Role) -> Announced:
        plain = Announced(role, key.certificate, key.record.created)
        if live.arrangement.binding.envelope == 1:
            return plain
        receiver = live.arrangement.iso
        made = self._made.get((key.fingerprint, receiver, role))
        if made is None:
            if key.fingerprint not in self._signers:
                self._signers[key.fingerprint] = key.signer(self._settings.key_passphrase.get_secret_value())
            signer = self._signers[key.fingerprint]
            plain = msgspec.structs.replace(plain, since=plain.since.replace(microsecond=0))  # it is signed in whole seconds
            value = signer.sign(possession(self._settings.administration, receiver, plain))
            made = msgspec.structs.replace(plain, proof=Proof(signer.algorithm, value))
            self._made[key.fingerprint, receiver, role] = made
        return made


def _prepare(node: Node, keys: Iterable[Key], proofs: Proofs) -> None:
    """Has the proofs made that ``look`` will need."""
    with node.database.reading() as connection:
        rows = connection.execute(select(announcement.c.fingerprint, announcement.c.partner))
        told = {(row.fingerprint, row.partner) for row in rows}
    for key in keys:
        for iso, live in node.partners.all().items():
            with node.partners.problems.apart(iso, "announcement"):
                if (key.fingerprint, iso) not in told:
                    proofs.of(key, live)


def look(connection: Connection, node: Context, keys: Iterable[Key], at: datetime, proofs: Proofs | None = None) -> int:
    """Queues what connected partners have not been told of these next keys; returns how many messages that are."""
    queued, proofs = 0, proofs or Proofs(node.settings)
    for key in keys:
        expired = select(sent.c.message_id).where(sent.c.kind == Kind.KEYS.value, sent.c.state == "expired")
        ours = announcement.c.fingerprint == key.fingerprint
        connection.execute(delete(announcement).where(ours, announcement.c.message_id.in_(expired)))
        for iso, live in node.partners.all().items():
            with node.partners.problems.apart(iso, "announcement", connection):
                queued += _announce_to(connection, node, live, key, at, proofs)
    return queued


def _announce_to(connection: Connection, node: Context, live: ActivePartner, key: Key, at: datetime, proofs: Proofs) -> bool:
    """Queues the announcement of one key to one partner; False where it is none of its, or has been told."""
    iso, message_id = live.arrangement.iso, new_id()
    if not roles(node.settings, key, live) or not _claim(connection, iso, key.fingerprint, message_id):
        return False
    outbox.enqueue(
        connection,
        partner=iso,
        sender=node.settings.administration,
        environment=node.environment,
        message_id=message_id,
        kind=Kind.KEYS,
        payload=payloads.write_keys(proofs.of(key, live)),
        at=at,
        retry_for=live.arrangement.binding.retry_for,
        bundle=live.bundle.digest,
    )
    return True


def _claim(connection: Connection, iso: str, fingerprint: str, message_id: str) -> bool:
    insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    put = insert_for(announcement).values(partner=iso, fingerprint=fingerprint, message_id=message_id).on_conflict_do_nothing()
    return connection.execute(put.returning(announcement.c.message_id)).first() is not None


def states_of(connection: Connection, fingerprint: str) -> list[AnnouncementState]:
    """Who was told of one of our certificates, and whether the receipt came."""
    rows = connection.execute(
        select(announcement.c.partner, sent.c.state, sent.c.message_id, sent.c.finished)
        .join(sent, sent.c.message_id == announcement.c.message_id)
        .where(announcement.c.fingerprint == fingerprint)
        .order_by(announcement.c.partner)
    )
    return [AnnouncementState(row.partner, row.state, row.message_id, row.finished) for row in rows]


def again(connection: Connection, fingerprint: str) -> None:
    """Whoever has not acknowledged a certificate is told of it once more, whatever became of the first announcement."""
    ended = select(sent.c.message_id).where(sent.c.kind == Kind.KEYS.value, sent.c.state.in_(("expired", "dead")))
    connection.execute(delete(announcement).where(announcement.c.fingerprint == fingerprint, announcement.c.message_id.in_(ended)))


def take_back(connection: Connection, fingerprint: str, at: datetime) -> None:
    """Announcements of a certificate that will never be used stay at home, unless they are on their way."""
    ours = select(announcement.c.message_id).where(announcement.c.fingerprint == fingerprint)
    waiting = update(sent).where(sent.c.message_id.in_(ours), sent.c.state == "queued")
    connection.execute(waiting.values(state="superseded", finished=at))


def unheard(connection: Connection, node: Context, keys: Sequence[Key]) -> Iterator[Ending]:
    """What ends with the switch: that a partner understands us, unless it has acknowledged the next certificate by then."""
    for key in keys:
        told = {one.partner for one in states_of(connection, key.fingerprint) if one.state == "delivered"}
        for iso, live in node.partners.all().items():
            deaf = False
            with node.partners.problems.apart(iso, "announcement"):
                deaf = bool(roles(node.settings, key, live)) and iso not in told
            if deaf:
                name = f"{key.id} is not acknowledged by {iso}"
                yield Ending("our-key", key.record.name, name, key.record.created, key.record.signs_from)
