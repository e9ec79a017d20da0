"""Queries of partners about our enterprises, and what an answer leaves behind."""

from __future__ import annotations

import logging
import re
from datetime import date

import pytest

from gateway.core.errors import Refusal
from gateway.core.model import Standing
from gateway.core.terms import Dated, Provenance, Term
from gateway.exchange.tell import feed, respond
from gateway.store.tables import query_load
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, row
from tests.rig.telling import TellingFixture

ONE, TWO = "9900000001", "9900000002"


def test_a_query_is_answered_and_what_it_says_was_told(telling: TellingFixture) -> None:
    live = telling.partners.get("SG")
    telling.feed(row(1, **RECTIFYING), row(2, **RECTIFYING | {"ground": None}), row(3, **DOWNGRADED | {"ground": None}))
    assert telling.deliver("SG") == [("notice", [("suspended", ONE)])]
    assert telling.told("SG", 2) == [], "it was never an AEO to this partner"
    heard = []
    for code in (f"AEOCN{ONE}", f"AEOCN{TWO}", "AEOCN9900000003", "AEOCN9999999999", f"CN{ONE}", "nonsense"):
        with telling.database.write.begin() as connection:
            feed.respond(connection, telling.node, live, code, "a-query", telling.now)
        heard += telling.deliver("SG")
    assert heard == [
        ("response", [("suspended", ONE)]),
        *[("response", [])] * 3,
        ("response", [("suspended", ONE)]),
        ("response", []),
    ]
    assert telling.told("SG", 2) == [], "a query tells nothing that a list would not have told"
    telling.feed(row(2, **DOWNGRADED))
    assert telling.deliver("SG") == []


# ---------------------------------------------------------------- what cannot be said, and of whom nothing is said


CODES = (f"AEOCN{ONE}", f"CN{ONE}", f"AEOCN{TWO}", "AEOCN0000000000", "CN9999999999", "nonsense", "AEOCN" + "9" * 30)


def _asked(telling: TellingFixture, iso: str, code: str) -> str | None:
    """Has a partner ask about a code; the code of the refusal, if that is the answer."""
    try:
        with telling.database.write.begin() as connection:
            respond.respond(connection, telling.node, telling.partners.get(iso), code, "a-query", telling.now)
    except Refusal as refusal:
        return str(refusal.code)
    return None


@pytest.mark.parametrize(
    ("iso", "because"),
    [("KR", "the form of our code is unknown"), ("KZ", "the arrangement is not in force"), ("SG", "what may be shared is unknown")],
)
def test_cannot_say_by_arrangement_only_and_alike_for_every_code(telling: TellingFixture, iso: str, because: str) -> None:
    if iso == "SG":
        telling.change("SG", shared=Term((Dated(date(2013, 1, 1), None, Provenance("unknown", note=because)),)))
    else:
        telling.add(iso)
    telling.feed(row(1), row(2, **RECTIFYING))
    assert {_asked(telling, iso, code) for code in CODES} == {"cannot-say"}
    assert telling.deliver(iso) == []
    assert telling.rows(query_load) == [], "nothing was tried out"


def test_of_whom_a_partner_may_not_learn_it_gets_one_and_the_same_answer(telling: TellingFixture) -> None:
    """Never certified, downgraded before the partner knew of it, without consent, unheard of: not to be told apart."""
    telling.feed(row(1, **DOWNGRADED), row(2, **RECTIFYING))
    telling.deliver("SG")
    texts = set()
    for code in CODES:
        assert _asked(telling, "SG", code) is None
        leased = telling.take_up("SG")
        assert leased is not None
        telling.arrive(leased)
        payload = leased.payload.replace(leased.header.id, "ID").replace(code, "CODE")
        texts.add((leased.header.kind, re.sub(r"[0-9T:-]{19}Z", "NOW", payload)))
    assert len(texts) == 1


def test_a_code_is_known_in_each_form_in_use_and_answered_in_the_one_asked(telling: TellingFixture) -> None:
    telling.feed(row(1))
    telling.deliver("SG")
    for code in (f"AEOCN{ONE}", f"CN{ONE}"):
        assert _asked(telling, "SG", code) is None
        leased = telling.take_up("SG")
        assert leased is not None
        telling.arrive(leased)
        (said,) = telling.read("SG", leased)
        assert (said.tin, said.standing) == (code, Standing.VALID)


def test_who_tries_codes_out_is_reported_once_and_in_the_end_refused(
    telling: TellingFixture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(respond, "MOST", 60)
    telling.feed(row(1))
    telling.deliver("SG")
    with caplog.at_level(logging.WARNING):
        for number in range(respond.SUSPICIOUS - 1):
            assert _asked(telling, "SG", f"AEOCN{number:010d}") is None
            assert number > 5 or _asked(telling, "SG", f"AEOCN{ONE}") is None
        assert telling.journal("enumeration") == []
        assert _asked(telling, "SG", "AEOCN0000009999") is None
        assert telling.journal("enumeration") == ["SG"]
        assert sum("trying codes out" in record.getMessage() for record in caplog.records) == 1
    while _asked(telling, "SG", f"AEOCN{ONE}") is None:
        assert telling.rows(query_load)[0].asked <= 60
    assert _asked(telling, "SG", f"AEOCN{ONE}") == "too-many-requests"
    assert _asked(telling, "HK", f"AEOCN{ONE}") is None, "each partner by itself"
    telling.later(days=1)
    assert _asked(telling, "SG", f"AEOCN{ONE}") is None, "each day by itself"
    assert telling.journal("enumeration") == ["SG"]
