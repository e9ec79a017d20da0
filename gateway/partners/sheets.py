"""The spreadsheet a partner mails, from what an installation says of its columns."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.partners.check import Finding
from gateway.partners.shape import PartnerFile, SheetShape
from gateway.wire.sheet import Columns, Sheet
from gateway.wire.sheet.columns import PLAIN, STANDINGS


def compiled(file: PartnerFile, chosen: SheetShape | None, *, stored: bool = False) -> tuple[Sheet, list[Finding]]:
    """The partner's spreadsheet, and what is wrong with it. Where nothing is chosen, headings are our own names for the fields.
    ``stored``: it was activated before."""
    words = {"level": {word: word for word in file.level_words}} if file.level_words else {}
    known = {"standing": STANDINGS} | words
    if chosen is None:
        plain = [(name, "{level|level}?" if name == "level" and words else holds) for name, holds in PLAIN]
        return Sheet(Columns(plain, known, {}, {}, every=False)), []
    mapped = [(column.heading, column.holds) for column in chosen.columns]
    columns = Columns(mapped, known | chosen.codes, chosen.parts, chosen.always, stored=stored)
    findings = [Finding(f"sheet.{key}", problem, remedy) for key, problem, remedy in columns.faults]
    findings += _levels(file, chosen)
    return Sheet(columns, chosen.worksheet, chosen.encoding, chosen.separator, chosen.end), findings


def _levels(file: PartnerFile, chosen: SheetShape) -> Iterator[Finding]:
    said = [(f"codes.level.{code}", level) for code, level in chosen.codes.get("level", {}).items()]
    said += [(f"always.{name}", level) for name, level in chosen.always.items() if name == "level"]
    for key, level in said:
        if file.level_words and level not in file.level_words:
            yield Finding(f"sheet.{key}", f"{level!r} is not among level_words.", f"Use one of {', '.join(file.level_words)}.")
