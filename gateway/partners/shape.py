"""The shape of partner data on disk. ``python -m gateway.partners.schema`` derives the editors' JSON Schemas from it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from importlib.util import find_spec
from itertools import pairwise
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from typing_extensions import TypeAliasType

from gateway.core.arrangement import AnyLevel, CodeForm, Contact, DialectChoice, Direction, Measure, MeasureScope, Mode
from gateway.core.home import Tier
from gateway.core.model import OPTIONAL_FIELDS
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


Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
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


class Shape(BaseModel):
    """Unknown keys are faults, and nothing is converted silently.

    A *rule* on top of the shape (``rule``) holds for what is checked and activated now. What was activated is opened as it was: rules are
    not asked for, and keys that there no longer are, are passed over (``STORED``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)


class WordsShape(Shape):
    """One phrase for people, in English and Simplified Chinese."""

    en: Text
    zh: Chinese


class Step(Shape, Generic[V]):
    """What a term says from a day on (China's calendar, that day included), and how we know: exactly one of source, unknown, setting."""

    since: date = Field(alias="from")
    value: V | None = None
    source: SourceId | None = Field(None, description="A fact: the id of its source in [sources].")
    unknown: Text | None = Field(None, description="No value: what is not known, in a sentence.")
    setting: Text | None = Field(None, description="A choice of this installation: why it was chosen.")
    note: Text | None = Field(None, description="For people, beside a fact.")

    @model_validator(mode="after")
    def _one_provenance(self) -> Step[V]:
        if [self.source, self.unknown, self.setting].count(None) != 2:
            raise wrong("a step needs exactly one provenance", "Give one of source, unknown, setting.")
        if (self.value is None) != (self.unknown is not None):
            raise wrong("a value goes with source or setting, and never with unknown", "Add the value or remove it.")
        if self.note is not None and self.source is None:
            raise wrong("a note stands beside a fact", "Say it in the unknown or the setting itself.")
        return self


def _ascending(steps: tuple[Step[V], ...]) -> tuple[Step[V], ...]:
    if not steps:
        raise wrong("a term says nothing", "Give it a step; unknown is an answer.")
    for before, after in pairwise(steps):
        if after.since <= before.since:
            raise wrong(
                f"the step from {after.since} follows the one from {before.since}",
                "Order the steps by date; each day begins at most one.",
            )
    return steps


W = TypeVar("W")
Timeline = TypeAliasType("Timeline", Annotated[tuple[Step[W], ...], AfterValidator(_ascending)], type_params=(W,))


class SiteTerms(Shape):
    """The terms an installation may choose for itself."""

    shared: Timeline[Fields] = ()
    chinese_code: Timeline[ChineseCode] = ()
    warn_after: Timeline[Duration] = ()
    stop_after: Timeline[Duration] = ()
    threshold: Timeline[Operators] = ()
    omission_share: Timeline[Percent] = ()
    list_every: Timeline[Duration] = ()
    dialect: Timeline[Dialect] = ()


class Terms(Shape):
    """Everything an arrangement says, by date."""

    in_force: Timeline[bool]
    directions: Timeline[Directions]
    modes: Timeline[Modes]
    levels: Timeline[Levels] = Field(
        description='Levels China recognises; "any": a text recognises every level; unknown: no text filters any, so any level.'
    )
    measures: Timeline[Measures]
    code: Timeline[Code] = Field(description="How the partner's codes look; unknown: the partner's own list decides.")

    tiers: Timeline[Tiers] = Field(description="Chinese tiers the partner recognises.")
    consent: Timeline[bool] = Field(description="Whether a Chinese AEO must consent before the partner is told of it.")
    shared: Timeline[Fields] = Field(description="Fields a statement of ours may carry beside code and standing.")
    chinese_code: Timeline[ChineseCode] = Field(
        description="The form of a Chinese AEO's code: letters, then the 10-digit customs code."
    )

    warn_after: Timeline[Duration] = Field(description="Age of the partner's data from which on every answer says it.")
    stop_after: Timeline[Duration] = Field(description="Age of the partner's data from which on answers are undetermined.")
    threshold: Timeline[Operators] = Field(description="Operators a day that lists may grant or delist without a person.")
    omission_share: Timeline[Percent] = Field(
        (), description="Percent of those who stand that a list may omit without a person; left out: 20."
    )
    list_every: Timeline[Duration] = Field(description="How often we send our complete list.")
    dialect: Timeline[Dialect] = Field(description="The XML spoken, and every version the partner may still send.")


