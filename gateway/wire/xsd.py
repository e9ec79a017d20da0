"""What an XSD may not hold if it is to be compiled here: a scan of its text, before libxml2 sees it.

What it must withstand: tests/vectors/hostile.toml, Onboarding.

Measured on libxml2 2.14: three nested repetitions of bounded number cost 529 s on one document of 700 KB; 1,500 optional elements in one
sequence 8 s to compile; a pattern such as ``(a+)+b`` up to ten million steps for each value, and then an internal error.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from gateway.wire.pattern import Dialect, judge

XS = "{http://www.w3.org/2001/XMLSchema}"
MOST_OCCURS = 100_000
#: The sum over all content models of the third power of their particles; 10,000,000 compile in two seconds at most.
MOST_WEIGHT = 10_000_000
LONGEST_PATTERN = 1_000
#: Judging all patterns of a schema, in steps of about 1 µs. Those of a large national schema, some 90, take 10,000.
MOST_EFFORT = 60_000
_ONE_WAY = r"Write it so that each text is read in one way, such as [ \t]*\S.* in place of .*\S.*, and do not nest repetitions."
_COMPOSITORS = {f"{XS}{name}" for name in ("sequence", "choice", "all")}
#: What only XSD 1.1 has; libxml2 reads 1.0.
_NEWER = {f"{XS}{name}" for name in ("assert", "assertion", "alternative", "openContent", "defaultOpenContent", "explicitTimezone")}
_REACHING = {f"{XS}{name}" for name in ("import", "include", "redefine", "override")}


class SchemaFault(Exception):
    """An XSD that is not used: which file, which line, and why."""

    def __init__(self, file: str, line: int | None, problem: str, remedy: str) -> None:
        self.file, self.line, self.problem, self.remedy = file, line, problem, remedy
        super().__init__(f"{file}{f', line {line}' if line else ''}: {problem} {remedy}")


def locations(root: etree._Element) -> set[str]:
    """The files that an XSD says it includes or imports."""
    return {location for node in root.iter(*_REACHING) if (location := node.get("schemaLocation")) is not None}


def scan(file: str, root: etree._Element, names: set[str]) -> set[str]:
    """The files of ``names`` that ``file`` includes or imports. Raises ``SchemaFault``."""
    included = set()
    for node in root.iter(f"{XS}*"):
        if node.tag in _NEWER:
            remedy = "Ask for it in XSD 1.0, or leave such rules out and agree on them in words."
            raise SchemaFault(file, node.sourceline, f"xs:{etree.QName(node).localname} is XSD 1.1, and 1.0 is read.", remedy)
        if node.tag in _REACHING and (location := _reaches(file, node, names)):
            included.add(location)
        for bound in ("minOccurs", "maxOccurs"):
            value = node.get(bound, "1")
            if value != "unbounded" and not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) <= MOST_OCCURS):
                remedy = f'Use "unbounded", or at most {MOST_OCCURS}.'
                raise SchemaFault(file, node.sourceline, f"{bound} is {value[:20]}.", remedy)
    return included


def _reaches(file: str, node: etree._Element, names: set[str]) -> str | None:
    location = node.get("schemaLocation")
    if etree.QName(node).localname in ("redefine", "override") or (location is not None and location not in names):
        remedy = "Put every file it needs beside it, and name it alone; redefinitions are not read."
        raise SchemaFault(file, node.sourceline, f"It reaches for {location!r}.", remedy)
    return location


def weigh(roots: Mapping[str, etree._Element]) -> None:
    """Raises ``SchemaFault`` for content models that cost too much to compile or to match.

    Groups and base types are counted where they are used, by their local names: they may double at every step.
    """
    named: dict[str, list[etree._Element]] = {}
    for root in roots.values():
        for node in root.iterchildren(f"{XS}group", f"{XS}complexType"):
            named.setdefault(f"{etree.QName(node).localname} {node.get('name')}", []).append(node)
    scales = _Scales(named)
    total = 0
    for file, root in roots.items():
        for node in root.iter(f"{XS}complexType"):
            particles, nested = scales.weight(node)
            total += particles**3
            if nested > 1:
                raise SchemaFault(
                    file,
                    node.sourceline,
                    "Repetitions of bounded number are nested.",
                    'Make the outer one "unbounded", or give it an element.',
                )
            if total > MOST_WEIGHT:
                raise SchemaFault(
                    file,
                    node.sourceline,
                    f"Content models are too large ({particles} particles in this one).",
                    "Divide them into elements of their own.",
                )


def judge_patterns(roots: Mapping[str, etree._Element]) -> None:
    """Raises ``SchemaFault`` for a pattern that could take too long on some value, or where judging all of them would."""
    effort, judged = 0, set()
    for file, root in roots.items():
        for node in root.iter(f"{XS}pattern"):
            pattern = node.get("value", "")
            if len(pattern) > LONGEST_PATTERN:
                raise SchemaFault(file, node.sourceline, f"A pattern is longer than {LONGEST_PATTERN:,} characters.", "Divide it.")
            if pattern in judged:
                continue
            judged.add(pattern)
            found = judge(pattern, Dialect.XSD)
            effort += found.effort
            if found.problem:
                raise SchemaFault(file, node.sourceline, f"A pattern {found.problem}.", _ONE_WAY)
            if effort > MOST_EFFORT:
                raise SchemaFault(file, node.sourceline, "Its patterns are too involved together.", "Leave out what is not used.")


class _Scales:
    """Particles of a content model, and how many bounded repetitions stand within each other on its deepest path."""

    def __init__(self, named: Mapping[str, list[etree._Element]]) -> None:
        self._named = named
        self._known: dict[etree._Element, tuple[int, int]] = {}

    def weight(self, node: etree._Element) -> tuple[int, int]:
        if node not in self._known:
            self._known[node] = (0, 0)  # a definition in terms of itself: libxml2 refuses it
            weights = [self._particle(child) for child in node.iterchildren(f"{XS}*")]
            self._known[node] = sum(particles for particles, _ in weights), max((nested for _, nested in weights), default=0)
        return self._known[node]

    def _particle(self, node: etree._Element) -> tuple[int, int]:
        repeated = int(any(node.get(bound, "1") not in ("0", "1", "unbounded") for bound in ("minOccurs", "maxOccurs")))
        name = etree.QName(node).localname
        if name in ("element", "any"):
            return 1, repeated
        if name == "group":
            particles, nested = self._of(f"group {_local(node.get('ref', ''))}")
            return particles, nested + repeated
        if node.tag in _COMPOSITORS:
            particles, nested = self.weight(node)
            return particles, nested + repeated
        if name == "complexContent":
            return self.weight(node)
        if name in ("extension", "restriction"):
            own, base = (
                self.weight(node),
                self._of(f"complexType {_local(node.get('base', ''))}") if name == "extension" else (0, 0),
            )
            return own[0] + base[0], max(own[1], base[1])
        return 0, 0

    def _of(self, name: str) -> tuple[int, int]:
        found = [self.weight(node) for node in self._named.get(name, [])]
        return max((particles for particles, _ in found), default=0), max((nested for _, nested in found), default=0)


def _local(name: str) -> str:
    return name.rpartition(":")[2]
