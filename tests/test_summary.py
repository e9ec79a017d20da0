"""The vectors' README tells what there is, and every vector says why it exists."""

from __future__ import annotations

from gateway.core.errors import Code
from tests.summary import FOLDER, README, renewed, vectors


def test_table_is_current() -> None:
    text = README.read_text("utf-8")
    assert text == renewed(text), "run: python -m tests.summary"


def test_every_hostile_document_and_signature_says_why_and_has_a_code() -> None:
    known = {code.wire for code in Code} | {"accepted"}
    for folder in ("xml", "signature"):
        found = [vector for file in sorted((FOLDER / folder).glob("*.toml")) for vector in vectors(file)]
        assert len({vector["id"] for vector in found}) == len(found)
        for vector in found:
            assert all(isinstance(vector.get(name), str) and vector[name] for name in ("id", "why", "citation", "code")), vector
            assert vector["code"] in known, vector