class BindingShape(Shape):
    """How bytes travel and are trusted."""

    endpoint: Annotated[str, StringConstraints(pattern="^https?://")] | None = None
    pull: bool = False
    accept_for: Duration = Field(default="3 days", validate_default=True)
    retry_for: Duration = Field(default="2 days", validate_default=True)
    algorithms: tuple[Text, ...] = ()
    min_rsa_bits: Annotated[int, Field(ge=2048, le=8192)] = 3072
    private_addresses: bool = False


class MemberShape(Shape):
    """One member administration of an arrangement that has several."""

    iso: Iso
    name: WordsShape
    administration: Text
    zone: Zone
    prefixes: tuple[Prefix, ...] = ()


class PartnerFile(Shape):
    """One arrangement: ``partners/<iso>/partner.toml``."""

    iso: Iso
    economy: WordsShape
    administration: Text
    programme: Text
    signed: Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
    link: Literal["completed", "in process", "not named"]
    zone: Zone
    members: tuple[MemberShape, ...] = ()
    level_words: tuple[Text, ...] = ()
    sources: dict[SourceId, Text]
    contacts: tuple[Contact, ...] = ()
    binding: BindingShape = Field(default_factory=BindingShape)
    codes: dict[Text, Annotated[dict[Text, Text], Field(min_length=1)]] = {}
    signatory: dict[Text, Text] = {}
    terms: Terms


class ColumnShape(Shape):
    """One column of a spreadsheet."""

    heading: Text
    holds: str = Field("", description="What stands under it, as a hole of annotated samples; left out: the column is read past.")


class SheetShape(Shape):
    """The spreadsheet that the partner mails, and ours for it: its columns, in the order in which ours are written."""

    columns: Annotated[tuple[ColumnShape, ...], Field(min_length=1)]
    codes: dict[Text, Annotated[dict[Text, Text], Field(min_length=1)]] = {}
    parts: dict[Text, Text] = Field(
        {}, description="The form of a code that the columns hold in parts, such as tin = 'XA{serial}'."
    )
    always: dict[Text, Text] = Field({}, description="What holds of every row though no column says it: standing = 'valid'.")
    worksheet: Text | None = Field(None, description="Which sheet of a workbook; left out: the only one in sight.")
    encoding: EncodingName = "utf-8"
    separator: Literal[",", ";", "\t", "|"] | None = Field(None, description="Of a CSV file; left out: as its first line shows.")
    end: Text | None = Field(None, description="What the first row below the list begins with, such as 'Total'.")


class SiteFile(Shape):
    """What one installation chooses for one partner: ``<site>/<iso>/site.toml``. It can hold no fact."""

    binding: BindingShape = Field(default_factory=BindingShape)
    contacts: tuple[Contact, ...] = ()
    signatory: dict[Text, Text] = {}
    sheet: SheetShape | None = None
    terms: SiteTerms = SiteTerms()


class MeasureShape(Shape):
    """What people and clearance call a measure."""

    en: Text
    zh: Chinese
    scope: MeasureScope
    source: SourceId
    clearance_code: Timeline[ClearanceCode]


class OutsideShape(Shape):
    """What a person should know of codes that belong to no arrangement: a word that the sentences of both languages know."""

    note: Literal["cross-strait-pilot"]
    source: SourceId


class LawFile(Shape):
    """What is common to all arrangements: ``partners/common.toml``."""

    sources: dict[SourceId, Text]
    measures: dict[Measure, MeasureShape]
    prevailing: Timeline[AnyTiers]
    suspended_prevails: Timeline[bool]
    outside: dict[Iso, OutsideShape] = Field({}, description="Notes on codes of no arrangement, by their first two letters.")


class SiteMeasureShape(Shape):
    """What one installation calls a measure: clearance's own code for it, and the words its people use."""

    en: Text | None = None
    zh: Chinese | None = None
    clearance_code: Timeline[ClearanceCode] = ()


class SiteLawFile(Shape):
    """What one installation chooses of what is common to all arrangements: ``<site>/common.toml``. It can hold no fact."""

    measures: dict[Measure, SiteMeasureShape] = {}
    suspended_prevails: Timeline[bool] = ()


def _keys(model: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in model.model_fields.items()}


_SHAPES: tuple[type[BaseModel], ...] = (
    PartnerFile,
    SiteFile,
    LawFile,
    SiteLawFile,
    SiteMeasureShape,
    OutsideShape,
    Terms,
    BindingShape,
    MemberShape,
    MeasureShape,
    WordsShape,
    SheetShape,
    ColumnShape,
    Step,
)
#: What a misspelt key may have meant.
KNOWN_KEYS = frozenset(key for model in _SHAPES for key in _keys(model))
