"""The tables of cases in ``tests/cases/eligibility``: how they are read and put to ``decide``.

A file opens with ``[given]``, the circumstances its cases share; a case replaces any of them. What was told is a list of lines such as
``{ notice = 2026-05-01T00:00:00Z, says = "suspended", from = 2026-05-10 }``: which kind of message, when it was made (a list: its as-of),
what it says of the one operator ``tin``, and from when on. Terms are the partner's real ones but for those a case states. Every reason and
every warning that an answer gives must be expected by its case, in order; everything else only where the case says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gateway.core.arrangement import AnyLevel, Arrangement, CodeForm, Direction, Measure, Mode, Role
from gateway.core.declared import resolve
from gateway.core.eligibility import decide
from gateway.core.fold import fold
from gateway.core.history import pack, unpack
from gateway.core.home import Tier
from gateway.core.model import Environment, Header, Kind, Picture, PlacedStatement, Standing, Statement
from gateway.core.place import place
from gateway.core.question import Answer, Currency, Disruption, Party, Question, Stop, Switches, Verdict
from gateway.core.terms import Dated, Provenance, Term
from gateway.partners import Registry
from tests.rig.shipped import arrangements, law

REPO = Path(__file__).resolve().parents[2]
CASES = REPO / "tests" / "cases" / "eligibility"


class TableLine(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"effective": "from"}):
    """One thing the partner told; exactly one of the first four is given."""

    list: datetime | None = None
    response: datetime | None = None
    update: datetime | None = None
    notice: datetime | None = None
    says: Standing = Standing.VALID
    effective: Any = None
    level: str | None = None
    number: str | None = None
    name: str | None = None
    name_local: str | None = None
    granted: date | None = None
    expires: date | None = None
    id: str | None = None
    received: datetime | None = None
    held: bool = False
    derived: bool = False
    transcribed: bool = False
    voided: datetime | None = None


class Given(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The circumstances of a case. ``as_of = "never"``: no complete list was ever received."""

    partner: str = "SG"
    tin: str = "SG123456789012"
    now: datetime = datetime(2026, 6, 15, 4, tzinfo=UTC)
    as_of: Any = datetime(2026, 6, 1, tzinfo=UTC)
    told: tuple[TableLine, ...] = ()
    then: tuple[TableLine, ...] = ()
    known: tuple[str, ...] = ()
    terms: dict[str, Any] = {}
    law: dict[str, Any] = {}
    stops: tuple[Stop, ...] = ()
    disruptions: tuple[Disruption, ...] = ()
    current: bool = True
    code: str | None = None
    on: date | None = None
    direction: Direction | None = None
    mode: Mode | None = None
    role: Role | None = None
    name: str | None = None
    manifest: str | None = None
    parties: tuple[Party, ...] = ()
    known_at: datetime | None = None


