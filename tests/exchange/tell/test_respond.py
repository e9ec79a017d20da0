"""Queries of partners about our enterprises, and what an answer leaves behind."""

from __future__ import annotations

from gateway.exchange.tell import feed
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
