"""What a value of partner data may be: its type, and what is said where it is none."""

from __future__ import annotations

import codecs
import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from importlib.util import find_spec
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from typing_extensions import TypeAliasType

from gateway.core.arrangement import AnyLevel, CodeForm, DialectChoice, Direction, Measure, Mode
from gateway.core.home import Tier
from gateway.core.model import OPTIONAL_FIELDS
from gateway.core.moments import meant_day
from gateway.partners.faults import wrong
from gateway.partners.pattern import width_of

V = TypeVar("V")

_CHECKSUM = re.compile(r"[a-z]{2}\.[a-z]+")
_FOLDER = re.compile(r"[a-z0-9][a-z0-9-]*")
_DURATION = re.compile(r"(\d{1,4}) (minute|hour|day)s?")


def _duration(text: Any) -> timedelta:
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[1] == "0":
        raise wrong(f"{text!r} is no length of time", 'Write it as "35 days", "12 hours" or "90 minutes".')
    return timedelta(**{found[2] + "s": int(found[1])})


def _zone(key: str) -> str:
    try:
        ZoneInfo(key)
    except (KeyError, ValueError):  # a key that looks like a path is refused as a ValueError
        raise wrong(f"there is no time zone {key!r}", 'Use a name of the IANA database, such as "Asia/Singapore".') from None
    return key


def _known_checksum(name: str) -> bool:
    try:
        return _CHECKSUM.fullmatch(name) is not None and find_spec(f"stdnum.{name}") is not None
    except ModuleNotFoundError:  # the country has no module at all
        return False


#: The context in which what was activated before is read.
STORED = {"stored": True}


def rule(check: Callable[[V], V]) -> AfterValidator:
    """A validator that is not asked of what was activated before: a rule that became stricter must not change what is in force, nor
    an answer as it was known then."""

    def unless_stored(value: V, info: ValidationInfo) -> V:
        return value if info.context is STORED else check(value)

    return AfterValidator(unless_stored)


def _since(day: date) -> date:
    try:
        return meant_day(day)
    except ValueError as outside:
        raise wrong(f"{day} cannot be meant: {outside}", "Give the day from which it holds.") from None


def _code_form(form: CodeForm) -> CodeForm:
    try:
        width_of(form.pattern)
    except ValueError as error:
        raise wrong(
            f"the pattern cannot be used: {error}", "Write it with counted repetitions of single characters or classes."
        ) from None
    expression = re.compile(form.pattern)
    if form.example is not None and not expression.fullmatch(form.example):
        raise wrong("the pattern does not match its own example", "Correct the one that is wrong.")
    if form.level_group is not None and form.level_group not in expression.groupindex:
        raise wrong(f"the pattern has no group {form.level_group!r}", "Name the group (?P<name>...) whose text is the level.")
    if form.checksum is not None and not _known_checksum(form.checksum):
        raise wrong(f"there is no checksum {form.checksum!r}", "Name a module of python-stdnum, such as au.abn.")
    return form


def _dialect(choice: DialectChoice) -> DialectChoice:
    for part in (choice.name, choice.version, *choice.accepts):
        if not _FOLDER.fullmatch(part):  # it becomes a folder's name, so it must not lead anywhere else
            raise wrong(f"{part!r} is no name of a dialect or version", "Use lower-case letters, digits and hyphens.")
    if choice.version not in choice.accepts:
        raise wrong("the version we write is not among those accepted", "Add it to accepts.")
    return choice


def _levels(said: Any, listed: ValidatorFunctionWrapHandler) -> Any:
    if said == AnyLevel.ANY.value:
        return AnyLevel.ANY
    if not isinstance(said, list):
        raise wrong(
            f"{said!r} is no list of levels", 'Write it as ["AEOS", "AEOF"], or as "any" where a text recognises any level.'
        )
    return listed(said)


def _split(url: str, remedy: str) -> SplitResult:
    if url != url.strip() or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise wrong(f"there is a blank in {url!r}, or at its end", "Remove it.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - asking is what finds out
    except ValueError as error:
        raise wrong(f"{url!r} is no address: {error}", remedy) from None
    if not parts.hostname:
        raise wrong(f"{url!r} names no host", remedy)
    return parts


def _endpoint(url: str) -> str:
    parts = _split(url, "Write it as https://host/path.")
    if parts.username is not None or parts.fragment:
        raise wrong("an address names no user, and no part of a page", "Remove what stands before the @ or after the #.")
    return url


def _proxy(url: str) -> str:
    remedy = "Write it as http://host:port or socks5://host:port."
    parts = _split(url, remedy)
    if parts.username is not None:
        raise wrong("whoever reads partner data would read the password", "Have the proxy know this machine by its address.")
    if parts.port is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise wrong(f"{url!r} is not the host and port of a proxy", remedy)
    return url


#: What no partner's server has: of the machine's own network segment (where clouds answer for the machine itself), of groups, of nobody.
_NOBODYS = [ipaddress.ip_network(block) for block in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "fe80::/10", "ff00::/8")]


