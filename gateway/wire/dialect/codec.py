"""One sample, compiled both ways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing, Statement
from gateway.core.protocol import QueryOutcome
from gateway.wire.dialect import refusals
from gateway.wire.dialect.composed import Form
from gateway.wire.dialect.read import GROUPS, Record, element_reader, merged, reader
from gateway.wire.dialect.template import COUNT, FIELDS
from gateway.wire.dialect.tree import Sample, holes_of, values_of
from gateway.wire.dialect.vocabulary import Vocabulary
from gateway.wire.dialect.write import drained, element_writer, splitter, writer
from gateway.wire.xml import escape

HeaderValue = str | int | date | datetime
_NAMES = Statement.__struct_fields__
_values = attrgetter(*_NAMES)


class Reading(msgspec.Struct, frozen=True):
    """What one document says: about itself, about operators, and what was asked.

    ``shown`` are records of a dialect that names no operator: they can be shown to a person and never become statements. ``outcome`` is
    what a response without a statement means (``[responses]``); None where it was activated before that had to be said.
    """

    message: dict[str, HeaderValue] = {}
    statements: tuple[Statement, ...] = ()
    query: dict[str, str] = {}
    shown: tuple[dict[str, Any], ...] = ()
    outcome: QueryOutcome | None = None


class SampleCodec:
    """One sample of one message kind: found, not found and fault are three faces of ``response``.

    ``instead`` says which standing is written for one that the sample has no word for: a loss for a loss. Without ``reinstated``
    a partner is told ``valid``, which is what it folds to.
    """

    def __init__(self, sample: Sample, vocabulary: Vocabulary, instead: Mapping[Standing, Standing]) -> None:
        self.sample, self.shown = sample, vocabulary.bare
        keys = sample.fields
        self.forms = [form for form in (Form(name, template, keys) for name, template in vocabulary.forms.items()) if form.used]
        self._message = [key for key in sample.top.all if key.startswith("message.")]
        self._days = {key for key in self._message if sample.top.all[key].value.gives == "date"}
        self._query = [key for key in sample.top.all if key.startswith("query.")]
        carried = {key.partition("#")[0] for key in keys}
        #: Fields that the records do not repeat: what was asked says them.
        self.from_query = (
            [name for key in self._query if key in sample.top.must and (name := key[6:]) not in carried] if sample.outer else []
        )
        self.fields = frozenset(carried | set(self.from_query) | {name for form in self.forms for _, name in form.gives})
        self._instead = {
            said: other
            for said, other in {Standing.REINSTATED: Standing.VALID, **instead}.items()
            if said not in sample.standings and other in sample.standings
        }
        self._fields_for: dict[Standing, tuple[frozenset[str], frozenset[str]]] = {}
        self._alone = sample.outer is sample.root
        spaces = "".join(f' xmlns{":" + prefix if prefix else ""}="{escape(uri)}"' for prefix, uri in sample.namespaces.items())
        self._read = (element_reader if self._alone else reader)(sample.root, self._finish)
        self._write = (element_writer if self._alone else writer)(sample.root, spaces)
        self._split = splitter(sample.root)

    def fields_for(self, standing: Standing) -> tuple[frozenset[str], frozenset[str]]:
        """The fields of one record where ``standing`` is said: those that must be filled, and all that have a place."""
        if standing not in self._fields_for:
            chosen = {"standing": self._instead.get(standing, standing)}
            fitting = [track for track in self.sample.tracks if {**chosen, **values_of(track)}["standing"] == chosen["standing"]]
            scopes = [holes_of(node, chosen) for track in fitting for node, _ in track]
            must, every = (
                {key.partition("#")[0] for key in keys} & FIELDS
                for keys in (chain.from_iterable(one.must for one in scopes), chain.from_iterable(one.all for one in scopes))
            )
            given = {name for form in self.forms for _, name in form.gives}
            self._fields_for[standing] = frozenset(must), frozenset(every | given | set(self.from_query))
        return self._fields_for[standing]

    def read(self, root: etree._Element) -> Reading:
        """Raises ``Refusal`` for anything that the sample does not hold."""
        top: Record = {}
        rows: list[Any] = []
        self._read(root, top, rows)
        if self._alone:
            mine = {key: top.pop(key) for key in list(top) if key.partition("#")[0] in FIELDS}
            records = merged(root, mine, rows) if self.sample.rows else [mine]
            top[GROUPS] = 1
            try:
                rows = [self._finish(record) for record in records]
            except Refusal as refusal:
                refusals.at(root, refusal)
        self._count(root, top)
        query = {key[6:]: top[key] for key in self._query if key in top}
        if self.from_query:
            taken = {name: query[name] for name in self.from_query}
            rows = [Statement(**row, **taken) for row in rows]
        message = {key[8:]: top[key] for key in self._message if key in top}
        return Reading(message, (), query, tuple(rows)) if self.shown else Reading(message, tuple(rows), query)

    def _finish(self, record: Record) -> Any:
        for form in self.forms:
            form.join(record)
        return record if self.shown or self.from_query else Statement(**record)

    def _count(self, root: etree._Element, top: Record) -> None:
        listed = top.get(GROUPS, 0)
        if top.get(COUNT, listed) != listed:
            detail = f"{listed} are listed where {top[COUNT]} are announced."
            raise Refusal(Code.COUNT_MISMATCH, detail, field="count", value=str(top[COUNT]), line=root.sourceline)

    def suits(self, reading: Reading, kept: bool) -> int | None:
        """How much of what ``reading`` says about itself this face says; None: it cannot say it at all.

        ``kept``: whether another face is kept for documents without records.
        """
        records = reading.statements or reading.shown
        if (records and not self.sample.outer) or (not records and self.sample.outer and kept):
            return None
        asked = {f"query.{name}" for name in reading.query}
        given = {f"message.{name}" for name in reading.message} | asked
        needed = {key for key in self.sample.top.must if key in self._message or key in self._query}
        if not needed <= given or not asked <= set(self._query):
            return None
        return len(given & {*self._message, *self._query})

    def write(self, reading: Reading, settings: Mapping[str, str]) -> str:
        """Raises ``Refusal`` for what the sample has no place or no code for."""
        top: Record = {f"message.{name}": value for name, value in reading.message.items()}
        for key in self._days & top.keys():
            # Choice: the day it is in UTC. The moment itself stands in the envelope.
            top[key] = top[key].astimezone(UTC).date() if isinstance(top[key], datetime) else top[key]
        top |= {f"query.{name}": value for name, value in reading.query.items()}
        top |= settings
        rows = self._rows(reading)
        if rows and not self.sample.outer:
            raise Refusal(Code.FIELD_UNEXPECTED, "This document has no place for records of operators.", field="statements")
        drained({key: value for key, value in top.items() if key.startswith("query.") and key not in self._query})
        out: list[str] = []
        top[COUNT] = int(self._alone)
        if self._alone:
            self._write_alone(out, top, rows)
            return "".join(out)
        self._write(out, top, rows)
        for row in rows:
            if row:
                drained(row)  # it goes into none of the repetitions
        return "".join(out)

    def _write_alone(self, out: list[str], top: Record, rows: list[Record]) -> None:
        groups = self._split(rows)
        if len(groups) != 1:
            raise Refusal(Code.FIELD_REPEATED, f"This document speaks of exactly one operator, not of {len(groups)}.", field="tin")
        shared, inner = groups[0]
        document = top | shared
        self._write(out, document, inner)
        for record in ({key: value for key, value in document.items() if key not in top}, *inner):
            drained(record)

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
