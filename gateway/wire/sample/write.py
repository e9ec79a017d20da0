"""From records to text: a writer drains a record, and what is left over could not have been said, so it is refused.

Every value goes through one escape function; nothing is spliced.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, NoReturn

from gateway.core.errors import Code, Refusal
from gateway.wire.sample.language import Missing, Template
from gateway.wire.sample.nodes import Each, Node, holes_of
from gateway.wire.sample.values import Value, as_is
from gateway.wire.xml import escape

Record = dict[str, Any]
#: Appends text; takes what it writes out of the record of its scope. The list holds the records of repetitions inside it.
Write = Callable[[list[str], Record, list[Record]], None]
#: The escaped text of one attribute or leaf; None: an optional value that is absent.
Text = Callable[[Record], str | None]


def writer(node: Node, declarations: str = "") -> Write:
    """Compiles ``node``. ``declarations`` are the namespaces, on the root. The result raises ``Refusal`` and nothing else."""
    write = element_writer(node, declarations)
    if node.each and node.each.inner:
        return _rows(node.each, write)
    if node.each:
        return _groups(node, write)
    return _given(node, write) if node.given else write


def element_writer(node: Node, declarations: str) -> Write:
    """Compiles ``node`` without its own repetition."""
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


def _content(node: Node) -> Callable[[list[str], Record, list[Record], Callable[[], str] | None], None]:
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
    only = each.only

    def write_rows(out: list[str], _record: Record, rows: list[Record]) -> None:
        for row in rows:
            if only is None:
                write(out, row, [])
            elif row.get(only[0]) == only[1]:
                del row[only[0]]
                write(out, row, [])

    return write_rows


def _groups(node: Node, write: Write) -> Write:
    split = splitter(node)
    only = node.each.only if node.each else None

    def write_groups(out: list[str], _record: Record, rows: list[Record]) -> None:
        if only is not None:
            _take_out(only, rows)
        for shared, inner in split(rows):
            write(out, shared, inner)
            if shared:
                drained(shared)
            for row in inner:
                if row:
                    drained(row)

    return write_groups


def _take_out(only: tuple[str, str], rows: list[Record]) -> None:
    """What every record says by being here."""
    for row in rows:
        if row.pop(only[0], None) != only[1]:
            raise Refusal(Code.CODE_UNKNOWN, f"Only {only[1]} can be said here.", field=only[0])


def splitter(node: Node) -> Callable[[list[Record]], list[tuple[Record, list[Record]]]]:
    """Records into groups: what a group's rows share, taken out of them. Only neighbours are grouped, so order is kept."""
    if not _has_rows(node):
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


def _has_rows(node: Node) -> bool:
    return any((child.each and child.each.inner) or _has_rows(child) for child in node.children)


def drained(record: Record) -> None:
    """Refuses what is left over: this dialect has no place for it."""
    for key, value in record.items():
        code = Code.CODE_UNKNOWN if key == "standing" else Code.FIELD_UNEXPECTED
        raise Refusal(code, f"{key} {value!s} cannot be said here.", field=key, value=str(value))


def _given(node: Node, write: Write) -> Write:
    keys = [key for key in holes_of(node).all if key.partition("#")[0] in node.given]

    def given(out: list[str], record: Record, rows: list[Record]) -> None:
        for key in keys:
            if key in record:
                write(out, record, rows)
                return

    return given
