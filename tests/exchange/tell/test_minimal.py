"""All 31, and every field: what an arrangement does not share cannot appear in its messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from gateway.core.model import OPTIONAL_FIELDS
from gateway.domestic.projection import SOURCES
from gateway.store.tables import outbox
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, made_uscc, row
from tests.rig.shipped import ISOS, open_to_us
from tests.rig.telling import TellingFixture

#: What stands in the feed and how it could look in a message. Whoever does not share a field must find none of its words.
WORDS: dict[str, tuple[str, ...]] = {
    "name": ("Unmistakable Made-Up Ltd",),
    "name_local": ("独一无二虚构企业",),
    "address": ("77 Unmistakable Road",),
    "granted": ("2023-07-19", "20230719", "19/07/2023", "19.07.2023"),
    "effective": ("2026-04-05", "20260405", "05/04/2026", "2026-05-06", "20260506", "06/05/2026"),
    "recertify_by": ("2029-11-23", "20291123", "23/11/2029", "23.11.2029"),
    "tier": ("advanced", "certified"),
    "ground": ("rectif", "downgrade"),
}
FEED = {
    "name_en": WORDS["name"][0],
    "name_zh": WORDS["name_local"][0],
    "address": WORDS["address"][0],
    "certified_on": "2023-07-19",
    "recertify_by": "2029-11-23",
    "tier_since": "2026-04-05",
    "measure_since": "2026-04-05",
}
STEPS = (FEED, {**FEED, **RECTIFYING, "measure_since": "2026-05-06"}, {**FEED, **DOWNGRADED})
TELLABLE = {*SOURCES, "effective"}
OPTIONAL = frozenset(OPTIONAL_FIELDS)


@pytest.fixture
def all_31(tmp_path: Path) -> Iterator[TellingFixture]:
    """All of them connected, in force and with a form for our codes; each has heard its first list."""
    with TellingFixture(tmp_path, ISOS) as telling:
        for iso in ISOS:
            telling.change(iso, **open_to_us(telling.terms(iso)))
        telling.feed(0)
        assert set(_heard(telling)) == set(ISOS)
        yield telling


@pytest.mark.long
def test_no_message_holds_a_field_that_its_arrangement_does_not_share(all_31: TellingFixture) -> None:
    """Every field for every partner, shared alone and withheld alone: the grant, a suspension and the loss, as they are sent."""
    able = {iso: _places(all_31, iso) for iso in ISOS}
    chances = [frozenset[str]()] + [one for field in TELLABLE for one in (frozenset({field}), OPTIONAL - {field})]
    for number, shared in enumerate(chances, 1):
        for iso, places in able.items():
            all_31.share(iso, *(shared & places))
        for step in STEPS:
            all_31.feed({**row(number), **step})
            heard = _heard(all_31)
            assert set(heard) == set(ISOS)
            for iso, payload in heard.items():
                found = {field for field, words in {**WORDS, "uscc": (made_uscc(number),)}.items() if _holds(payload, words)}
                assert found <= shared & able[iso], (iso, payload)
                if step is FEED:
                    assert found == shared & able[iso] & TELLABLE, (iso, payload)


def _places(telling: TellingFixture, iso: str) -> frozenset[str]:
    """The fields for which the partner's dialect has a place."""
    choice = telling.partners.get(iso).arrangement.dialect.on(telling.now.date()).value
    assert choice is not None
    return telling.partners.get(iso).bundle.dialects[choice.name, choice.version].fields


def _heard(telling: TellingFixture) -> dict[str, str]:
    """What is queued, one message a partner; it is thereby delivered."""
    with telling.database.write.begin() as connection:
        waiting = connection.execute(select(outbox.c.partner, outbox.c.payload).where(outbox.c.state == "queued")).all()
        connection.execute(update(outbox).values(state="delivered", attempt=1))
    assert len({one.partner for one in waiting}) == len(waiting)
    return {one.partner: one.payload for one in waiting}


def _holds(payload: str, words: tuple[str, ...]) -> bool:
    return any(word.lower() in payload.lower() for word in words)
