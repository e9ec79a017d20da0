"""Queries of partners about our enterprises, and what an answer leaves behind."""

from __future__ import annotations

from gateway.exchange.tell import feed
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, row
from tests.rig.telling import TellingFixture

ONE, TWO = "9900000001", "9900000002"


def test_a_query_is_answered_and_what_it_says_was_told(desk: TellingFixture) -> None:
    live = desk.partners.get("SG")
    desk.feed(row(1, **RECTIFYING), row(2, **RECTIFYING | {"ground": None}), row(3, **DOWNGRADED | {"ground": None}))
    assert desk.deliver("SG") == [("notice", [("suspended", ONE)])]
    heard = []
    for code in (f"AEOCN{ONE}", f"AEOCN{TWO}", "AEOCN9900000003", "AEOCN9999999999", f"CN{ONE}", "nonsense"):
        with desk.database.write.begin() as connection:
            feed.respond(connection, desk.node, live, code, "a-query", desk.now)
        heard += desk.deliver("SG")
    assert heard == [
        ("response", [("suspended", ONE)]),
        ("response", [("suspended", TWO)]),
        *[("response", [])] * 4,
    ]
    assert [one.statement.standing for one in desk.told("SG", 2)] == ["suspended"]
    desk.feed(row(2, **DOWNGRADED))
    assert desk.deliver("SG") == [("notice", [("revoked", TWO)])]
