"""What can follow what, and what is due.

Credit management decides; the gateway follows. `apply` never refuses: what no rule foresees is flagged, its losses apply at once,
and its gains wait for a person. The rules are data (``rules.toml``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec

from gateway.core.home import Tier
from gateway.domestic.enterprise import DatedStep, Enterprise, at, last_step
from gateway.domestic.record import Record
from gateway.domestic.rules import RULES, LegalGround, MeasureStatus, Transition, order_on, years_after

T = TypeVar("T")
Steps = tuple[DatedStep[T], ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a record does. ``state`` holds now; ``proposed`` is what would hold once a person confirms, the same unless ``hold``.

    ``foreseen`` is false where no rule leads from what was known to what the record says. ``note`` is for people.
    ``rule`` is the id of the transition found; None where nothing changed, none fits, or nothing was known before.
    """

    state: Enterprise
    proposed: Enterprise
    foreseen: bool
    hold: bool
    note: str
    rule: str | None = None


def apply(previous: Enterprise | None, record: Record, *, confirmed: bool = False) -> Applied:
    """Fold ``record`` into ``previous`` (None: never heard of). ``confirmed``: a person has let the gains through."""
    proposed = _fold(previous, record)
    foreseen, note, rule = _find(previous, proposed, record.ground)
    state = proposed if foreseen or confirmed else _without_gains(previous, proposed)
    return Applied(state, proposed, foreseen, state != proposed, note, rule)


# ---------------------------------------------------------------- folding


def _fold(previous: Enterprise | None, record: Record) -> Enterprise:
    before = previous or Enterprise(uscc=record.uscc, name_zh=record.name_zh)
    consents = before.consents
    if record.consent is not None and record.consent_since is not None:
        consents = _put(consents, DatedStep(record.consent, record.consent_since))
    return Enterprise(
        uscc=record.uscc,
        customs_code=record.customs_code,
        name_zh=record.name_zh,
        name_en=record.name_en,
        address=record.address,
        tiers=_put(before.tiers, DatedStep(record.tier, record.tier_since, record.ground)),
        measures=_put(before.measures, DatedStep(record.measure_status, record.measure_since, record.ground)),
        consents=consents,
        certified_on=record.certified_on,
        recertify_by=record.recertify_by,
    )


def _put(steps: Steps[T], step: DatedStep[T]) -> Steps[T]:
    """``step`` in place of whatever was said from its day on; a value restated keeps the step that first said it."""
    kept = tuple(s for s in steps if s.since < step.since)
    if kept and kept[-1].value == step.value:
        return kept
    same = next((s for s in steps if s.since == step.since and s.value == step.value), step)
    return (*kept, same)


def _without_gains(previous: Enterprise | None, proposed: Enterprise) -> Enterprise:
    """``proposed``, but on every day the lower of its tier and the tier before; and facilitation runs for an AEO only if it ran before."""
    before = previous or Enterprise(uscc=proposed.uscc, name_zh=proposed.name_zh)
    days = sorted({step.since for state in (before, proposed) for step in state.steps})
    tiers = _lower(before.tiers, proposed.tiers, days, lambda tier, _: _height(tier))
    # Asked on the days of either track: a status that means nothing on one day must not begin to count on the next.
    measures = _lower(before.measures, proposed.measures, days, lambda status, day: _runs(status) and _is_aeo(at(tiers, day)))
    held = before if tiers != proposed.tiers else proposed
    return msgspec.structs.replace(
        proposed, tiers=tiers, measures=measures, certified_on=held.certified_on, recertify_by=held.recertify_by
    )


def _lower(before: Steps[T], after: Steps[T], days: list[date], height: Callable[[T | None, date], int]) -> Steps[T]:
    """Day by day the lower of two tracks; of two equally high, the later said."""
    lower: list[DatedStep[T]] = []
    for day in days:
        step = min(last_step(after, day), last_step(before, day), key=lambda step: height(step and step.value, day))
        if step and (not lower or lower[-1].value != step.value):
            lower.append(DatedStep(step.value, day, step.ground))
    return tuple(lower)


def _height(tier: Tier | None) -> int:
    """Whoever was never heard of stands where an ordinary trader stands."""
    return RULES.height[tier or Tier.GENERAL]


def _runs(status: MeasureStatus | None) -> bool:
    return status in (None, MeasureStatus.ACTIVE)


def _is_aeo(tier: Tier | None) -> bool:
    return any(tier in order.aeo for order in RULES.order)


# ---------------------------------------------------------------- was it foreseen


