"""Mutated messages never verify with other content than was signed: structured ones, and bytes changed by hypothesis."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rig.volume import times
from tests.wire.mutate import MUTATIONS, corpus, mutated, verdict


@pytest.mark.long
def test_structured_mutations() -> None:
    """A few thousand; ``AEO_MUTATIONS`` sets another number. The seed is fixed: a failure can be seen again."""
    r = random.Random(20261123)
    seen = [verdict(mutated(r)) for _ in range(int(os.environ.get("AEO_MUTATIONS", "4000")))]
    # Both kinds of right outcome, and each stage that can refuse, were reached: the mutator does not only make rubbish.
    assert {
        "unchanged",
        "xml-malformed",
        "signature-digest",
        "signature-malformed",
        "signature-misplaced",
        "signature-invalid",
    } <= set(seen)


def test_a_verifier_without_the_digest_check_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.wire.signature.hmac.compare_digest", lambda *_: True)
    r = random.Random(1)
    messages = [mutated(r) for _ in range(200)]
    with pytest.raises(AssertionError, match="never signed"):
        _ = [verdict(data) for data in messages]


def test_each_mutation_changes_something() -> None:
    for mutation in MUTATIONS:
        assert any(mutation(text, random.Random(seed)) != text for seed in range(5) for text in corpus()[0]), mutation.__name__


@given(st.data())
@settings(max_examples=times(300))
def test_any_bytes_replaced(data: st.DataObject) -> None:
    signed = data.draw(st.sampled_from(corpus()[0])).encode()
    start = data.draw(st.integers(0, len(signed)))
    end = data.draw(st.integers(start, min(len(signed), start + 40)))
    assert verdict(signed[:start] + data.draw(st.binary(max_size=8)) + signed[end:])
