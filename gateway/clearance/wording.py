"""What the gateway says to people: verdicts, reasons, warnings, notes and refusals as sentences, in English and Chinese.

The sentences are data: locale/*.toml, whose head explains their few signs. Wording never raises: an answer is worth more than
its sentence, so a fact that is missing shows as an ellipsis, and a value that is not of the form expected as it stands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from gateway.core import moments
from gateway.core.errors import Code
from gateway.core.home import HOME_ZONE

MISSING = "…"

_SENTENCES = ("verdict", "reason", "warning", "note", "form")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_HOLE = re.compile(r"\{(\w+)(?::(\w+))?\}")
_DAY = len("2026-04-01")
_SPANS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


class Language(StrEnum):
    """The languages in which there are sentences."""

    EN = "en"
    ZH = "zh"


class WordingHole(NamedTuple):
    """A fact in a sentence, and how it is shown: as it stands (None), or as ``word``, ``when`` or ``span``."""

    fact: str
    form: str | None


Piece = tuple[str | WordingHole, ...]


class Choice(NamedTuple):
    """The first of ``pieces`` whose facts are all known; if there is none, ``otherwise``, known or not."""

    pieces: tuple[Piece, ...]
    otherwise: Piece


Sentence = tuple[Choice, ...]


def sentence(code: str, facts: Mapping[str, str], language: Language) -> str:
    """The sentence for a verdict, reason, warning or note; an unknown code stands for itself."""
    sentence = _sentences[language].get(code)
    return code if sentence is None else "".join(_filled(sentence, facts, language))


def word(token: str, language: Language) -> str:
    """One of the gateway's own words (a direction, role, standing, tier ...); an unknown one stands for itself."""
    return _words[language].get(token, token)


def refusal(code: Code, language: Language) -> tuple[str, str]:
    """Title and remedy of a refusal."""
    said = _refusals[language].get(code.wire)
    return (said["title"], said["remedy"]) if said else (code.row.title, code.row.remedy)


def _filled(sentence: Sentence, facts: Mapping[str, str], language: Language) -> Iterator[str]:
    for pieces, otherwise in sentence:
        fitting = (piece for piece in pieces if all(isinstance(part, str) or facts.get(part.fact) for part in piece))
        for part in next(fitting, otherwise):
            yield part if isinstance(part, str) else _shown(facts.get(part.fact) or MISSING, part.form, language)


def _shown(value: str, form: str | None, language: Language) -> str:
    try:
        if form == "word":
            words = [word(token, language) for token in value.split(", ")]
            return reduce(lambda one, more: sentence("also", {"one": one, "next": more}, language), words)
        if form == "when":
            return moments.calendar_day(value).isoformat() if len(value) == _DAY else when(moments.instant(value), language)
        if form == "span":
            return span(int(value), language)
    except (ValueError, OverflowError):
        pass
    return value


def when(moment: datetime, language: Language) -> str:
    """An aware moment, in China's time."""
    home = moment.astimezone(HOME_ZONE)
    return sentence("moment", {"day": f"{home:%Y-%m-%d}", "time": f"{home:%H:%M}"}, language)


def span(seconds: int, language: Language) -> str:
    """A time that passes, in whole units of the largest of which there are at least two."""
    unit, length = next(((unit, length) for unit, length in _SPANS if seconds >= 2 * length), ("seconds", 1))
    return sentence(unit, {"n": str(seconds // length)}, language)


def parse(text: str) -> Sentence:
    """The signs of a sentence: ``[one|other]`` and ``{fact:form}``."""
    fixed_and_choices = enumerate(_CHOICE.split(text))
    return tuple(
        Choice(tuple(map(_piece, part.split("|"))), ()) if index % 2 else Choice((), _piece(part))
        for index, part in fixed_and_choices
        if part
    )


def _piece(text: str) -> Piece:
    found: list[str | WordingHole] = []
    end = 0
    for hole in _HOLE.finditer(text):
        found += [text[end : hole.start()], WordingHole(hole[1], hole[2])]
        end = hole.end()
    return tuple(part for part in (*found, text[end:]) if part)


def _load(language: Language) -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "locale" / f"{language}.toml").read_text(encoding="utf-8"))


_locales = {language: _load(language) for language in Language}
_words: dict[Language, dict[str, str]] = {language: locale["word"] for language, locale in _locales.items()}
_refusals: dict[Language, dict[str, dict[str, str]]] = {
    language: locale.get("refusal", {}) for language, locale in _locales.items()
}
_sentences = {
    language: {code: parse(text) for section in _SENTENCES for code, text in locale[section].items()}
    for language, locale in _locales.items()
}
