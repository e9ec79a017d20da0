"""Step 6 of receive: what a partner may say at all. Of its own operators only, with dates that can be meant, each authorisation once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE
from gateway.core.model import Header, Kind, Picture, Statement

#: Years that a certificate's date can mean; "9999" is how some systems write "open", and an open end is left out.
_YEARS = range(1990, 2100)


def complete(header: Header, arrangement: Arrangement) -> None:
    """Refuses a list or response that does not say what it pictures, or a scope that is no member's (LIST_INCOMPLETE)."""
    picture = header.picture
    if header.kind in (Kind.LIST, Kind.RESPONSE) and picture is None:
        raise Refusal(Code.LIST_INCOMPLETE, f"A {header.kind} says in the header which moment it pictures.", field="Picture")
    if header.kind is Kind.LIST and picture is not None:
        _scope(picture, arrangement)


def _scope(picture: Picture, arrangement: Arrangement) -> None:
    if picture.part > picture.parts:
        raise Refusal(Code.LIST_INCOMPLETE, f"Part {picture.part} of {picture.parts} cannot be.", field="Picture")
    if picture.scope != "*" and picture.scope not in {member.iso for member in arrangement.members}:
        raise Refusal(Code.LIST_INCOMPLETE, "The scope is no member of the arrangement.", field="Picture", value=picture.scope)


def check_authority(statements: tuple[Statement, ...], header: Header, arrangement: Arrangement) -> None:
    against = Authority(header, arrangement).against
    for number, statement in enumerate(statements, 1):
        for refusal in against(statement):
            raise Refusal(refusal.code, refusal.detail, field=f"record {number}", value=refusal.value)


class Authority:
    """What a partner may say in one message, record after record: of its own operators, in its own form of code, with dates that can be
    meant, and in a list of each authorisation once."""

    def __init__(self, header: Header, arrangement: Arrangement) -> None:
        self._arrangement, self._once = arrangement, header.kind is Kind.LIST
        self._scope = header.picture.scope if header.picture else "*"
        self._form = arrangement.code.on(header.created.astimezone(HOME_ZONE).date()).value
        self._seen: set[tuple[str, str | None, str | None]] = set()

    def against(self, statement: Statement) -> Iterator[Refusal]:
        """Everything that stands against one record, each with the field at fault."""
        tin, form = statement.tin, self._form
        member = self._arrangement.member_of(tin)
        if member is None or (self._scope != "*" and member.iso != self._scope):
            # Partner A must never state operators of country B, nor one member those of another.
            yield Refusal(Code.FOREIGN_OPERATOR, "The code does not begin as the sender's own codes do.", field="tin", value=tin)
        elif form is not None and form.confirmed and not form.matches(tin):
            yield Refusal(
                Code.CODE_FORM,
                f"The code does not have the form of {self._arrangement.economy.en}'s codes, such as {form.example}."
                if form.example
                else "The code does not have the agreed form.",
                field="tin",
                value=tin,
            )
        yield from _dates(statement)
        key = (tin, statement.level, statement.number)
        if self._once and key in self._seen:
            yield Refusal(Code.OPERATOR_REPEATED, "The list says two things about one authorisation.", field="tin", value=tin)
        self._seen.add(key)


def _dates(statement: Statement) -> Iterator[Refusal]:
    granted, expires = statement.granted, statement.expires
    if granted is not None and expires is not None and granted > expires:
        detail = f"The period {granted} to {expires} ends before it begins."
        yield Refusal(Code.PERIOD_REVERSED, detail, field="expires", value=statement.tin)
    said: dict[str, date | datetime | None] = {"granted": granted, "expires": expires}
    said |= {"effective": statement.effective, "decided": statement.decided}
    for name, day in said.items():
        if day is not None and day.year not in _YEARS:
            yield Refusal(Code.DATE_RANGE, f"The year {day.year} cannot be meant.", field=name, value=day.isoformat())
