"""A change of partner data in words, and whom it touches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from gateway.core.fold import fold
from gateway.core.history import pack
from gateway.core.home import HOME_ZONE
from gateway.core.model import PlacedStatement
from gateway.onboarding.diff import affected, differences
from gateway.partners import Bundle, read_bundle
from gateway.partners.canonical import canonical
from gateway.sandbox import made_up
from gateway.sandbox.messages import Capabilities
from tests.rig.shipped import law, shipped

NOW = datetime.now(UTC)


def changed(**terms: Any) -> Bundle:
    raw = json.loads(shipped("SG").content)
    raw["partner"]["terms"] |= terms
    return read_bundle(canonical(raw))


def timelines(count: int) -> list[tuple[str, bytes]]:
    bundle = shipped("SG")
    today = NOW.astimezone(HOME_ZONE).date()
    made = made_up.operators(bundle.arrangement, Capabilities(bundle, bundle.dialects["party", "1"]), count, today)
    return [
        (
            one.tin,
            pack(
                fold(
                    [
                        PlacedStatement(
                            statement=one,
                            issued=NOW,
                            takes_effect=NOW,
                            pictured=True,
                            message_id="m",
                            digest="0" * 64,
                            received=NOW,
                        )
                    ],
                    bundle.arrangement.zone,
                )
            ),
        )
        for one in made
    ]


def touched(new: Bundle, count: int = 3) -> list[tuple[str, str]]:
    return [(one.before, one.after) for one in affected(shipped("SG").arrangement, new.arrangement, law(), timelines(count), NOW)]


def test_the_same_data_changes_nothing() -> None:
    assert list(differences(shipped("SG"), shipped("SG"))) == []
    assert touched(shipped("SG")) == []


def test_a_measure_less() -> None:
    was = json.loads(shipped("SG").content)["partner"]["terms"]["measures"]
    fewer = [step | {"value": step["value"][1:]} for step in was]
    said = list(differences(shipped("SG"), changed(measures=fewer)))
    assert len(said) == len(was)
    assert "measures" in said[0]
    assert len(touched(changed(measures=fewer))) == 3


def test_no_longer_in_force() -> None:
    was = json.loads(shipped("SG").content)["partner"]["terms"]["in_force"]
    new = changed(in_force=[*was, {"from": "2026-04-01", "value": False, "setting": "a test"}])
    assert "From 2026-04-01, in force: no (setting: a test) (new)." in list(differences(shipped("SG"), new))
    assert {after for _, after in touched(new)} == {"nothing (not-in-force)"}


def test_messages_transport_and_trust() -> None:
    raw = json.loads(shipped("SG").content)
    raw["partner"]["administration"] = "Another"
    raw["site"]["binding"] = {"endpoint": "https://example.org/exchange"}
    raw["dialects"]["party/1"].pop("query.xml")
    said = "\n".join(differences(shipped("SG"), read_bundle(canonical(raw))))
    assert "in the dialect party/1, query.xml changed" in said
    assert "a query in party 1 is refused from now on" in said
    assert "endpoint is https://example.org/exchange; it was None" in said
    assert "administration changed" in said
