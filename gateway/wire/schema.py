"""XSD: libxml2 decides, xmlschema explains the failing element and tells what a type allows.

An XSD is its files by name, in memory. It may be hostile (tests/vectors/hostile.toml, Onboarding), so the files are
scanned before anything compiles them:
their count and size, includes of anything that is not among them, occurrence bounds and patterns. What the scan lets through compiles
in well under a second; a caller that trusts nothing compiles in a child process first (``survives``). Nothing is ever fetched.

Commit nothing before a document was validated to its end: libxml2's streaming reader reports a bad record only after it has
handed out every good one.
"""

from __future__ import annotations

import math
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.moments import as_example
from gateway.wire import in_memory
from gateway.wire.in_memory import Files
from gateway.wire.xml import Limits, parse
from gateway.wire.xsd import XS, SchemaFault, judge_patterns, locations, scan, weigh

if TYPE_CHECKING:  # dear to import, and only what is not valid, or new, is explained
    import xmlschema

MOST_FILES, MOST_BYTES = 32, 1024 * 1024
#: Characters of a value and its attributes that are explained. What is accepted as a pattern then takes a few milliseconds at most.
MOST_EXPLAINED = 1_000
_STEP = re.compile(r"(?:(?P<prefix>[^:@\[]+):)?(?P<name>[^:@\[]+)(?:\[(?P<position>\d+)\])?")


class Allowed(NamedTuple):
    """What one place of a document may hold. ``enumeration`` None: not enumerated; ``longest`` None: no bound."""

    type: Any
    enumeration: frozenset[str] | None
    longest: int | None
    shortest: int

    def fits(self, text: str) -> bool:
        return bool(self.type.is_valid(text))


@dataclass(frozen=True, eq=False)
class Schema:
    """The compiled XSD of one dialect. ``tops`` are those of its ``files`` that no other one includes or imports. ``judged``: its
    patterns are all of those that match in bounded time; one that was activated before they had to be may hold others."""

    name: str
    files: Files
    tops: tuple[str, ...]
    compiled: etree.XMLSchema
    judged: bool = True
    # lxml keeps the log of the last validation on the schema itself: two threads would read each other's
    _lock: Lock = field(default_factory=Lock, repr=False)

    def validate(self, root: etree._Element) -> None:
        """Raises ``Refusal`` (SCHEMA_INVALID) with the path, the line and the reason of the first fault."""
        with self._lock:
            try:
                if self.compiled.validate(root):
                    return
                first = self.compiled.error_log[0]
            except (etree.LxmlError, IndexError):
                # libxml2 gives up on a value that its pattern could be read in too many ways for (ten million steps).
                raise Refusal(Code.SCHEMA_INVALID, "The document cannot be validated: the validator gave up on a value.") from None
        element = _find(root, first.path)
        path = "/".join(etree.QName(step).localname for step in _steps(root, element))
        text = element.text if element is not None and not len(element) else None
        reason = self._explain(root, element) or _plain(first.message)
        raise Refusal(Code.SCHEMA_INVALID, f"{path}: {reason}", field=path, value=text, line=first.line or None)

    @cached_property
    def words(self) -> xmlschema.XMLSchema10:
        """The same XSD as xmlschema reads it: slow, but it knows what it expected."""
        import xmlschema

        try:
            return xmlschema.XMLSchema10(
                [in_memory.url_of(file) for file in self.tops],
                base_url=in_memory.ROOT,
                allow="remote",  # what is no file on this disk; of that the opener knows our own scheme alone
                defuse="always",
                opener=in_memory.opener(self.files),
            )
        except xmlschema.XMLSchemaException as error:
            raise SchemaFault(self.name, None, f"The XSD is not understood: {str(error)[:200]}.", "Correct the XSD.") from None

    def allows(self, path: tuple[str, ...], attribute: str | None = None) -> Allowed | None:
        """What the element at ``path`` ({namespace}name from the root), or its attribute, may hold. None: there is no such place."""
        element = self.declaration(path)
        if element is None:
            return None
        found = element.attributes.get(attribute) if attribute else element
        kind = found.type if found is not None else None
        if kind is not None and kind.is_complex():
            kind = kind.content if kind.has_simple_content() else None
        if kind is None:
            return None
        values = kind.enumeration
        return Allowed(kind, frozenset(map(str, values)) if values else None, kind.max_length, kind.min_length or 0)

    def declaration(self, path: tuple[str, ...]) -> Any:
        """xmlschema's declaration of the element at ``path``, members of substitution groups among them; None: there is none."""
        from xmlschema import XsdElement

        element: Any = self.words.maps.elements.get(path[0])
        for tag in path[1:]:
            content = element.type.content if element is not None and element.type.is_complex() else None
            if content is None or not hasattr(content, "iter_elements"):
                return None
            children = (child for child in content.iter_elements() if isinstance(child, XsdElement))
            element = next((found for child in children if (found := child.match(tag)) is not None), None)
        return element

    def _explain(self, root: etree._Element, element: etree._Element | None) -> str | None:
        """The first reason xmlschema gives for ``element`` alone: a leaf's value. Structure is told well enough by libxml2.

        None, so that libxml2's own words have to do, where explaining could take long (its patterns are Python's, which know no
        limit of time) or fails: whatever the value, there is an answer, and it is a refusal.
        """
        if element is None or len(element) or not self.judged:
            return None
        if sum(map(len, (element.text or "", *map(str, element.attrib.values())))) > MOST_EXPLAINED:
            return None
        try:
            declaration = self.declaration(tuple(_steps(root, element)))
            found = None if declaration is None else next(declaration.iter_errors(element), None)
            return None if found is None else _by_example(declaration, element) or _plain(str(found.reason)).rstrip(".") + "."
        except Exception:  # noqa: BLE001 - xmlschema lets out whatever a strange value trips over, such as a number of 5,000 digits
            return None