def _cidr(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise wrong(f"{text!r} is no block of addresses: {error}", "Write it as 10.20.0.0/16 or 10.20.0.7/32.") from None
    for block in _NOBODYS:
        if network.version == block.version and network.overlaps(block):
            raise wrong(f"{text!r} holds addresses of {block}, which no partner's server has", "Name the partner's own addresses.")
    return str(network)


Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Endpoint = Annotated[str, StringConstraints(pattern="^https?://"), rule(_endpoint)]
Cidr = Annotated[str, rule(_cidr)]
ProxyAddress = Annotated[str, StringConstraints(pattern="^(http|socks5)://"), rule(_proxy)]
KeyName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9-]{0,39}$")]
Chinese = Annotated[str, StringConstraints(pattern="[\u4e00-\u9fff]")]
Prefix = Annotated[str, StringConstraints(pattern="^[A-Z]{2,4}$")]
Iso = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
SourceId = Annotated[str, StringConstraints(pattern="^[a-z0-9-]+$")]
Zone = Annotated[str, AfterValidator(_zone)]

#: Encodings of CSV files that spreadsheet programs write.
Encoding = Literal[
    "utf-8",
    "utf-16",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-kr",
    "cp874",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1256",
    "windows-1258",
]
_ENCODINGS: dict[str, str] = {codecs.lookup(name).name: name for name in get_args(Encoding)}
#: What GBK and GB 2312 can say, GB 18030 says with the same bytes.
_ENCODINGS |= {"gbk": "gb18030", "gb2312": "gb18030", "utf-8-sig": "utf-8"}


def _encoding(said: object) -> object:
    """The encoding of that name, by any name that Python or a person has for it: ``GBK``, ``GB 2312``, ``windows-874``."""
    text = str(said).lower()
    for name in (text, re.sub(r"[\s_-]", "", text), text.replace("windows-", "cp")):
        with suppress(LookupError, ValueError):
            if found := _ENCODINGS.get(codecs.lookup(name).name):
                return found
    raise wrong(
        f"{said!r} is no encoding that is read",
        f"Name one of {', '.join(get_args(Encoding))}. What Chinese Windows calls GBK, GB2312 or ANSI is gb18030.",
    )


EncodingName = Annotated[Encoding, BeforeValidator(_encoding)]
Since = Annotated[date, rule(_since)]

# What a step may say. The names are those of the editors' schemas.
Code = TypeAliasType("Code", Annotated[CodeForm, rule(_code_form)])
Dialect = TypeAliasType("Dialect", Annotated[DialectChoice, rule(_dialect)])
ChineseCode = TypeAliasType("ChineseCode", Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,6}\+10$")])
ClearanceCode = TypeAliasType("ClearanceCode", Text)
Directions = TypeAliasType("Directions", Annotated[frozenset[Direction], Field(min_length=1)])
Modes = TypeAliasType("Modes", Annotated[frozenset[Mode], Field(min_length=1)])
_Listed = Annotated[frozenset[Text], Field(min_length=1, strict=False)]  # what a wrapped validator is given is a list
Levels = TypeAliasType("Levels", Annotated[_Listed, WrapValidator(_levels, json_schema_input_type=_Listed | AnyLevel)])
Measures = TypeAliasType("Measures", Annotated[tuple[Measure, ...], Field(min_length=1)])
Tiers = TypeAliasType("Tiers", Annotated[frozenset[Tier], Field(min_length=1)])
AnyTiers = TypeAliasType("AnyTiers", frozenset[Tier])
Fields = TypeAliasType("Fields", frozenset[Literal[OPTIONAL_FIELDS]])  # type: ignore[valid-type] # a second list could differ
Operators = TypeAliasType("Operators", Annotated[int, Field(gt=0)])
Percent = TypeAliasType("Percent", Annotated[int, Field(ge=0, le=100)])
Duration = TypeAliasType(
    "Duration",
    Annotated[
        timedelta,
        BeforeValidator(_duration),
        WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["35 days"]}),
    ],
)
