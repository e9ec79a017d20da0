"""Made-up operators: codes of the partner's own form, names that say they are made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from importlib import import_module
from random import Random
from typing import Any

from gateway.core.arrangement import Arrangement
from gateway.core.model import Standing, Statement
from gateway.sandbox.messages import Capabilities

# The standard library's own regex parser; its tree is the only description of a pattern that cannot disagree with `re`.
op: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def code_of(pattern: str, random: Random) -> str:
    """A string that ``pattern`` matches whole: literals, classes, groups, alternatives and repetitions of those."""
    return "".join(_grow(parser.parse(pattern), random))


def _grow(tree: Any, random: Random) -> Iterator[str]:
    for kind, argument in tree:
        if kind is op.LITERAL:
            yield chr(argument)
        elif kind is op.IN:
            yield random.choice(_members(argument))
        elif kind is op.MAX_REPEAT:
            least, most, inside = argument
            for _ in range(random.randint(least, min(most, least + 12))):
                yield from _grow(inside, random)
        elif kind is op.SUBPATTERN:
            yield from _grow(argument[-1], random)
        elif kind is op.BRANCH:
            yield from _grow(random.choice(argument[1]), random)
        elif kind is not op.AT:
            raise ValueError(f"a code pattern may not use {kind}")


def _members(argument: Any) -> list[str]:
    found: list[str] = []
    for kind, value in argument:
        if kind is op.LITERAL:
            found.append(chr(value))
        elif kind is op.RANGE:
            found += [chr(c) for c in range(value[0], value[1] + 1)]
        elif kind is op.CATEGORY and value is op.CATEGORY_DIGIT:
            found += list("0123456789")
    return found


def operators(arrangement: Arrangement, capabilities: Capabilities, count: int, today: date, *, seed: int = 1) -> list[Statement]:
    """``count`` valid operators of one partner as its own list would state them, the same for the same seed."""
    random = Random(seed)  # noqa: S311 - reproducible, not secret
    made: dict[str, Statement] = {}
    tries = count * 20 + 100
    while len(made) < count:
        tries -= 1
        if not tries:
            raise ValueError(f"the codes of {arrangement.iso} have too few forms for {count} operators")
        tin = _tin(arrangement, capabilities, today, random)
        granted = today - timedelta(days=random.randrange(30, 1500))
        made[tin] = capabilities.fitted(
            Statement(
                tin=tin,
                standing=Standing.VALID,
                name=f"Made-up {random.choice(('Trading', 'Logistics', 'Industries', 'Foods', 'Optics'))} {len(made) + 1:05d}",
                level=_level(arrangement, capabilities, tin, today, random),
                granted=granted,
                expires=granted + timedelta(days=5 * 365),
                effective=granted if "effective" in capabilities.must else None,
            ),
            len(made) + 1,
        )
    return list(made.values())


def _tin(arrangement: Arrangement, capabilities: Capabilities, today: date, random: Random) -> str:
    """A code of the arrangement's form; where that is unknown, one like the dialect's specimen or of ten digits."""
    form = arrangement.code.on(today).value
    if form:
        return code_of(form.pattern, random)
    specimen = capabilities.specimens.get("tin", "")
    if specimen.startswith(arrangement.prefixes):
        return "".join(str(random.randrange(10)) if character.isdigit() else character for character in specimen)
    return f"{random.choice(arrangement.prefixes)}{random.randrange(10**9, 10**10)}"


def _level(arrangement: Arrangement, capabilities: Capabilities, tin: str, today: date, random: Random) -> str | None:
    form = arrangement.code.on(today).value
    if form and form.level_group and (match := re.fullmatch(form.pattern, tin)):
        return match[form.level_group]
    levels = arrangement.levels.on(today).value
    recognised = sorted(levels if isinstance(levels, frozenset) else arrangement.level_words)
    sayable = [
        word for word in recognised if capabilities.fits("level", word) and word in (capabilities.words("level") or recognised)
    ]
    return random.choice(sayable) if sayable else None
