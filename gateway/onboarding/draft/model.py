"""What a draft holds: samples, and everything a person should look at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.domestic.projection import SOURCES

#: What can be told of a Chinese operator, where that is shared.
TOLD = (*SOURCES, "effective")


class Sure(StrEnum):
    """``sure``: name and value agree. ``likely``: one of them. ``question``: neither, or they contradict. ``answered``: a person said so.

    ``left-out``: the XSD allows it and no message shows it; a message that holds it is refused until somebody says what it means.
    """

    SURE = "sure"
    LIKELY = "likely"
    QUESTION = "question"
    ANSWERED = "answered"
    LEFT_OUT = "left-out"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What stands in one place. ``hole`` empty: the text stays as it is. ``at`` is the path of names from the root.

    ``samples`` are those it is said of.
    """

    at: str
    seen: str
    hole: str
    sure: Sure
    why: str
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServedKinds:
    """Where a kind of message has its sample from: a message (``sample``), the sample of another kind, a root element of the XSD, or nowhere."""

    kind: str
    like: str
    sure: Sure
    why: str


@dataclass(slots=True)
class Draft:
    """``samples`` are the annotated samples by name (``response.not-found``), ``messages`` those they were made of; ``codes`` the lists they need, our words by the
    partner's codes; ``documented`` what the XSD says of a code; ``notes`` what a person should know and need not answer."""

    samples: dict[str, bytes] = field(default_factory=dict)
    messages: dict[str, bytes] = field(default_factory=dict)
    served: list[ServedKinds] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    open_codes: dict[str, list[str]] = field(default_factory=dict)
    documented: dict[str, dict[str, str]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    specimens: dict[str, str] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)
    responses: dict[str, str] = field(default_factory=dict)
    open_responses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def questions(self) -> int:
        """How many kinds, places, codes and answers without a record a person has to say something about."""
        asked = [one.sure for one in self.served] + [one.sure for one in self.proposals]
        return asked.count(Sure.QUESTION) + sum(map(len, self.open_codes.values())) + len(self.open_responses)

    @property
    def told(self) -> frozenset[str]:
        """What our statements should hold in it, as far as we know that of a Chinese operator: the name, and what it insists on."""
        found = [_holes(self.samples[kind]) for kind in ("list", "update", "notice") if kind in self.samples]
        return frozenset(name for holes in found for name, must in holes.items() if name in TOLD and (must or name == "name"))


def _holes(sample: bytes) -> dict[str, bool]:
    """The fields of a sample, and whether each must be there."""
    return {name: optional != "?" for name, optional in re.findall(r"\{([a-z_]+)[^{}]*\}(\??)", sample.decode())}


class DraftAnswers:
    """What a person wrote into ``draft.toml``. Raises ``Refusal`` where it is not of that form."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        answered = [one for one in data.get("place", ()) if one["sure"] == Sure.ANSWERED]
        self._places = [(one["at"], tuple(one.get("samples", ())), one["hole"]) for one in answered]
        self.kinds = {one["kind"]: one["like"] for one in data.get("kind", ()) if one["sure"] == Sure.ANSWERED}
        self.codes: Mapping[str, Mapping[str, str]] = data.get("codes", {})
        self.parts: Mapping[str, str] = data.get("parts", {})
        self.specimens: Mapping[str, str] = data.get("specimen", {})
        self.instead: Mapping[str, str] = data.get("instead", {})
        self.responses: Mapping[str, str] = data.get("responses", {})

    def at(self, at: str, sample: str) -> str | None:
        """The hole a person put there: what is said of this very sample before what is said of all."""
        found = [
            (bool(samples), hole) for where, samples, hole in self._places if where == at and (not samples or sample in samples)
        ]
        return max(found)[1] if found else None
