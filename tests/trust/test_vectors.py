"""Every certificate of tests/vectors/certificates, judged within the bounds of a hostile input."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from gateway.core.errors import Code
from gateway.trust.allowed import CertificateRules
from gateway.trust.validate import PathVerdict, validate
from tests.rig.bounds import answer
from tests.rig.vectors import load
from tests.trust.pki import MOMENT, Pki

#: Not DER at all, and a responder that says "unauthorized".
GARBAGE = [b"garbage", b"\x30\x03\x0a\x01\x06"]


@pytest.mark.parametrize("vector", load("certificates"), ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    pki = Pki.of(vector.get("certificates", {}))
    leaf = pki.get(vector.get("leaf", "leaf"))
    asked = partial(
        validate,
        leaf,
        intermediates=[pki.get(name) for name in vector.get("intermediates", ["issuing"])] * vector.get("repeat_intermediates", 1),
        roots=[pki.get(name) for name in vector.get("roots", ["root"])],
        crls=[*GARBAGE[: vector.get("garbage_evidence", False)], *(pki.crl(said) for said in vector.get("crls", []))],
        ocsps=[*GARBAGE[: 2 * vector.get("garbage_evidence", False)], *(pki.ocsp(said) for said in vector.get("ocsps", []))],
        moment=vector.get("moment", MOMENT),
        usage=vector.get("usage", "signing"),
        rules=CertificateRules(production=vector.get("production", False), revocation=vector.get("revocation", "declared")),
    )
    verdict = answer(asked, len(leaf))
    assert isinstance(verdict, PathVerdict)
    assert str(verdict.code or "accepted") == vector["code"], (verdict.detail, verdict.facts)
    assert verdict.passed == (vector["code"] == "accepted")
    assert verdict.cannot_tell == (verdict.code is Code.REVOCATION_UNKNOWN)
    assert len(verdict.facts["certificate"]) == 64
