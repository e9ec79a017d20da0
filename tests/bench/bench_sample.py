"""How fast the compiled samples read and write, for each dialect under schemas/, on one core.

A list of 25,000 operators, each with the elements that arrangements name (name, address, code, standing, level, number, date of
authorisation; where the dialect has a place for them), from a parsed tree to statements and from statements to text. Beside it,
in the same run: for reading, an XPath a field; for writing, an lxml tree built from values that are all at hand; and the floor,
which is looking at every element once, or joining strings that are all written. Rates are statements a second of processor time, so a busy neighbour does not count; medians of five.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.core.model import Kind, Standing, Statement
from gateway.settings import ROOT
from gateway.wire.dialect import Dialect, Reading, load_folder
from gateway.wire.dialect.codec import SampleCodec
from gateway.wire.dialect.tree import TemplateNode
from gateway.wire.xml import parse

Row = dict[str, Any]
Spec = tuple[str, dict[str, str], str | None, list[Any]]
GOAL = 60_000
OWN = {
    "certificate": {"level": "AEOF", "number": "DE AEOF 00025/08"},
    "register": {"level": "type 3", "number": "BY/0042/3"},
    "operador": {"level": "OEA"},
}


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: tiny sizes, goals not judged."""
    operators, times = (50, 1) if smoke else (25_000, 5)
    found: list[Row] = []
    for folder in sorted(path.parent for path in (ROOT / "schemas").glob("*/*/list.xml")):
        found += _dialect(folder, operators, times)
    return [row | {"pass": None} for row in found] if smoke else found


def _dialect(folder: Path, operators: int, times: int) -> list[Row]:
    dialect = load_folder(folder, {})
    reading = Reading(
        {"id": "m", "issued": datetime(2026, 4, 1, tzinfo=UTC), "as_of": datetime(2026, 4, 1, tzinfo=UTC)},
        _statements(dialect, operators),
    )
    text = dialect.write(Kind.LIST, reading, {})
    root = parse(text.encode())
    dialect.validate(root)
    by_path = _by_path(dialect.faces(Kind.LIST)[0])
    if not dialect.read(Kind.LIST, root).statements == reading.statements == tuple(by_path(root)):
        raise AssertionError(f"{folder}: the readers disagree")
    spec, pieces = _spec(root), text.replace("><", ">\0<").split("\0")
    read, paths, walk = _rates(operators, times, lambda: dialect.read(Kind.LIST, root), lambda: by_path(root), lambda: _walk(root))
    write, tree, join = _rates(
        operators,
        times,
        lambda: dialect.write(Kind.LIST, reading, {}),
        lambda: etree.tostring(_build(spec)),
        lambda: "".join(pieces),
    )
    name = f"sample.{folder.parent.name}-{folder.name}"
    return [
        _row(f"{name}.read", read, paths, GOAL),
        _row(f"{name}.read.floor", read, walk, None),
        _row(f"{name}.write", write, tree, GOAL),
        _row(f"{name}.write.floor", write, join, None),
    ]


def _row(name: str, value: float, beside: float, goal: int | None) -> Row:
    return {
        "id": name,
        "value": value,
        "unit": "statements/s",
        "beside": beside,
        "ratio": value / beside,
        "goal": f">= {goal:,}" if goal else None,
        "pass": value >= goal if goal else None,
    }


def _rates(operators: int, times: int, *works: Callable[[], object]) -> list[float]:
    """Statements a second of each, taken in turns so that a noisy moment meets all of them."""
    gc.collect()
    gc.freeze()  # what stands ready for the others is no burden on the one measured
    spent: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, seconds in zip(works, spent, strict=True):
            began = time.process_time()
            work()
            seconds.append(time.process_time() - began)
    gc.unfreeze()
    return [operators / statistics.median(seconds) for seconds in spent]


def _statements(dialect: Dialect, operators: int) -> tuple[Statement, ...]:
    values: dict[str, Any] = {
        "name": "Harbour & Sons Trading Ltd",
        "address": "1 Quay Road, Porttown",
        "level": "AEO",
        "number": "A-2026/118",
    } | OWN.get(dialect.name, {})
    said = {key: value for key, value in values.items() if key in dialect.fields}

    def granted(n: int) -> date | None:
        return date(2019, 1, 1) + timedelta(n % 2000) if "granted" in dialect.fields else None

    return tuple(Statement(tin=f"SG{n:012d}", standing=Standing.VALID, granted=granted(n), **said) for n in range(operators))


# -- what a user would run instead ---------------------------------------------------------------------------------------------


def _by_path(face: SampleCodec) -> Callable[[etree._Element], list[Statement]]:
    """A reader with one compiled XPath for each field. It checks nothing that the conversions do not."""
    sample = face.sample
    nodes = _nodes(sample.root)
    base = next(len(path) for path in nodes if path[-1] is sample.outer)
    row = next(
        (path for path in nodes if sample.rows and path[-1] is sample.rows[0][0]), next(p for p in nodes if p[-1] is sample.outer)
    )
    spaces = {prefix: uri for prefix, uri in sample.namespaces.items() if prefix}
    places: dict[str, list[str]] = {}
    reads, words = {}, []
    for path in nodes:
        if sample.outer not in path:
            continue
        step = "/".join([".", *map(_step, path[len(row) :])] if row[-1] in path else ["..", *map(_step, path[base:])])
        for attribute, template in [("", path[-1].text), *((f"/@{name}", template) for name, _, template in path[-1].attributes)]:
            for hole in template.holes if template else ():
                places.setdefault(hole.key, []).append(step + attribute)
                reads[hole.key] = hole.value.read
        if path[-1].when:
            words.append((path[-1].when[1], etree.XPath(f"boolean({step})", namespaces=spaces)))
    fields = [
        (key, etree.XPath(f"string({' | '.join(found)})", namespaces=spaces, smart_strings=False), reads[key])
        for key, found in places.items()
    ]
    choices = [] if "standing" in places else words
    records = etree.XPath("/" + "/".join(map(_step, row)), namespaces=spaces)

    def read(root: etree._Element) -> list[Statement]:
        said = []
        for element in records(root):
            record: dict[str, Any] = {}
            for key, path, convert in fields:
                if text := path(element):
                    record[key] = convert(text)
            for word, there in choices:
                if there(element):
                    record["standing"] = word
            for form in face.forms:
                form.join(record)
            said.append(Statement(**record))
        return said

    return read


def _nodes(node: TemplateNode, above: tuple[TemplateNode, ...] = ()) -> list[tuple[TemplateNode, ...]]:
    path = (*above, node)
    return [path, *(found for child in node.children for found in _nodes(child, path))]


def _step(node: TemplateNode) -> str:
    return node.written + "".join(
        f"[@{written}='{template.literal}']" for _, written, template in node.attributes if template.literal
    )


def _spec(element: etree._Element) -> Spec:
    return (
        str(element.tag),
        {str(key): str(value) for key, value in element.items()},
        element.text,
        [_spec(child) for child in element],
    )


def _build(spec: Spec, parent: etree._Element | None = None) -> etree._Element:
    tag, attributes, text, children = spec
    element = etree.Element(tag, attributes) if parent is None else etree.SubElement(parent, tag, attributes)
    element.text = text
    for child in children:
        _build(child, element)
    return element


def _walk(root: etree._Element) -> None:
    for element in root.iter():
        _ = element.tag, element.text
