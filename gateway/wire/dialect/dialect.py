"""A dialect: the XSD, the samples and the code lists of one folder, compiled for one partner."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import OPTIONAL_FIELDS, Kind, Statement
from gateway.core.protocol import QueryOutcome
from gateway.wire.dialect.codec import Reading, SampleCodec
from gateway.wire.dialect.refusals import local
from gateway.wire.schema import Schema


class Dialect:
    """One version of one dialect, compiled for one partner's code lists. Immutable and safe to share between threads.

    A kind of message may have several samples, its faces: a response that found the operator, one that did not, a fault.
    ``roots`` are the root elements ({namespace}name) by kind. ``max_code`` is the longest identifier it can hold, from its XSD.
    ``fields`` are the statement fields that some kind of message about operators can carry. ``outcomes`` say by the name of a face of
    ``response`` what it means that it states nothing.
    """

    def __init__(
        self,
        name: str,
        version: str,
        schema: Schema,
        faces: Mapping[Kind, list[SampleCodec]],
        outcomes: Mapping[str, QueryOutcome],
        max_code: int,
    ) -> None:
        self.name, self.version, self.schema, self.max_code = name, version, schema, max_code
        self._faces, self._outcomes = faces, outcomes
        self.roots = {kind: tuple(dict.fromkeys(face.sample.root.tag for face in mine)) for kind, mine in faces.items()}
        carried = [face.fields for mine in faces.values() for face in mine if face.sample.outer]
        self.fields = frozenset().union(*carried)

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(self._faces)

    def faces(self, kind: Kind) -> list[SampleCodec]:
        """Raises ``Refusal`` (KIND_NOT_ACCEPTED) for a kind without a sample."""
        if kind not in self._faces:
            raise Refusal(
                Code.KIND_NOT_ACCEPTED, f"{self.name} {self.version} has no sample for {kind}.", field="kind", value=str(kind)
            )
        return self._faces[kind]

    def holds_many(self, kind: Kind) -> bool:
        """Whether one document of ``kind`` can speak of several operators."""
        return all(face.sample.outer is not face.sample.root for face in self.faces(kind))

    def fitted(self, kind: Kind, statement: Statement) -> Statement:
        """``statement`` with as much as a document of ``kind`` has a place for: one kind may hold less than another, and one
        standing less than another. For our own words only; what somebody else said is never cut."""
        faces = [face for face in self.faces(kind) if face.sample.outer]
        placed = frozenset().union(*(face.fields_for(statement.standing)[1] for face in faces))
        return msgspec.structs.replace(statement, **dict.fromkeys(set(OPTIONAL_FIELDS) - placed))

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
                means = None if reading.statements else self._outcomes.get(face.sample.name)
                return reading if means is None else msgspec.structs.replace(reading, outcome=means)
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