def _find(previous: Enterprise | None, after: Enterprise, ground: LegalGround | None) -> tuple[bool, str, str | None]:
    """Whether a rule foresees the change, what to say of it, and which rule."""
    if previous is not None and _same(previous, after):
        return True, "nothing changed in tier, measures or certification", None
    if previous is None and ground is None:
        return True, "first heard of: taken as stated", None
    if ground is None:
        return False, "a change without a ground", None
    if ground is not LegalGround.CORRECTION and previous is not None and _rewrites(previous, after):
        return False, "it rewrites what was said of an earlier day, and is no correction", None
    day = _day(previous, after)
    rule = next(
        (r for r in RULES.transition if r.ground is ground and r.since <= day <= r.until and _fits(r, previous, after)), None
    )
    if rule is None:
        return False, f"no rule in force on {day} leads here on the ground {ground}", None
    if rule.within_rectification and previous is not None and day > rectification_ends(previous.measures[-1].since):
        return False, "the rectification had run out", rule.id
    return True, rule.source, rule.id


def _same(before: Enterprise, after: Enterprise) -> bool:
    return (before.tiers, before.measures, before.certified_on) == (after.tiers, after.measures, after.certified_on)


def _rewrites(before: Enterprise, after: Enterprise) -> bool:
    """A step once said is no longer there."""
    return not set(before.steps) <= set(after.steps)


def _day(before: Enterprise | None, after: Enterprise) -> date:
    """The day of the change: that of the later new step, or of certification where no step is new."""
    known = set(before.steps) if before else set()
    new = [step.since for step in (after.tiers[-1], after.measures[-1]) if step not in known]
    return max(new, default=after.certified_on or after.tiers[-1].since)


def _fits(rule: Transition, before: Enterprise | None, after: Enterprise) -> bool:
    tier, status = after.tiers[-1].value, after.measures[-1].value
    if (rule.after and tier not in rule.after) or (rule.measures_to and status not in rule.measures_to):
        return False
    if before is None or not before.tiers or not before.measures:
        return True
    was, ran = before.tiers[-1].value, before.measures[-1].value
    change = RULES.height[tier] - RULES.height[was]
    return (
        rule.move in ("any", "up" if change > 0 else "down" if change < 0 else "same")
        and (not rule.before or was in rule.before)
        and (not rule.measures_from or ran in rule.measures_from)
        and (bool(rule.measures_to) or not _is_aeo(tier) or not _runs(status) or _runs(ran))
    )


# ---------------------------------------------------------------- what is due


class Due(StrEnum):
    """What has a last day."""

    RECTIFICATION = "rectification"
    RE_CERTIFICATION = "re-certification"
    RESTATEMENT = "restatement"


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """Something due by ``day``, that day included; ``days_left`` is negative once it has passed."""

    uscc: str
    name_zh: str
    due: Due
    day: date
    days_left: int
    why: str


def rectification_ends(since: date) -> date:
    """The last day of a rectification begun on ``since`` (Order 282: at most one year)."""
    return years_after(since, RULES.limits.rectification_years)


def deadlines(states: Iterable[Enterprise], today: date, within: timedelta = timedelta(days=90)) -> list[Deadline]:
    """What falls due within ``within`` of ``today`` (a day in China), and what is overdue; the nearest first."""
    found = [
        Deadline(uscc=state.uscc, name_zh=state.name_zh, due=due, day=day, days_left=(day - today).days, why=why)
        for state in states
        for due, day, why in _due(state, today)
        if day <= today + within
    ]
    return sorted(found, key=lambda deadline: (deadline.day, deadline.uscc))


def _due(state: Enterprise, today: date) -> Iterable[tuple[Due, date, str]]:
    step = last_step(state.measures, today)
    if step and step.value is MeasureStatus.RECTIFYING:
        yield Due.RECTIFICATION, rectification_ends(step.since), "Order 282: a rectification period of at most one year"
    tier = state.tier_on(today)
    if tier is None and (stated := at(state.tiers, today)) is not None:
        yield (
            Due.RESTATEMENT,
            order_on(today).since,
            f"the tier {stated} is no tier of {order_on(today).name}; the feed is to state the tier anew",
        )
    if tier not in order_on(today).aeo:
        return
    years = RULES.limits.recertification_years.get(tier)
    if state.recertify_by:
        yield Due.RE_CERTIFICATION, state.recertify_by, "as stated by credit management"
    elif years and state.certified_on:
        yield (
            Due.RE_CERTIFICATION,
            years_after(state.certified_on, years),
            f"every {years} years; the clock may have been stopped (Order 282, Art. 20)",
        )
