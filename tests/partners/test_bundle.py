"""A bundle is one piece of content: opened again it is the same, and one other byte is another bundle."""

from __future__ import annotations

import copy
import json
import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.arrangement import Measure, Mode
from gateway.partners import Bundle, PartnerFaults, read_bundle
from gateway.partners.bundle import PartnerDraft
from gateway.partners.canonical import canonical
from gateway.partners.load import read_dialect
from tests.partners.conftest import BASE
from tests.rig.shipped import SCHEMAS
from tests.rig.volume import times

RAW = tomllib.loads((BASE / "partners/xa/partner.toml").read_text(encoding="utf-8"))
SENTENCES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(str.strip)


def _steps(values: st.SearchStrategy[Any], unknown: bool = True) -> st.SearchStrategy[list[dict[str, Any]]]:
    """From the day of entry into force on, in order, each with one provenance."""
    said = st.builds(lambda value, why: {"value": value, "setting": why}, values, SENTENCES)
    step = said | st.builds(lambda why: {"unknown": why}, SENTENCES) if unknown else said
    days = st.lists(st.dates(date(2024, 6, 2), date(2030, 1, 1)), unique=True, max_size=3).map(sorted)
    return st.builds(
        lambda first, rest, days: [
            {"from": day} | step for day, step in zip([date(2024, 6, 1), *days], [first, *rest], strict=False)
        ],
        step,
        st.lists(step, min_size=3, max_size=3),
        days,
    )


TERMS = st.fixed_dictionaries(
    {
        "modes": _steps(st.lists(st.sampled_from(sorted(Mode)), min_size=1, unique=True)),
        "measures": _steps(st.lists(st.sampled_from(sorted(Measure)), min_size=1, unique=True)),
        "threshold": _steps(st.integers(1, 10**6), unknown=False),
        "list_every": _steps(st.integers(1, 365).map(lambda days: f"{days} days"), unknown=False),
        "chinese_code": _steps(st.sampled_from(["AEOCN+10", "CN+10"])),
    }
)


def _bundle(raw: dict[str, Any]) -> Bundle:
    return PartnerDraft.read(raw, {}, "partner.toml", "site.toml").judge({"canonical/1": read_dialect(SCHEMAS / "canonical/1")}, ())


@pytest.mark.long
@given(TERMS, SENTENCES)
@settings(max_examples=50, deadline=None)
def test_round_trip(terms: dict[str, Any], programme: str) -> None:
    bundle = _bundle(RAW | {"programme": programme, "terms": RAW["terms"] | terms})
    again = read_bundle(bundle.content)
    assert again == bundle
    assert again.arrangement.programme == programme
    for name, steps in terms.items():
        assert [step.since for step in getattr(again.arrangement, name).steps] == [step["from"] for step in steps]


def test_order_of_keys_does_not_matter_and_content_does() -> None:
    backwards = dict(reversed(RAW.items()))
    assert _bundle(backwards).digest == _bundle(RAW).digest
    assert _bundle(RAW | {"programme": "Another"}).digest != _bundle(RAW).digest


def test_a_name_in_a_bundle_leads_nowhere_else() -> None:
    raw = json.loads(_bundle(RAW).content)
    raw["dialects"]["canonical/1"]["../../escaped.xml"] = "<x/>"
    with pytest.raises(PartnerFaults, match="is no name of a file"):
        read_bundle(canonical(raw))


def test_what_has_no_canonical_form() -> None:
    with pytest.raises(TypeError, match="object has no canonical form"):
        canonical({"x": object()})


def test_the_same_dialect_and_codes_are_compiled_once() -> None:
    assert _bundle(RAW).dialects["canonical", "1"] is _bundle(RAW | {"programme": "Another"}).dialects["canonical", "1"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"partner":{},"site":{},"dialects":{"a":1},"certificates":[]}'])
def test_what_is_no_bundle(content: bytes) -> None:
    with pytest.raises(PartnerFaults, match="It is no bundle"):
        read_bundle(content)


@pytest.mark.parametrize("where", [(), ("terms",)])
def test_a_key_with_a_dot_is_a_fault_like_any_other(where: tuple[str, ...]) -> None:
    raw = copy.deepcopy(RAW)
    (raw["terms"] if where else raw)["x.y"] = None
    with pytest.raises(PartnerFaults) as caught:
        _bundle(raw)
    assert [fault.key for fault in caught.value.faults] == [".".join((*where, "x.y"))]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.dates() | st.text(max_size=5) | st.just("2024-06-01") | st.just("^A+$"),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["from", "value", "level", "en", "x.y"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.long
@given(st.data())
@settings(max_examples=times(150), deadline=None)
def test_whatever_stands_there_is_a_fault_and_never_a_crash(data: st.DataObject) -> None:
    raw = copy.deepcopy(RAW)
    place: Any = raw
    for _ in range(data.draw(st.integers(0, 4))):
        inner = [key for key in (place if isinstance(place, dict) else range(len(place))) if isinstance(place[key], dict | list)]
        if not inner:
            break
        place = place[data.draw(st.sampled_from(inner))]
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    if keys:
        place[data.draw(st.sampled_from(keys))] = data.draw(ANYTHING)
    try:
        bundle = _bundle(raw)
    except PartnerFaults as error:
        refused = error.faults
    else:
        refused = ()
        assert read_bundle(bundle.content) == bundle
    assert all(fault.file and fault.problem and fault.remedy for fault in refused)
