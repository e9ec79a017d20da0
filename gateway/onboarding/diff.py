"""What a change of partner data does, in words: to the terms, to the messages, and to which operators."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from gateway.core.arrangement import Arrangement, Law, Mode
from gateway.core.declared import Declared
from gateway.core.eligibility import decide
from gateway.core.history import unpack
from gateway.core.question import Currency, Question, Switches
from gateway.onboarding.terms import TERMS, TermStep, steps
from gateway.partners import Bundle

_NOBODY = Switches()


class Affected(NamedTuple):
    """An operator whose answer changes today: what it was entitled to, and what it will be."""

    code: str
    before: str
    after: str


def differences(old: Bundle, new: Bundle) -> Iterator[str]:
    """Every difference in a sentence; none for the same data."""
    yield from _terms(old.arrangement, new.arrangement)
    yield from _messages(old, new)
    yield from _profile(old, new)


def affected(
    old: Arrangement, new: Arrangement, law: Law, timelines: Iterable[tuple[str, bytes]], now: datetime
) -> Iterator[Affected]:
    """The operators among ``timelines`` (code, packed) whose entitlement today differs, other things being equal.

    Stops of ours and the age of the data are left out: they are the same before and after.
    """
    for code, packed in timelines:
        before, after = (_entitled(code, one, law, packed, now) for one in (old, new))
        if before != after:
            yield Affected(code, before, after)


def _entitled(code: str, arrangement: Arrangement, law: Law, packed: bytes, now: datetime) -> str:
    """``import by sea: D, I; ...``, or why nothing is granted."""
    declared, timeline = Declared(text=code, readings=(code,), arrangement=arrangement), unpack(packed)
    said: dict[str, str] = {}
    for mode in Mode:
        answer = decide(
            Question(code=code, now=now, mode=mode),
            declared,
            arrangement=arrangement,
            timeline=timeline,
            currency=Currency(now),
            switches=_NOBODY,
            law=law,
            current=True,
        )
        for one in answer.directions:
            measures = ", ".join(granted.measure for granted in one.measures)
            why = one.reasons[0].code if one.reasons else one.verdict
            said[f"{one.direction} by {mode}"] = measures if one.grant else f"nothing ({why})"
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{where}: {granted}" for where, granted in said.items())


def _terms(old: Arrangement, new: Arrangement) -> Iterator[str]:
    for term, label in TERMS.items():
        before, after = ({step.since: step for step in steps(one, term)} for one in (old, new))
        for since in sorted(before.keys() | after.keys()):
            was, now = before.get(since), after.get(since)
            if was == now:
                continue
            if was is None:
                yield f"From {since}, {label}: {_in_words(now)} (new)."
            elif now is None:
                yield f"From {since}, {label}: no longer said; it was {_in_words(was)}."
            else:
                yield f"From {since}, {label}: {_in_words(now)}; it was {_in_words(was)}."


def _in_words(step: TermStep | None) -> str:
    assert step is not None, "one of the two is there"
    return f"{step.value or 'unknown'} ({step.kind}{f': {step.why}' if step.why else ''})"


def _messages(old: Bundle, new: Bundle) -> Iterator[str]:
    before, after = (json.loads(one.content)["dialects"] for one in (old, new))
    for spoken in sorted(before.keys() | after.keys()):
        was, now = before.get(spoken, {}), after.get(spoken, {})
        if not was or not now:
            yield f"Messages: the dialect {spoken} is {'added' if now else 'gone'}."
            continue
        changed = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
        if changed:
            yield f"Messages: in the dialect {spoken}, {', '.join(changed)} changed."
    for spoken in sorted(old.dialects.keys() & new.dialects.keys()):
        kinds = [{kind.value for kind in one.dialects[spoken].kinds} for one in (old, new)]
        for kind in sorted(kinds[0] ^ kinds[1]):
            yield f"Messages: a {kind} in {' '.join(spoken)} {'can now be exchanged' if kind in kinds[1] else 'is refused from now on'}."
    if len({json.dumps(json.loads(one.content)["site"].get("sheet"), sort_keys=True) for one in (old, new)}) > 1:
        yield "Spreadsheets: how its columns are read and ours for it written changed."
    if old.arrangement.codes != new.arrangement.codes:
        yield "Messages: the partner's own code lists changed."


def _profile(old: Bundle, new: Bundle) -> Iterator[str]:
    names = ["economy", "administration", "programme", "signed", "link", "contacts", "level_words"]
    if max(len(old.arrangement.members), len(new.arrangement.members)) > 1:  # one that stands alone is its own member
        names.append("members")
    for name in names:
        if getattr(old.arrangement, name) != getattr(new.arrangement, name):
            yield f"Profile: {name.replace('_', ' ')} changed."
    for name in old.arrangement.binding.__slots__:
        was, now = (getattr(one.arrangement.binding, name) for one in (old, new))
        if was != now:
            yield f"Transport: {name.replace('_', ' ')} is {now}; it was {was}."
    for role, pem in sorted(set(old.certificates) ^ set(new.certificates)):
        pinned = "pinned" if (role, pem) in new.certificates else "no longer pinned"
        yield f"Trust: the {role} certificate {sha256(pem.encode()).hexdigest()[:12]} is {pinned}."
