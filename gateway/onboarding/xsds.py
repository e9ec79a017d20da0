"""The XSD files of a partner, gathered into one folder: those given, and what they include from beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.schema import MOST_BYTES, MOST_FILES
from gateway.wire.xml import Limits, parse
from gateway.wire.xsd import XS

_REACHING = (f"{XS}include", f"{XS}import")


def gather(given: Iterable[Path]) -> dict[str, bytes]:
    """Every file by a name that is fit for a folder, each naming the others by that name. Raises ``Refusal``.

    What lies outside the folder of the first file is never followed: the compiler refuses such a file and says so.
    """
    found: dict[Path, etree._Element] = {}
    waiting = [path.resolve() for path in given]
    home = waiting[0].parent
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        if len(found) == MOST_FILES:
            raise Refusal(Code.DATA_INVALID, f"The XSD has more than {MOST_FILES} files.", remedy="Leave out what is not used.")
        found[path] = _read(path)
        waiting += [beside for beside in _reached(path, found[path]).values() if beside.is_relative_to(home) and beside.is_file()]
    names = _names(list(found))
    return {names[path]: _renamed(path, root, names) for path, root in found.items()}


def _read(path: Path) -> etree._Element:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refusal(
            Code.DATA_INVALID, f"{path.name} cannot be read: {error.strerror}.", field="xsd", remedy="Name a file that is there."
        ) from None
    try:
        root = parse(data, Limits(bytes=MOST_BYTES), signed=False)
    except Refusal as refusal:
        raise Refusal(
            refusal.code, f"{path.name}: {refusal.detail}", line=refusal.line, value=refusal.value, remedy=_remedy(refusal)
        ) from None
    if root.tag != f"{XS}schema":
        raise Refusal(
            Code.DATA_INVALID,
            f"{path.name} is no XSD: its root is {etree.QName(root).localname}.",
            field="xsd",
            remedy="Give the XSD by --xsd and the message by --sample. A DTD, RELAX NG or WSDL has to be turned into XSD first.",
        )
    return root


def _remedy(refusal: Refusal) -> str:
    if refusal.code is Code.XML_ENCODING:
        return "Save it as UTF-8."
    if refusal.code is Code.XML_NAMESPACE:
        return (
            "Agree with the partner on namespaces that are absolute URIs in plain characters; a message with any other is refused."
        )
    return "Remove the DOCTYPE; an XSD never needs one." if refusal.code is Code.XML_DOCTYPE else refusal.remedy


def _reached(path: Path, root: etree._Element) -> dict[str, Path]:
    locations = (node.get("schemaLocation", "") for node in root.iterchildren(*_REACHING))
    return {one: (path.parent / one).resolve() for one in locations if one and ":" not in one}


def _names(paths: list[Path]) -> dict[Path, str]:
    """A plain name for each: letters, digits, dots and hyphens, none twice."""
    names: dict[Path, str] = {}
    for path in paths:
        plain = re.sub(r"[^A-Za-z0-9.-]+", "-", path.stem).strip("-.") or "schema"
        name, more = f"{plain}.xsd", 2
        while name in names.values():
            name, more = f"{plain}-{more}.xsd", more + 1
        names[path] = name
    return names


def _renamed(path: Path, root: etree._Element, names: dict[Path, str]) -> bytes:
    """The file as it was, or with the names that its neighbours now have."""
    reached = _reached(path, root)
    if all(names.get(beside, location) == location for location, beside in reached.items()):
        return path.read_bytes()
    for node in root.iterchildren(*_REACHING):
        location = node.get("schemaLocation", "")
        if location in reached and reached[location] in names:
            node.set("schemaLocation", names[reached[location]])
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