class Expect(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the answer must be. ``measures`` are letters; ``facts`` are by reason or warning; ``evidence`` message ids."""

    verdict: Verdict
    grant: bool | None = None
    measures: str | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: dict[str, dict[str, str]] = {}
    sources: dict[str, str] = {}
    directions: dict[Direction, Verdict] = {}
    covers: dict[Measure, tuple[Direction, ...]] = {}
    read: str | None = None
    evidence: tuple[str, ...] | None = None
    ask_again: Any = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what it is called, why it is so, where that is written, and the rest."""

    id: str
    why: str
    source: str
    given: Given
    expect: Expect


def read(path: Path) -> Iterator[Case]:
    """The cases of one file; a key that means nothing is an error."""
    table = tomllib.loads(path.read_text("utf-8"))
    shared = table.pop("given", {})
    rows = table.pop("case")
    assert not table, f"{path.name}: {sorted(table)} means nothing"
    for row in rows:
        named = {key: row.pop(key) for key in ("id", "why", "source", "expect")}
        named["id"] = f"{path.stem}/{named['id']}"
        given = shared | row
        if given.get("direction") == "both":
            del given["direction"]
        yield msgspec.convert(named | {"given": given}, Case)


def ask(given: Given) -> Answer:
    """Put a case's question, from the text as typed to the answer."""
    ours = (
        replace(arrangements()[given.partner], digest="", **_terms(given.terms)) if given.terms else arrangements()[given.partner]
    )
    rules = replace(law(), digest="", **_terms(given.law)) if given.law else law()
    registry = _Registry(ours, {given.tin, *given.known} if given.told or given.then else set(given.known))
    question = Question(
        code=given.tin if given.code is None else given.code,
        now=given.now,
        on=given.on,
        direction=given.direction,
        mode=given.mode,
        role=given.role,
        name=given.name,
        manifest=given.manifest,
        parties=given.parties,
        known_at=given.known_at,
    )
    declared = resolve(question.code, registry, given.on or given.now.date())
    told = [_told(line, given.tin, ours, at) for at, line in enumerate((*given.told, *given.then), start=1)]
    if given.known_at:
        told = [_as_known(one, given.known_at) for one in told if one.received <= given.known_at]
    timeline = fold(told, ours.zone_of(given.tin)) if told and declared.code == given.tin else None
    return decide(
        question,
        declared,
        arrangement=declared.arrangement,
        timeline=timeline and unpack(pack(timeline)),
        currency=Currency(None if given.as_of == "never" else given.as_of),
        switches=_switches(given),
        law=rules,
        current=given.current,
    )


class _Registry:
    """Every real partner, the case's own in place of its namesake."""

    def __init__(self, ours: Arrangement, known: set[str]) -> None:
        self._known = known
        self.arrangement_for = Registry({**arrangements(), ours.iso: ours}.values()).arrangement_for

    def known(self, code: str) -> bool:
        return code in self._known


def _told(line: TableLine, tin: str, ours: Arrangement, at: int) -> PlacedStatement:
    ((kind, made),) = ((kind, made) for kind in ("list", "response", "update", "notice") if (made := getattr(line, kind)))
    fields = ("effective", "level", "number", "name", "name_local", "granted", "expires")
    message = line.id or f"m{at}"
    header = Header(
        id=message,
        kind=Kind(kind),
        sender=ours.iso,
        receiver="CN",
        environment=Environment.PRODUCTION,
        created=made,
        picture=Picture(as_of=made) if kind == "list" else None,
    )
    placed = place(
        Statement(tin=tin, standing=line.says, **{field: getattr(line, field) for field in fields}),
        header,
        ours.zone_of(tin),
        digest=message.encode().hex(),
        received=line.received or made,
        held=line.held,
        transcribed=line.transcribed,
    )
    return msgspec.structs.replace(placed, derived=line.derived, voided=line.voided)


def _as_known(one: PlacedStatement, moment: datetime) -> PlacedStatement:
    """As the store gives it again (``store.statements.said_by``): what was voided only later was still believed."""
    return msgspec.structs.replace(one, voided=None) if one.voided and one.voided > moment else one


def _terms(stated: dict[str, Any]) -> dict[str, Any]:
    return {name: Term((Dated(date(2000, 1, 1), _value(name, value), _PROVENANCE),)) for name, value in stated.items()}


_PROVENANCE = Provenance("fact", "the case")


def _value(name: str, value: Any) -> Any:
    """A term as a case writes it: ``"unknown"``, days for a limit, letters for measures."""
    if value == "unknown":
        return None
    if name in ("warn_after", "stop_after"):
        return timedelta(days=value)
    if name == "code":
        return CodeForm(**value)
    if value == "any":
        return AnyLevel.ANY
    kinds = {"directions": Direction, "modes": Mode, "levels": str, "prevailing": Tier}
    if name == "measures":
        return tuple(Measure(letter) for letter in value)
    return frozenset(map(kinds[name], value)) if name in kinds else value


def _switches(given: Given) -> Switches:
    def by(target: str) -> dict[str, list[Stop]]:
        return {target: [stop for stop in given.stops if stop.target == target]}

    disruptions: dict[str, list[Disruption]] = {}
    for disruption in given.disruptions:
        disruptions.setdefault(disruption.where, []).append(disruption)
    return Switches(operators=by(given.tin), arrangements=by(given.partner), disruptions=disruptions)
