"""From the files of a dialect to a ``Dialect``: every fault of every file in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.core.model import DIALECT_KINDS, Kind, Standing
from gateway.core.protocol import QueryOutcome
from gateway.core.toml import read_toml
from gateway.wire.dialect.codec import SampleCodec
from gateway.wire.dialect.conformance import check_face, longest_code, states_nothing
from gateway.wire.dialect.dialect import Dialect
from gateway.wire.dialect.faults import DialectFaults, Fault
from gateway.wire.dialect.parse import Reader
from gateway.wire.dialect.template import TemplateFault
from gateway.wire.dialect.values import Codes
from gateway.wire.dialect.vocabulary import Vocabulary
from gateway.wire.schema import Schema, compile_schema, read_xsds
from gateway.wire.xsd import SchemaFault

_TOML = "dialect.toml"
_KEYS = {"summary", "records", "codes", "instead", "parts", "responses", "specimen"}
#: What a response without a statement can mean.
_OUTCOMES = QueryOutcome.NOT_AN_AEO, QueryOutcome.CANNOT_SAY
#: ``[codes."level.preferred"]`` says which code to write where two stand for one word: our word = their code.
_PREFERRED = ".preferred"
_LARGEST_TOML = 256 * 1024


def load_dialect(
    name: str, version: str, files: Mapping[str, str | bytes], codes: Mapping[str, Mapping[str, str]], *, stored: bool = False
) -> Dialect:
    """One version of one dialect from its ``files`` in memory: dialect.toml, the XSD and the samples, by name.

    ``codes`` are the partner's own lists (their code to our word); a list of the partner replaces the dialect's of the same name.
    Raises ``DialectFaults`` with every fault found: in dialect.toml, in the XSD, in a sample, and between them. ``stored``: what lies
    between them was found right when they were activated, and is not looked at again.
    """
    contents = {file: text.encode() if isinstance(text, str) else text for file, text in sorted(files.items())}
    faults: list[Fault] = []
    data = _toml(contents.get(_TOML), faults)
    lists = code_lists({**_tables(data, "codes"), **{name: dict(words) for name, words in codes.items()}}, faults)
    schema = _schema(version, _ending(contents, ".xsd"), faults, stored)
    try:
        vocabulary = Vocabulary(lists, data.get("parts", {}), bare=data.get("records") == "shown", stored=stored)
    except TemplateFault as fault:
        faults.append(Fault(_TOML, "parts", _sentence(fault.problem), fault.remedy))
        raise DialectFaults(faults) from None
    samples = _ending(contents, ".xml")
    faces = _faces(samples, vocabulary, _instead(data, faults), faults)
    outcomes = _outcomes(data, faces.get(Kind.RESPONSE, ()), faults)
    if not samples:
        faults.append(
            Fault(version, "", "There is no usable sample.", "Add list.xml, update.xml, notice.xml, query.xml or response.xml.")
        )
    if schema is not None and not stored:
        specimens = {str(key): str(value) for key, value in data.get("specimen", {}).items()}
        for mine in faces.values():
            for face in mine:
                faults += check_face(face, schema, specimens)
        faults += _unmapped(faces.get(Kind.RESPONSE, ()), outcomes, schema, specimens)
    if faults or schema is None:
        raise DialectFaults(faults)
    return Dialect(name, version, schema, faces, outcomes, longest_code(faces, schema))


def load_folder(folder: Path, codes: Mapping[str, Mapping[str, str]]) -> Dialect:
    """The dialect that lies in the folder ``schemas/<name>/<version>``. Raises ``DialectFaults``."""
    try:
        files = read_xsds(folder)
    except SchemaFault as fault:
        raise DialectFaults([_of_schema(fault)]) from None
    files |= {path.name: path.read_bytes() for path in (folder / _TOML, *folder.glob("*.xml")) if path.is_file()}
    return load_dialect(folder.parent.name, folder.name, files, codes)


def _ending(files: Mapping[str, bytes], suffix: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name.endswith(suffix)}


def _toml(content: bytes | None, faults: list[Fault]) -> dict[str, Any]:
    try:
        if content is None:
            raise ValueError("there is no such file")
        if len(content) > _LARGEST_TOML:
            raise ValueError(f"the file is larger than {_LARGEST_TOML} bytes")
        data = read_toml(content.decode())
    except ValueError as error:
        faults.append(Fault(_TOML, "", f"The file cannot be read: {error}.", "Correct it."))
        return {}
    for key in sorted(data.keys() - _KEYS):
        faults.append(Fault(_TOML, key, "There is no such key.", f"Use {', '.join(sorted(_KEYS))}."))
    if data.get("records", "shown") != "shown":
        faults.append(Fault(_TOML, "records", "Only 'shown' is understood.", "Leave it out where records become statements."))
    for key in ("instead", "parts", "responses", "specimen"):
        table = data.get(key, {})
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            faults.append(Fault(_TOML, key, "It is no table of texts.", f"Write [{key}] and a text for each name."))
            data.pop(key)
    return data


def _tables(data: dict[str, Any], key: str) -> dict[str, dict[str, str]]:
    tables = data.get(key, {})
    return {name: words for name, words in tables.items() if isinstance(words, dict)} if isinstance(tables, dict) else {}


def code_lists(tables: Mapping[str, Mapping[str, str]], faults: list[Fault]) -> dict[str, Codes]:
    """Both directions of every list. Two codes for one word are a fault unless the one to write is named as preferred."""
    found = {}
    for name, table in tables.items():
        if name.endswith(_PREFERRED):
            continue
        preferred = tables.get(name + _PREFERRED, {})
        words: dict[str, str] = {}
        code: dict[str, str] = {}
        for theirs, word in table.items():
            if not isinstance(word, str) or not word or not theirs:
                faults.append(
                    Fault(_TOML, f"codes.{name}.{theirs}", "A code or its word is empty or no text.", 'Write code = "word".')
                )
                continue
            words[theirs] = word
            if code.setdefault(word, preferred.get(word, theirs)) != theirs and word not in preferred:
                problem = f"{code[word]!r} and {theirs!r} both stand for {word!r}."
                faults.append(
                    Fault(_TOML, f"codes.{name}.{theirs}", problem, f'Say which one to write: [codes."{name}{_PREFERRED}"].')
                )
        for word, theirs in preferred.items():
            if words.get(theirs) != word:
                problem = f"{theirs!r} does not stand for {word!r}."
                faults.append(Fault(_TOML, f"codes.{name}{_PREFERRED}.{word}", problem, f"Name a code of [codes.{name}]."))
        found[name] = Codes(words, code)
    return found


def _instead(data: dict[str, Any], faults: list[Fault]) -> dict[Standing, Standing]:
    found = {}
    for said, other in data.get("instead", {}).items():
        if said in set(Standing) and other in set(Standing) and Standing(said).grants == Standing(other).grants:
            found[Standing(said)] = Standing(other)
        else:
            faults.append(
                Fault(
                    _TOML,
                    f"instead.{said}",
                    f"{other!r} cannot be said for {said!r}.",
                    "Name standings; a loss can only be told as a loss.",
                )
            )
    return found


def _outcomes(data: dict[str, Any], faces: Sequence[SampleCodec], faults: list[Fault]) -> dict[str, QueryOutcome]:
    named = {face.sample.name for face in faces}
    found = {}
    for name, outcome in data.get("responses", {}).items():
        if name not in named:
            faults.append(Fault(_TOML, f"responses.{name}", "There is no such sample.", f"Add {name}.xml, or leave it out."))
        elif outcome not in _OUTCOMES:
            faults.append(
                Fault(
                    _TOML,
                    f"responses.{name}",
                    f"{outcome!r} is nothing that a response can mean.",
                    f"Say {' or '.join(_OUTCOMES)}.",
                )
            )
        else:
            found[name] = QueryOutcome(outcome)
    return found


def _unmapped(
    faces: Sequence[SampleCodec], outcomes: Mapping[str, QueryOutcome], schema: Schema, specimens: Mapping[str, str]
) -> Iterator[Fault]:
    """Faces of a response that can come without a statement, and of which nobody says what that means: a partner's "not an AEO" must
    not be passed over, nor its "cannot say" take a status away (domestic/RULES.md, What is told abroad)."""
    plain = {face.sample.root.tag for face in faces if not face.sample.outer}
    for face in faces:
        name = face.sample.name
        if name in outcomes or (face.sample.outer and not face.shown and face.sample.root.tag in plain):
            continue
        if states_nothing(face, schema, specimens):
            problem = f"{face.sample.file} can come without a statement, and what that means is not said."
            remedy = f'Ask the partner, and write: [responses] "{name}" = "not-an-AEO" (it takes the status away), or "cannot-say".'
            yield Fault(_TOML, f"responses.{name}", problem, remedy)


def _schema(name: str, files: Mapping[str, bytes], faults: list[Fault], stored: bool) -> Schema | None:
    try:
        schema = compile_schema(name, files, stored=stored)
        _ = schema.words  # what xmlschema does not understand is a fault now, not when a message is explained
        return schema
    except SchemaFault as fault:
        faults.append(_of_schema(fault))
        return None


def _of_schema(fault: SchemaFault) -> Fault:
    return Fault(fault.file, f"line {fault.line}" if fault.line else "", fault.problem, fault.remedy)


def _faces(
    samples: Mapping[str, bytes], vocabulary: Vocabulary, instead: Mapping[Standing, Standing], faults: list[Fault]
) -> dict[Kind, list[SampleCodec]]:
    faces: dict[Kind, list[SampleCodec]] = {}
    # list.xml before list.other.xml: the plain face comes first
    for file in sorted(samples, key=lambda name: (name.count("."), name)):
        kind = file.partition(".")[0]
        if kind not in set(DIALECT_KINDS):
            faults.append(Fault(file, "", f"{kind!r} is no kind of message.", f"Use {', '.join(DIALECT_KINDS)}."))
            continue
        reader = Reader(file, vocabulary)
        sample = reader.read(samples[file])
        faults += reader.faults
        if sample is not None:
            faces.setdefault(Kind(kind), []).append(SampleCodec(sample, vocabulary, instead))
    return faces


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].removesuffix(".") + "."
