"""What the domestic feed claims of itself: of which tiers it names every enterprise, and as of when what it says is so.

It stands in the header of a file, or beside it (fields of the route, options of the command). It is read strictly, and nothing of a
feed is taken in whose claim cannot be read: a claim misread would have parties judged, or warned of, by what nobody said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from gateway.core import moments
from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE, Tier
from gateway.core.question import Feed
from gateway.domestic.record import YEARS, read_day
from gateway.domestic.rules import FIRST_DAY, order_on

#: The word for every tier, and for none: what was claimed before is claimed no longer.
EVERY, NONE = "all", "none"

#: What a header may say, in English and Chinese. They name fields of these files, not terms of the law.
NAMES = {"complete": "complete", "覆盖": "complete", "as_of": "as_of", "数据截止": "as_of"}
_WORDS = {
    "全部": EVERY,
    "无": NONE,
    "高级认证企业": Tier.ADVANCED,
    "认证企业": Tier.CERTIFIED,
    "常规企业": Tier.GENERAL,
    "失信企业": Tier.DISCREDITED,
    "严重失信企业": Tier.SERIOUSLY_DISCREDITED,
}
#: What a line of a header begins with, full width too.
MARKS = ("#", "＃")
#: Its name and, after a colon, its value.
_LINE = re.compile(r"[\ufeff\s#＃]*([^:：]*?)\s*(?:[:：](.*))?", re.DOTALL)

_HEADER = "The lines before the headings are: # complete: all (or tiers, joined by commas), and # as-of: 2026-11-30."
_COMPLETE = f"Write {EVERY}, {NONE}, or tiers joined by commas: {', '.join(Tier)}."
_AS_OF = "Write a day as 2026-11-30, or a moment with its zone: 2026-11-30T18:00:00+08:00 (in an address, + is %2B)."


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one feed stated; None: it did not say. ``complete`` names tiers, or ``all``; empty: it covers none completely."""

    complete: tuple[str, ...] | None = None
    as_of: datetime | None = None

    @property
    def states(self) -> bool:
        """Whether it says anything."""
        return self != NOTHING


