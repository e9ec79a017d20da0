"""From a parsed document to records: one pass over the children, everything that the sample does not hold refused.

A reader fills a record; what it meets twice, misses or does not know is a ``Refusal``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.dialect import refusals
from gateway.wire.dialect.template import COUNT, Template
from gateway.wire.dialect.tree import HELD, TemplateNode, discriminator, guards, holds_operators, holes_of, repetitions
from gateway.wire.dialect.values import as_is

Record = dict[str, Any]
#: Makes of a complete record what the caller wants of it.
Finish = Callable[[Record], Any]
#: What reads each attribute, by its name.
Attributes = dict[str, tuple[Callable[[str, Record], None], Template]]
Element = etree._Element

#: How many a scope lists; compared with what the document announces by ``{@count}``.
GROUPS = "@groups"


class Read(Protocol):
    """Reads one element into the record of its scope; what repetitions inside it make is appended to ``rows``.

    ``items`` are the children where they have no element of their own (``gw:group``): ``element`` is then the first of them.
    """

    def __call__(self, element: Element, record: Record, rows: list[Any], items: Sequence[Element] | None = None, /) -> None: ...


def reader(node: TemplateNode, finish: Finish) -> Read:
    """Compiles ``node``. The result raises ``Refusal`` and nothing else."""
    read = element_reader(node, finish)
    if node.each:
        return _row(node, read) if node.each.inner else _group(node, read, finish)
    return _given(node, read) if node.given and node.given != HELD else read


def element_reader(node: TemplateNode, finish: Finish) -> Read:
    """Compiles ``node`` without its own repetition."""
    read = _content_reader(node, finish)
    return _counting(read) if node.counts else read


def _counting(read: Read) -> Read:
    """Compares what an element lists with what it announces."""

    def counting(element: Element, record: Record, rows: list[Any], items: Sequence[Element] | None = None) -> None:
        before, around = record.get(GROUPS, 0), record.pop(COUNT, None)
        read(element, record, rows, items)
        listed = record.get(GROUPS, 0) - before
        announced = record.pop(COUNT, listed)
        if announced != listed:
            detail = f"{listed} are listed where {announced} are announced."
            raise Refusal(Code.COUNT_MISMATCH, detail, field="count", value=str(announced), line=element.sourceline)
        if around is not None:
            record[COUNT] = around

    return counting


def _content_reader(node: TemplateNode, finish: Finish) -> Read:
    if node.any:
        return lambda _element, _record, _rows, _items=None: None
    attributes = {name: (template.reader(), template) for name, _, template in node.attributes}
    if node.text is not None:
        return _leaf(node.text, attributes)
    groups = [child for child in node.children if child.group]
    if groups:
        return _grouped(node, groups[0], attributes, finish)
    return _parent(node.children, attributes, finish)


def _leaf(template: Template, attributes: Attributes) -> Read:
    convert = template.reader()
    blank = template.literal == ""

    def read(element: Element, record: Record, _rows: list[Any], _items: Sequence[Element] | None = None) -> None:
        if len(element):
            refusals.unexpected(element[0])
        if attributes or element.keys():
            _read_attributes(attributes, element, record)
        text = element.text or ""
        if blank and (not text or text.isspace()):
            return
        field = refusals.named(template, element.tag)
        if not text:
            refusals.empty(element, field, refusals.local(element.tag))
        try:
            convert(text, record)
        except (ValueError, LookupError, Refusal) as error:
            refusals.value(error, refusals.local(element.tag), field, text, element)

    return read


def _read_attributes(attributes: Attributes, element: Element, record: Record) -> None:
    outstanding = len(attributes)
    for name, text in element.items():
        found = attributes.get(name)
        if found is None:
            refusals.attribute(element, name)
        convert, template = found
        if not text and template.literal != "" and not template.ignored:
            refusals.empty(element, refusals.named(template, name), f"The attribute {refusals.local(name)}")
        try:
            convert(text, record)
        except (ValueError, LookupError, Refusal) as error:
            refusals.value(error, f"The attribute {refusals.local(name)}", refusals.named(template, name), text, element)
        outstanding -= 1
    if outstanding:
        for name, (_, template) in attributes.items():
            if not template.optional and name not in element.attrib:
                refusals.missing(element, refusals.named(template, name))


class _Entry(NamedTuple):
    """A child that may stand here. ``excludes`` are the bits of those it cannot stand beside: itself, or the other branches.

    A leaf of one hole whose attributes are exactly ``attributes`` is read on the spot by ``key`` and ``convert``, for speed;
    ``read`` reads any child, and finds the words where it is wrong.
    """

    bit: int
    excludes: int
    attributes: list[tuple[str, str]]
    key: str | None
    convert: Callable[[str], Any] | None
    read: Read


def _entry(node: TemplateNode, bit: int, excludes: int, finish: Finish) -> _Entry:
    read = reader(node, finish)
    literals = [(name, template.literal) for name, _, template in node.attributes]
    if node.each or node.text is None or not node.text.single or any(literal is None for _, literal in literals):
        return _Entry(bit, excludes, [], None, None, read)
    (hole,) = node.text.holes
    convert = None if hole.value.read is as_is else hole.value.read
    return _Entry(bit, excludes, [(name, literal or "") for name, literal in literals], hole.key, convert, read)


def _pick(nodes: list[TemplateNode], entries: list[_Entry]) -> Callable[[Element], _Entry]:
    """Which of several elements of one name a document holds: the literal that tells them apart says it."""
    literal = discriminator(nodes)
    assert literal is not None  # the loader saw to it
    kind, name = literal
    by_literal = {guards(node)[literal]: entry for node, entry in zip(nodes, entries, strict=True)}

    def pick(element: Element) -> _Entry:
        text = element.get(name) if kind == "@" else element.findtext(name)
        return by_literal.get(text or "") or refusals.unexpected(element)

    return pick


def _parent(children: tuple[TemplateNode, ...], attributes: Attributes, finish: Finish) -> Read:
    choices: dict[str, int] = {}
    for index, child in enumerate(children):
        if child.when:
            choices[child.when[0]] = choices.get(child.when[0], 0) | 1 << index
    found: dict[object, list[tuple[TemplateNode, _Entry]]] = {}
    for index, child in enumerate(children):
        excludes = 0 if child.each or child.any else choices[child.when[0]] if child.when else 1 << index
        found.setdefault(child.tag, []).append((child, _entry(child, 1 << index, excludes, finish)))
    single = {tag: same[0][1] for tag, same in found.items() if len(same) == 1}
    several = {tag: _pick(*map(list, zip(*same, strict=True))) for tag, same in found.items() if len(same) > 1}
    needed = [
        (1 << index, refusals.named(child.text or Template(("",)), child.tag))
        for index, child in enumerate(children)
        if child.required
    ]
    everything = sum(bit for bit, _ in needed)
    settle = _choices(children, choices) if choices else None

    def read(parent: Element, record: Record, rows: list[Any], items: Sequence[Element] | None = None) -> None:
        if items is None:
            if attributes or parent.keys():
                _read_attributes(attributes, parent, record)
            if (text := parent.text) and not text.isspace():
                refusals.stray(parent, text)
        seen = 0
        for child in parent if items is None else items:
            tag = child.tag
            if tag in single:
                bit, excludes, expected, key, convert, read_child = single[tag]
            else:
                bit, excludes, expected, key, convert, read_child = (
                    several[tag](child) if tag in several else refusals.unexpected(child)
                )
            if seen & excludes:
                refusals.repeated(child, excludes == bit)
            seen |= bit
            if key is None or (child.items() != expected if expected else child.keys()) or len(child) or not (text := child.text):
                read_child(child, record, rows)
            elif convert is None:
                record[key] = text
            else:
                try:
                    record[key] = convert(text)
                except (ValueError, LookupError, Refusal) as error:
                    refusals.value(error, refusals.local(tag), key, text, child)
            if (tail := child.tail) and not tail.isspace():
                refusals.stray(parent, tail)
        if seen & everything != everything:
            refusals.missing(parent, next(field for bit, field in needed if not seen & bit))
        if settle:
            settle(parent, seen, record)

    return read


def _choices(children: tuple[TemplateNode, ...], choices: Mapping[str, int]) -> Callable[[Element, int, Record], None]:
    """A branch says its word; where the field has a hole of its own, branch and hole must say the same."""
    words = {1 << index: child.when[1] for index, child in enumerate(children) if child.when}
    obliged = {child.when for child in children if child.when and not child.given}

    def settle(parent: Element, seen: int, record: Record) -> None:
        for field, mask in choices.items():
            said = words.get(seen & mask)
            word = record.setdefault(field, said)
            if word is None or (said is None and (field, word) in obliged):
                refusals.missing(parent, field)
            if said is not None and said != word:
                detail = f"{refusals.local(parent.tag)} says both {said} and {word}."
                raise Refusal(Code.FIELD_INVALID, detail, field=field, value=word, line=parent.sourceline)

    return settle


def _grouped(node: TemplateNode, group: TemplateNode, attributes: Attributes, finish: Finish) -> Read:
    """A parent with unwrapped repetitions: each begins where the group's first element stands."""
    first, tags = group.children[0].tag, {child.tag for child in group.children}
    plain = _parent(tuple(child for child in node.children if not child.group), {}, finish)
    body = reader(group, finish)

    def read(parent: Element, record: Record, rows: list[Any], _items: Sequence[Element] | None = None) -> None:
        if attributes or parent.keys():
            _read_attributes(attributes, parent, record)
        if (text := parent.text) and not text.isspace():
            refusals.stray(parent, text)
        others: list[Element] = []
        mine: list[list[Element]] = []
        for child in parent:
            if child.tag not in tags:
                others.append(child)
            elif child.tag == first:
                mine.append([child])
            elif mine:
                mine[-1].append(child)
            else:
                refusals.unexpected(child)
        plain(parent, record, rows, others)
        for items in mine:
            body(items[0], record, rows, items)

    return read


