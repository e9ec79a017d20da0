"""A dialect's own examples: each accepted one is read as expected, each rejected one is refused with its code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gateway.core.errors import Refusal
from gateway.core.model import Kind, Statement
from gateway.core.toml import read_toml
from gateway.onboarding.finding import Finding, Mark
from gateway.wire.dialect import Dialect, DialectFaults, Reading, load_folder
from gateway.wire.xml import parse


def read_all(folder: Path, name: str) -> Iterator[Finding]:
    """One finding for all examples under ``folder``, or a cross for each that is not as it says."""
    dialect = load_folder(folder, {})  # examples speak the dialect's own codes, whatever lists a partner puts in their place
    paths = sorted((folder / "examples").glob("*/*.xml"))
    wrong = [(path, problem) for path in paths if (problem := _wrong(dialect, path))]
    for path, problem in wrong:
        yield Finding(Mark.BAD, f"{name}: {path.relative_to(folder)}: {problem}", "Correct the sample or the example.")
    if not paths:
        yield Finding(Mark.WARN, f"{name} has no examples.", "Put documents the partner really sends into examples/accepted.")
    elif not wrong:
        yield Finding(Mark.OK, f"{name}: {len(paths)} examples are read or refused as expected")


def _wrong(dialect: Dialect, path: Path) -> str | None:
    kind = Kind(path.name.partition(".")[0])
    try:
        root = parse(path.read_bytes())
        dialect.validate(root)
        found: Any = plain(dialect.read(kind, root))
    except Refusal as refusal:
        found = refusal
    if path.parent.name == "rejected":
        expected = read_toml(path.with_suffix(".toml").read_text("utf-8"))["code"]
        got = str(found.code) if isinstance(found, Refusal) else "accepted"
        return None if got == expected else f"it is {got} where {expected} is expected"
    if isinstance(found, Refusal):
        return f"it is refused: {found}"
    return None if found == json.loads(path.with_suffix(".json").read_text("utf-8")) else "it reads otherwise than expected"


def plain(reading: Reading) -> dict[str, Any]:
    """A reading as the expected JSON holds it: without what is not said."""
    data = msgspec.json.decode(msgspec.json.encode(reading))
    data["statements"] = [{key: value for key, value in one.items() if value is not None} for one in data["statements"]]
    return {key: value for key, value in data.items() if value}


class Understood(NamedTuple):
    """How one message of the partner's is read by the samples that were drafted from it: what it says, or why it is refused."""

    name: str
    statements: tuple[Statement, ...]
    query: str | None
    refused: str | None


def keep(folder: Path, messages: Mapping[str, bytes]) -> Iterator[Understood]:
    """Keeps the partner's own ``messages`` as examples of the dialect in ``folder``, with what each is read as for a person to confirm.

    One that is refused is not kept. Nothing at all is read where the dialect has faults of its own: the check names them.
    """
    try:
        dialect = load_folder(folder, {})
    except DialectFaults:
        return
    place = folder / "examples" / "accepted"
    for name, message in messages.items():
        kind = Kind(name.partition(".")[0])
        try:
            root = parse(message)
            reading = dialect.read(kind, root)
        except Refusal as refusal:
            (place / f"{name}.xml").unlink(missing_ok=True)
            yield Understood(name, (), None, refusal.detail)
            continue
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.xml").write_bytes(message)
        expected = msgspec.json.format(msgspec.json.encode(plain(reading)), indent=2)
        (place / f"{name}.json").write_bytes(expected + b"\n")
        yield Understood(name, reading.statements, reading.query.get("tin"), None)
