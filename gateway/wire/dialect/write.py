"""From records to text: a writer drains a record, and what is left over could not have been said, so it is refused.

Every value goes through one escape function; nothing is spliced.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, NoReturn

from gateway.core.errors import Code, Refusal
from gateway.wire.dialect.template import COUNT, Missing, Template
from gateway.wire.dialect.tree import HELD, Each, TemplateNode, holds_operators, holes_of, repetitions
from gateway.wire.dialect.values import Value, as_is
from gateway.wire.xml import escape

Record = dict[str, Any]
#: Appends text; takes what it writes out of the record of its scope. The list holds the records of repetitions inside it.
Write = Callable[[list[str], Record, list[Record]], None]
#: The escaped text of one attribute or leaf; None: an optional value that is absent.
Text = Callable[[Record], str | None]


def writer(node: TemplateNode, declarations: str = "") -> Write:
    """Compiles ``node``. ``declarations`` are the namespaces, on the root. The result raises ``Refusal`` and nothing else."""
    write = element_writer(node, declarations)
    if node.each:
        return _groups(node, node.each, write) if repetitions(node) or not node.each.inner else _rows(node.each, write)
    if node.given == HELD:
        return _held(node, write)
    return _given(node, write) if node.given else write


def element_writer(node: TemplateNode, declarations: str) -> Write:
    """Compiles ``node`` without its own repetition."""
    write = _content_writer(node, declarations)
    if not node.counts:
        return write
    count = _counter(node)

    def counting(out: list[str], record: Record, rows: list[Record]) -> None:
        around = record.get(COUNT)
        record[COUNT] = count(rows)
        write(out, record, rows)
        record.pop(COUNT, None)
        if around is not None:
            record[COUNT] = around

    return counting


def _content_writer(node: TemplateNode, declarations: str) -> Write:
    if node.any:
        return lambda _out, _record, _rows: None
    start, close = f"<{node.written}{declarations}", f"</{node.written}>"
    attributes = [(f' {written}="', _text(template)) for _, written, template in node.attributes]
    if node.text is not None:
        return _leaf(start, attributes, _text(node.text), close)
    content = _content(node)
    if node.group:
        return lambda out, record, rows: content(out, record, rows, None)

    def write(out: list[str], record: Record, rows: list[Record]) -> None:
        content(out, record, rows, lambda: _opening(start, attributes, record))
        out.append(close)

    return write


def _opening(start: str, attributes: list[tuple[str, Text]], record: Record) -> str:
    tag = start
    for begin, text in attributes:
        if (found := text(record)) is not None:
            tag += f'{begin}{found}"'
    return tag + ">"


def _leaf(start: str, attributes: list[tuple[str, Text]], text: Text, close: str) -> Write:
    begin = start + ">"

    def bare(out: list[str], record: Record, _rows: list[Record]) -> None:
        if (found := text(record)) is not None:
            out.append(begin + found + close)

    def full(out: list[str], record: Record, _rows: list[Record]) -> None:
        if (found := text(record)) is not None:
            out.append(_opening(start, attributes, record) + found + close)

    return full if attributes else bare


def _content(node: TemplateNode) -> Callable[[list[str], Record, list[Record], Callable[[], str] | None], None]:
    """The children, after the opening tag: which branch of a choice is written is settled before anything is taken out."""
    writers = [(writer(child), child.when) for child in node.children]
    plain_writers = [write for write, _ in writers]
    fields = sorted({when[0] for _, when in writers if when})
    words = {when for _, when in writers if when}

    def plain(out: list[str], record: Record, rows: list[Record], opening: Callable[[], str] | None) -> None:
        if opening:
            out.append(opening())
        for write in plain_writers:
            write(out, record, rows)

    def choosing(out: list[str], record: Record, rows: list[Record], opening: Callable[[], str] | None) -> None:
        said = {(field, record[field] if field in record else _missing(field)) for field in fields}
        if opening:
            out.append(opening())
        for write, when in writers:
            if when is None or when in said:
                write(out, record, rows)
        for field, _ in said & words:
            record.pop(field, None)

    return choosing if fields else plain


def _text(template: Template) -> Text:
    if template.ignored:
        return lambda _: None
    if not template.holes:
        literal = escape(template.texts[0])
        return lambda _: literal
    key, optional = template.keys[0], template.optional
    if not template.single:
        return _mixed(template, key)
    convert, nothing = _converter(template.holes[0].value), template.holes[0].value.nothing

    def text(record: Record) -> str | None:
        value = record.pop(key, None)
        if value is None:
            return escape(nothing) if nothing is not None else None if optional else _missing(key)
        try:
            return convert(value)
        except (LookupError, ValueError, Refusal) as error:
            _refuse(key, value, error)

    return text


def _converter(value: Value) -> Callable[[Any], str]:
    """A value's escaped text. Days, moments and numbers hold nothing to escape, and codes are escaped once."""
    if value.words:
        return {word: escape(value.write(word)) for word in value.words}.__getitem__
    if value.gives != "text":
        return value.write
    write = value.write
    return escape if write is as_is else lambda said: escape(write(said))


