"""What a partner may hear of a Chinese enterprise on a day. Pure.

The tier, the ground and every discredit record stay at home: a partner hears a code, a standing and the fields its arrangement
shares. `project` says how things are; `changes` says what of it is news to a partner.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from gateway.core.arrangement import Arrangement
from gateway.core.home import Tier
from gateway.core.model import Kind, Standing, Statement
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.rules import FIRST_DAY, RULES

#: Every field that can ever be told, beside ``effective``, and where it comes from. A re-certification date is no expiry, so ``expires``
#: is not among them; nor is ``level``, a partner's word for its own programme: of ours it would say the tier.
SOURCES: dict[str, Callable[[Enterprise], str | date | None]] = {
    "name": lambda enterprise: enterprise.name_en,
    "name_local": lambda enterprise: enterprise.name_zh,
    "address": lambda enterprise: enterprise.address,
    "granted": lambda enterprise: enterprise.certified_on,
}

#: Without a stated term a partner is taken to recognise China's Advanced Certified, as every announcement read does.
RECOGNISED_UNLESS_STATED = frozenset({Tier.ADVANCED})

#: Last told one of these, a partner has learned of the enterprise; any other standing is an end.
LEARNED = (Standing.VALID, Standing.REINSTATED, Standing.SUSPENDED)

_CODE_FORM = re.compile(r"([A-Z]+)\+10")


class SilenceReason(StrEnum):
    """Why a partner hears nothing of an enterprise."""

    NOT_IN_FORCE = "not-in-force"
    CODE_FORM_UNKNOWN = "code-form-unknown"
    NO_CUSTOMS_CODE = "no-customs-code"
    CONSENT_MISSING = "consent-missing"
    NOT_STATED = "not-stated"
    TIER_NOT_RECOGNISED = "tier-not-recognised"


#: What a partner that had learned of the enterprise is told instead. For the reasons left out no message may go out at all.
ENDS = {
    SilenceReason.NO_CUSTOMS_CODE: Standing.REVOKED,
    SilenceReason.CONSENT_MISSING: Standing.WITHDRAWN,
    SilenceReason.NOT_STATED: Standing.REVOKED,
    SilenceReason.TIER_NOT_RECOGNISED: Standing.REVOKED,
}


class Silence(msgspec.Struct, frozen=True):
    """Nothing may be said: why, and since which day in China that has been so."""

    why: SilenceReason
    since: date


# ---------------------------------------------------------------- how things are


def project(enterprise: Enterprise, arrangement: Arrangement, on: date) -> Statement | Silence:
    """What the partner may hear of ``enterprise`` on the day ``on`` (China): valid, suspended, or nothing and why. That one measure is
    suspended takes nothing from the status itself, so it is told as before.

    ``effective``, where shared, is the first day from which it has been so without a break. Refuses days before 2021-11-01.
    """
    verdict = _verdict(enterprise, arrangement, on)
    if isinstance(verdict, SilenceReason):
        return Silence(verdict, _since(enterprise, arrangement, on, verdict))
    shared = shared_on(arrangement, on)
    # Only what the arrangement shares is ever put in: there is no field to forget to take out.
    told: dict[str, Any] = {name: source(enterprise) for name, source in SOURCES.items() if name in shared}
    if "effective" in shared:
        told["effective"] = _since(enterprise, arrangement, on, verdict)
    return Statement(tin=f"{code_prefix(arrangement, on)}{enterprise.customs_code}", standing=verdict, **told)


def shared_on(arrangement: Arrangement, on: date) -> frozenset[str]:
    """The fields that may be told on a day; where nothing is stated, none."""
    return arrangement.shared.on(on).value or frozenset()


def code_prefix(arrangement: Arrangement, on: date) -> str | None:
    """What stands before the ten digits in this arrangement (``AEOCN+10``, ``CN+10``); None: unknown, so nothing can be sent."""
    form = _CODE_FORM.fullmatch(arrangement.chinese_code.on(on).value or "")
    return form[1] if form else None


def next_change(enterprise: Enterprise, arrangement: Arrangement, after: date) -> date | None:
    """The next day on which the projection can change by itself; None: only by a new record or new terms."""
    return min((day for day in _turning_days(enterprise, arrangement) if day > after), default=None)


def _verdict(enterprise: Enterprise, arrangement: Arrangement, day: date) -> Standing | SilenceReason:
    consent = arrangement.consent.on(day)
    if arrangement.in_force.on(day).value is not True:
        return SilenceReason.NOT_IN_FORCE
    if code_prefix(arrangement, day) is None:
        return SilenceReason.CODE_FORM_UNKNOWN
    if enterprise.customs_code is None:
        return SilenceReason.NO_CUSTOMS_CODE
    # Only a sourced term asks for consent: a setting of ours cannot, and an unknown blocks nothing.
    if consent.value and consent.provenance.kind == "fact" and not enterprise.consents_on(arrangement.iso, day):
        return SilenceReason.CONSENT_MISSING
    tier, measures = enterprise.tier_on(day), enterprise.measures_on(day)
    if tier is None or measures is None:
        return SilenceReason.NOT_STATED
    if tier not in (arrangement.tiers.on(day).value or RECOGNISED_UNLESS_STATED):
        return SilenceReason.TIER_NOT_RECOGNISED
    return Standing.VALID if measures.runs else Standing.SUSPENDED


def _since(enterprise: Enterprise, arrangement: Arrangement, on: date, verdict: Standing | SilenceReason) -> date:
    """The first day of the unbroken stretch up to ``on`` in which ``verdict`` holds.

    Neither a step from one recognised tier to another nor one from rectification to suspension breaks it: its date would tell
    what is not to be told. That a customs code is gone has no date but today's.
    """
    since = on
    if verdict is SilenceReason.NO_CUSTOMS_CODE:
        return since
    for day in sorted(_turning_days(enterprise, arrangement), reverse=True):
        if day <= on:
            if _verdict(enterprise, arrangement, day) is not verdict:
                break
            since = day
    return since


def _turning_days(enterprise: Enterprise, arrangement: Arrangement) -> set[date]:
    terms = (arrangement.in_force, arrangement.chinese_code, arrangement.consent, arrangement.tiers, arrangement.shared)
    tracks = (enterprise.tiers, enterprise.measures, enterprise.consents)
    days = {step.since for term in terms for step in term.steps} | {step.since for track in tracks for step in track}
    return {max(day, FIRST_DAY) for day in days} | {order.since for order in RULES.order}


# ---------------------------------------------------------------- what of it is news


def changes(last: Statement | None, now: Statement | Silence, shared: frozenset[str]) -> tuple[Statement, ...]:
    """What a partner is to be told, in order, given what it was last told of the enterprise (None: never told).

    Nothing, unless it changes that. Adverse news goes only to those that had learned of the enterprise, and says no more than the
    loss. A changed code ends the old number and tells the new in one message. ``shared`` is what may be told today.
    """
    if last is None or last.standing not in LEARNED:
        return (now,) if isinstance(now, Statement) and now.standing is Standing.VALID else ()
    if isinstance(now, Silence):
        return (ending(last, ENDS[now.why], now.since, shared),) if now.why in ENDS else ()
    if now.tin != last.tin:
        return (ending(last, Standing.REVOKED, None, shared), now)
    if last.standing is Standing.SUSPENDED and now.standing is Standing.VALID:
        return (msgspec.structs.replace(now, standing=Standing.REINSTATED),)
    if last.standing is Standing.REINSTATED:
        last = msgspec.structs.replace(last, standing=Standing.VALID)
    return () if now == last else (now,)


def in_list(last: Statement | None, now: Statement | Silence) -> Statement | None:
    """What a complete list says of the enterprise; None: it is not named.

    A suspended enterprise is named only to those that had learned of it; to them, leaving it out would say that it is gone.
    """
    if isinstance(now, Silence):
        return None
    learned = last is not None and last.standing in LEARNED
    return now if learned or now.standing is Standing.VALID else None


def kind_of(news: tuple[Statement, ...]) -> Kind:
    """A notice where anything is lost or restored (urgent), otherwise an update."""
    return Kind.UPDATE if all(statement.standing is Standing.VALID for statement in news) else Kind.NOTICE


def ending(last: Statement, standing: Standing, since: date | None, shared: frozenset[str]) -> Statement:
    """The loss of what was last told, in the words last told that may still be used."""
    kept: dict[str, Any] = {name: getattr(last, name) for name in SOURCES if name in shared}
    if since and "effective" in shared:
        kept["effective"] = since
    return Statement(tin=last.tin, standing=standing, **kept)
