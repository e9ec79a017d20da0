"""Whether the journal is what was sealed: every entry read again, the tree grown again, every checkpoint held against it.

Named is the first batch (the entries between two checkpoints) that does not fit, and the entry where its kept hash still tells.
What was cut off together with its checkpoints shows only against a witness: a checkpoint that went out, in a receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from lxml import etree
from sqlalchemy import BigInteger, Connection, LargeBinary, Row, cast, func, or_, select, type_coerce

from gateway.core.errors import Code, Refusal
from gateway.core.merkle import Frontier, leaf_hash
from gateway.core.moments import read_moment
from gateway.core.protocol import Checkpoint
from gateway.store import journal
from gateway.store.journal import Sealed
from gateway.store.tables import checkpoint, entry, message, microseconds
from gateway.wire.algorithms import BY_NAME, PublicKey
from gateway.wire.certificate import from_der, public_key
from gateway.wire.payloads import NAMESPACES

# As bytes whatever they are: SQLite keeps the type of what was written, and its text functions make text of bytes.
_ENTRIES = select(
    entry.c.position,
    entry.c.kind,
    entry.c.partner,
    entry.c.subject,
    type_coerce(entry.c.at, BigInteger).label("at"),
    cast(entry.c.body, LargeBinary).label("body"),
    cast(entry.c.leaf, LargeBinary).label("leaf"),
)
_CHECKPOINTS = select(
    checkpoint.c.size,
    checkpoint.c.root,
    type_coerce(checkpoint.c.sealed, BigInteger).label("sealed"),
    cast(checkpoint.c.frontier, LargeBinary).label("frontier"),
    cast(checkpoint.c.signed, LargeBinary).label("signed"),
).order_by(checkpoint.c.size)
_sealed = msgspec.msgpack.Decoder(Sealed).decode

#: How many of our latest receipts are asked what journal they bear witness to.
RECEIPTS = 200


class JournalFault(msgspec.Struct, frozen=True):
    """The first batch that does not fit: its entries by position, both included; ``entry`` is the one at fault where that can be told."""

    what: Literal["changed", "cut", "added", "checkpoint"]
    first: int
    last: int
    detail: str
    entry: int | None = None


class _Said(msgspec.Struct):
    """What an entry says of itself, and its columns say again."""

    kind: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    subject: str
    partner: str | None = None


_said = msgspec.json.Decoder(_Said).decode


class Audited(msgspec.Struct, frozen=True):
    """What was read: entries in sealed batches, checkpoints, witnesses that agree, entries not sealed yet; and what is wrong."""

    entries: int
    checkpoints: int
    witnesses: int
    unsealed: int
    fault: JournalFault | None = None


def verify(
    connection: Connection,
    certificates: Mapping[str, bytes],
    administration: str,
    witnesses: Iterable[Checkpoint] = (),
    tell: Callable[[int], None] = lambda _: None,
) -> Audited:
    """Reads the whole journal. ``certificates`` are ours (DER) by fingerprint; ``witnesses`` are checkpoints from elsewhere, beside those
    in our own stored receipts. ``tell`` hears after each batch how many entries fit so far."""
    told = {(one.size, one.root) for one in (*witnesses, *_given(connection))}
    tree, known, agreed = Frontier(), 0, 0
    fault: JournalFault | None = None
    for row in connection.execute(_CHECKPOINTS):
        read = _batch(connection, tree, row.size)
        if isinstance(read, JournalFault):
            fault = read
            break
        fault = _fault(row, tree, read, certificates, administration) or _against(told, row.size, tree, read.grown)
        if fault is not None:
            break
        tree, known = read.grown, known + 1
        tell(tree.size)
        agreed += sum(size == row.size for size, _ in told)
    return Audited(tree.size, known, agreed, _unsealed(connection), fault or _after(connection, tree, told))


class _Batch(NamedTuple):
    """The tree grown by the entries of one batch; the first of them whose kept hash is of something else; the first whose columns say
    something else than what was sealed."""

    grown: Frontier
    changed: int | None
    beside: int | None


def _batch(connection: Connection, tree: Frontier, size: int) -> _Batch | JournalFault:
    grown, changed, beside = tree, None, None
    while grown.size < size:
        here = entry.c.position.between(grown.size, min(size, grown.size + journal.PAGE) - 1)
        rows = connection.execute(_ENTRIES.where(here).order_by(entry.c.position)).all()
        leaves: list[bytes] = []
        for row in rows:
            expected = grown.size + len(leaves)
            if row.position != expected:
                return JournalFault("cut", tree.size, size - 1, f"The entry at position {expected} is missing.", expected)
            leaves.append(leaf_hash(row.body))
            if changed is None and row.leaf != leaves[-1]:
                changed = row.position
            if beside is None and not _as_sealed(row):
                beside = row.position
        if not leaves:
            return JournalFault("cut", tree.size, size - 1, f"The entry at position {grown.size} is missing.", grown.size)
        grown = grown.extend(leaves)
    return _Batch(grown, changed, beside)


def _as_sealed(row: Row[Any]) -> bool:
    """Whether an entry is found, shown and followed by what its sealed body says."""
    try:
        said = _said(row.body)
    except msgspec.DecodeError:
        return False
    # Once a proposal's kind was that of the message it proposed.
    kind = row.kind if row.kind == "proposal" else said.kind
    return (kind, said.partner, said.subject, microseconds(said.at)) == (row.kind, row.partner, row.subject, row.at)


def _fault(
    row: Row[Any], tree: Frontier, read: _Batch, certificates: Mapping[str, bytes], administration: str
) -> JournalFault | None:
    first, last, grown = tree.size, row.size - 1, read.grown
    if read.changed is not None:
        return JournalFault(
            "changed", first, last, f"The entry at position {read.changed} is not what was sealed there.", read.changed
        )
    try:
        sealed = _sealed(row.signed)
    except msgspec.DecodeError:
        return JournalFault("checkpoint", first, last, "The checkpoint cannot be read.")
    certificate = certificates.get(sealed.fingerprint)
    note = journal.note(administration, row.size, sealed.root, sealed.sealed)
    if certificate is None:
        return JournalFault(
            "checkpoint", first, last, f"The checkpoint is signed by {sealed.fingerprint}, which is no key of ours."
        )
    if note != sealed.note or not signed_by(certificate, sealed.algorithm, sealed.signature, sealed.note):
        return JournalFault("checkpoint", first, last, "The signature of the checkpoint is not of what it says.")
    if sealed.root != grown.root.hex():
        return JournalFault("changed", first, last, f"The entries have the root {grown.root.hex()}; sealed was {sealed.root}.")
    if (row.root, row.frontier, row.sealed) != (sealed.root, grown.pack(), microseconds(sealed.sealed)):
        return JournalFault("checkpoint", first, last, "What is kept beside the checkpoint is not what was signed.")
    if read.beside is not None:
        detail = f"The kind, partner, subject or moment beside the entry at position {read.beside} is not what the entry says."
        return JournalFault("changed", first, last, detail, read.beside)
    return None


def _against(told: Iterable[tuple[int, str]], size: int, tree: Frontier, grown: Frontier) -> JournalFault | None:
    """What witnesses say against a batch that fits by itself."""
    for witnessed, root in sorted(told):
        if witnessed == size and root != grown.root.hex():
            return JournalFault("changed", tree.size, size - 1, f"A receipt bears witness to the root {root} here.")
        if tree.size < witnessed < size:
            detail = f"A receipt carries the checkpoint of {witnessed} entries, which is no longer here."
            return JournalFault("checkpoint", tree.size, size - 1, detail)
    return None


def _after(connection: Connection, tree: Frontier, told: Iterable[tuple[int, str]]) -> JournalFault | None:
    """What stands after the last checkpoint, or no longer stands there."""
    beyond = connection.execute(
        select(func.min(entry.c.position), func.max(entry.c.position)).where(
            or_(entry.c.position >= tree.size, entry.c.position < 0)
        )
    ).one()
    if beyond[0] is not None:
        return JournalFault("added", beyond[0], beyond[1], "Entries have a position that no checkpoint covers.", beyond[0])
    longest = max((size for size, _ in told), default=0)
    if longest > tree.size:
        detail = f"A receipt bears witness to {longest} entries; there are {tree.size}."
        return JournalFault("cut", tree.size, longest - 1, detail, tree.size)
    return None


def _unsealed(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).where(entry.c.position.is_(None))).scalar_one())


def _given(connection: Connection) -> Iterator[Checkpoint]:
    """The checkpoints in our latest receipts."""
    latest = (
        select(cast(message.c.answer, LargeBinary))
        .where(func.length(message.c.answer) > 0)
        .order_by(message.c.id.desc())
        .limit(RECEIPTS)
    )
    for answer in connection.execute(latest).scalars():
        with suppress(Refusal):  # what is no receipt any more bears no witness
            if found := checkpoint_in(answer):
                yield found


def checkpoint_in(receipt: bytes) -> Checkpoint | None:
    """The checkpoint that a receipt carries; None where it carries none. Its signature is not looked at. Raises ``Refusal`` for what is
    no receipt."""
    try:
        root = etree.fromstring(receipt, etree.XMLParser(resolve_entities=False, no_network=True))
        found = (root.find(f".//{{{namespace}}}Checkpoint") for namespace in NAMESPACES.values())
        point = next((one for one in found if one is not None), None)
        if point is None:
            return None
        return Checkpoint(int(point.get("size", "0")), point.get("root", ""), read_moment(point.get("sealed", "")))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refusal(Code.XML_MALFORMED, f"This is no receipt: {error}.") from None


def signed_by(certificate: bytes, algorithm: str, signature: bytes, data: bytes) -> bool:
    """Whether the certificate's key made this signature (raw, as a signer gives it)."""
    key = public_key(from_der(certificate))
    row = BY_NAME.get(algorithm)
    return row is not None and isinstance(key, PublicKey) and row.fits(key) and row.made_by(key, signature, data)
