"""One record of the domestic feed, read strictly: a record, or every fault of its row.

A record says how an enterprise stands, complete: what it leaves out is not so (no customs code, no English name). The one exception
is consent, of which a record may say nothing. Nothing unknown is dropped: an unknown field is a fault.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import msgspec
from stdnum.cn import uscc as stdnum_uscc

from gateway.core.errors import Code, Refusal
from gateway.core.home import Tier
from gateway.domestic.enterprise import EVERY_PARTNER
from gateway.domestic.rules import FIRST_DAY, LegalGround, MeasureStatus, order_on

E = TypeVar("E", bound=StrEnum)

#: Every fault of one row, each with line, field, value, reason and remedy.
Faults = tuple[Refusal, ...]

MAX_TEXT = 500
YEARS = range(1980, 2101)

_DATE = re.compile(r"(\d{4})(?:-|/|\.|年)(\d{1,2})(?:-|/|\.|月)(\d{1,2})日?(?:[ T]00:00(?::00)?)?", re.ASCII)
_USCC = re.compile(r"[0-9]{8}[0-9A-HJ-NPQRTUWXY]{10}")
_CUSTOMS_CODE = re.compile(r"[0-9]{10}")
_CONSENT = re.compile(rf"{EVERY_PARTNER}|-?[A-Z]{{2}}")
_NOT_XML = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """How one enterprise stands according to credit management. ``ground`` says why what changed did; dates are days in China."""

    uscc: str
    name_zh: str
    tier: Tier
    tier_since: date
    measure_status: MeasureStatus
    measure_since: date
    customs_code: str | None = None
    name_en: str | None = None
    address: str | None = None
    ground: LegalGround | None = None
    consent: tuple[str, ...] | None = None
    consent_since: date | None = None
    certified_on: date | None = None
    recertify_by: date | None = None


def decode(row: Mapping[str, object], line: int) -> Record | Faults:
    """Read one row (text, or cells and JSON values of the right type); blank, null and absent are the same.

    ``line`` counts from 1. All faults of the row are returned together.
    """
    faults = [
        Refusal(
            Code.FIELD_UNEXPECTED, "There is no such field.", field=name, line=line, remedy=f"The fields are: {', '.join(FIELDS)}."
        )
        for name in row
        if name not in FIELDS
    ]
    values: dict[str, Any] = {}
    for name, field in FIELDS.items():
        raw = row.get(name)
        if isinstance(raw, str):
            raw = raw.strip() or None
        try:
            if raw is not None:
                values[name] = field.read(raw)
            elif field.required:
                raise Refusal(Code.FIELD_MISSING, f"{name} is missing.")
        except Refusal as refusal:
            faults.append(_located(refusal, name, raw, line, field.form))
    if faults:
        return tuple(faults)
    record = Record(**values)
    return tuple(_contradictions(record, line)) or record


def _located(refusal: Refusal, field: str, value: object, line: int, form: str) -> Refusal:
    """``refusal`` with its place; where it names no remedy of its own, the form that is expected."""
    general = refusal.remedy == refusal.code.row.remedy
    shown = None if value is None else str(value)
    remedy = f"Give {form}." if general else refusal.remedy
    return Refusal(refusal.code, refusal.detail, field=field, value=shown, line=line, remedy=remedy)


def _contradictions(record: Record, line: int) -> Iterator[Refusal]:
    """What no field shows alone."""
    order = order_on(record.tier_since)
    if record.tier not in order.tiers:
        yield Refusal(
            Code.FIELD_INVALID,
            f"{order.name}, in force on {record.tier_since}, has no tier of this name.",
            field="tier",
            value=record.tier,
            line=line,
            remedy=f"On that day the tiers were: {', '.join(order.tiers)}. Names are never converted.",
        )
    if (record.consent is None) != (record.consent_since is None):
        missing = "consent" if record.consent is None else "consent_since"
        remedy = "Give both consent and the day from which it holds, or neither."
        yield Refusal(Code.FIELD_MISSING, f"{missing} is missing.", field=missing, line=line, remedy=remedy)
    if record.certified_on and record.recertify_by and record.recertify_by < record.certified_on:
        due = record.recertify_by.isoformat()
        yield Refusal(
            Code.PERIOD_REVERSED, "Re-certification is due before certification.", field="recertify_by", value=due, line=line
        )


# ---------------------------------------------------------------- reading one value


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise Refusal(Code.FIELD_INVALID, "Text is expected.", remedy="Format the column as text before filling it in.")
    if _NOT_XML.search(raw) or (not raw.isprintable() and any(unicodedata.category(c) == "Cf" for c in raw)):
        raise Refusal(
            Code.CHARACTERS,
            "The text holds control, line break or invisible characters.",
            remedy="Write it in one line of visible characters.",
        )
    if len(raw) > MAX_TEXT:
        raise Refusal(
            Code.FIELD_INVALID, f"The text is longer than {MAX_TEXT} characters.", remedy="Shorten it; nothing is cut here."
        )
    return raw


def _uscc(raw: object) -> str:
    text = _text(raw)
    if len(text) != 18:
        raise Refusal(Code.FIELD_INVALID, f"A unified social credit code has 18 characters; this has {len(text)}.")
    if not _USCC.fullmatch(text):
        raise Refusal(
            Code.CHARACTERS,
            "A unified social credit code is eight digits, then ten digits or plain capital letters other than I, O, S, V and Z.",
            remedy="Check for small, full-width or look-alike characters.",
        )
    if not stdnum_uscc.is_valid(text):
        expected = stdnum_uscc.calc_check_digit(text[:17])
        raise Refusal(
            Code.FIELD_INVALID,
            f"The check character is {text[17]}; the first 17 characters ask for {expected}.",
            remedy="One or more characters are mistyped.",
        )
    return text


def _customs_code(raw: object) -> str:
    text = str(raw) if type(raw) is int else _text(raw)
    if not _CUSTOMS_CODE.fullmatch(text):
        raise Refusal(
            Code.FIELD_INVALID,
            "A customs code is exactly ten plain digits.",
            remedy="Give the ten digits, or leave it out where the enterprise has none.",
        )
    return text


def read_day(raw: object) -> date:
    """A day as text, or as a cell or value of that type. Raises ``Refusal``."""
    if isinstance(raw, datetime):
        if raw.time() != time():
            raise Refusal(Code.FIELD_INVALID, "A day is expected, without a time of day.")
        found = raw.date()
    elif isinstance(raw, date):
        found = raw
    else:
        match = _DATE.fullmatch(_text(raw))
        if match is None:
            raise Refusal(Code.FIELD_INVALID, "This is not a date written year, month, day.")
        try:
            found = date(*map(int, match.groups()))
        except ValueError:
            raise Refusal(Code.FIELD_INVALID, "There is no such day in the calendar.") from None
    if found.year not in YEARS:
        raise Refusal(Code.DATE_RANGE, f"The year is not between {YEARS[0]} and {YEARS[-1]}.")
    return found


def _law_date(raw: object) -> date:
    found = read_day(raw)
    order_on(found)
    return found


#: The same in Chinese, as they may stand in a file; they are not terms of the law.
_STATUS_WORDS = {
    "正常": MeasureStatus.ACTIVE,
    "部分暂停": MeasureStatus.PARTIALLY_SUSPENDED,
    "暂停": MeasureStatus.SUSPENDED,
    "整改": MeasureStatus.RECTIFYING,
}


def _word(words: type[E], others: Mapping[str, E] | None = None) -> Callable[[object], E]:
    def read(raw: object) -> E:
        text = _text(raw)
        try:
            return (others or {}).get(text) or words(text)
        except ValueError:
            listed = ", ".join((*words, *(others or ())))
            raise Refusal(Code.CODE_UNKNOWN, "The word is not in the agreed list.", remedy=f"Use one of: {listed}.") from None

    return read


def _consent(raw: object) -> tuple[str, ...]:
    items = raw if isinstance(raw, list) else re.split(r"[\s,;、，；]+", _text(raw))
    if items == ["none"]:
        return ()
    for item in items:
        if not isinstance(item, str) or not _CONSENT.fullmatch(item):
            raise Refusal(Code.CODE_UNKNOWN, "This names no partner.")
        if f"-{item}" in items:
            raise Refusal(Code.FIELD_INVALID, "One partner is both consented to and excepted.")
    return tuple(sorted(set(items)))


class Field(NamedTuple):
    """How one field is read, in which form it is expected, and whether it must be there."""

    read: Callable[[object], object]
    form: str
    required: bool = False


_LAW_DAY = f"a day from {FIRST_DAY} on, as 2026-04-01"
_DAY = "a day, as 2026-04-01"

FIELDS: dict[str, Field] = {
    "uscc": Field(_uscc, "the 18 characters of the unified social credit code, as text", required=True),
    "customs_code": Field(_customs_code, "the ten digits of the customs code"),
    "name_zh": Field(_text, "the Chinese name", required=True),
    "name_en": Field(_text, "the registered English name"),
    "address": Field(_text, "the registered address, in one line"),
    "tier": Field(_word(Tier), f"one of: {', '.join(Tier)}", required=True),
    "tier_since": Field(_law_date, _LAW_DAY, required=True),
    "measure_status": Field(
        _word(MeasureStatus, _STATUS_WORDS), f"one of: {', '.join((*MeasureStatus, *_STATUS_WORDS))}", required=True
    ),
    "measure_since": Field(_law_date, _LAW_DAY, required=True),
    "ground": Field(_word(LegalGround), f"one of: {', '.join(LegalGround)}"),
    "consent": Field(_consent, "all, none, or partners by their two letters; -XX excepts one from all"),
    "consent_since": Field(read_day, _DAY),
    "certified_on": Field(read_day, _DAY),
    "recertify_by": Field(read_day, _DAY),
}
