"""Questions as they come over HTTP, and their answers as JSON: one code, many, or many known at a past moment.

Whatever the route, a question takes the same way from ``Asked`` to bytes.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin
from urllib.parse import unquote_plus

import msgspec

from gateway.clearance.answer import Asked, unrecognised
from gateway.clearance.as_known import AsKnown
from gateway.clearance.parties import domestic_of
from gateway.clearance.render import RenderedAnswer, render
from gateway.clearance.templates import usual
from gateway.clearance.wording import Language
from gateway.core import moments
from gateway.core.access import Scope
from gateway.core.arrangement import Direction, Mode, Role
from gateway.core.declared import LONGEST
from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE
from gateway.core.question import Answer, Party, Verdict
from gateway.store.tokens import Caller
from gateway.web.documents import bounds
from gateway.web.http.limiter import LARGEST
from gateway.web.service import Service

T = TypeVar("T")
encode = msgspec.json.Encoder().encode

#: After so many answers others get their turn: about half a millisecond.
TURN = 25
#: Seconds for which the interpreter is left to the server's own threads after every second turn: they take it several times for each request, and
#: without a pause would wait for the whole batch.
BREATH = 0.00005
#: Looking for near misses costs as much as this many answers, and is charged so.
SUGGESTING = 50
#: Near misses are for a person to look at: so many unknown codes of one request get them (choice).
SUGGESTED = 20

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
#: Why a person decides something: not empty.
Reason = Annotated[str, bounds(minLength=1, pattern=r"\S")]


class Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every code of a request shares, and each may override."""

    on: date | None = None
    direction: Direction | None = None
    mode: Mode | None = None
    role: Role | None = None
    parties: tuple[str, ...] = ()


