"""Statements as MessagePack. ``effective`` is a day or a moment; a typed decoder cannot tell the two apart, so it is kept raw and read last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core import moments
from gateway.core.model import PlacedStatement, Statement

pack: Callable[[Statement | PlacedStatement], bytes] = msgspec.msgpack.Encoder().encode


def _kept(struct: type[msgspec.Struct], **instead: tuple[Any, Any]) -> type[msgspec.Struct]:
    """``struct`` with other types and defaults for some fields, under the same names. Every field is always written; the defaults are for
    what was written before a field was added."""
    fields: list[Any] = []
    for one in msgspec.structs.fields(struct):
        type_, default = instead.get(one.name, (one.type, one.default))
        fields.append((one.name, type_) if default is msgspec.NODEFAULT else (one.name, type_, default))
    return msgspec.defstruct(f"Kept{struct.__name__}", fields, kw_only=True, gc=False)


_NIL = msgspec.Raw(msgspec.msgpack.encode(None))
_Statement = _kept(Statement, effective=(msgspec.Raw, _NIL))
_Placed = _kept(PlacedStatement, statement=(_Statement, msgspec.NODEFAULT))
_read_statement = msgspec.msgpack.Decoder(_Statement).decode
_read_placed = msgspec.msgpack.Decoder(_Placed).decode


def statement(packed: bytes) -> Statement:
    """The inverse of ``pack`` for a statement."""
    return _restored(_read_statement(packed))


def placed(packed: bytes) -> PlacedStatement:
    """The inverse of ``pack`` for a statement placed in time."""
    kept: Any = _read_placed(packed)
    values = msgspec.structs.asdict(kept)
    values["statement"] = _restored(kept.statement)
    return PlacedStatement(**values)


def _restored(kept: Any) -> Statement:
    values = msgspec.structs.asdict(kept)
    effective = msgspec.msgpack.decode(values["effective"])
    values["effective"] = moments.calendar_day(effective) if isinstance(effective, str) else effective
    return Statement(**values)
