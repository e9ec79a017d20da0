"""What was known before: nothing that came or was decided later plays a part in it, however many codes are asked about at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway.clearance.answer import Asked
from gateway.clearance.as_known import AsKnown
from gateway.core.arrangement import Direction
from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing
from gateway.core.question import Answer
from gateway.exchange.lists import review
from gateway.store import listings
from tests.rig.people import person
from tests.rig.web import WebFixture


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFixture]:
    with WebFixture(tmp_path, ["HK"]) as made:
        yield made


def ask(web: WebFixture, code: str, moment: datetime) -> Answer:
    with web.node.database.reading() as connection:
        return AsKnown(connection, web.node.partners, moment).answer(Asked(code=code, direction=Direction.IMPORT), web.now)


@pytest.mark.parametrize("decide", [review.release, review.drop])
def test_a_list_that_was_held_then(web: WebFixture, decide: Callable[..., Any]) -> None:
    first = web.listed("HK", 3)
    web.later(hours=1)
    box = web.boxes["HK"]
    box.operators = {one.tin: one for one in box.invent(60, seed=2) if one.tin not in first}
    web.send(box.full_list())
    web.later(hours=1)
    held, new = web.now, next(iter(box.operators))
    before = [ask(web, code, held) for code in (first[0], new)]
    assert [one.grant for one in before] == [True, False]
    assert [caution.code for one in before for caution in one.warnings if caution.code == "held-for-review"] == [
        "held-for-review"
    ] * 2
    web.later(hours=1)
    with web.node.database.write.begin() as connection:
        (waiting,) = listings.held_lists(connection)
        decide(
            connection,
            web.node.partners.get("HK"),
            waiting.id,
            web.settings,
            who=person("approver 7"),
            reason="checked",
            at=web.now,
        )
    after = [ask(web, code, web.now).grant for code in (first[0], new)]
    assert after == ([False, True] if decide is review.release else [True, False])
    web.later(hours=1)
    again = [ask(web, code, held) for code in (first[0], new)]
    assert [(one.verdict, one.reasons, one.warnings, one.data_as_of) for one in again] == [
        (one.verdict, one.reasons, one.warnings, one.data_as_of) for one in before
    ]


@pytest.mark.long
def test_three_thousand_codes_are_looked_up_together(web: WebFixture) -> None:
    """Each as if it had been asked about alone, and all with fewer than a hundred statements to the database."""
    codes = web.listed("HK", 3_000)
    web.later(hours=1)
    web.send(web.boxes["HK"].status_message(codes[7], Standing.SUSPENDED))
    web.later(hours=1)
    typed = [f"AEO<{code.lower()}>" if number % 3 else code for number, code in enumerate(codes)]
    asked = [Asked(code=text, direction=Direction.IMPORT, parties=("91310000000000001A",)) for text in [*typed[:-1], "NO"]]
    spent: list[str] = []
    with web.node.database.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda _c, _u, statement, *_: spent.append(statement))
        answers = list(AsKnown(connection, web.node.partners, web.now).answers(asked, web.now))
    assert len(spent) < 100
    assert [one.grant for one in answers].count(False) == 2
    for number in (0, 1, 7, 2_998, 2_999):
        with web.node.database.reading() as connection:
            assert answers[number] == AsKnown(connection, web.node.partners, web.now).answer(asked[number], web.now)


def test_now_is_not_then(web: WebFixture) -> None:
    """Asked as known now, the answer says when it can change; and of a moment to come nothing is known."""
    (code,) = web.listed("HK", 1)
    now = ask(web, code, web.now)
    assert now.known_at is None
    assert now.ask_again is not None
    with pytest.raises(Refusal) as refused:
        ask(web, code, web.now + timedelta(seconds=1))
    assert (refused.value.code, refused.value.field) == (Code.QUESTION_INVALID, "as_known_at")


def test_near_misses_are_of_what_was_known_then(web: WebFixture) -> None:
    before = web.now
    web.later(hours=1)
    (code,) = web.listed("HK", 1)
    web.later(hours=1)
    with web.node.database.reading() as connection:
        assert AsKnown(connection, web.node.partners, web.now).near(code[:-1]) == [code]
        assert AsKnown(connection, web.node.partners, before).near(code[:-1]) == []
        assert AsKnown(connection, web.node.partners, web.now).near(code * 9) == []