NOTHING = Claim()


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed claims, as known at a moment. ``complete`` is what it ``claimed`` last, and since when; ``as_of`` what it stated last
    (``stated``), or else when its last record came. None: it never said anything."""

    complete: tuple[str, ...] = ()
    claimed: datetime | None = None
    as_of: datetime | None = None
    stated: bool = False

    def covers(self, day: date) -> bool:
        """Whether it names every enterprise there is on ``day``: all, or each tier of the order then in force. Of some tiers alone it
        cannot be said of an unknown enterprise that it must be among them."""
        if EVERY in self.complete:
            return True
        return day >= FIRST_DAY and set(order_on(day).tiers) <= set(self.complete)

    def on(self, day: date, limit: timedelta | None) -> Feed:
        """The same for a question about ``day``; ``limit``: past what age it knows nobody."""
        seconds = None if limit is None else int(limit.total_seconds())
        complete = bool(self.complete) and self.as_of is not None and self.covers(day)
        return Feed(as_of=self.as_of, limit=seconds, complete=complete)


# ---------------------------------------------------------------- reading


def named(name: object) -> str | None:
    """The field that a name in a header means, however it was typed; None: none of them."""
    return NAMES.get(re.sub(r"[\s_-]+", "_", name.strip().lower())) if isinstance(name, str) else None


def read_claim(said: Mapping[str, object], line: int | None = None) -> Claim:
    """Reads a header, or what was said beside a file: names and their values, null being as absent. Raises ``Refusal`` that names
    field, value and remedy, and the ``line``."""
    found: dict[str, object] = {}
    for name, value in said.items():
        field = named(name)
        if field is None:
            raise Refusal(
                Code.FIELD_UNEXPECTED,
                f"A header says nothing of this name: {name}.",
                field=name,
                value=str(value) or None,
                line=line,
                remedy=_HEADER,
            )
        if field in found:
            raise Refusal(Code.FIELD_REPEATED, "The header says it twice.", field=field, value=str(value), line=line)
        found[field] = value
    complete, as_of = found.get("complete"), found.get("as_of")
    return Claim(
        complete=None if complete is None else _complete(complete, line),
        as_of=None if as_of is None else _as_of(as_of, line),
    )


def read_line(cells: Sequence[object], line: int) -> Claim:
    """Reads one line of a table's header, whose first cell begins with a mark: ``# complete: all``, its value in the same cell or in those
    after it. A mark alone says nothing."""
    first, *rest = cells
    name, value = _LINE.fullmatch(str(first)).groups()  # type: ignore[union-attr] # it fits any text
    values = [one for one in ((value or "").strip(), *rest) if one not in (None, "")]
    if not name and not values:
        return NOTHING
    return read_claim({name: values[0] if len(values) == 1 else ",".join(map(str, values))}, line)


def both(one: Claim, other: Claim, where: str, line: int | None = None) -> Claim:
    """What two places state together. Raises ``Refusal`` where they state the same thing otherwise; ``where`` names the second place."""
    for field in ("complete", "as_of"):
        mine, its = getattr(one, field), getattr(other, field)
        if mine is not None and its is not None and mine != its:
            raise Refusal(
                Code.FIELD_REPEATED,
                f"The feed says {shown(mine)}, and {where} says {shown(its)}.",
                field=field,
                value=shown(its),
                line=line,
                remedy="Say it in one place, or the same in both.",
            )
    return Claim(
        complete=one.complete if one.complete is not None else other.complete,
        as_of=one.as_of or other.as_of,
    )


def not_ahead(claim: Claim, now: datetime, skew: timedelta) -> None:
    """Raises ``Refusal`` for an as-of that is still to come, by more than clocks may differ: by it nothing would ever be too old."""
    if claim.as_of is not None and claim.as_of > now + skew:
        raise Refusal(
            Code.FIELD_INVALID,
            f"The feed cannot be as of a moment that is still to come: here it is {now.astimezone(HOME_ZONE).isoformat()}.",
            field="as_of",
            value=shown(claim.as_of),
            remedy="Give the moment at which the feed was drawn, and compare the clocks.",
        )


def shown(value: tuple[str, ...] | datetime) -> str:
    """A stated value as a person would write it."""
    if isinstance(value, datetime):
        return value.astimezone(HOME_ZONE).isoformat()
    return ", ".join(value) or NONE


def _complete(value: object, line: int | None) -> tuple[str, ...]:
    items: Iterable[object] = (
        value if isinstance(value, list) else re.split(r"[,;、，；]", value) if isinstance(value, str) else [value]
    )
    words = [_word(item, line) for item in items]
    if NONE in words and len(words) > 1:
        detail = "None and something are both said to be covered."
        raise Refusal(Code.FIELD_INVALID, detail, field="complete", value=str(value), line=line, remedy=_COMPLETE)
    return (EVERY,) if EVERY in words else tuple(tier for tier in Tier if tier in words)


def _word(item: object, line: int | None) -> str:
    text = str(item).strip()
    word = _WORDS.get(text) or re.sub(r"[\s_]+", "-", text.lower())
    if word not in (EVERY, NONE, *Tier):
        raise Refusal(Code.CODE_UNKNOWN, "This names no tier.", field="complete", value=text, line=line, remedy=_COMPLETE)
    return word


def _as_of(value: object, line: int | None) -> datetime:
    """A day begins at home; a moment needs its zone."""
    try:
        moment = moments.instant(value.strip()) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment and moment.year in YEARS:
        return moment
    try:
        return datetime.combine(read_day(value.strip() if isinstance(value, str) else value), time(), HOME_ZONE).astimezone(UTC)
    except Refusal as refusal:
        raise refusal.but(field="as_of", value=str(value), line=line, remedy=_AS_OF) from None