def _by_example(declaration: Any, element: etree._Element) -> str | None:
    """Of a moment or a day that does not fit, how it would be written here: a pattern tells a person little."""
    places = [(element.text, declaration.type)]
    places += [
        (value, declaration.attributes[name].type) for name, value in element.attrib.items() if name in declaration.attributes
    ]
    for value, kind in places:
        kind = kind.content if kind.is_complex() and kind.has_simple_content() else kind
        if value and not kind.is_valid(value) and (example := as_example(value, kind.is_valid)):
            return f"{value} does not fit; {example}."
    return None


def _steps(root: etree._Element, element: etree._Element | None) -> list[str]:
    steps: list[str] = []
    while element is not None:
        steps.append(str(element.tag))
        element = None if element is root else element.getparent()
    return steps[::-1]


def _find(root: etree._Element, path: str | None) -> etree._Element | None:
    """The element that a path of libxml2 leads to. Prefixes are compared as written: nobody knows which of them are declared where."""
    element, level = None, [root]
    for step in (path or "").strip("/").split("/"):
        found = _STEP.fullmatch(step)
        if found is None:
            break
        same = [
            child
            for child in level
            if found["name"] == "*" or (child.prefix, etree.QName(child).localname) == found.group("prefix", "name")
        ]
        if len(same) < (position := int(found["position"] or 1)):
            break
        element = same[position - 1]
        level = list(element.iterchildren("*"))
    return element


def _plain(message: str) -> str:
    return re.sub(r"\{[^{}']*\}", "", message)[:300]


def compile_schema(name: str, files: Files, *, stored: bool = False) -> Schema:
    """The XSD ``files`` as one schema. Raises ``SchemaFault``, which calls them all together ``name``. Compiled once for the same bytes.

    ``stored``: they were scanned when they were activated, by the rules of that day, and are not refused by a rule of today.
    """
    _not_too_many(name, len(files))
    for file, content in sorted(files.items()):
        if len(content) > MOST_BYTES:
            raise SchemaFault(
                file, None, f"The file is larger than {MOST_BYTES} bytes.", "Split it, or leave out what is not used."
            )
    contents = tuple(sorted(files.items()))
    try:
        return compile_cached(name, contents)
    except SchemaFault:
        if not stored:
            raise
        return compile_cached(name, contents, scanned=True)


