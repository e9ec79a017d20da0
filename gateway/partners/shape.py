"""The shape of partner data on disk. ``python -m gateway.partners.schema`` derives the editors' JSON Schemas from it."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypeAliasType

from gateway.core.arrangement import Contact, Measure, MeasureScope
from gateway.partners.faults import wrong
from gateway.partners.values import (
    AnyTiers,
    Chinese,
    ChineseCode,
    Cidr,
    ClearanceCode,
    Code,
    Dialect,
    Directions,
    Duration,
    EncodingName,
    Endpoint,
    Fields,
    Iso,
    KeyName,
    Levels,
    Measures,
    Modes,
    Operators,
    Percent,
    Prefix,
    ProxyAddress,
    Since,
    SourceId,
    Text,
    Tiers,
    Zone,
)

V = TypeVar("V")


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

    since: Since = Field(alias="from")
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

    endpoint: Endpoint | None = None
    pull: bool = False
    accept_for: Duration = Field(default="3 days", validate_default=True)
    retry_for: Duration = Field(default="2 days", validate_default=True)
    algorithms: tuple[Text, ...] = ()
    min_rsa_bits: Annotated[int, Field(ge=2048, le=8192)] = 3072
    private_addresses: bool = False
    envelope: Annotated[
        Literal[1, 2],
        Field(description="Version of the envelope in which we write. 1, the form of before, has no proof that a new key is held."),
    ] = 1
    addresses: Annotated[
        tuple[Cidr, ...], Field(description="The addresses, public or private, that the endpoint may have, such as 10.20.0.0/16.")
    ] = ()
    proxy: Annotated[
        ProxyAddress | None, Field(description="A proxy of ours: http://host:port (CONNECT) or socks5://host:port.")
    ] = None
    resolve: Annotated[
        Literal["here", "proxy"],
        Field(
            description="Who looks the endpoint's name up. Where the proxy does, which addresses it may have is the proxy's to guard."
        ),
    ] = "here"
    client_key: Annotated[
        KeyName | None, Field(description="The key of ours (aeo-gateway key create NAME) whose certificate we present there.")
    ] = None


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
