"""What a person decided of a held list later plays no part in what was known before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.clearance.answer import Asked
from gateway.clearance.then import Then
from gateway.core.arrangement import Direction
from gateway.core.question import Answer
from gateway.exchange import lists
from tests.web.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, ["HK"])
    yield made
    made.close()


def ask(world: World, code: str, moment: datetime) -> Answer:
    with world.node.database.reading() as connection:
        return Then(connection, world.node.partners, moment).answer(Asked(code=code, direction=Direction.IMPORT), world.now)


@pytest.mark.parametrize("decide", [lists.release, lists.drop])
def test_a_list_that_was_held_then(world: World, decide: Callable[..., Any]) -> None:
    first = world.listed("HK", 3)
    world.pass_time(hours=1)
    box = world.boxes["HK"]
    box.operators = {one.tin: one for one in box.invent(60, seed=2) if one.tin not in first}
    world.send(box.full_list())
    world.pass_time(hours=1)
    held, new = world.now, next(iter(box.operators))
    before = [ask(world, code, held) for code in (first[0], new)]
    assert [one.grant for one in before] == [True, False]
    assert [caution.code for one in before for caution in one.warnings if caution.code == "held-for-review"] == [
        "held-for-review"
    ] * 2
    world.pass_time(hours=1)
    with world.node.database.write.begin() as connection:
        (waiting,) = lists.held(connection)
        decide(connection, world.node.partners.get("HK"), waiting.id, who="approver 7", reason="checked", at=world.now)
    after = [ask(world, code, world.now).grant for code in (first[0], new)]
    assert after == ([False, True] if decide is lists.release else [True, False])
    world.pass_time(hours=1)
    again = [ask(world, code, held) for code in (first[0], new)]
    assert [(one.verdict, one.reasons, one.warnings, one.data_as_of) for one in again] == [
        (one.verdict, one.reasons, one.warnings, one.data_as_of) for one in before
    ]
