"""A dialect: the XSD, the samples and the code lists of one folder, compiled for one partner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import msgspec
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Standing, Statement
from gateway.wire.sample.forms import Form
from gateway.wire.sample.language import COUNT, FIELDS, Vocabulary
from gateway.wire.sample.parse import Sample
from gateway.wire.sample.read import GROUPS, Record, complete, element_reader, local, merged, reader
from gateway.wire.sample.write import drained, element_writer, splitter, writer
from gateway.wire.schema import Schema
from gateway.wire.xml import escape

Said = str | int | date | datetime
_NAMES = Statement.__struct_fields__
_values = attrgetter(*_NAMES)


class Reading(msgspec.Struct, frozen=True):
    """What one document says: about itself, about operators, and what was asked.

    ``shown`` are records of a dialect that names no operator: they can be shown to a person and never become statements.
    """

    message: dict[str, Said] = {}
    statements: tuple[Statement, ...] = ()
    query: dict[str, str] = {}
    shown: tuple[dict[str, Any], ...] = ()


class Face:
    """One sample, compiled both ways.

    ``instead`` says which standing is written for one that the sample has no word for: a loss for a loss. Without ``reinstated``
    a partner is told ``valid``, which is what it folds to.
    """

    def __init__(self, sample: Sample, vocabulary: Vocabulary, instead: Mapping[Standing, Standing]) -> None:
        self.sample, self.shown = sample, vocabulary.bare
        keys = sample.fields
        self.forms = [form for form in (Form(name, template, keys) for name, template in vocabulary.forms.items()) if form.used]
        self.fields = frozenset(key.partition("#")[0] for key in keys) | {
            name for form in self.forms for name in form.gives.values()
        }
        self._alone = sample.outer is sample.root
        declarations = "".join(
            f' xmlns{":" + prefix if prefix else ""}="{escape(uri)}"' for prefix, uri in sample.namespaces.items()
        )
        finish = self._join if self.forms else None
        self._read = element_reader(sample.root, finish) if self._alone else reader(sample.root, finish)
        self._write = element_writer(sample.root, declarations) if self._alone else writer(sample.root, declarations)
        self._split = splitter(sample.outer) if sample.outer else None
        self._top = [key for key in sample.top.all if "." in key]
        self._asked = [key for key in self._top if key.startswith("query.")]
        carried = {key.partition("#")[0] for key in keys}
        self.from_query = [
            key.removeprefix("query.")
            for key in self._asked
            if sample.outer and key.removeprefix("query.") not in carried and key in sample.top.must
        ]
        self.fields |= set(self.from_query)
        words = self.standings()
        self._instead = {
            said: other
            for said, other in ({Standing.REINSTATED: Standing.VALID} | instead).items()
            if said not in words and other in words
        }

    def standings(self) -> set[str]:
        """The standings that this face has words for."""
        found = {word for _, word in self._chosen()}
        hole = next((holes.all["standing"] for holes in self._scopes() if "standing" in holes.all), None)
        return found | set(hole.value.words if hole else ())

    def _scopes(self) -> list[Any]:
        return [self.sample.record, *(holes for _, holes in self.sample.rows)]

    def _chosen(self) -> Iterable[tuple[str, str]]:
        pending = [self.sample.root]
        while pending:
            node = pending.pop()
            pending += node.children
            for choice in (node.when, node.each.only if node.each else None):
                if choice and choice[0] == "standing":
                    yield choice

    def read(self, root: etree._Element) -> Reading:
        top: Record = {}
        rows: list[Record] = []
        self._read(root, top, rows)
        if self._alone:
            mine = {key: top.pop(key) for key in list(top) if key.partition("#")[0] in FIELDS}
            rows = merged(root, mine, rows) if self.sample.rows else [mine]
            complete(root, rows, self._join)
            top[GROUPS] = 1
        if top.get(COUNT, top.get(GROUPS, 0)) != top.get(GROUPS, 0):
            raise Refusal(
                Code.COUNT_MISMATCH,
                f"{top.get(GROUPS, 0)} are listed where {top[COUNT]} are announced.",
                field="count",
                value=str(top[COUNT]),
                line=root.sourceline,
            )
        query = {key.removeprefix("query."): top[key] for key in self._asked if key in top}
        taken = {name: query[name] for name in self.from_query}
        for row in rows:
            row.update(taken)
        message = {key.removeprefix("message."): top[key] for key in self._top if key.startswith("message.") and key in top}
        if self.shown:
            return Reading(message, (), query, tuple(rows))
        return Reading(message, tuple([Statement(**row) for row in rows]), query)

    def _join(self, record: Record) -> None:
        for form in self.forms:
            form.join(record)

    def suits(self, reading: Reading, kept: bool) -> int | None:
        """How much of ``reading`` about itself this face says; None: it cannot say it at all.

        ``kept``: whether another face is kept for documents without records.
        """
        records = len(reading.statements or reading.shown)
        if (records and not self.sample.outer) or (not records and self.sample.outer and kept):
            return None
        given = {f"message.{name}" for name in reading.message} | {f"query.{name}" for name in reading.query}
        needed = {key for key in self.sample.top.must if key.startswith(("message.", "query."))}
        if not needed <= given or not {f"query.{name}" for name in reading.query} <= set(self._asked):
            return None
        return len(given & set(self._top))

    def write(self, reading: Reading, settings: Mapping[str, str]) -> str:
        top: Record = {f"message.{name}": value for name, value in reading.message.items()}
        top |= {f"query.{name}": value for name, value in reading.query.items()}
        top |= {key: value for key, value in settings.items() if key.startswith("signatory.")}
        rows = self._rows(reading)
        out: list[str] = []
        if COUNT in self.sample.top.all and self._split:
            top[COUNT] = len(self._split(rows)) if self.sample.rows else len(rows)
        if not self._alone:
            self._write(out, top, rows)
            return "".join(out)
        assert self._split is not None
        groups = self._split(rows)
        if len(groups) != 1:
            raise Refusal(Code.FIELD_REPEATED, f"This document speaks of exactly one operator, not of {len(groups)}.", field="tin")
        shared, inner = groups[0]
        document = top | shared
        self._write(out, document, inner)
        drained({key: value for key, value in document.items() if key.partition("#")[0] in FIELDS})
        for row in inner:
            drained(row)
        return "".join(out)

    def _rows(self, reading: Reading) -> list[Record]:
        if self.shown:
            return [dict(record) for record in reading.shown]
        rows = [{name: value for name, value in zip(_NAMES, _values(said), strict=True) if value} for said in reading.statements]
        if self._instead:
            for row in rows:
                row["standing"] = self._instead.get(row["standing"], row["standing"])
        for name in self.from_query:
            for row in rows:
                if row.pop(name, None) != reading.query.get(name):
                    raise Refusal(Code.FIELD_INVALID, f"The answer speaks of another {name} than was asked.", field=name)
        for form in self.forms:
            for row in rows:
                form.part(row)
        return rows


class Dialect:
    """One version of one dialect, compiled for one partner's code lists. Immutable and safe to share between threads.

    ``roots`` are the root elements ({namespace}name) by kind. ``max_code`` is the longest identifier it can hold, from its XSD.
    ``fields`` are the statement fields that every kind of message about operators can carry.
    """

    def __init__(self, name: str, version: str, schema: Schema, faces: Mapping[Kind, list[Face]], max_code: int) -> None:
        self.name, self.version, self.schema, self.max_code = name, version, schema, max_code
        self._faces = faces
        self.roots = {kind: tuple(dict.fromkeys(face.sample.root.tag for face in mine)) for kind, mine in faces.items()}
        carried = [face.fields for mine in faces.values() for face in mine if face.sample.outer]
        self.fields = frozenset.intersection(*carried) if carried else frozenset()

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(self._faces)

    def faces(self, kind: Kind) -> list[Face]:
        """Raises ``Refusal`` (KIND_NOT_ACCEPTED) for a kind without a sample."""
        if kind not in self._faces:
            raise Refusal(
                Code.KIND_NOT_ACCEPTED, f"{self.name} {self.version} has no sample for {kind}.", field="kind", value=str(kind)
            )
        return self._faces[kind]

    def read(self, kind: Kind, root: etree._Element) -> Reading:
        """What the document says. Raises ``Refusal`` for anything that no sample of ``kind`` holds.

        Of several faces the first that fits is taken; if none does, the refusal is that of the face that came furthest.
        Not checked: the XSD (``validate``), and whether the sender may say so.
        """
        faces = [face for face in self.faces(kind) if face.sample.root.tag == root.tag]
        refusals = []
        kept = any(not face.sample.outer for face in faces)
        for face in faces:
            try:
                reading = face.read(root)
            except Refusal as refusal:
                refusals.append(refusal)
                continue
            if not (kept and face.sample.outer) or reading.statements or reading.shown:
                return reading
        if not refusals:
            raise Refusal(
                Code.FIELD_UNEXPECTED,
                f"{local(root.tag)} is no {kind} of {self.name} {self.version}.",
                field=local(root.tag),
                line=root.sourceline,
            )
        raise max(refusals, key=lambda refusal: refusal.line or 0)

    def write(self, kind: Kind, reading: Reading, settings: Mapping[str, str]) -> str:
        """The document as XML text, its namespaces declared on its root, without an XML declaration.

        Raises ``Refusal`` for what the dialect has no place or no code for: nothing is left out silently. What ``reading.message``
        holds beyond the sample is the envelope's to say. ``settings`` fill ``{signatory.x}``.
        """
        faces = self.faces(kind)
        kept = any(not face.sample.outer for face in faces)
        suited = (
            [(suits, face) for face in faces if (suits := face.suits(reading, kept)) is not None]
            if len(faces) > 1
            else [(0, faces[0])]
        )
        if not suited:
            raise Refusal(Code.FIELD_MISSING, f"No {kind} of {self.name} {self.version} can say this.", field=str(kind))
        return max(suited, key=lambda pair: pair[0])[1].write(reading, settings)

    def validate(self, root: etree._Element) -> None:
        """Raises ``Refusal`` (SCHEMA_INVALID) with path, line and reason."""
        self.schema.validate(root)
