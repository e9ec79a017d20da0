"""Answers about operators against whom nothing stands differ only in what is the operator's own: nearly every answer is one of those.

One that was decided the long way is kept as a pattern with holes in it. For the next operator of the same member, asked about in the same
way, only what is its own is looked at, by the same checks, and put into the holes: the bytes are those that the long way gives, in a third
of the time. Whatever is in any way out of the ordinary goes the long way.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from gateway.clearance.answer import AnswerBasis, Answers, Asked
from gateway.clearance.index import Index
from gateway.clearance.render import RenderedAnswer
from gateway.core import checks, eligibility
from gateway.core.day import Day, home_day, terms_of
from gateway.core.history import midnight
from gateway.core.home import HOME_ZONE
from gateway.core.question import Answer, Verdict

_encode = msgspec.json.Encoder().encode
#: JSON never holds this character as it stands.
_HOLE = msgspec.Raw(b"\0")
#: Ways of asking are the callers' own: so many are kept, then memory starts afresh.
_KEPT = 1_024


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Holds from ``since`` until before ``until``. ``reached`` is how far the partner's data reaches, ``edge`` the next moment at which
    the answer about any operator changes. Moments are epoch seconds."""

    pieces: tuple[bytes, ...]
    day: Day
    reached: int
    since: int
    until: int
    edge: int | None


class Templates:
    """The patterns of one node, for use on its event loop. ``way`` is whatever tells one way of asking from another."""

    def __init__(self, answers: Answers, index: Index) -> None:
        self._answers, self._index = answers, index
        self._patterns: dict[tuple[Hashable, str | None], _Pattern] = {}
        self._ground: AnswerBasis | None = None

    def answer(self, way: Hashable, code: str, now: datetime) -> bytes | None:
        """The answer about exactly this code, as JSON; None: it must be decided the long way."""
        ground = self._answers.ground
        if ground != self._ground:
            self._patterns.clear()
            self._ground = ground
            return None
        pattern = self._patterns.get((way, ground.registry.prefix_of(code)))
        at = int(now.timestamp())
        if pattern is None or not pattern.since <= at < pattern.until:
            return None
        timeline = self._index.get(code)
        if timeline is None or timeline.held is not None or len(timeline.names) > 1:
            return None
        if code in ground.switches.operators or not checks.fits(code, pattern.day) or not self._index.current(now):
            return None
        rests_on, faults = checks.operator(code, timeline, pattern.day, at, at)
        if faults:
            return None
        evidence = [*eligibility.used(timeline, rests_on, at, at)]
        if any(one.transcribed for one in evidence):
            return None
        change, edge = timeline.next_change_after(at), pattern.edge
        again = edge if change is None or (edge is not None and edge < change) else change
        mine = _encode(code)
        start, to_code, to_moment, to_evidence, to_age, to_again, end = pattern.pieces
        return b"".join(
            (
                start,
                mine,
                to_code,
                mine,
                to_moment,
                _encode(now),
                to_evidence,
                _encode(evidence),
                to_age,
                b"%d" % max(0, at - pattern.reached),
                to_again,
                b"null" if again is None else _encode(eligibility.utc(again)),
                end,
            )
        )

    def learn(self, way: Hashable, asked: Asked, answer: Answer, said: RenderedAnswer) -> None:
        """Keeps ``said``, which says ``answer`` to ``asked``, as a pattern, if all that is not the operator's own holds for others too."""
        ground = self._answers.ground
        arrangement = ground.registry.by_iso.get(answer.arrangement or "")
        if (
            ground != self._ground  # it may have changed since, on another thread
            or arrangement is None
            or answer.verdict is not Verdict.ELIGIBLE
            or answer.warnings
            or answer.declared != answer.code
            or answer.data_as_of is None
            or answer.on != home_day(int(self._answers.now().timestamp()))
            or not usual(asked)
            or ground.switches.arrangements.get(arrangement.iso)
            or ground.switches.disruptions
        ):
            return
        since, reached = int(answer.moment.timestamp()), int(answer.data_as_of.timestamp())
        day = terms_of(arrangement, ground.law, answer.on)
        edges = [edge for edge in (*eligibility.limits(day, reached), day.next_step) if edge and edge > since]
        tomorrow = midnight(answer.on + timedelta(days=1), HOME_ZONE)
        holes = msgspec.structs.replace(
            said, declared=_HOLE, code=_HOLE, moment=_HOLE, evidence=_HOLE, data_age=_HOLE, ask_again=_HOLE
        )
        if len(self._patterns) >= _KEPT:
            self._patterns.clear()
        self._patterns[way, ground.registry.prefix_of(answer.declared)] = _Pattern(
            pieces=tuple(_encode(holes).split(b"\0")),
            day=day,
            reached=reached,
            since=since,
            until=min([tomorrow, *edges]),
            edge=min(edges, default=None),
        )


def usual(asked: Asked) -> bool:
    """Whether nothing but the code and the way of asking bears on the answer."""
    return not (asked.name or asked.manifest or asked.parties)
