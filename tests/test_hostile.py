"""Every clause of what the gateway must refuse has its vectors, and every vector says why it exists."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from gateway import net
from gateway.core.errors import Code
from gateway.core.question import Reason
from tests.rig.machine import REAL_DATA
from tests.summary import FOLDER, vectors

CLAUSES: list[dict[str, Any]] = tomllib.loads((FOLDER / "hostile.toml").read_text("utf-8"))["clause"]
FILES = {str(file.relative_to(FOLDER).with_suffix("")): list(vectors(file)) for file in sorted(FOLDER.glob("*/*.toml"))}


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause["text"][:40])
def test_clause(clause: dict[str, Any]) -> None:
    assert clause["shown_by"]
    for named in clause["shown_by"]:
        file, _, ids = named.partition(": ")
        there = {vector["id"]: vector["code"] for vector in FILES[file]}
        assert set(ids.split()) <= there.keys(), set(ids.split()) - there.keys()


def test_no_clause_is_missing() -> None:
    """Against the list itself, where that lies beside the project."""
    path = REAL_DATA.parent / "design" / "HOSTILE.md"
    if not path.exists():
        pytest.skip("the list of what must be refused does not lie beside this project")
    text = path.read_text("utf-8")
    there = [
        (found[1], clause.removesuffix("."))
        for found in re.finditer(r"^\*\*([^*]+)\*\*: (.*?)(?=\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
        for clause in " ".join(found[2].split()).split(" · ")
    ]
    assert [(clause["class"], clause["text"]) for clause in CLAUSES] == there


#: What is no refusal of ours: faults of data, what a client of ours says of a server, HTTP itself, and what happens where there is nobody to tell.
OTHERS = {
    "accepted",
    "schema-fault",
    "partner-fault",
    "http-400",
    "http-414",
    "http-431",
    "nobody-to-tell",
    "no-verdict",
    "no-receipt",
    *net.UnreachableReason,
    *Reason,
}


@pytest.mark.parametrize("file", FILES)
def test_every_vector_says_why(file: str) -> None:
    assert len({vector["id"] for vector in FILES[file]}) == len(FILES[file]), "an id stands twice"
    for vector in FILES[file]:
        assert all(isinstance(vector.get(name), str) and vector[name] for name in ("id", "why", "citation", "code")), vector
        assert vector["code"] in {code.wire for code in Code} | OTHERS, vector
