"""Whether the journal is what was sealed: every entry read again, the tree grown again, every checkpoint held against it.

Named is the first batch (the entries between two checkpoints) that does not fit, and the entry where its kept hash still tells.
What was cut off together with its checkpoints shows only against a witness: a checkpoint that left the house, in a receipt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from cryptography import x509
from lxml import etree
from sqlalchemy import Connection, Row, func, select

from gateway.core.merkle import Frontier, leaf_hash
from gateway.store import journal
from gateway.store.journal import Sealed
from gateway.store.tables import checkpoint, entry, message
from gateway.wire.algorithms import BY_NAME, PublicKey
from gateway.wire.envelope import NAMESPACE, Checkpoint, read_moment

#: How many of our latest receipts are asked what journal they bear witness to.
RECEIPTS = 200


class Fault(msgspec.Struct, frozen=True):
    """The first batch that does not fit: its entries by position, both included; ``entry`` is the one at fault where that can be told."""

    what: Literal["changed", "cut", "added", "checkpoint"]
    first: int
    last: int
    detail: str
    entry: int | None = None


class Audited(msgspec.Struct, frozen=True):
    """What was read: entries in sealed batches, checkpoints, witnesses that agree, entries not sealed yet; and what is wrong."""

    entries: int
    checkpoints: int
    witnesses: int
    unsealed: int
    fault: Fault | None = None


def verify(
    connection: Connection, certificates: Mapping[str, bytes], administration: str, witnesses: Iterable[Checkpoint] = ()
) -> Audited:
    """Reads the whole journal. ``certificates`` are ours (DER) by fingerprint; ``witnesses`` are checkpoints from elsewhere, beside those
    in our own stored receipts."""
    told = {(one.size, one.root) for one in (*witnesses, *_given(connection))}
    tree, known, agreed = Frontier(), 0, 0
    fault: Fault | None = None
    for row in connection.execute(select(checkpoint).order_by(checkpoint.c.size)):
        sealed = msgspec.msgpack.decode(row.signed, type=Sealed)
        found = _batch(connection, tree, row.size)
        if isinstance(found, Fault):
            fault = found
        else:
            grown, changed = found
            fault = _fault(row, sealed, tree, grown, changed, certificates, administration)
            contradicted = [root for size, root in told if size == row.size and root != grown.root.hex()]
            if fault is None and contradicted:
                detail = f"A receipt bears witness to the root {contradicted[0]} here."
                fault = Fault("changed", tree.size, row.size - 1, detail)
        if fault is not None:
            break
        tree, known = grown, known + 1
        agreed += sum(size == row.size for size, _ in told)
    return Audited(tree.size, known, agreed, _unsealed(connection), fault or _after(connection, tree, told))


def _batch(connection: Connection, tree: Frontier, size: int) -> tuple[Frontier, int | None] | Fault:
    """The tree grown by the entries of one batch, and the first of them whose kept hash is of something else."""
    grown, changed = tree, None
    while grown.size < size:
        here = entry.c.position.between(grown.size, min(size, grown.size + journal.PAGE) - 1)
        rows = connection.execute(select(entry.c.position, entry.c.body, entry.c.leaf).where(here).order_by(entry.c.position)).all()
        leaves: list[bytes] = []
        for row in rows:
            expected = grown.size + len(leaves)
            if row.position != expected:
                return Fault("cut", tree.size, size - 1, f"The entry at position {expected} is missing.", expected)
            leaves.append(leaf_hash(row.body))
            if changed is None and row.leaf != leaves[-1]:
                changed = row.position
        if not leaves:
            return Fault("cut", tree.size, size - 1, f"The entry at position {grown.size} is missing.", grown.size)
        grown = grown.extend(leaves)
    return grown, changed


def _fault(
    row: Row[Any],
    sealed: Sealed,
    tree: Frontier,
    grown: Frontier,
    changed: int | None,
    certificates: Mapping[str, bytes],
    administration: str,
) -> Fault | None:
    first, last = tree.size, row.size - 1
    if changed is not None:
        return Fault("changed", first, last, f"The entry at position {changed} is not what was sealed there.", changed)
    certificate = certificates.get(sealed.fingerprint)
    note = journal.note(administration, row.size, sealed.root, sealed.sealed)
    if certificate is None:
        return Fault("checkpoint", first, last, f"The checkpoint is signed by {sealed.fingerprint}, which is no key of ours.")
    if note != sealed.note or not signed_by(certificate, sealed.algorithm, sealed.signature, sealed.note):
        return Fault("checkpoint", first, last, "The signature of the checkpoint is not of what it says.")
    if sealed.root != grown.root.hex():
        return Fault("changed", first, last, f"The entries have the root {grown.root.hex()}; sealed was {sealed.root}.")
    if (row.root, row.frontier) != (sealed.root, grown.pack()):
        return Fault("checkpoint", first, last, "What is kept beside the checkpoint is not what was signed.")
    return None


def _after(connection: Connection, tree: Frontier, told: Iterable[tuple[int, str]]) -> Fault | None:
    """What stands after the last checkpoint, or no longer stands there."""
    beyond = connection.execute(
        select(func.min(entry.c.position), func.max(entry.c.position)).where(entry.c.position >= tree.size)
    ).one()
    if beyond[0] is not None:
        return Fault("added", beyond[0], beyond[1], "Entries have a position that no checkpoint covers.", beyond[0])
    longest = max((size for size, _ in told), default=0)
    if longest > tree.size:
        detail = f"A receipt bears witness to {longest} entries; there are {tree.size}."
        return Fault("cut", tree.size, longest - 1, detail, tree.size)
    return None


def _unsealed(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).where(entry.c.position.is_(None))).scalar_one())


def _given(connection: Connection) -> Iterator[Checkpoint]:
    """The checkpoints in our latest receipts."""
    latest = select(message.c.answer).where(func.length(message.c.answer) > 0).order_by(message.c.id.desc()).limit(RECEIPTS)
    for answer in connection.execute(latest).scalars():
        if found := checkpoint_in(answer):
            yield found


def checkpoint_in(receipt: bytes) -> Checkpoint | None:
    """The checkpoint that a receipt carries; None where it carries none. Its signature is not looked at."""
    point = etree.fromstring(receipt, etree.XMLParser(resolve_entities=False, no_network=True)).find(
        f".//{{{NAMESPACE}}}Checkpoint"
    )
    if point is None:
        return None
    return Checkpoint(int(point.get("size", "0")), point.get("root", ""), read_moment(point.get("sealed", "")))


def signed_by(certificate: bytes, algorithm: str, signature: bytes, data: bytes) -> bool:
    """Whether the certificate's key made this signature (raw, as a signer gives it)."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    row = BY_NAME.get(algorithm)
    return row is not None and isinstance(key, PublicKey) and row.fits(key) and row.made_by(key, signature, data)
