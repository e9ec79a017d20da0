"""The tree against the vectors of Certificate Transparency, its definition, and every forgery that one changed byte can make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import merkle
from gateway.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    over,
)
from tests.rig.volume import times

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "merkle.json").read_text())
CONTENTS = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
LEAVES = [leaf_hash(content) for content in CONTENTS]

sizes = st.integers(1, 70)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize(("size", "root"), list(enumerate(VECTORS["roots"])))
def test_known_roots(size: int, root: str) -> None:
    assert merkle.root_of(LEAVES[:size]).hex() == root


@pytest.mark.parametrize("vector", VECTORS["inclusion"])
def test_known_inclusion_proofs(vector: dict[str, object]) -> None:
    index, size, proof = vector["index"], vector["size"], vector["proof"]
    assert isinstance(index, int)
    assert isinstance(size, int)
    made = inclusion_proof(index, size, over(LEAVES))
    assert [step.hex() for step in made] == proof
    assert includes(merkle.root_of(LEAVES[:size]), size, LEAVES[index], index, made)


@pytest.mark.parametrize("vector", VECTORS["consistency"])
def test_known_consistency_proofs(vector: dict[str, object]) -> None:
    first, size, proof = vector["first"], vector["size"], vector["proof"]
    assert isinstance(first, int)
    assert isinstance(size, int)
    made = consistency_proof(first, size, over(LEAVES))
    assert [step.hex() for step in made] == proof
    assert extends(merkle.root_of(LEAVES[:first]), first, merkle.root_of(LEAVES[:size]), size, made)


@given(sizes)
def test_the_root_is_what_the_rfc_defines(size: int) -> None:
    leaves = leaves_of(size)
    assert merkle.root_of(leaves) == by_definition(leaves)


@given(st.lists(st.integers(0, 20), max_size=6))
def test_however_it_is_batched_and_stored_the_tree_is_the_same(batches: list[int]) -> None:
    leaves, frontier, done = leaves_of(sum(batches)), Frontier(), 0
    for batch in batches:
        frontier = Frontier.unpack(frontier.extend(leaves[done : done + batch]).pack())
        done += batch
        assert frontier.size == done
        assert len(frontier.peaks) == done.bit_count()
        assert frontier.root == merkle.root_of(leaves[:done])


@settings(max_examples=times(200))
@given(sizes, st.data())
def test_a_leaf_is_proven_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    root, leaf = merkle.root_of(leaves), leaves[index]
    proof = inclusion_proof(index, size, over(leaves))

    assert includes(root, size, leaf, index, proof)
    assert len(proof) <= size.bit_length()
    assert not includes(flipped(root), size, leaf, index, proof)
    assert not includes(root, size, flipped(leaf), index, proof)
    assert not includes(root, size, leaf, index, [*proof, root])
    for other in range(-1, size + 1):
        assert includes(root, size, leaf, other, proof) == (other == index)
    for at in range(len(proof)):
        assert not includes(root, size, leaf, index, [*proof[:at], flipped(proof[at]), *proof[at + 1 :]])
        assert not includes(root, size, leaf, index, [*proof[:at], *proof[at + 1 :]])


@settings(max_examples=times(200))
@given(sizes, st.data())
def test_growth_is_proven_and_rewriting_is_not(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size))
    leaves = leaves_of(size)
    before, after = merkle.root_of(leaves[:first]), merkle.root_of(leaves)
    proof = consistency_proof(first, size, over(leaves))

    assert extends(before, first, after, size, proof)
    assert not extends(flipped(before), first, after, size, proof)
    assert not extends(before, first, after, size, [*proof, after])
    if first:
        assert not extends(before, first, flipped(after), size, proof)
    for at in range(len(proof)):
        assert not extends(before, first, after, size, [*proof[:at], flipped(proof[at]), *proof[at + 1 :]])
        assert not extends(before, first, after, size, [*proof[:at], *proof[at + 1 :]])
    if 0 < first < size:
        rewritten = merkle.root_of([flipped(leaves[0]), *leaves[1:]])
        assert not extends(before, first, rewritten, size, consistency_proof(first, size, over([flipped(leaves[0]), *leaves[1:]])))


def test_what_cannot_be_asked() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ValueError, match="is not in a tree"):
            inclusion_proof(index, size, over(leaves_of(3)))
    for first in (-1, 4):
        with pytest.raises(ValueError, match="does not begin"):
            consistency_proof(first, 3, over(leaves_of(3)))
    assert not extends(EMPTY_ROOT, 4, EMPTY_ROOT, 3, [])
    assert not extends(EMPTY_ROOT, -1, EMPTY_ROOT, 3, [EMPTY_ROOT])


@given(st.binary(max_size=90))
def test_a_damaged_frontier_is_noticed(packed: bytes) -> None:
    try:
        frontier = Frontier.unpack(packed)
    except ValueError:
        return
    assert frontier.pack() == packed


def test_a_leaf_cannot_pose_as_a_node() -> None:
    left, right = leaves_of(2)
    assert leaf_hash(left + right) != node_hash(left, right)