def _said(node: TemplateNode) -> Record:
    """What a repetition says by being there."""
    return dict([node.each.only]) if node.each and node.each.only else {}


def _row(node: TemplateNode, read: Read) -> Read:
    said = _said(node)
    many = holds_operators(node)

    def row(element: Element, record: Record, rows: list[Any], items: Sequence[Element] | None = None) -> None:
        mine: Record = dict(said)
        read(element, mine, rows, items)
        record[GROUPS] = record.get(GROUPS, 0) + 1
        rows.append(mine)

    def of_rows(element: Element, record: Record, rows: list[Any], items: Sequence[Element] | None = None) -> None:
        mine: Record = dict(said)
        inner: list[Record] = []
        read(element, mine, inner, items)
        listed = mine.pop(GROUPS, 0)
        record[GROUPS] = record.get(GROUPS, 0) + (listed if many else 1)
        rows.extend(merged(element, mine, inner))

    return of_rows if repetitions(node) else row


def _group(node: TemplateNode, read: Read, finish: Finish) -> Read:
    has_rows = bool(repetitions(node))
    said = _said(node)
    many = holds_operators(node)

    def group(element: Element, record: Record, rows: list[Any], items: Sequence[Element] | None = None) -> None:
        mine: Record = dict(said)
        inner: list[Record] = []
        read(element, mine, inner, items)
        listed = mine.pop(GROUPS, 1)
        record[GROUPS] = record.get(GROUPS, 0) + (listed if many else 1)
        try:
            for found in merged(element, mine, inner) if has_rows else (mine,):
                rows.append(finish(found))
        except Refusal as refusal:
            refusals.at(element, refusal)

    return group


def merged(element: Element, shared: Record, rows: list[Any]) -> list[Record]:
    """What a group and its rows say together. A group without rows is refused: its operator would be dropped."""
    if not rows:
        detail = f"{refusals.local(element.tag)} says nothing about its operator."
        raise Refusal(Code.FIELD_MISSING, detail, field=refusals.local(element.tag), line=element.sourceline)
    return [shared | row for row in rows]


def _given(node: TemplateNode, read: Read) -> Read:
    holes = holes_of(node)
    keys = [key for key in holes.all if key.partition("#")[0] in node.given]
    if holes.must & set(keys):
        return read  # one of them is always there

    def given(element: Element, record: Record, rows: list[Any], items: Sequence[Element] | None = None) -> None:
        read(element, record, rows, items)
        for key in keys:
            if key in record:
                return
        refusals.empty(element, node.given[0], refusals.local(element.tag))

    return given
