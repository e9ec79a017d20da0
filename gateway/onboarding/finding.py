"""What a check finds, each with a mark and what to do."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mark(StrEnum):
    """``bad`` keeps a partner from being activated."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at, and what to do where it is not as it should be."""

    mark: Mark
    what: str
    remedy: str = ""


class Checked(msgspec.Struct, frozen=True):
    """Everything that was looked at; ``points`` are the findings, so called in the JSON of ``partner check``. ``digest`` is empty where the data could not even be loaded."""

    iso: str
    digest: str
    points: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.mark is not Mark.BAD for finding in self.points)
