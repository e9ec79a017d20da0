"""Histories and questions made up by whoever chooses: hypothesis, which shrinks what fails, or a seed, which is fast.

``python -m tests.core.histories --count 100000 --seed 1`` makes that many and puts each to ``decide`` and to the oracle.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from gateway.core.arrangement import Direction, Mode, Role
from gateway.core.home import Tier
from gateway.core.model import Standing
from gateway.core.question import Answer, Disruption, Party, Stop
from tests.core import oracle
from tests.core.cases import Given, TableLine, ask

T = TypeVar("T")
Choose = Callable[[Sequence[Any]], Any]

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)
#: Who states, whom, and at which level: east and west of China, a member of the EU, imports only and both ways, some modes only.
STATED = (
    ("SG", "SG123456789012", "STP-Plus"),
    ("SG", "SG123456789012", "STP"),
    ("NZ", "NZ1234", None),
    ("HK", "HK1234567890", None),
    ("CL", "CL760000001", None),
    ("EU", "FI1234567", "AEOF"),
    ("EU", "PT123456789", "AEOC"),
    ("GB", "GB123456789000", None),
    ("KZ", "KZ0001W1", None),
)
TERMS: tuple[tuple[str, Any], ...] = (
    ("in_force", False),
    ("in_force", "unknown"),
    ("directions", "unknown"),
    ("measures", "unknown"),
    ("modes", "unknown"),
    ("modes", ["land"]),
    ("modes", ["land", "sea", "air"]),
    ("levels", "unknown"),
    ("stop_after", "unknown"),
    ("stop_after", 3),
)
LAWS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"prevailing": "unknown"},
    {"suspended_prevails": "unknown"},
    {"suspended_prevails": False},
)
RARELY = (0, 0, 0, 1)
OURS: dict[str, Any] = {"reason": "inquiry", "by": "approver 7"}


def moment(choose: Choose, *, since: datetime | None = None) -> datetime:
    """Thick about the day asked on and its midnights, and now and then a second off; not before ``since``."""
    hours = choose(choose((range(-72, 73), range(-24 * 80, 24 * 80 + 1))))
    found = NOON + timedelta(hours=hours, seconds=choose((0, 0, 0, -1, 1)))
    return found if since is None or found >= since else since + (since - found)


def day(choose: Choose) -> date:
    return date(2026, 6, 15) + timedelta(days=choose(choose((range(-3, 4), range(-80, 81)))))


def maybe(choose: Choose, make: Callable[[], T], nothing: int = 1) -> T | None:
    """It, or ``nothing`` times as often nothing."""
    return make() if choose((False,) * nothing + (True,)) else None


def line(choose: Choose, level: str | None) -> TableLine:
    kind = choose(("list", "response", "update", "notice"))
    made = moment(choose)
    delisted = kind == "list" and choose((False, False, False, True))
    says = Standing.DELISTED if delisted else choose([one for one in Standing if one is not Standing.DELISTED])
    when: dict[str, Any] = {kind: made}
    return TableLine(
        **when,
        says=says,
        derived=delisted,
        effective=None if delisted else choose((lambda: None, lambda: day(choose), lambda: moment(choose)))(),
        level=level,
        granted=None if delisted else maybe(choose, lambda: day(choose)),
        expires=None if delisted else maybe(choose, lambda: day(choose)),
        received=maybe(choose, lambda: moment(choose, since=made)),
        held=kind == "list" and choose((False, False, True)),
        voided=maybe(choose, lambda: moment(choose), nothing=2),
    )


def dated(choose: Choose) -> dict[str, Any]:
    since = moment(choose)
    return {"since": since, "until": maybe(choose, lambda: moment(choose, since=since + timedelta(seconds=1)))}


def question(choose: Choose) -> Given:
    """A history with a question about it."""
    partner, tin, level = choose(STATED)
    now = moment(choose)
    stops = [Stop(target=choose((partner, tin, "CL")), **dated(choose), **OURS) for _ in range(choose(RARELY))]
    disruptions = [
        Disruption(where=choose(("*", partner, "BR")), **dated(choose), what="storm", by="approver 7")
        for _ in range(choose(RARELY))
    ]
    parties = [Party(id="1", tier=choose((None, *Tier)), suspended=choose((False, True))) for _ in range(choose(RARELY))]
    return Given(
        partner=partner,
        tin=tin,
        now=now,
        as_of=choose((lambda: moment(choose), lambda: "never"))(),
        told=tuple(line(choose, level) for _ in range(choose(range(6)))),
        known=(tin,),
        terms=dict([choose(TERMS)]) if choose(RARELY) else {},
        law=choose(LAWS),
        stops=tuple(stops),
        disruptions=tuple(disruptions),
        current=choose((True, True, True, False)),
        on=choose((lambda: None, lambda: day(choose), lambda: now.astimezone(oracle.CHINA).date()))(),
        direction=choose((None, *Direction)),
        mode=choose((None, *Mode)),
        role=choose((None, None, *Role)),
        parties=tuple(parties),
        known_at=maybe(choose, lambda: min(now, moment(choose)), nothing=2),
    )


def check_as_the_rules_say(given: Given) -> None:
    """The answer is what the rules say, one instant at a time."""
    answer = ask(given)
    for one in answer.directions:
        found = oracle.Verdict(
            one.verdict, frozenset(each.measure for each in one.measures), frozenset(why.code for why in one.reasons)
        )
        assert found == oracle.expected(given, one.direction), given
    assert answer.grant == any(oracle.expected(given, one.direction).measures for one in answer.directions), given


def check_stays_until_it_says(given: Given, share: float) -> None:
    """No answer changes before it says to ask again, looked at when this ``share`` of the time until then has passed."""
    first = ask(given)
    assert first.ask_again is None or first.ask_again > given.now, given
    until = first.ask_again or given.now + timedelta(days=400)
    later = min(given.now + share * (until - given.now), until - timedelta(microseconds=1))
    assert _essence(ask(msgspec.structs.replace(given, now=later))) == _essence(first), (given, later)


def check_many(count: int, seed: int) -> None:
    """Both, of so many histories; the same seed makes the same ones."""
    chance = random.Random(seed)
    for _ in range(count):
        made = question(chance.choice)
        check_as_the_rules_say(made)
        check_stays_until_it_says(made, chance.random())


def _essence(answer: Answer) -> tuple[Any, ...]:
    """An answer without its moment and its ages."""
    return answer.verdict, answer.measures, answer.reasons, [caution.code for caution in answer.warnings], answer.evidence


def main() -> None:
    """The first that fails ends it with its history."""
    asked = argparse.ArgumentParser(prog="python -m tests.core.histories", description=__doc__)
    asked.add_argument("--count", type=int, default=100_000)
    asked.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    given = asked.parse_args()
    print(f"--seed {given.seed}", flush=True)
    check_many(given.count, given.seed)
    print(f"{given.count:,} histories, each answered as the rules say and for as long as it says")


if __name__ == "__main__":
    main()
