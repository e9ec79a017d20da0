"""Every case of ``tests/cases/eligibility`` must be answered as its table says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pytest

from gateway.core.question import Answer, Caution, Reason, Warn, Why
from tests.core.cases import CASES, Case, ask, read
from tests.rig.shipped import arrangements

FILES = sorted(CASES.glob("*.toml"))
TABLE = [case for path in FILES for case in read(path)]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    answer, expect = ask(case.given), case.expect
    assert [why.code for why in answer.reasons] == list(expect.reasons)
    assert answer.verdict is expect.verdict
    assert answer.grant is ((answer.verdict == "eligible") if expect.grant is None else expect.grant)
    assert [caution.code for caution in answer.warnings] == list(expect.warnings)
    if expect.measures is not None:
        assert sorted(granted.measure for granted in answer.measures) == sorted(expect.measures)
    for code, facts in expect.facts.items():
        assert facts.items() <= _one(code, [*answer.reasons, *answer.warnings]).facts.items()
    for code, source in expect.sources.items():
        assert [why.source for why in answer.reasons if why.code == code][:1] == [source]
    assert {one.direction: one.verdict for one in answer.directions}.items() >= expect.directions.items()
    assert {one.measure: one.directions for one in answer.measures}.items() >= expect.covers.items()
    if expect.read is not None:
        assert answer.code == expect.read
    if expect.evidence is not None:
        assert tuple(used.message_id for used in answer.evidence) == expect.evidence
    if expect.ask_again is not None:
        assert answer.ask_again == (None if expect.ask_again == "never" else expect.ask_again)
    _holds_together(answer, case.given.now)


def _one(code: str, said: Iterable[Why | Caution]) -> Why | Caution:
    found = [one for one in said if one.code == code]
    assert found, f"the answer does not say {code}"
    return found[0]


def _holds_together(answer: Answer, now: datetime) -> None:
    """What is true of every answer."""
    assert answer.grant == bool(answer.measures) == any(one.grant for one in answer.directions)
    for one in answer.directions:
        assert one.grant == bool(one.measures)
        assert (one.verdict == "eligible") == (not one.reasons)
    assert answer.ask_again is None or answer.ask_again > now


def test_names_are_used_once() -> None:
    ids = [case.id for case in TABLE]
    assert len(ids) == len(set(ids))


def test_every_reason_and_warning_is_reached() -> None:
    assert {code for case in TABLE for code in case.expect.reasons} == set(Reason)
    assert {code for case in TABLE for code in case.expect.warnings} == set(Warn)


def test_every_partner_has_cases() -> None:
    assert {case.given.partner for case in TABLE} >= set(arrangements())