def read_xsds(folder: Path) -> dict[str, bytes]:
    """The XSD files of ``folder``, for ``compile_schema``. Raises ``SchemaFault`` for one that lies elsewhere, and before opening too many.

    Of a file that is too large only so much is read as shows it.
    """
    paths = sorted(folder.glob("*.xsd"))
    _not_too_many(folder.name, len(paths))
    found = {}
    for path in paths:
        if path.resolve().parent != folder.resolve() or not path.is_file():
            raise SchemaFault(path.name, None, "The file lies outside its folder.", "Put the file itself there, not a link.")
        with path.open("rb") as file:
            found[path.name] = file.read(MOST_BYTES + 1)
    return found


def _not_too_many(name: str, number: int) -> None:
    if not 0 < number <= MOST_FILES:
        raise SchemaFault(name, None, f"There are {number} XSD files.", f"Between 1 and {MOST_FILES} are possible.")


@lru_cache(64)
def compile_cached(name: str, contents: tuple[tuple[str, bytes], ...], *, scanned: bool = False) -> Schema:
    """Compiled once for the same bytes, whichever dialects of whichever partners hold them. ``scanned``: once before."""
    files = dict(contents)
    roots = {file: _read(file, content) for file, content in contents}
    if scanned:
        included = {location for root in roots.values() for location in locations(root)}
    else:
        included = {location for file, root in roots.items() for location in scan(file, root, set(files))}
        weigh(roots)
        judge_patterns(roots)
    tops = tuple(file for file in files if file not in included) or tuple(files)
    try:
        if len(tops) == 1:
            document = in_memory.tree(files[tops[0]], in_memory.url_of(tops[0]), files)
        else:
            document = in_memory.tree(_around(tops, roots), in_memory.ROOT, files)
        return Schema(name, files, tops, etree.XMLSchema(document), judged=not scanned)
    except etree.LxmlError as error:
        first = error.error_log[0] if error.error_log else None
        file = in_memory.name_at(first.filename, files) if first else None
        raise SchemaFault(file or name, first.line if first else None, _plain(str(error)) + ".", "Correct the XSD.") from None


def _around(tops: tuple[str, ...], roots: Mapping[str, etree._Element]) -> bytes:
    """One XSD that takes in all of ``tops``: libxml2 compiles a single document."""
    main = etree.Element(f"{XS}schema", nsmap={"xs": XS[1:-1]})
    for file in tops:
        space = roots[file].get("targetNamespace")
        etree.SubElement(
            main,
            f"{XS}import" if space else f"{XS}include",
            {"schemaLocation": file} | ({"namespace": space} if space else {}),
        )
    return etree.tostring(main)


def _read(file: str, content: bytes) -> etree._Element:
    try:
        return parse(content, Limits(bytes=MOST_BYTES), signed=False)
    except Refusal as refusal:
        raise SchemaFault(file, refusal.line, refusal.detail, refusal.remedy) from None


def survives(files: Files, seconds: float = 5) -> bool:
    """Whether the XSD ``files`` compile within ``seconds`` of processor time in a process of its own, which is ended if they do not.

    Processor time, since a busy machine would otherwise call a good XSD a bad one.
    """
    command = [sys.executable, "-m", "gateway.wire.schema", str(math.ceil(seconds))]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter on our own module, without a shell
            command, input=msgspec.msgpack.encode(files), timeout=12 * seconds, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + int(sys.argv[1]),) * 2)
    compile_schema("the XSD", msgspec.msgpack.decode(sys.stdin.buffer.read(), type=dict[str, bytes]))
