"""Every operation of the document is asked what hypothesis finds, with a token and without, and answers as the document says.

``python -m tests.contract --minutes 5`` asks for so long (`make judge`); a few questions for each operation are a test of ``make test``.
What is asked comes from schemathesis, half of it within the bounds of the document and half without.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from gateway.sandbox.listen import listening
from tests.rig.demonstrated import PARTNERS, told_here
from tests.rig.web import WebFixture

MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
LINES = "application/x-ndjson"


@schemathesis.serializer(LINES)
def lines(context: Any, value: Any) -> bytes:
    """Lines as a client would send them."""
    text = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


class Contract:
    """One walk after another over every operation of a node, on which there is something of each kind; ``found`` is what went against the
    document, by operation."""

    def __init__(self, web: WebFixture) -> None:
        told = told_here(web)
        for _ in told.askings():
            pass  # what each asks for is there
        self.found: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        self._callers: tuple[dict[str, str], ...] = (told.headers, {})
        self._session = requests.Session()

    def walk(self, url: str, examples: int, deadline: float = float("inf")) -> int:
        """So many questions of each kind for each operation; how many operations were asked before ``deadline`` (``time.monotonic``)."""
        asked = 0
        for loaded in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
            if time.monotonic() > deadline:
                break
            assert isinstance(loaded, Ok), loaded
            operation = loaded.ok()
            for mode in MODES:
                self._ask(operation, mode, examples)
            asked += 1
        return asked

    def _ask(self, operation: Any, mode: schemathesis.GenerationMode, examples: int) -> None:
        @settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
        )
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            for headers in self._callers:
                answer = case.call(session=self._session, headers=headers)
                self.statuses[answer.status_code] += 1
                self._judge(operation, case, answer)

        try:
            ask()
        except Unsatisfiable:
            assert mode is schemathesis.GenerationMode.NEGATIVE, f"nothing can be asked of {operation.label}"

    def _judge(self, operation: Any, case: Any, answer: Any) -> None:
        stated = operation.definition.raw["responses"]
        if answer.status_code < 400 and str(answer.status_code) not in stated:  # ``default`` stands for refusals only
            self.found.setdefault(operation.label, f"{answer.status_code} is not documented: {case.as_curl_command()}")
        try:
            case.validate_response(answer, checks=CHECKS)
        except BaseExceptionGroup as failures:
            self.found.setdefault(operation.label, "\n".join(map(str, failures.exceptions)))


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=5.0, help="how long (default 5)")
    given_minutes = asked.parse_args().minutes
    deadline = time.monotonic() + given_minutes * 60
    with (
        tempfile.TemporaryDirectory(prefix="contract-") as home,
        WebFixture(Path(home), PARTNERS) as web,
        listening(web.app) as url,
    ):
        contract = Contract(web)
        while time.monotonic() < deadline:
            contract.walk(url, 20, deadline)
    for label, failure in contract.found.items():
        print(f"{label}: {failure}")
    print(
        f"{sum(contract.statuses.values()):,} answers of {len(contract.statuses)} statuses, {len(contract.found)} operations at fault"
    )
    return 1 if contract.found else 0


if __name__ == "__main__":
    sys.exit(main())
