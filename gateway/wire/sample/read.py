"""From a parsed document to records: one pass over the children, everything that the sample does not hold refused.

A reader fills a record; what it meets twice, misses or does not know is a ``Refusal`` naming field, value and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.sample.language import Node, Template, holes_of
from gateway.wire.sample.parse import guards

Record = dict[str, Any]
#: Reads one element into the record of its scope; records of repetitions inside it are appended to the list.
Read = Callable[[Any, Record, list[Record]], None]
Finish = Callable[[Record], None] | None
Content = Callable[[etree._Element, Iterable[etree._Element], Record, list[Record]], None]

#: How many groups a scope held; compared with what the document announces by ``{@count}``.
GROUPS = "@groups"


def local(tag: object) -> str:
    """The name a person sees."""
    return etree.QName(tag).localname if isinstance(tag, str) else "a comment or processing instruction"


def reader(node: Node, finish: Finish) -> Read:
    """Compiles ``node``; ``finish`` is applied to each record. The result raises ``Refusal`` and nothing else."""
    read = element_reader(node, finish)
    if node.each and node.each.inner:
        return _row(node, read)
    if node.each:
        return _group(node, read, finish)
    if node.given:
        return _given(node, read)
    return read


def element_reader(node: Node, finish: Finish) -> Read:
    """Compiles ``node`` without its own repetition."""
    if node.any:
        return lambda element, record, rows: None
    text = node.text
    if text is not None and not node.attributes:
        return _leaf(node, text)
    attributes = _attributes(node)
    content: Read = _leaf(node, text, bare=False) if text is not None else _parent(node, finish)

    def read(element: etree._Element, record: Record, rows: list[Record]) -> None:
        attributes(element, record)
        content(element, record, rows)

    return read


def _leaf(node: Node, template: Template, bare: bool = True) -> Read:
    convert = template.reader()
    empty = template.literal == ""

    def read(element: etree._Element, record: Record, rows: list[Record]) -> None:
        if len(element):
            unexpected(element[0])
        if bare and element.keys():
            refuse_attribute(element, element.keys()[0])
        text = element.text
        if text is None:
            if empty:
                return
            raise Refusal(
                Code.FIELD_MISSING, f"{local(element.tag)} is empty.", field=_named(template, element), line=element.sourceline
            )
        if empty and text.isspace():
            return
        try:
            convert(text, record)
        except (ValueError, LookupError, Refusal) as error:
            _refuse_value(error, local(element.tag), _named(template, element), text, element)

    return read


def _parent(node: Node, finish: Finish) -> Read:
    content = _children(node, finish)

    def read(element: etree._Element, record: Record, rows: list[Record]) -> None:
        if (text := element.text) and not text.isspace():
            refuse_text(element, text)
        content(element, element, record, rows)

    bare = not node.attributes

    def read_bare(element: etree._Element, record: Record, rows: list[Record]) -> None:
        if element.keys():
            refuse_attribute(element, element.keys()[0])
        read(element, record, rows)

    return read_bare if bare else read


def _attributes(node: Node) -> Callable[[etree._Element, Record], None]:
    readers = {name: (template.reader(), template) for name, _, template in node.attributes}
    required = [(name, template) for name, _, template in node.attributes if not template.optional]

    def read(element: etree._Element, record: Record) -> None:
        present = element.attrib
        for name, value in present.items():
            found = readers.get(name)
            if found is None:
                refuse_attribute(element, name)
            if not value and found[1].literal != "":
                raise Refusal(
                    Code.FIELD_MISSING,
                    f"The attribute {local(name)} is empty.",
                    field=_named(found[1], name),
                    line=element.sourceline,
                )
            try:
                found[0](value, record)
            except (ValueError, LookupError, Refusal) as error:
                _refuse_value(error, f"The attribute {local(name)}", _named(found[1], name), value, element)
        for name, template in required:
            if name not in present:
                raise Refusal(
                    Code.FIELD_MISSING,
                    f"{local(element.tag)} lacks the attribute {local(name)}.",
                    field=_named(template, name),
                    line=element.sourceline,
                )

    return read


class _Entry:
    """A child that may stand here. ``excludes`` are the bits of those it cannot stand beside: itself, or the other branches."""

    __slots__ = ("bit", "excludes", "guards", "node", "read")

    def __init__(self, node: Node, bit: int, excludes: int, finish: Finish) -> None:
        self.node, self.bit, self.excludes = node, bit, excludes
        self.read = reader(node, finish)
        self.guards = guards(node)

    def fits(self, element: etree._Element) -> bool:
        return all(
            (element.get(name) if kind == "@" else element.findtext(name)) == literal
            for (kind, name), literal in self.guards.items()
        )


def _children(node: Node, finish: Finish) -> Content:
    groups = [child for child in node.children if child.group]
    plain = _plain(tuple(child for child in node.children if not child.group), finish)
    return _grouped(plain, groups[0], finish) if groups else plain


def _plain(children: tuple[Node, ...], finish: Finish) -> Content:
    choices: dict[str, int] = {}
    for index, child in enumerate(children):
        if child.when:
            choices[child.when[0]] = choices.get(child.when[0], 0) | 1 << index
    table: dict[object, list[_Entry]] = {}
    needed: list[tuple[int, str]] = []
    for index, child in enumerate(children):
        bit = 1 << index
        excludes = 0 if child.each or child.any else choices[child.when[0]] if child.when else bit
        table.setdefault(child.tag, []).append(_Entry(child, bit, excludes, finish))
        if child.required:
            needed.append((bit, _field(child)))
    everything = sum(mask for mask, _ in needed)
    single = {tag: entries[0] for tag, entries in table.items() if len(entries) == 1}
    settle = _choices(children, choices) if choices else None

    def read(parent: etree._Element, items: Iterable[etree._Element], record: Record, rows: list[Record]) -> None:
        seen = 0
        for child in items:
            entry = single.get(child.tag)
            if entry is None:
                entry = next((entry for entry in table.get(child.tag, ()) if entry.fits(child)), None)
                if entry is None:
                    unexpected(child)
            if seen & entry.excludes:
                _repeated(child, entry)
            seen |= entry.bit
            entry.read(child, record, rows)
            if (tail := child.tail) and not tail.isspace():
                refuse_text(parent, tail)
        if seen & everything != everything:
            _missing(parent, next(field for mask, field in needed if not seen & mask))
        if settle:
            settle(parent, seen, record)

    return read


def _choices(children: tuple[Node, ...], choices: Mapping[str, int]) -> Callable[[etree._Element, int, Record], None]:
    """A branch says its word; where the field has a hole of its own, branch and hole must say the same."""
    bits = {child.when: 1 << index for index, child in enumerate(children) if child.when}
    optional = {child.when for child in children if child.given}

    def settle(parent: etree._Element, seen: int, record: Record) -> None:
        for field, mask in choices.items():
            said = next((when[1] for when, bit in bits.items() if when[0] == field and seen & bit), None)
            word = record.setdefault(field, said)
            if word is None or (said is None and (field, word) in bits and (field, word) not in optional):
                _missing(parent, field)
            if said is not None and said != word:
                raise Refusal(
                    Code.FIELD_INVALID,
                    f"{local(parent.tag)} says both {said} and {word}.",
                    field=field,
                    value=word,
                    line=parent.sourceline,
                )

    return settle


def _grouped(plain: Content, group: Node, finish: Finish) -> Content:
    """Splits unwrapped repetitions: each begins where the group's first element stands."""
    first, tags = group.children[0].tag, {child.tag for child in group.children}
    content = _plain(group.children, finish)

    def body(chunk: Any, record: Record, rows: list[Record]) -> None:
        content(chunk[0], chunk, record, rows)

    wrapped = _row(group, body) if group.each and group.each.inner else _group(group, body, finish)

    def read(parent: etree._Element, items: Iterable[etree._Element], record: Record, rows: list[Record]) -> None:
        others: list[etree._Element] = []
        mine: list[list[etree._Element]] = []
        for child in items:
            if child.tag not in tags:
                others.append(child)
            elif child.tag == first:
                mine.append([child])
            elif mine:
                mine[-1].append(child)
            else:
                unexpected(child)
        plain(parent, others, record, rows)
        for chunk in mine:
            wrapped(chunk, record, rows)

    return read


