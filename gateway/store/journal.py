"""The journal: what happened, appended in the causing transaction, numbered and sealed afterwards in one order."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update

from gateway.core.merkle import Frontier, leaf_hash
from gateway.store import decisions
from gateway.store.prepared import Prepared
from gateway.store.tables import checkpoint, entry

_encode = msgspec.json.Encoder(order="sorted").encode


#: How many entries a reader takes at a time.
PAGE = 5_000

_APPEND = Prepared(insert(entry).returning(entry.c.id))
_NUMBER = update(entry).where(entry.c.id == bindparam("i")).values(position=bindparam("p"), leaf=bindparam("h"))


def append(
    connection: Connection, kind: str, subject: str, body: dict[str, object], *, at: datetime, partner: str | None = None
) -> int:
    """Adds one entry and returns its id. The body is canonical JSON: its bytes are the leaf, so they are never rewritten."""
    said = {"kind": kind, "at": at, "partner": partner, "subject": subject}
    ((appended,),) = _APPEND.rows(connection, body=_encode(body | said), **said)
    decisions.note(connection, int(appended), body | said)
    return int(appended)


class Sealed(msgspec.Struct, frozen=True):
    """A sealed state of the journal. ``note`` is the text that was signed, ``signature`` raw as the signer gives it."""

    size: int
    root: str
    sealed: datetime
    note: bytes
    signature: bytes
    fingerprint: str
    algorithm: str


def number(connection: Connection, most: int = PAGE) -> list[bytes]:
    """Gives the committed, unnumbered entries their positions, in the order of their ids; returns their leaf hashes.

    Only the holder of the sealer's lease may call this: two at once would give one position twice (and the unique key would object).
    """
    waiting = select(entry.c.id, entry.c.body).where(entry.c.position.is_(None)).order_by(entry.c.id).limit(most)
    rows = connection.execute(waiting).all()
    leaves = [(row.id, leaf_hash(row.body)) for row in rows]
    if not leaves:
        return []
    last = connection.execute(select(func.max(entry.c.position))).scalar_one()
    first = 0 if last is None else last + 1
    connection.execute(
        _NUMBER,
        [{"i": identity, "p": first + offset, "h": leaf} for offset, (identity, leaf) in enumerate(leaves)],
    )
    for row in rows:
        decisions.numbered(connection, row.id, row.body)
    return [leaf for _, leaf in leaves]


def frontier(connection: Connection) -> Frontier:
    """The tree as of the last checkpoint."""
    packed = connection.execute(select(checkpoint.c.frontier).order_by(checkpoint.c.size.desc()).limit(1)).scalar_one_or_none()
    return Frontier() if packed is None else Frontier.unpack(packed)


def note(administration: str, size: int, root: str, sealed: datetime) -> bytes:
    """The text of a checkpoint: what is signed, and what a partner's receipt repeats."""
    return f"aeo-gateway journal checkpoint\nadministration {administration}\nsize {size}\nroot {root}\nsealed {sealed.isoformat()}\n".encode()


def add_checkpoint(connection: Connection, tree: Frontier, sealed: Sealed) -> None:
    connection.execute(
        insert(checkpoint).values(
            size=sealed.size, root=sealed.root, sealed=sealed.sealed, frontier=tree.pack(), signed=msgspec.msgpack.encode(sealed)
        )
    )


def latest(connection: Connection) -> Sealed | None:
    """The latest checkpoint."""
    packed = connection.execute(select(checkpoint.c.signed).order_by(checkpoint.c.size.desc()).limit(1)).scalar_one_or_none()
    return None if packed is None else msgspec.msgpack.decode(packed, type=Sealed)


def waiting(connection: Connection, most: int = PAGE) -> list[tuple[int, str]]:
    """(entry id, kind) of committed entries that have no position yet."""
    rows = connection.execute(select(entry.c.id, entry.c.kind).where(entry.c.position.is_(None)).limit(most))
    return [(row.id, row.kind) for row in rows]


def since(connection: Connection, position: int, most: int = PAGE) -> list[tuple[int, int, str, str | None]]:
    """(position, entry id, kind, partner) of the numbered entries from ``position`` on: the one feed everybody follows."""
    rows = connection.execute(
        select(entry.c.position, entry.c.id, entry.c.kind, entry.c.partner)
        .where(entry.c.position >= position)
        .order_by(entry.c.position)
        .limit(most)
    )
    return [(row.position, row.id, row.kind, row.partner) for row in rows]
