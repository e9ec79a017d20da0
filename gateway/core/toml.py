"""TOML that others wrote: read within bounds, so that whatever stands in a file is data or a fault of that file."""

from __future__ import annotations

import re
import tomllib
from typing import Any

#: Characters of a file; the largest one shipped has 30,000.
LONGEST = 1 << 20
#: Tables and arrays within each other; partner data has five. What walks or writes the data goes down as deep.
DEEPEST = 32
_DEEP = f"tables or arrays stand within each other more than {DEEPEST} deep"
#: What TOML asks every reader to take (TOML 1.0, Integer). Python writes no number of more than 4,300 digits.
SMALLEST, LARGEST = -(2**63), 2**63 - 1

#: A key of too many parts, which would also be read in the square of their number: at the start of a line, or in an inline table.
_DOTTED = re.compile(
    rf"""(?:^[ \t]*\[*|[{{,])[ \t]*(?:(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{DEEPEST}}}""", re.MULTILINE
)


class TomlFault(ValueError):
    """Text that is not TOML, or not within the bounds; the message is a sentence without its full stop."""


def read_toml(text: str) -> dict[str, Any]:
    """Raises ``TomlFault``."""
    if len(text) > LONGEST:
        raise TomlFault(f"it has more than {LONGEST} characters")
    if _DOTTED.search(text):
        raise TomlFault(_DEEP)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlFault(str(error)) from None
    except (ValueError, OverflowError) as error:
        raise TomlFault(f"a number or date in it is out of every range ({str(error)[:100]})") from None
    except RecursionError:
        raise TomlFault(_DEEP) from None
    _within_bounds(data)
    return data


def _within_bounds(data: dict[str, Any]) -> None:
    """Level by level: going down into it might be too deep for Python itself."""
    level: list[Any] = [data]
    for _ in range(DEEPEST + 1):
        inside: list[Any] = []
        for one in level:
            for value in one.values() if isinstance(one, dict) else one:
                if isinstance(value, dict | list):
                    inside.append(value)
                elif isinstance(value, int) and not SMALLEST <= value <= LARGEST:
                    raise TomlFault("a number in it has more than 64 bits")
        if not inside:
            return
        level = inside
    raise TomlFault(_DEEP)
