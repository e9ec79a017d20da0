"""CSV as numbered rows of cells. An encoding is said or shown by the file's first bytes, and never guessed."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO, TextIOWrapper
from typing import Any, TextIO

from gateway.core.errors import Code, Refusal
from gateway.wire.sheet.book import Cells

SEPARATORS = ",;\t"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def text(body: bytes, encoding: str) -> TextIO:
    """``body`` as text: as its byte order mark says, else in ``encoding``."""
    return TextIOWrapper(BytesIO(body), next((name for mark, name in _MARKS if body.startswith(mark)), encoding), newline="")


def rows(file: TextIO, separator: str | None = None, aside: Callable[[str], bool] = lambda _: False) -> Iterator[Cells]:
    """Every row with the line it begins on: a quoted cell may run over several. Without ``separator`` the first line that has any of
    comma, semicolon and tab shows it, unless its own are no sign of it (``aside``). Raises ``Refusal`` (DATA_INVALID)."""
    reader: Any = None
    try:
        head = next((line for line in file if any(one in line for one in SEPARATORS) and not aside(line)), "")
        file.seek(0)
        reader = csv.reader(file, delimiter=separator or max(SEPARATORS, key=head.count), strict=True)
        yield from _numbered(reader)
    except UnicodeError:
        raise Refusal(
            Code.DATA_INVALID,
            f"The file is not {file.encoding.removesuffix('-sig').upper()}.",
            remedy="Save it as 'CSV UTF-8', or name its encoding under [sheet] of the partner's site.toml.",
        ) from None
    except csv.Error as error:
        raise Refusal(Code.DATA_INVALID, f"This is not CSV: {error}.", line=reader.line_num) from None


def _numbered(reader: Any) -> Iterator[tuple[int, Sequence[object]]]:
    start = 1
    for row in reader:
        yield start, row
        start = reader.line_num + 1