class Single(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of ``GET /v1/eligibility``."""

    as_known_at: Moment | None = None
    lang: Language | None = None


class Batch(Common, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /v1/eligibility``: 1 to 3,000 codes, each a text or an object that overrides what is common. Near misses are
    suggested for the first 20 that nobody knows now, as long as the client's rate allows it."""

    codes: Annotated[tuple[str | Asked, ...], bounds(minItems=1, maxItems=LARGEST)]
    as_known_at: Moment | None = None
    lang: Language | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answers, in the order of the questions."""

    answers: Sequence[RenderedAnswer]


def understand(given: Any, kind: type[T], *, strict: bool = True) -> T:
    """``given`` (JSON, or values by name) as ``kind``. Raises ``Refusal`` QUESTION_INVALID that names the field."""
    try:
        if isinstance(given, bytes):
            understood = msgspec.json.decode(given, type=kind)
            if b"{" in given:
                json.loads(given, object_pairs_hook=_once)
        else:
            understood = msgspec.convert(given if strict else _as_written(given, kind), kind, strict=strict)
    except UnicodeDecodeError:
        raise Refusal(Code.QUESTION_INVALID, "The text is not UTF-8.") from None
    except msgspec.DecodeError as error:
        detail, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        if named := _MEMBER.search(detail):
            field = f"{field}.{named[1]}".lstrip(".")
        hint = _choices(kind, field) if "enum" in detail else next((hint for sign, hint in _HINTS if sign in detail), None)
        said = f"{detail}. {hint}" if hint else f"{detail}."
        raise Refusal(Code.QUESTION_INVALID, said, field=field or None) from None
    _meant(understood, "")
    return understood


def _as_written(given: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Values of an address. Read leniently, as numbers there must be, ``2026`` would be a moment in 1970, and ``null`` none at all."""
    for name in _dated(kind):
        if name in given and not _BEGINS_WITH_A_YEAR(given[name]):
            declared = next(one.type for one in msgspec.structs.fields(kind) if one.name == name)
            try:
                msgspec.convert(given[name], declared)
            except msgspec.ValidationError as error:
                raise msgspec.ValidationError(f"{error} - at `$.{name}`") from None
    return given


def _meant(value: object, field: str) -> None:
    """Refuses a moment or a day that nobody can mean, wherever it stands in what was decoded: no route has to think of it."""
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        for name in _dated(type(value)):
            _meant(getattr(value, name), f"{field}.{name}".lstrip("."))
    elif kind is tuple or kind is list:
        for at, one in enumerate(cast("Sequence[object]", value)):
            if type(one) is not str:
                _meant(one, f"{field}[{at}]")
    elif isinstance(value, date):
        try:
            _ = moments.meant(value) if isinstance(value, datetime) else moments.meant_day(value)
        except ValueError as outside:
            raise Refusal(Code.QUESTION_INVALID, f"It cannot be meant: {outside}.", field=field, value=value.isoformat()) from None


@cache
def _dated(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of a struct in which a moment or a day may stand, at whatever depth: at the others nothing need be looked."""
    return tuple(one.name for one in msgspec.structs.fields(kind) if '"format": "date' in json.dumps(msgspec.json.schema(one.type)))


def _once(members: list[tuple[str, Any]]) -> None:
    """Which of two members of one name is meant cannot be told, and another reader may tell it otherwise."""
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal(Code.QUESTION_INVALID, "The member stands twice.", field=twice)


#: What to write instead, by what msgspec says of the value.
_HINTS = (
    ("datetime", "Write a moment with its zone: 2026-06-15T04:00:00Z (in an address, + is %2B)."),
    ("date", "Write a day as 2026-06-15."),
    ("JSON is malformed", "Send JSON in UTF-8, without a byte order mark."),
    ("truncated", "Send JSON that is whole; a text holds no half of a surrogate pair."),
)
_MEMBER = re.compile("field `([^`]*)`")
_BEGINS_WITH_A_YEAR = re.compile("[0-9]{4}-").match
_CHOICES: dict[str, type[StrEnum]] = {"direction": Direction, "mode": Mode, "role": Role, "lang": Language}


def _choices(kind: object, field: str) -> str | None:
    """The words that may stand in a field of a question."""
    name = field.rpartition(".")[2]
    words: Sequence[str] | None = tuple(_CHOICES[name]) if name in _CHOICES else None
    if name == field and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        declared = next((one.type for one in msgspec.structs.fields(kind) if one.encode_name == name), None)
        words = _words(declared) or words
    return f"Write one of: {', '.join(words)}." if words else None


def _words(declared: object) -> tuple[str, ...]:
    """Those of an enumeration or a literal, however it is wrapped."""
    if isinstance(declared, type) and issubclass(declared, StrEnum):
        return tuple(declared)
    if get_origin(declared) is Literal:
        return get_args(declared)
    return next((words for one in get_args(declared) if (words := _words(one))), ())


def parse_query(query: bytes) -> dict[str, Any]:
    """The parameters of a query string. One that stands twice is refused, since which is meant cannot be told; ``party`` may repeat."""
    found: dict[str, Any] = {}
    parties: list[str] = []
    for part in query.decode("latin-1").split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        value = _unquoted(name, value)
        if name == "party":
            parties.append(value)
        elif name in found:
            raise Refusal(Code.QUESTION_INVALID, "The parameter stands twice.", field=name)
        elif name == "parties":
            raise Refusal(Code.QUESTION_INVALID, "In an address each domestic party is a parameter party.", field=name)
        else:
            found[name] = value
    if parties:
        found["parties"] = parties
    return found


def _unquoted(name: str, value: str) -> str:
    if "%" not in value and "+" not in value:
        return value
    try:
        return unquote_plus(value, errors="strict")
    except UnicodeDecodeError:
        raise Refusal(Code.QUESTION_INVALID, "The value is not UTF-8.", field=name) from None


async def answer_one(service: Service, caller: Caller, query: bytes) -> bytes:
    """``GET /v1/eligibility``: one answer as JSON."""
    service.limiter.take(caller.id, 1)
    first, _, way = query.partition(b"&")  # what follows the code is a way of asking that many share
    code_first = first.startswith(b"code=")
    if code_first:
        code = _unquoted("code", first[5:].decode("latin-1"))
        if known := service.alike.answer(way, code, service.answers.now()):
            service.metrics.answers[Verdict.ELIGIBLE] += 1
            return known
    asked = understand(parse_query(query), Single, strict=False)
    language = asked.lang or service.language
    if asked.as_known_at is not None or asked.parties:
        near = Suggesting(service, caller, 1)
        ((said,),) = [turn async for turn in answer_many(service, caller, [asked], asked.as_known_at, language, near)]
        return said
    answer = service.answers.answer(asked)
    service.metrics.answers[answer.verdict] += 1
    rendered = render(answer, service.answers.law, language, await Suggesting(service, caller, 1).of(answer))
    if code_first:
        service.alike.learn(way, asked, answer, rendered)
    return encode(rendered)


class Suggesting:
    """Near misses for at most so many codes of a request; each is charged to its caller, and none is looked for past the rate."""

    def __init__(self, service: Service, caller: Caller, most: int) -> None:
        self._service, self._caller, self.left = service, caller, most

    async def of(self, answer: Answer) -> list[str]:
        """Known codes one slip away, where nobody knows the code asked about; others then get their turn."""
        text = unrecognised(answer) if self.left else None
        # The near misses of a text grow with the square of its length, and no code is longer.
        if not text or len(text) > LONGEST or self._service.limiter.wait(self._caller.id, SUGGESTING):
            return []
        self.left -= 1
        found = self._service.answers.near(text)
        await asyncio.sleep(0)
        return found


def questions(batch: Batch) -> list[Asked]:
    """Every question of a request whole. Raises ``Refusal`` CODES_COUNT."""
    if not 1 <= len(batch.codes) <= LARGEST:
        raise Refusal(Code.CODES_COUNT, f"The request holds {len(batch.codes)} codes.", field="codes")
    return [with_common(one, batch) for one in batch.codes]


def with_common(one: str | Asked, common: Common) -> Asked:
    """A code and what it shares with the others."""
    own = Asked(code=one) if isinstance(one, str) else one
    return Asked(
        code=own.code,
        on=own.on or common.on,
        direction=own.direction or common.direction,
        mode=own.mode or common.mode,
        role=own.role or common.role,
        name=own.name,
        manifest=own.manifest,
        parties=own.parties or common.parties,
    )


async def answer_many(
    service: Service,
    caller: Caller,
    asked: Sequence[Asked],
    known_at: datetime | None,
    language: Language,
    near: Suggesting | None = None,
) -> AsyncIterator[list[bytes]]:
    """Answers as JSON in the order of the questions, so many at a time; between them others get their turn, so that a client who asks
    for thousands holds nobody up. ``near`` suggests among what is known now, and not for a past moment."""
    domestic = sees_domestic(caller)
    if known_at is not None:
        async with service.past:
            said = await asyncio.to_thread(_then, service, asked, known_at, language, domestic)
        service.metrics.answers.update(one.verdict for one in said)
        yield [*map(encode, said)]
        return
    parties = await _parties(service, asked)
    for turn, start in enumerate(range(0, len(asked), TURN)):
        yield [
            await _answer(service, one, parties[one.parties, one.on] if one.parties else (), language, near, domestic)
            for one in asked[start : start + TURN]
        ]
        await give_way(turn)


async def give_way(turn: int) -> None:
    """After the ``turn``-th turn: the loop to whoever waits for it, and every second time the interpreter to the server's threads."""
    if turn % 2:
        time.sleep(BREATH)
    await asyncio.sleep(0)


def sees_domestic(caller: Caller) -> bool:
    """Whether a caller may know which domestic party prevailed, and by what."""
    return Scope.DOMESTIC_READ in caller.scopes


async def _answer(
    service: Service, asked: Asked, parties: tuple[Party, ...], language: Language, near: Suggesting | None, domestic: bool
) -> bytes:
    way = (asked.direction, asked.mode, asked.role, asked.on, language)
    if usual(asked) and (known := service.alike.answer(way, asked.code, service.answers.now())):
        service.metrics.answers[Verdict.ELIGIBLE] += 1
        return known
    answer = service.answers.answer(asked, parties)
    service.metrics.answers[answer.verdict] += 1
    rendered = render(answer, service.answers.law, language, await near.of(answer) if near else (), domestic=domestic)
    service.alike.learn(way, asked, answer, rendered)
    return encode(rendered)


async def _parties(service: Service, asked: Iterable[Asked]) -> dict[tuple[tuple[str, ...], date | None], tuple[Party, ...]]:
    """The domestic parties named, from the store: each different set once."""
    named = {(one.parties, one.on) for one in asked if one.parties}
    today = service.node.clock().astimezone(HOME_ZONE).date()

    def look() -> dict[tuple[tuple[str, ...], date | None], tuple[Party, ...]]:
        with service.node.database.reading() as connection:
            found = domestic_of(connection, {(ids, on or today) for ids, on in named})
        return {(ids, on): found[ids, on or today] for ids, on in named}

    return await asyncio.to_thread(look) if named else {}


def _then(service: Service, asked: Sequence[Asked], moment: datetime, language: Language, domestic: bool) -> list[RenderedAnswer]:
    said = []
    with service.node.database.reading() as connection:
        then = AsKnown(connection, service.node.partners, moment, service.node.settings.domestic_stop_after)
        for answer in then.answers(asked, service.node.clock()):
            said.append(render(answer, then.law, language, domestic=domestic))
            time.sleep(0)  # or the event loop would wait for the interpreter, five milliseconds each time
    return said
