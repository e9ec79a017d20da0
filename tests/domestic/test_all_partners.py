"""What each of the 31 partners hears, and that no field it may not have can reach it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from gateway.core.model import OPTIONAL_FIELDS, Standing, Statement
from gateway.core.terms import Dated, Provenance, Term
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.projection import SOURCES, Silence, SilenceReason, changes, project, shared_on
from gateway.domestic.rules import FIRST_DAY
from tests.domestic.given import Case, cases, enterprise, label
from tests.rig.shipped import arrangements

PARTNERS = cases("projection", "partners")
TODAY = date(2026, 6, 1)


def stood(**said: Any) -> Enterprise:
    state = enterprise(
        [{"tier": "advanced-certified", "since": FIRST_DAY, "certified_on": FIRST_DAY, "recertify_by": TODAY, **said}]
    )
    assert state is not None
    return state


def heard(iso: str, state: Enterprise, on: date = TODAY) -> str:
    now = project(state, arrangements()[iso], on)
    return f"silent: {now.why}" if isinstance(now, Silence) else f"{now.standing} {now.tin}"


def test_the_table_names_every_partner() -> None:
    assert len(PARTNERS) == 31
    assert {case["id"] for case in PARTNERS} == set(arrangements())
    assert all(case["why"] and case["source"] for case in PARTNERS)


@pytest.mark.parametrize("case", PARTNERS, ids=label)
def test_what_each_partner_hears(case: Case) -> None:
    iso, code, since = case["id"], case.get("code"), case.get("from")
    silence = "silent: not-in-force" if since is None else "silent: code-form-unknown" if code is None else None
    assert heard(iso, stood()) == (silence or f"valid {code}9900000000")
    assert heard(iso, stood(measures="rectifying")) == (silence or f"suspended {code}9900000000")
    assert heard(iso, stood(measures="suspended")) == (silence or f"suspended {code}9900000000")
    for tier in ("certified", "general-compliance", "discredited", "seriously-discredited"):
        assert heard(iso, stood(tier=tier, since=date(2026, 4, 1))) == (silence or "silent: tier-not-recognised")
    assert heard(iso, stood(customs_code="none")) == (silence or "silent: no-customs-code")
    assert heard(iso, stood(consent="none", consent_since=FIRST_DAY)) == (silence or f"valid {code}9900000000")


@pytest.mark.parametrize("case", [case for case in PARTNERS if case.get("from", FIRST_DAY) > FIRST_DAY], ids=label)
def test_nothing_before_an_arrangement_is_in_force(case: Case) -> None:
    code = case.get("code")
    assert heard(case["id"], stood(), case["from"] - timedelta(days=1)) == "silent: not-in-force"
    assert heard(case["id"], stood(), case["from"]) == (f"valid {code}9900000000" if code else "silent: code-form-unknown")


@pytest.mark.parametrize("case", [case for case in PARTNERS if "wants" in case], ids=label)
def test_what_chinese_aeos_give_there_is_sent(case: Case) -> None:
    now = project(stood(), arrangements()[case["id"]], TODAY)
    assert isinstance(now, Statement)
    assert all(getattr(now, field) for field in case["wants"])


def open_to(iso: str, shared: Iterable[str]) -> Any:
    """The partner with its own terms, but told of everything it recognises and allowed exactly ``shared``."""
    chosen = Provenance("setting")
    return replace(
        arrangements()[iso],
        in_force=Term((Dated(FIRST_DAY, True, chosen),)),
        chinese_code=Term((Dated(FIRST_DAY, arrangements()[iso].chinese_code.on(TODAY).value or "CN+10", chosen),)),
        shared=Term((Dated(FIRST_DAY, frozenset(shared), chosen),)),
    )


@pytest.mark.parametrize("iso", [case["id"] for case in PARTNERS])
def test_a_field_that_is_not_shared_cannot_appear(iso: str) -> None:
    """Every field, for every partner: withheld it is absent from grant, suspension and loss; shared it is there where we have it."""
    valid, suspended, gone = stood(), stood(measures="suspended"), stood(tier="discredited")
    everything = project(valid, open_to(iso, OPTIONAL_FIELDS), TODAY)
    assert isinstance(everything, Statement)
    for field in OPTIONAL_FIELDS:
        for shared in ({*OPTIONAL_FIELDS} - {field}, {field}):
            partner = open_to(iso, shared)
            grant = project(valid, partner, TODAY)
            assert isinstance(grant, Statement)
            said = [
                grant,
                *changes(grant, project(suspended, partner, TODAY), shared_on(partner, TODAY)),
                *changes(everything, project(gone, partner, TODAY), shared_on(partner, TODAY)),
            ]
            assert [statement.standing for statement in said] == [Standing.VALID, Standing.SUSPENDED, Standing.REVOKED]
            for statement in said:
                present = {name for name in OPTIONAL_FIELDS if getattr(statement, name) is not None}
                assert present == shared & {*SOURCES, "effective"}


@pytest.mark.parametrize("iso", [case["id"] for case in PARTNERS])
def test_what_is_shared_today_and_no_more(iso: str) -> None:
    now = project(stood(), arrangements()[iso], TODAY)
    if isinstance(now, Silence):
        assert now.why in (SilenceReason.NOT_IN_FORCE, SilenceReason.CODE_FORM_UNKNOWN)
    else:
        assert {name for name in OPTIONAL_FIELDS if getattr(now, name) is not None} == shared_on(arrangements()[iso], TODAY) & {
            *SOURCES,
            "effective",
        }
