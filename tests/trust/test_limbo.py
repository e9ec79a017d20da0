"""All of x509-limbo through ``judge``: every verdict as expected, or as listed with its reason in limbo-deviations.toml."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.trust.allowed import CertificateRules
from gateway.trust.validate import PathVerdict, validate
from tests.rig.bounds import within
from tests.rig.machine import need_data
from tests.rig.vectors import FOLDER

#: For cases that say "now": their certificates are valid for centuries.
MOMENT = datetime(2026, 4, 1, tzinfo=UTC)
#: As limbo's own cases; 3,072 bits is our profile.
RULES = CertificateRules(min_rsa_bits=2048)


def _der(pem: str) -> bytes:
    return base64.b64decode(re.sub(r"-----[^-]*-----", "", pem))


def _verdict(case: dict[str, Any]) -> PathVerdict:
    return validate(
        _der(case["peer_certificate"]),
        intermediates=[_der(pem) for pem in case["untrusted_intermediates"]],
        roots=[_der(pem) for pem in case["trusted_certs"]],
        crls=[_der(pem) for pem in case["crls"]],
        moment=datetime.fromisoformat(case["validation_time"]) if case["validation_time"] else MOMENT,
        usage="tls",
        rules=RULES,
    )


@pytest.mark.filterwarnings("ignore:Parsed a serial number:UserWarning")
def test_every_case() -> None:
    cases = json.loads((need_data("x509-limbo") / "limbo.json").read_text())["testcases"]
    listed = tomllib.loads((FOLDER / "certificates" / "limbo-deviations.toml").read_text("utf-8"))["deviation"]
    expected = {case: group["code"] for group in listed for case in group["cases"]}
    assert len(expected) == sum(len(group["cases"]) for group in listed), "a case is listed twice"
    deviating = {}
    for case in cases:
        with within(0.2):
            verdict = _verdict(case)
        if verdict.passed != (case["expected_result"] == "SUCCESS"):
            deviating[case["id"]] = str(verdict.code or "accepted")
    assert len(cases) == 208
    assert deviating == expected