def _row(node: Node, read: Read) -> Read:
    only = node.each.only if node.each else None

    def row(element: etree._Element, record: Record, rows: list[Record]) -> None:
        mine: Record = {} if only is None else {only[0]: only[1]}
        read(element, mine, rows)
        rows.append(mine)

    return row


def _group(node: Node, read: Read, finish: Finish) -> Read:
    rows_of = any(child.each for child in _below(node))

    def group(element: Any, record: Record, rows: list[Record]) -> None:
        mine: Record = {}
        inner: list[Record] = []
        read(element, mine, inner)
        record[GROUPS] = record.get(GROUPS, 0) + 1
        first = element[0] if node.group else element
        found = merged(first, mine, inner) if rows_of else [mine]
        if finish:
            complete(first, found, finish)
        rows += found

    return group


def merged(element: etree._Element, shared: Record, rows: list[Record]) -> list[Record]:
    """What a group and its rows say together. A group without rows is refused: its operator would be dropped."""
    if not rows:
        name = local(element.tag)
        raise Refusal(Code.FIELD_MISSING, f"{name} says nothing about its operator.", field=name, line=element.sourceline)
    return [shared | row for row in rows]


def complete(element: etree._Element, records: list[Record], finish: Callable[[Record], None]) -> None:
    """Applies ``finish``; what it refuses is refused at ``element``."""
    try:
        for record in records:
            finish(record)
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.detail, field=refusal.field, value=refusal.value, line=element.sourceline) from None


