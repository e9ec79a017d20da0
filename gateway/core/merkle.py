"""The journal's tree: RFC 9162, section 2.1, with SHA-256.

Hashes are 32 raw bytes. A leaf's hash covers its content; everything else works on leaf hashes, so content may be pruned and
the tree still grows and proves. Nothing here says who vouches for a root: that is the signed checkpoint's part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Self

import msgspec

#: The root of the tree over leaves ``begin`` (included) to ``end`` (excluded), for ``begin < end``. A store may keep the roots of
#: full aligned subtrees, which never change again; ``over`` is the plain one.
RangeRoot = Callable[[int, int], bytes]

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(content: bytes) -> bytes:
    """The prefix keeps a leaf from posing as a node (second preimage)."""
    return sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier(msgspec.Struct, frozen=True):
    """All a growing tree needs to remember: its size, and the roots of its full subtrees from the largest to the smallest.

    Adding k leaves to n costs O(k + log n) and looks at no earlier leaf.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after these leaf hashes, in this order."""
        size, peaks = self.size, list(self.peaks)
        for peak in leaves:
            full = size
            while full & 1:
                peak = node_hash(peaks.pop(), peak)
                full >>= 1
            peaks.append(peak)
            size += 1
        return Frontier(size, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The Merkle tree hash of all leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        *larger, root = self.peaks
        for peak in reversed(larger):
            root = node_hash(peak, root)
        return root

    def pack(self) -> bytes:
        """The size as 8 bytes, big-endian, then the peaks."""
        return self.size.to_bytes(8, "big") + b"".join(self.peaks)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The inverse of ``pack``; ValueError where the length does not fit the size."""
        size = int.from_bytes(packed[:8], "big")
        if len(packed) != 8 + 32 * size.bit_count():
            raise ValueError("a packed frontier holds its size and one hash for each bit set in it")
        return cls(size, tuple(packed[at : at + 32] for at in range(8, len(packed), 32)))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash of these leaf hashes."""
    return Frontier().extend(leaves).root


def over(leaves: Sequence[bytes]) -> RangeRoot:
    """Range roots computed from leaf hashes in memory; a proof from them hashes each leaf once."""
    return lambda begin, end: root_of(leaves[begin:end])


def inclusion_proof(index: int, size: int, root: RangeRoot) -> list[bytes]:
    """The path from leaf ``index`` (from 0) to the root of the tree of ``size`` leaves (2.1.3.1), leaf end first."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    begin, end, path = 0, size, []
    while end - begin > 1:
        split = _split(begin, end)
        if index < split:
            path.append(root(split, end))
            end = split
        else:
            path.append(root(begin, split))
            begin = split
    return path[::-1]


def consistency_proof(first: int, size: int, root: RangeRoot) -> list[bytes]:
    """That the tree of ``size`` leaves begins with the tree of ``first`` leaves (2.1.4.1). Empty where nothing needs proof."""
    if not 0 <= first <= size:
        raise ValueError(f"a tree of {size} does not begin with one of {first}")
    if first in (0, size):
        return []
    begin, end, path = 0, size, []
    while first != end:
        split = _split(begin, end)
        if first <= split:
            path.append(root(split, end))
            end = split
        else:
            path.append(root(begin, split))
            begin = split
    if begin:
        path.append(root(begin, end))
    return path[::-1]


def includes(root: bytes, size: int, leaf: bytes, index: int, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that ``leaf`` (a leaf hash) stands at ``index`` in the tree with this root and size (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(step, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, step)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def extends(first_root: bytes, first: int, root: bytes, size: int, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree (root, size) begins with the tree (first_root, first) (2.1.4.2)."""
    if first == 0:
        return size >= 0 and not proof and first_root == EMPTY_ROOT
    if first == size:
        return not proof and first_root == root
    if not 0 < first < size or not proof:
        return False
    # A tree of a power of two is itself the first node of the path and is not repeated in it.
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    node, last = first - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, step)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == root


def _split(begin: int, end: int) -> int:
    """Where the left subtree ends: the largest power of two smaller than the number of leaves."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)
