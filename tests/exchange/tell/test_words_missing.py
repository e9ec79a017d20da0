"""Words that a partner's XML insists on and that nobody has registered: a task for a person, which stops grants and nothing else
(domestic/RULES.md, What is told abroad)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Kind
from gateway.exchange.tell import feed
from gateway.partners import Bundle, read_bundle
from gateway.partners.canonical import canonical
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, made_uscc, row
from tests.rig.shipped import open_to_us, shipped
from tests.rig.telling import CONNECTED, TellingFixture

ONE, TWO = "9900000001", "9900000002"
#: What a partner's XML insists on, and an enterprise for which that is not registered.
MISSING: dict[str, dict[str, Any]] = {
    "name": {"name_en": None},
    "address": {"address": None},
    "both": {"name_en": None, "address": None},
}
ISO, ROAD = "TH", "No. 1 Nowhere Road"


def _insisting(iso: str, *elements: str) -> Bundle:
    """A partner as shipped, except that its XML does not go without these elements."""
    content = json.loads(shipped(iso).content)
    content["partner"]["terms"]["shared"][0]["value"] = ["name", "address"]
    for files in content["dialects"].values():
        for file, text in files.items():
            for element in elements:
                text = text.replace(f'name="{element}" type="Text" minOccurs="0"', f'name="{element}" type="Text"')
                text = text.replace(f"{{{element.lower()}}}?</s:{element}>", f"{{{element.lower()}}}</s:{element}>")
            files[file] = text
    return read_bundle(canonical(content))


@pytest.fixture(params=MISSING)
def missing(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MISSING[request.param]


@pytest.fixture
def telling(missing: dict[str, Any], tmp_path: Path) -> Iterator[TellingFixture]:
    """The partner has heard its first list: of one enterprise, with every word."""
    with TellingFixture(tmp_path, [ISO]) as made:
        bundle = _insisting(ISO, *(name for name, key in (("Name", "name_en"), ("Address", "address")) if key in missing))
        made.partners.put(ISO, replace(made.live(ISO), bundle=bundle))
        made.change(ISO, binding=CONNECTED, **open_to_us(bundle.arrangement))
        made.feed(row(1, address=ROAD))
        assert made.deliver(ISO) == [("list", [("valid", ONE)])]
        yield made


@pytest.fixture
def send_list(telling: TellingFixture) -> Callable[[], int]:
    return lambda: telling.do(lambda connection: feed.full_list(connection, telling.node, telling.live(ISO), telling.now))


def problems(telling: TellingFixture) -> dict[str, str]:
    """What is shown as this partner's own, for a person."""
    return {one.what: one.problem for one in telling.partners.problems.now()}


def test_the_grant_waits_and_says_which_word_is_missing(telling: TellingFixture, missing: dict[str, Any]) -> None:
    report = telling.feed(row(2, **{"address": ROAD} | missing))
    (unsaid,) = report.unsaid
    assert (unsaid.partner, unsaid.uscc, report.queued) == (ISO, made_uscc(2), {})
    assert any(word in unsaid.reason.lower() for word in ("name", "address", "text"))
    assert telling.deliver(ISO) == []
    assert telling.told(ISO, 2) == []
    assert problems(telling)["words"].startswith(f"{made_uscc(2)} cannot be told: ")
    assert telling.feed(row(2, address=ROAD)).unsaid == []
    assert telling.deliver(ISO) == [("update", [("valid", TWO)])], "it is told when the word is there"


@pytest.mark.parametrize(("said", "heard"), [(RECTIFYING, "suspended"), (DOWNGRADED, "revoked")])
def test_a_loss_always_goes_out(telling: TellingFixture, missing: dict[str, Any], said: dict[str, Any], heard: str) -> None:
    assert telling.feed(row(1, **{"address": ROAD} | missing | said)).unsaid == []
    assert telling.deliver(ISO) == [("notice", [(heard, ONE)])]


def test_nothing_is_ended_for_want_of_a_word_and_the_list_waits(
    telling: TellingFixture, missing: dict[str, Any], send_list: Callable[[], int]
) -> None:
    telling.feed(row(1, **{"address": ROAD} | missing), row(3, address=ROAD))
    telling.deliver(ISO)
    before = telling.told(ISO, 1)
    assert [one.statement.standing for one in before] == ["valid"]
    telling.later(days=1)
    named = send_list()
    heard = telling.deliver(ISO)
    assert telling.told(ISO, 1)[-1].statement.standing == "valid", "it was not delisted"
    if named:
        assert heard == [("list", [("valid", ONE), ("valid", "9900000003")])], "in the words that it was last told in"
    else:
        assert heard == []
        assert f"would end {made_uscc(1)}" in problems(telling)["list"]
        telling.feed(row(1, address=ROAD))
        telling.deliver(ISO)
        assert send_list() == 2
        assert telling.deliver(ISO) == [("list", [("valid", ONE), ("valid", "9900000003")])]
        assert problems(telling) == {}


def test_who_was_never_told_of_is_left_out_of_a_list_that_goes(
    telling: TellingFixture, missing: dict[str, Any], send_list: Callable[[], int]
) -> None:
    telling.feed(row(2, **{"address": ROAD} | missing))
    telling.later(days=1)
    assert send_list() == 1
    assert telling.deliver(ISO) == [(Kind.LIST.value, [("valid", ONE)])]
