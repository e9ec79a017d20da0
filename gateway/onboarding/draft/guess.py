"""What one place of a message means, told from its names, its values and its type: looked up, never concluded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.onboarding import glossary
from gateway.onboarding.draft import days
from gateway.onboarding.draft.codes import LISTS
from gateway.onboarding.draft.declared import built_in
from gateway.onboarding.draft.document import like_a_code
from gateway.onboarding.draft.model import TOLD, Sure
from gateway.wire.dialect.template import DAYS, MESSAGE
from gateway.wire.schema import Allowed

#: Who speaks, and to whom.
SPEAKERS = ("message.sender", "message.receiver")
_YEARLY = {"gYear": "a year", "gYearMonth": "a month", "gMonth": "a month", "gDay": "a day of the month"}


class Guess(NamedTuple):
    """``hole`` empty: the text stays as it is, a guard on reading."""

    hole: str
    sure: Sure
    why: str


class Where(NamedTuple):
    """One place: its names, the nearest first; all its values; whether it stands in a statement, and whether it must be there;
    how many operators are listed around it."""

    names: Sequence[str]
    values: Sequence[str]
    allowed: Allowed | None
    in_statement: bool
    required: bool
    listed: int


@dataclass(slots=True)
class Guesser:
    """``asks``: whether this kind of message names an operator outside a statement."""

    prefixes: tuple[str, ...]
    levels: tuple[str, ...]
    asks: bool
    days: str = ""

    def learn(self, values: Iterable[Sequence[str]]) -> None:
        """Notes how this message writes its days, where some of them can be written in one way only."""
        found = {one[0] for said in values if len(one := days.forms(said)) == 1 and "|date:" in one[0]}
        self.days = found.pop() if len(found) == 1 else ""

    def guess(self, place: Where) -> Guess:
        table = "statement" if place.in_statement else "message"
        named = glossary.first_meaning(place.names, table)
        coded = bool(place.values) and all(like_a_code(value, self.prefixes) for value in place.values)
        if not place.in_statement:
            if self.asks and (coded or (named is None and glossary.first_meaning(place.names, "statement") == "tin")):
                if place.values and not coded:
                    return self._bare_code(place)
                return Guess("{query.tin}", Sure.SURE if coded else Sure.LIKELY, "it names the operator that is asked about")
            if counted := self._counted(place, named):
                return counted
        if place.in_statement and coded and named in ("tin", None):
            return Guess("{tin}", Sure.SURE if named == "tin" else Sure.LIKELY, "the value begins as this partner's codes do")
        if place.values and set(place.values) <= set(self.prefixes) and named not in SPEAKERS:
            return Guess("", Sure.LIKELY, "it is the partner's own code, which all its operators share")
        if place.in_statement and place.values and set(place.values) <= set(self.levels):
            return Guess(
                listed("level", place.allowed), Sure.SURE if named == "level" else Sure.LIKELY, "the value is one of its levels"
            )
        if named is None:
            return Guess("", Sure.QUESTION, f"{place.names[0]!r} is a name that the glossary does not know")
        if named in DAYS or MESSAGE.get(named.removeprefix("message."), ("",))[0] in ("date", "datetime"):
            return self._day(named, place)
        if days.forms(place.values):
            return Guess("", Sure.QUESTION, f"its name says {named}, its value is a day")
        if named == "tin" and place.values and not coded:
            return self._bare_code(place)
        if named in SPEAKERS and not all(re.fullmatch("[A-Z]{2,4}", value) for value in place.values):
            return Guess("", Sure.QUESTION, f"its name says who speaks, and {_shown(place)} is no administration's code")
        if named in SPEAKERS and place.allowed is not None and place.allowed.enumeration:
            return Guess(f"{{{named}|administration}}", Sure.LIKELY, "by its name")
        if named in LISTS:
            return self._asked(Guess(listed(named, place.allowed), Sure.LIKELY, "by its name"), named, place)
        return self._asked(Guess(f"{{{named}}}", Sure.LIKELY, "by its name"), named, place)

    def is_code(self, text: str) -> bool:
        """Whether it reads like a code of this partner."""
        return like_a_code(text, self.prefixes)

    def _counted(self, place: Where, named: str | None) -> Guess | None:
        alike = place.values == [str(place.listed)]
        if self.asks or not (named == "@count" or (named is None and alike and place.listed > 1)):
            return None
        if place.values and not alike:
            return Guess(
                "", Sure.QUESTION, f"its name says how many there are, and {place.values[0]} stands where {place.listed} are listed"
            )
        agree = named == "@count" and alike
        return Guess("{@count}", Sure.SURE if agree else Sure.LIKELY, f"{place.listed} are listed")

    def _bare_code(self, place: Where) -> Guess:
        if not all(value[:1].isdigit() and value.isascii() and value.isalnum() for value in place.values):
            why = f"its name says tin, and {place.values[0]!r} does not begin with {self.prefixes[0]}, as every code of the partner must here"
            return Guess("", Sure.QUESTION, why)
        key = "tin" if place.in_statement else "query.tin"
        return Guess(
            f"{{{key}|bare:{self.prefixes[0]}}}",
            Sure.LIKELY,
            f"its codes are written without {self.prefixes[0]}, which they bear everywhere else",
        )

    def _day(self, named: str, place: Where) -> Guess:
        kind = built_in(place.allowed)
        if kind in _YEARLY:
            return Guess(
                "",
                Sure.QUESTION,
                f"its name says {named}, and the XSD lets it hold only {_YEARLY[kind]}, from which no day can be told",
            )
        found = self._forms(kind, place.values)
        if not found:
            return Guess("", Sure.QUESTION, f"its name says {named}; how its days are written cannot be told from {_shown(place)}")
        if len(found) > 1 and self.days in found:
            return self._asked(
                Guess(self.days.replace("%", named), Sure.LIKELY, "its name says a day, written as the others of this message are"),
                named,
                place,
            )
        if len(found) > 1:
            forms = " or ".join(form.replace("%", named) for form in found)
            return Guess("", Sure.QUESTION, f"its name says {named}; {_shown(place)} could be {forms}")
        (form,) = found
        if form.startswith("{%|datetime") and "datetime" not in (DAYS.get(named) or MESSAGE[named.removeprefix("message.")]):
            whole = days.midnight(place.values)
            if whole is None:
                return Guess("", Sure.QUESTION, f"its name says {named}, which is a day, and {_shown(place)} is a moment")
            return Guess(whole.replace("%", named), Sure.LIKELY, "its name says a day, and every value ends with the same time")
        hole = form.replace("%", named)
        if form in (days.UNZONED, days.UNZONED_DIGITS):
            return Guess(hole, Sure.QUESTION, "the moment does not say its zone: put the partner's in place of +00:00")
        agree = Guess(
            hole, Sure.SURE if place.values else Sure.LIKELY, "name and value agree" if place.values else "by its name and type"
        )
        return self._asked(agree, named, place)

    def _forms(self, kind: str, values: Sequence[str]) -> tuple[str, ...]:
        if values:
            return days.forms(values)
        by_type = {"date": "{%|date}", "dateTime": "{%|datetime}"}.get(kind) or self.days
        return (by_type,) if by_type else ()

    def _asked(self, guess: Guess, named: str, place: Where) -> Guess:
        """What the XSD insists on, and what is never known of a Chinese operator, has to be agreed with the partner."""
        if not place.in_statement or not place.required or named in TOLD or named in ("tin", "standing"):
            return guess
        text = "9999-12-31" if named in DAYS else "-"
        why = (
            f"the XSD insists on it, and of a Chinese operator no {named} is told: agree with the partner on what is written there"
        )
        if place.allowed is None or place.allowed.fits(text):
            why += f", as {guess.hole[:-1]}|none:{text}}}"
        return Guess(guess.hole, Sure.QUESTION, f"{guess.why}; {why}")


def listed(name: str, allowed: Allowed | None) -> str:
    """A hole with its code list; numbers compare as numbers where the XSD says that they are."""
    return f"{{{name}|{name}:int}}" if built_in(allowed) == "decimal" else f"{{{name}|{name}}}"


def _shown(place: Where) -> str:
    return repr(place.values[0]) if place.values else "its type"
