"""From records to text: a writer drains a record, and what is left over could not have been said, so it is refused.

Every value goes through one escape function; nothing is spliced.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from gateway.core.errors import Code, Refusal
from gateway.wire.sample.language import Each, Missing, Node, Template, holes_of
from gateway.wire.xml import escape

Record = dict[str, Any]
#: Appends text; takes what it writes out of the record of its scope. The list holds the records of repetitions inside it.
Write = Callable[[list[str], Record, list[Record]], None]


def writer(node: Node, declarations: str = "") -> Write:
    """Compiles ``node``. ``declarations`` are the namespaces, on the root. The result raises ``Refusal`` and nothing else."""
    if node.any:
        return lambda _out, _record, _rows: None
    write = element_writer(node, declarations)
    if node.each and node.each.inner:
        return _rows(node.each, write)
    if node.each:
        return _groups(node, write)
    if node.given:
        return _given(node, write)
    return write


def element_writer(node: Node, declarations: str) -> Write:
    """Compiles ``node`` without its own repetition."""
    content = _content(node)
    if node.group:
        return lambda out, record, rows: content(out, record, rows, None)
    start, close = f"<{node.written}{declarations}", f"</{node.written}>"
    attributes = [(f' {written}="', _text(template)) for _, written, template in node.attributes]
    text = _text(node.text) if node.text is not None else None

    def opening(record: Record) -> str:
        tag = start
        for begin, value in attributes:
            if (found := value(record)) is not None:
                tag += f'{begin}{found}"'
        return tag + ">"

    def write_leaf(out: list[str], record: Record, _rows: list[Record]) -> None:
        assert text is not None
        if (found := text(record)) is not None:
            out.append(f"{opening(record) if attributes else start + '>'}{found}{close}")

    def write_parent(out: list[str], record: Record, rows: list[Record]) -> None:
        content(out, record, rows, opening)
        out.append(close)

    return write_leaf if text is not None else write_parent


def _content(node: Node) -> Callable[[list[str], Record, list[Record], Callable[[Record], str] | None], None]:
    """The children, after the opening tag: which branch of a choice is written is settled before anything is taken out."""
    writers = [(writer(child), child.when) for child in node.children]
    fields = sorted({when[0] for _, when in writers if when})
    words = {when for _, when in writers if when}

    def plain(out: list[str], record: Record, rows: list[Record], opening: Callable[[Record], str] | None) -> None:
        if opening:
            out.append(opening(record))
        for write, _ in writers:
            write(out, record, rows)

    def choosing(out: list[str], record: Record, rows: list[Record], opening: Callable[[Record], str] | None) -> None:
        said = {(field, record.get(field)) for field in fields}
        for field, word in said:
            if word is None:
                raise Refusal(Code.FIELD_MISSING, f"{field} is needed here.", field=field)
        if opening:
            out.append(opening(record))
        for write, when in writers:
            if when is None or when in said:
                write(out, record, rows)
        for field, word in said & words:
            record.pop(field, None)

    return choosing if fields else plain


def _text(template: Template) -> Callable[[Record], str | None]:
    convert = template.writer()
    if not template.holes:
        literal = escape(template.texts[0])
        return lambda _: literal
    key = template.keys[0]

    def text(record: Record) -> str | None:
        value = record.get(key)
        try:
            found = convert(record)
            return found if found is None else escape(found)
        except Missing as missing:
            raise Refusal(Code.FIELD_MISSING, f"{missing} is needed here.", field=str(missing)) from None
        except LookupError:
            raise Refusal(Code.CODE_UNKNOWN, f"{value!s} has no code in this dialect.", field=key, value=str(value)) from None
        except ValueError as error:
            raise Refusal(Code.FIELD_INVALID, f"{key}: {error}.", field=key, value=str(value)) from None
        except Refusal as refusal:
            raise Refusal(refusal.code, refusal.detail, field=key) from None

    return text


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

    def write_groups(out: list[str], _record: Record, rows: list[Record]) -> None:
        for shared, inner in split(rows):
            write(out, shared, inner)
            drained(shared)
            for row in inner:
                drained(row)

    return write_groups


def splitter(node: Node) -> Callable[[list[Record]], list[tuple[Record, list[Record]]]]:
    """Records into groups: what a group's rows share, and the rest of each. Only neighbours are grouped, so order is kept."""
    if not _has_rows(node):
        return lambda rows: [(row, []) for row in rows]
    keys = sorted(holes_of(node).all)

    def split(rows: list[Record]) -> list[tuple[Record, list[Record]]]:
        found = []
        for _, group in groupby(rows, key=lambda row: [row.get(key) for key in keys]):
            members = list(group)
            shared = {key: members[0][key] for key in keys if key in members[0]}
            found.append((shared, [{key: value for key, value in row.items() if key not in shared} for row in members]))
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
        if any(key in record for key in keys):
            write(out, record, rows)

    return given
