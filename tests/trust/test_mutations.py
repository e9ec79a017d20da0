"""Whatever becomes of the bytes, there is a verdict, and never a better one."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.trust.revocation import Revocation
from gateway.trust.validate import PathVerdict, validate
from tests.rig.volume import times
from tests.trust.pki import MOMENT, Pki
from tests.trust.test_revocation import ANSWERED, LIST, PKI, RESPONDER, EvidenceInMemory, Servers, refresh, trust, verdict

pytestmark = pytest.mark.long

BOTH = Pki.of({"leaf": {"lists": [LIST], "responders": [RESPONDER]}})
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["flip", "set", "cut", "double"]), st.integers(0, 10_000), st.integers(0, 255)),
    min_size=1,
    max_size=3,
)


def mutated(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    for what, where, value in changes:
        at = where % max(1, len(data))
        if what == "cut":
            data = data[:at] + data[at + 1 + value % 16 :]
        elif what == "double":
            data = data[:at] + data[at : at + value] + data[at:]
        else:
            byte = value if what == "set" else data[at] ^ (1 << value % 8) if data else 0
            data = data[:at] + bytes([byte]) + data[at + 1 :]
    return data


def asked(**changed: Any) -> PathVerdict:
    given_: dict[str, Any] = {
        "leaf": BOTH.get("leaf"),
        "intermediates": [BOTH.get("issuing")],
        "roots": [BOTH.get("root")],
        "crls": [BOTH.crl({"revoked": ["leaf"]})],
        "ocsps": [BOTH.ocsp({"status": "revoked"})],
    } | changed
    leaf = given_.pop("leaf")
    with warnings.catch_warnings():
        # Hostile serial numbers are warned of by the library.
        warnings.simplefilter("ignore")
        return validate(leaf, moment=MOMENT, **given_)


@pytest.mark.parametrize("part", ["leaf", "intermediates", "crls", "ocsps"])
@given(changes=MUTATIONS)
@settings(max_examples=times(150), deadline=None)
def test_a_revoked_certificate_never_passes(part: str, changes: list[tuple[str, int, int]]) -> None:
    whole = {
        "leaf": BOTH.get("leaf"),
        "intermediates": BOTH.get("issuing"),
        "crls": BOTH.crl({"revoked": ["leaf"]}),
        "ocsps": BOTH.ocsp({"status": "revoked"}),
    }
    bad = mutated(whole[part], changes)
    # Both pieces of evidence are damaged alike, or the other one would speak.
    only: dict[str, Any] = {"crls": {"ocsps": []}, "ocsps": {"crls": []}}.get(part, {})
    assert not asked(**{part: bad if part == "leaf" else [bad]}, **only).passed


@given(changes=MUTATIONS)
@settings(max_examples=times(200), deadline=None)
def test_a_changed_certificate_never_passes(changes: list[tuple[str, int, int]]) -> None:
    pki = Pki.of({})
    good = pki.get("leaf")
    bad = mutated(good, changes)
    if bad != good:
        verdict = asked(leaf=bad, intermediates=[pki.get("issuing")], roots=[pki.get("root")], crls=[], ocsps=[])
        assert not verdict.passed


@pytest.mark.parametrize(("pki", "url"), [(PKI, LIST), (ANSWERED, RESPONDER)])
@given(changes=MUTATIONS)
@settings(max_examples=times(150), deadline=None)
def test_changed_evidence_says_nothing_else(pki: Pki, url: str, changes: list[tuple[str, int, int]]) -> None:
    good = pki.crl({}) if pki is PKI else pki.ocsp({})
    bad = mutated(good, changes)
    if bad == good:
        return
    known = Revocation(EvidenceInMemory(), Servers({url: bad}).fetch)
    refresh(known, trust(pki), MOMENT)
    # Only what no signature covers can differ in something that is taken, so it says what the good one said, or nothing.
    assert len(known.problems()) + len(known.facts()) == 1
    assert verdict(known, pki, MOMENT) in ("accepted", "revocation-unknown")


def test_it_runs_inside_a_loop_as_well() -> None:
    async def story() -> PathVerdict:
        return asked()

    assert asyncio.run(story()) == asked()
