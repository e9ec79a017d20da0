"""A local copy as clearance would keep one: docs/local_copy.py as a process, and what it holds beside what the gateway says."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import func, select

from gateway.store.tables import entry
from tests.rig.installation import Installation, kill
from tests.rig.machine import REPO
from tests.rig.waiting import HTTP, until

SCRIPT = REPO / "docs" / "local_copy.py"
_specified = importlib.util.spec_from_file_location("local_copy", SCRIPT)
assert _specified is not None
assert _specified.loader is not None
#: The script's own functions.
script: Any = importlib.util.module_from_spec(_specified)
_specified.loader.exec_module(script)


def said(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record of a copy says as ``GET /v1/operators/{code}`` says it."""
    tracks = [
        one | {"periods": [{k: v for k, v in ran.items() if k not in ("since", "until")} for ran in one["periods"]]}
        for one in record["authorisations"]
    ]
    names = ("code", "arrangement", "member", "names", "local_name")
    return {name: record[name] for name in names} | {"authorisations": tracks, "stopped": [one["since"] for one in record["stops"]]}


def shown(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The same of that route's answer."""
    names = ("code", "arrangement", "member", "names", "local_name", "authorisations")
    stops = [one["since"] for one in reversed(answer["stops"]) if one["what"] == "operator"]
    return {name: answer[name] for name in names} | {"stopped": stops}


class LocalCopy:
    """A copy of what the gateway at ``url`` knows."""

    def __init__(self, installation: Installation, url: str) -> None:
        self._installation, self._url = installation, url
        self.file = installation.settings.home / "copy.db"
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        log = (self._installation.settings.home / "copy.log").open("ab")
        environment = os.environ | {"AEO_TOKEN": self._installation.token}
        command = [sys.executable, str(SCRIPT), self._url, str(self.file)]
        self._process = self._installation.adopt(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    def restart(self) -> None:
        """After a death of its own."""
        kill(self._process)
        self.start()

    def in_step(self, operators: int) -> str:
        """Waits until it holds what the journal holds, and compares all of it with what the gateway says. Raises ``AssertionError``."""
        with self._installation.opened() as database, database.reading() as connection:
            size = connection.execute(select(func.max(entry.c.position))).scalar_one() + 1
        with closing(script.opened(self.file)) as copy:
            until(lambda: _complete(copy, size), f"the copy did not come into step with {size} entries")
            codes = [code for (code,) in copy.execute("SELECT key FROM operator")]
            assert len(codes) == operators
            for code in codes:
                record = script.record(copy, "operator", code)
                assert said(record) == shown(self._asked(f"operators/{code}"))
                answer = self._asked(f"eligibility?code={code}&direction=import")
                stands = {"eligible": "valid"}.get(answer["verdict"]) or answer["reasons"][0]["code"]
                assert script.standing(copy, code) == {"stopped-by-us": "stopped"}.get(stands, stands)
        return f"{len(codes)} operators alike at position {size}"

    def _asked(self, what: str) -> Any:
        return HTTP.get(f"{self._url}/v1/{what}", headers=self._installation.authorised).raise_for_status().json()


def _complete(copy: Any, size: int) -> bool:
    cursor = script.record(copy, "cursor", "")
    return bool(cursor and cursor["complete"] and cursor["position"] >= size)
