"""Our own hand: stops of benefits and declared disruptions of trade, as dated statements that are lifted and never erased."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from gateway.core import names
from gateway.core.access import Actor
from gateway.core.declared import storable
from gateway.core.errors import Code, Refusal
from gateway.core.question import Disruption, Stop, Switches
from gateway.core.text import a_reason
from gateway.store import journal, partners
from gateway.store.tables import numbered, operator, switch

What = Literal["operator", "arrangement", "disruption"]
STOPS: tuple[What, ...] = ("operator", "arrangement")
DISRUPTIONS: tuple[What, ...] = ("disruption",)
_LAYOUT = str.maketrans("", "", "\n\t")
#: One number that every node locks while it looks whether a switch is there already.
_TURNING = 7_226_283


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch as recorded. A stop holds from ``since`` until before ``until`` (None: no end was said) or ``lifted``, whichever is first.

    ``subject`` is an operator's code or an arrangement's; of a disruption also a member's, or ``*`` for every arrangement.
    ``lifted_because`` is None also of what was lifted before a reason was asked for. Of a disruption ``lifted`` is when its end was
    declared, ``resumed`` from when on trade has resumed, and ``priority_until`` until before when goods then have priority.
    """

    id: int
    what: What
    subject: str
    since: datetime
    until: datetime | None
    reason: str
    who: str
    recorded: datetime
    lifted: datetime | None
    lifted_by: str | None
    lifted_because: str | None
    resumed: datetime | None = None
    priority_until: datetime | None = None

    @property
    def ends(self) -> datetime | None:
        return min((end for end in (self.until, self.lifted) if end), default=None)


def turn(
    connection: Connection,
    what: What,
    subject: str,
    *,
    since: datetime,
    until: datetime | None,
    reason: str,
    who: Actor,
    at: datetime,
    members: Collection[str] = (),
    once: bool = False,
) -> Switch:
    """Records a switch; every node follows it by the journal. Moments are kept in whole seconds, as everything that ``decide`` goes by.
    Of a disruption ``until`` is to when goods have priority once trade has resumed, and ``members`` are those that it may name.
    ``once``: who says again in the same words what is in force gets what there is, for he may have lost the answer.
    Raises ``Refusal``: NOT_FOUND for a subject there is not, DATA_INVALID."""
    _there_is(connection, what, subject, members)
    _is_a_reason(reason)
    since, until = since.replace(microsecond=0), until and until.replace(microsecond=0)
    if until is not None and until <= max(since, at):
        raise Refusal(Code.DATA_INVALID, "It would end before it begins.", field="until", value=until.isoformat())
    if once and (there := _repeated(connection, what, subject, since, until, reason, who, at)):
        return there
    row = connection.execute(
        insert(switch)
        .values(what=what, subject=subject, since=since, until=until, who=who.name, reason=reason, recorded=at)
        .returning(*switch.c)
    ).one()
    said = {"switch": row.id, "what": what, "since": since, "until": until, "who": who.name, "by": who.noted, "reason": reason}
    journal.append(connection, "switch", subject, said, at=at)
    return _read(row)


