"""XSD: libxml2 decides, xmlschema explains the failing element and tells what a type allows.

A folder's XSD may be hostile (HOSTILE: Onboarding), so its files are scanned before anything compiles them: count and size of files,
includes that leave the folder, occurrence bounds and patterns. What the scan lets through compiles in well under a second; a caller
that trusts nothing compiles in a child process first (``survives``). Nothing is ever fetched.

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
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import xmlschema
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.xml import Limits, parse
from gateway.wire.xsd import XS, SchemaFault, scan, weigh

MOST_FILES, MOST_BYTES = 32, 1024 * 1024
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
    """The compiled XSD of one folder."""

    folder: Path
    files: tuple[Path, ...]
    compiled: etree.XMLSchema
    # lxml keeps the log of the last validation on the schema itself: two threads would read each other's
    _lock: Lock = field(default_factory=Lock, repr=False)

    def validate(self, root: etree._Element) -> None:
        """Raises ``Refusal`` (SCHEMA_INVALID) with the path, the line and the reason of the first fault."""
        with self._lock:
            first = None if self.compiled.validate(root) else self.compiled.error_log[0]
        if first is None:
            return
        element = _find(root, first.path)
        path = "/".join(etree.QName(step).localname for step in _steps(root, element))
        text = element.text if element is not None and not len(element) else None
        reason = self._explain(root, element) or _plain(first.message)
        raise Refusal(Code.SCHEMA_INVALID, f"{path}: {reason}", field=path, value=text, line=first.line or None)

    @cached_property
    def words(self) -> xmlschema.XMLSchema10:
        """The same XSD as xmlschema reads it: slow, but it knows what it expected."""
        try:
            return xmlschema.XMLSchema10(
                [str(file) for file in self.files], base_url=str(self.folder), allow="sandbox", defuse="always"
            )
        except xmlschema.XMLSchemaException as error:
            raise SchemaFault(
                self.folder.name, None, f"The XSD is not understood: {str(error)[:200]}.", "Correct the XSD."
            ) from None

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
        element: Any = self.words.maps.elements.get(path[0])
        for tag in path[1:]:
            content = element.type.content if element is not None and element.type.is_complex() else None
            if content is None or not hasattr(content, "iter_elements"):
                return None
            children = (child for child in content.iter_elements() if isinstance(child, xmlschema.XsdElement))
            element = next((found for child in children if (found := child.match(tag)) is not None), None)
        return element

    def _explain(self, root: etree._Element, element: etree._Element | None) -> str | None:
        """The first reason xmlschema gives for ``element`` alone: a leaf's value. Structure is told well enough by libxml2."""
        if element is None or len(element):
            return None
        declaration = self.declaration(tuple(_steps(root, element)))
        if declaration is None:
            return None
        for error in declaration.iter_errors(element):
            return _plain(str(error.reason)).rstrip(".") + "."
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


def compile_schema(folder: Path) -> Schema:
    """The XSD files of ``folder`` as one schema. Raises ``SchemaFault``. Compiled once for the same bytes."""
    folder = folder.resolve()
    files = tuple(sorted(folder.glob("*.xsd")))
    if not 0 < len(files) <= MOST_FILES:
        raise SchemaFault(folder.name, None, f"There are {len(files)} XSD files.", f"Between 1 and {MOST_FILES} are possible.")
    contents = tuple(_content(folder, file) for file in files)
    return _compile(folder, files, sha256(b"\0".join(contents)).digest())


def _content(folder: Path, file: Path) -> bytes:
    if file.resolve().parent != folder or not file.is_file():
        raise SchemaFault(file.name, None, "The file lies outside its folder.", "Put the file itself there, not a link.")
    if file.stat().st_size > MOST_BYTES:
        raise SchemaFault(
            file.name, None, f"The file is larger than {MOST_BYTES} bytes.", "Split it, or leave out what is not used."
        )
    return file.read_bytes()


@lru_cache(64)
def _compile(folder: Path, files: tuple[Path, ...], _digest: bytes) -> Schema:
    names = {file.name for file in files}
    roots = {file: _read(file) for file in files}
    included = {location for file, root in roots.items() for location in scan(file.name, root, names)}
    weigh({file.name: root for file, root in roots.items()})
    tops = tuple(file for file in files if file.name not in included) or files
    main = etree.Element(f"{XS}schema", nsmap={"xs": XS[1:-1]})
    for file in tops:
        space = roots[file].get("targetNamespace")
        etree.SubElement(
            main,
            f"{XS}import" if space else f"{XS}include",
            {"schemaLocation": file.name} | ({"namespace": space} if space else {}),
        )
    document = etree.ElementTree(main)
    try:
        if len(tops) == 1:
            document = etree.parse(tops[0], etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        else:
            main.base = (folder / "schemas.xsd").as_uri()
        return Schema(folder, tops, etree.XMLSchema(document))
    except etree.LxmlError as error:
        first = error.error_log[0] if error.error_log else None
        name = Path(first.filename).name if first else folder.name
        raise SchemaFault(name, first.line if first else None, _plain(str(error)) + ".", "Correct the XSD.") from None


def _read(file: Path) -> etree._Element:
    try:
        return parse(file.read_bytes(), Limits(bytes=MOST_BYTES), signed=False)
    except Refusal as refusal:
        raise SchemaFault(file.name, refusal.line, refusal.detail, refusal.remedy) from None


def survives(folder: Path, seconds: float = 5) -> bool:
    """Whether the XSD of ``folder`` compiles within ``seconds`` of processor time in a process of its own, which is ended if it does not.

    Processor time, since a busy machine would otherwise call a good XSD a bad one.
    """
    command = [sys.executable, "-m", "gateway.wire.schema", str(folder), str(math.ceil(seconds))]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter on our own module, without a shell
            command, timeout=12 * seconds, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + int(sys.argv[2]),) * 2)
    compile_schema(Path(sys.argv[1]))