def _mixed(template: Template, key: str) -> Text:
    convert = template.writer()

    def text(record: Record) -> str | None:
        value = record.get(key)
        try:
            found = convert(record)
            return None if found is None else escape(found)
        except Missing as missing:
            _missing(str(missing))
        except (LookupError, ValueError, Refusal) as error:
            _refuse(key, value, error)

    return text


def _missing(key: str) -> NoReturn:
    raise Refusal(Code.FIELD_MISSING, f"{key} is needed here.", field=key)


def _refuse(key: str, value: object, error: Exception) -> NoReturn:
    if isinstance(error, Refusal):
        raise Refusal(error.code, error.detail, field=key) from None
    if isinstance(error, LookupError):
        raise Refusal(Code.CODE_UNKNOWN, f"{value!s} has no code in this dialect.", field=key, value=str(value)) from None
    raise Refusal(Code.FIELD_INVALID, f"{key}: {error}.", field=key, value=str(value)) from None


def _rows(each: Each, write: Write) -> Write:
    def write_rows(out: list[str], _record: Record, rows: list[Record]) -> None:
        for row in _taken(each, rows):
            write(out, row, [])

    return write_rows


def _groups(node: TemplateNode, each: Each, write: Write) -> Write:
    split = splitter(node)

    def write_groups(out: list[str], _record: Record, rows: list[Record]) -> None:
        for shared, inner in split(_taken(each, rows)):
            write(out, shared, inner)
            if shared:
                drained(shared)
            for row in inner:
                if row:
                    drained(row)

    return write_groups


def _mine(each: Each, rows: list[Record]) -> list[Record]:
    """The records that a repetition is for."""
    if each.only is None:
        return rows
    field, word = each.only
    return [row for row in rows if row.get(field) == word]


def _taken(each: Each, rows: list[Record]) -> list[Record]:
    """The same, without what they say by being there."""
    mine = _mine(each, rows)
    if each.only is not None:
        for row in mine:
            del row[each.only[0]]
    return mine


def _held(node: TemplateNode, write: Write) -> Write:
    """An element that is there if one of the repetitions inside it holds something."""
    inside = [one.each for one in repetitions(node) if one.each]

    def held(out: list[str], record: Record, rows: list[Record]) -> None:
        if any(_mine(each, rows) for each in inside):
            write(out, record, rows)

    return held


def _counter(node: TemplateNode) -> Callable[[list[Record]], int]:
    """How many ``node`` lists of some records, which are left as they are."""
    inside = [_lister(one, one.each) for one in repetitions(node) if one.each]
    return lambda rows: sum(listed(rows) for listed in inside)


def _lister(node: TemplateNode, each: Each) -> Callable[[list[Record]], int]:
    if not repetitions(node):
        return lambda rows: len(_mine(each, rows))
    split, deeper = splitter(node), _counter(node) if holds_operators(node) else None

    def listed(rows: list[Record]) -> int:
        groups = split([dict(row) for row in _mine(each, rows)])
        return sum(deeper(inner) for _, inner in groups) if deeper else len(groups)

    return listed


def splitter(node: TemplateNode) -> Callable[[list[Record]], list[tuple[Record, list[Record]]]]:
    """Records into groups: what a group's rows share, taken out of them. Only neighbours are grouped, so order is kept."""
    if not repetitions(node):
        return lambda rows: [(row, []) for row in rows]
    keys = tuple(holes_of(node).all)

    def split(rows: list[Record]) -> list[tuple[Record, list[Record]]]:
        found = []
        for _, group in groupby(rows, key=lambda row: tuple(map(row.get, keys))):
            members = list(group)
            shared = {key: row.pop(key) for row in members for key in keys if key in row}
            found.append((shared, members))
        return found

    return split


def drained(record: Record) -> None:
    """Refuses what is left over: this dialect has no place for it."""
    for key, value in sorted(record.items(), key=lambda said: said[0] != "standing"):  # the most telling first
        code = Code.CODE_UNKNOWN if key == "standing" else Code.FIELD_UNEXPECTED
        raise Refusal(code, f"{key} {value!s} cannot be said here.", field=key, value=str(value))


def _given(node: TemplateNode, write: Write) -> Write:
    keys = [key for key in holes_of(node).all if key.partition("#")[0] in node.given]

    def given(out: list[str], record: Record, rows: list[Record]) -> None:
        for key in keys:
            if key in record:
                write(out, record, rows)
                return

    return given
