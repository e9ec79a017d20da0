"""What the pages say, in English and in Chinese: one file of sentences each (``locale/*.toml``), in which facts stand as ``{fact}``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from gateway.clearance import wording
from gateway.clearance.wording import Language
from gateway.core.errors import Refusal
from gateway.core.home import HOME_ZONE

#: How the languages name themselves to browsers, and to people.
TAGS = {Language.EN: "en", Language.ZH: "zh-CN"}
NAMES = {Language.EN: "English", Language.ZH: "中文"}
#: Under which of a refusal's facts a sentence of ours says it better.
PAGE = "page"


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of one language."""

    language: Language

    def __call__(self, key: str, **facts: object) -> str:
        """The sentence of this key. Raises ``KeyError`` for one that there is not: a page names none that a test does not find."""
        return sentences(self.language)[key].format(**facts)

    def field(self, name: str) -> str:
        """What people call a field of a form; empty where they never see it."""
        return sentences(self.language).get(f"field.{name}", "")

    @property
    def tag(self) -> str:
        return TAGS[self.language]

    def refusal(self, refused: Refusal) -> tuple[str, str]:
        """Cause and remedy."""
        mine = f"refusal.{refused.facts.get(PAGE, '')}"
        if f"{mine}.cause" in sentences(self.language):
            return self(f"{mine}.cause", **refused.facts), self(f"{mine}.remedy", **refused.facts)
        if self.language is Language.EN:
            return refused.detail, refused.remedy
        return wording.refusal(refused.code, self.language)

    def ago(self, moment: datetime, now: datetime) -> str:
        """How long ago, or in how long."""
        seconds = int((now - moment).total_seconds())
        if abs(seconds) < 60:
            return self("time.now")
        return self("time.ago" if seconds > 0 else "time.in", span=wording.span(abs(seconds), self.language))

    def zones(self, moment: datetime) -> str:
        """A moment in China's time and in UTC."""
        home, utc = moment.astimezone(HOME_ZONE), moment.astimezone(UTC)
        return self("time.zones", home=f"{home:%Y-%m-%d %H:%M}", utc=f"{utc:%Y-%m-%d %H:%M}")


def choose(own: str | None, accepted: str, otherwise: Language) -> Language:
    """A person's own language, else the first of a browser's that we have (RFC 9110, 12.5.4), else ``otherwise``."""
    if own in set(Language):
        return Language(own)
    ranked: list[tuple[float, str]] = []
    for part in accepted.split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        ranked.append((quality, tag.strip().lower().partition("-")[0]))
    known = [tag for quality, tag in sorted(ranked, key=lambda one: -one[0]) if tag in set(Language) and quality > 0]
    return Language(known[0]) if known else otherwise


@cache
def sentences(language: Language) -> Mapping[str, str]:
    """Every sentence of a language by its key."""
    return dict(_flat(tomllib.loads((Path(__file__).parent / "locale" / f"{language}.toml").read_text("utf-8")), ""))


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, str(value)
