"""What can follow what, and what is due.

Credit management decides; the gateway follows. `judge` never refuses: what no rule foresees is flagged, its losses apply at once,
and its gains wait for a person. The rules are data (``rules.toml``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec

from gateway.core.arrangement import Tier
from gateway.domestic.enterprise import Enterprise, Step, at
from gateway.domestic.record import Record
from gateway.domestic.rules import RULES, Ground, MeasureStatus, Transition, order_on, years_after

T = TypeVar("T")
Tiers = tuple[Step[Tier], ...]
Measures = tuple[Step[MeasureStatus], ...]


@dataclass(frozen=True, slots=True)
class Judged:
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


def judge(previous: Enterprise | None, record: Record, *, confirmed: bool = False) -> Judged:
    """Fold ``record`` into ``previous`` (None: never heard of). ``confirmed``: a person has let the gains through."""
    proposed = _fold(previous, record, gains=True)
    foreseen, note, rule = _find(previous, proposed, record.ground)
    state = proposed if foreseen or confirmed else _fold(previous, record, gains=False)
    return Judged(state, proposed, foreseen, state != proposed, note, rule)


# ---------------------------------------------------------------- folding


def _fold(previous: Enterprise | None, record: Record, *, gains: bool) -> Enterprise:
    """The enterprise after ``record``; without ``gains`` a track that would rise stays as it was."""
    before = previous or Enterprise(uscc=record.uscc, name_zh=record.name_zh)
    tiers = _put(before.tiers, Step(record.tier, record.tier_since, record.ground))
    measures = _put(before.measures, Step(record.measure_status, record.measure_since, record.ground))
    rises = not gains and _height(tiers) > _height(before.tiers)
    resumes = not gains and _resume(before.measures, measures, tiers)
    return Enterprise(
        uscc=record.uscc,
        customs_code=record.customs_code,
        name_zh=record.name_zh,
        name_en=record.name_en,
        address=record.address,
        tiers=before.tiers if rises else tiers,
        measures=before.measures if resumes else measures,
        consents=before.consents
        if record.consent is None
        else _put(before.consents, Step(record.consent, record.consent_since or date.min)),
        certified_on=before.certified_on if rises else record.certified_on,
        recertify_by=before.recertify_by if rises else record.recertify_by,
    )


def _put(steps: tuple[Step[T], ...], step: Step[T]) -> tuple[Step[T], ...]:
    """``step`` in place of whatever was said from its day on; a value restated keeps the step that first said it."""
    kept = tuple(s for s in steps if s.since < step.since)
    if kept and kept[-1].value == step.value:
        return kept
    same = next((s for s in steps if s.since == step.since and s.value == step.value), step)
    return (*kept, same)


def _height(steps: Tiers) -> int:
    """Whoever was never heard of stands where an ordinary trader stands."""
    return RULES.height[steps[-1].value if steps else Tier.GENERAL]


def _resume(before: Measures, after: Measures, tiers: Tiers) -> bool:
    """Facilitation comes back to an AEO; to anybody else the status means nothing."""
    aeo = tiers[-1].value in order_on(tiers[-1].since).aeo
    return aeo and bool(before) and before[-1].value is not MeasureStatus.ACTIVE and after[-1].value is MeasureStatus.ACTIVE


# ---------------------------------------------------------------- was it foreseen


def _find(previous: Enterprise | None, after: Enterprise, ground: Ground | None) -> tuple[bool, str, str | None]:
    """Whether a rule foresees the change, what to say of it, and which rule."""
    if previous is not None and _same(previous, after):
        return True, "nothing changed in tier, measures or certification", None
    if previous is None and ground is None:
        return True, "first heard of: taken as stated", None
    if ground is None:
        return False, "a change without a ground", None
    if ground is not Ground.CORRECTION and previous is not None and _rewrites(previous, after):
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
    return not (set(before.tiers) <= set(after.tiers) and set(before.measures) <= set(after.measures))


def _day(before: Enterprise | None, after: Enterprise) -> date:
    """The day of the change: that of the later new step, or of certification where no step is new."""
    known = {*before.tiers, *before.measures} if before else set()
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
        and (bool(rule.measures_to) or not _resume(before.measures, after.measures, after.tiers))
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
    if state.measures_on(today) is MeasureStatus.RECTIFYING:
        since = max(step.since for step in state.measures if step.since <= today)
        yield Due.RECTIFICATION, rectification_ends(since), "Order 282: a rectification period of at most one year"
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