def _repeated(
    connection: Connection, what: What, subject: str, since: datetime, until: datetime | None, reason: str, who: Actor, at: datetime
) -> Switch | None:
    """The switch that these very words of this person made before, where it is in force or to come. One from now on has no moment of its
    own: it began when it was said."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(select(func.pg_advisory_xact_lock(_TURNING)))
    alike = (switch.c.what == what) & (switch.c.subject == subject) & (switch.c.reason == reason)
    now = at.replace(microsecond=0)
    for one in map(_read, connection.execute(select(switch).where(alike, _open(at)).order_by(switch.c.id))):
        begins = one.recorded.replace(microsecond=0) if since == now else since
        if (one.since, one.until) == (begins, until) and names.same(one.who, who.name):
            return one
    return None


def _open(at: datetime) -> ColumnElement[bool]:
    """Not lifted, and not over."""
    return switch.c.lifted.is_(None) & or_(switch.c.until.is_(None), switch.c.until > at)


def _is_a_reason(reason: str) -> None:
    a_reason(reason)
    if not reason.translate(_LAYOUT).isprintable():
        raise Refusal(Code.DATA_INVALID, "The reason holds a control character.", field="reason")


def _there_is(connection: Connection, what: What, subject: str, members: Collection[str]) -> None:
    """A switch under a mistyped code would stop nobody, and nobody would notice."""
    if what == "operator":
        known = storable(subject) and connection.execute(select(operator.c.tin).where(operator.c.tin == subject)).first()
        if not known:
            detail, remedy = (
                "No partner ever stated an operator with exactly this code.",
                "aeo-gateway eligible CODE suggests near ones.",
            )
            raise Refusal(Code.NOT_FOUND, detail, field="subject", value=subject, remedy=remedy)
        return
    there = {iso for iso, _, _ in partners.in_force(connection)}
    if what == "disruption":
        there |= {"*", *members}
    if subject not in there:
        detail = (
            "There is no arrangement of this code, and none has such a member."
            if members
            else "There is no arrangement of this code."
        )
        field = "where" if what == "disruption" else "subject"
        raise Refusal(Code.NOT_FOUND, detail, field=field, value=subject, remedy="aeo-gateway partner list")


def lift(connection: Connection, identity: int, among: Iterable[What], *, reason: str, who: Actor, at: datetime) -> Switch:
    """Ends a switch now, or one still to come before it begins. Raises ``Refusal``: NOT_FOUND where there is nothing left to end,
    DATA_INVALID."""
    _is_a_reason(reason)
    row = connection.execute(
        update(switch)
        .where(numbered(switch, identity), switch.c.what.in_(tuple(among)), _open(at))
        .values(lifted=at, lifted_by=who.name, lifted_because=reason)
        .returning(*switch.c)
    ).one_or_none()
    if row is None:
        raise Refusal(Code.NOT_FOUND, "Nothing with this number is in force or to come.", field="id", value=str(identity))
    journal.append(
        connection,
        "switch",
        row.subject,
        {"switch": identity, "lifted": True, "who": who.name, "by": who.noted, "reason": reason},
        at=at,
    )
    return _read(row)


def resume(
    connection: Connection,
    identity: int,
    *,
    resumed: datetime | None,
    until: datetime | None,
    reason: str,
    who: Actor,
    at: datetime,
) -> Switch:
    """Declares that trade has resumed after a disruption, from ``resumed`` (None: now), and until when goods have priority then (None: as
    was said when it was declared; where nothing was, there is none). Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    _is_a_reason(reason)
    open_ = switch.c.lifted.is_(None) & (switch.c.what == "disruption")
    row = connection.execute(select(switch).where(numbered(switch, identity), open_)).one_or_none()
    if row is None:
        raise Refusal(Code.NOT_FOUND, "No disruption with this number is under way or to come.", field="id", value=str(identity))
    begins = (resumed or at).replace(microsecond=0)
    ends = until.replace(microsecond=0) if until else row.until
    if begins < row.since:
        raise Refusal(Code.DATA_INVALID, "Trade would resume before it was disrupted.", field="resumed", value=begins.isoformat())
    if until is not None and ends is not None and ends <= begins:
        raise Refusal(Code.DATA_INVALID, "Priority would end before it begins.", field="until", value=ends.isoformat())
    values = {"lifted": at, "lifted_by": who.name, "lifted_because": reason, "resumed": begins, "priority_until": ends}
    done = connection.execute(update(switch).where(switch.c.id == row.id).values(values).returning(*switch.c)).one()
    said = {
        "switch": identity,
        "lifted": True,
        "resumed": begins,
        "until": ends,
        "who": who.name,
        "by": who.noted,
        "reason": reason,
    }
    journal.append(connection, "switch", row.subject, said, at=at)
    return _read(done)


def recorded(connection: Connection, among: Iterable[What]) -> list[Switch]:
    """Every switch of these kinds, the newest first."""
    rows = connection.execute(select(switch).where(switch.c.what.in_(tuple(among))).order_by(switch.c.id.desc()))
    return [_read(row) for row in rows]


def of_operators(connection: Connection, codes: Collection[str]) -> list[Switch]:
    """Every stop there was of these operators, the oldest first."""
    rows = connection.execute(select(switch).where(switch.c.what == "operator", switch.c.subject.in_(codes)).order_by(switch.c.id))
    return [_read(row) for row in rows]


def switches(connection: Connection, known_at: datetime | None = None) -> Switches:
    """What ``decide`` takes: as known now, or by our own clock at a past moment, when a later lifting was not yet known."""
    query = select(switch).order_by(switch.c.id)
    rows = connection.execute(query if known_at is None else query.where(switch.c.recorded <= known_at))
    operators: dict[str, list[Stop]] = {}
    arrangements: dict[str, list[Stop]] = {}
    disruptions: dict[str, list[Disruption]] = {}
    for one in map(_read, rows):
        lifted = one.lifted is not None and (known_at is None or one.lifted <= known_at)
        until = one.ends if lifted else one.until
        if one.what == "disruption":
            begins, ends = (one.resumed, one.priority_until) if lifted else (None, None)
            disruption = Disruption(where=one.subject, since=one.since, resumed=begins, until=ends, what=one.reason, by=one.who)
            disruptions.setdefault(one.subject, []).append(disruption)
        else:
            stop = Stop(target=one.subject, since=one.since, until=until, reason=one.reason, by=one.who)
            (operators if one.what == "operator" else arrangements).setdefault(one.subject, []).append(stop)
    return Switches(operators=operators, arrangements=arrangements, disruptions=disruptions)


def _read(row: Row[Any]) -> Switch:
    return Switch(**row._mapping)