def _given(node: Node, read: Read) -> Read:
    keys = [key for key in holes_of(node).all if key.partition("#")[0] in node.given]

    def given(element: etree._Element, record: Record, rows: list[Record]) -> None:
        read(element, record, rows)
        if not any(key in record for key in keys):
            raise Refusal(Code.FIELD_MISSING, f"{local(element.tag)} is empty.", field=node.given[0], line=element.sourceline)

    return given


def _below(node: Node) -> list[Node]:
    return [inner for child in node.children for inner in [child, *_below(child)]]


def _field(node: Node) -> str:
    return node.text.keys[0] if node.text and node.text.keys else local(node.tag)


def _named(template: Template, where: object) -> str:
    return template.keys[0] if template.keys else local(where.tag if isinstance(where, etree._Element) else where)


def _missing(parent: etree._Element, field: str) -> NoReturn:
    raise Refusal(Code.FIELD_MISSING, f"{local(parent.tag)} lacks {field}.", field=field, line=parent.sourceline)


def _refuse_value(error: Exception, where: str, field: str, value: str, element: etree._Element) -> NoReturn:
    if isinstance(error, Refusal):  # a character that may not stand in a code
        raise Refusal(error.code, error.detail, field=field, value=value, line=element.sourceline) from None
    if isinstance(error, LookupError):
        raise Refusal(
            Code.CODE_UNKNOWN,
            f"{where} holds a code that is not in the agreed list.",
            field=field,
            value=value,
            line=element.sourceline,
        ) from None
    raise Refusal(Code.FIELD_INVALID, f"{where}: {error}.", field=field, value=value, line=element.sourceline) from None


def unexpected(element: etree._Element) -> NoReturn:
    """Anything that the sample does not hold is refused, never dropped."""
    name = local(element.tag)
    raise Refusal(Code.FIELD_UNEXPECTED, f"{name} is not expected here.", field=name, value=element.text, line=element.sourceline)


def refuse_text(element: etree._Element, text: str) -> NoReturn:
    name = local(element.tag)
    raise Refusal(
        Code.FIELD_UNEXPECTED,
        f"Text stands between the elements of {name}.",
        field=name,
        value=text.strip(),
        line=element.sourceline,
    )


def refuse_attribute(element: etree._Element, name: str) -> NoReturn:
    raise Refusal(
        Code.FIELD_UNEXPECTED,
        f"The attribute {local(name)} of {local(element.tag)} is not expected.",
        field=local(name),
        value=element.get(name),
        line=element.sourceline,
    )


def _repeated(element: etree._Element, entry: _Entry) -> NoReturn:
    what = "stands beside what excludes it" if entry.node.when else "stands twice"
    raise Refusal(
        Code.FIELD_REPEATED, f"{local(element.tag)} {what}.", field=_field(entry.node), value=element.text, line=element.sourceline
    )
