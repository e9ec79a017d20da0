"""A client that openapi-python-client writes from the document calls every operation, and what it gives has the declared types."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.sandbox.listen import listening
from tests.rig.web import WebFixture

pytestmark = [pytest.mark.process, pytest.mark.long]
#: The generator knows bytes by one name.
CONFIG = {"content_type_overrides": {f"application/{kind}": "application/octet-stream" for kind in ("x-ndjson", "xml", "zip")}}
MOMENT = "2030-01-01T00:00:00Z"
#: What is asked of every operation that takes a body of this name.
BODIES: dict[str, Any] = {
    "Batch": {"codes": ["SG1", {"code": "SG2"}]},
    "Stopping": {"what": "arrangement", "subject": "SG", "reason": "r"},
    "Disrupting": {"where": "*", "what": "a typhoon"},
    "Annulling": {"message": "m", "reason": "r"},
    "AskingFor": {"code": "SG1"},
    "TranscriptWanted": {"partner": "SG", "file": "a.csv"},
    "Keeping": {"days": 4_000, "because": "r"},
    "Unsetting": {"because": "r"},
    "NewPerson": {"name": "Wang Wu", "roles": ["viewer"], "reason": "r"},
    "NewRoles": {"roles": ["viewer"], "reason": "r"},
    "StandingIn": {"deputy": "Wang Wu", "until": MOMENT, "reason": "r"},
    "ProviderAccount": {"subject": "4711", "reason": "r"},
    "NewToken": {"name": "a declaration system", "scopes": ["clearance:read"]},
    "Verifying": {},
    "Rehearsing": {},
    "Rotating": {},
    "Hastening": {},
    "PuttingAway": {"dry_run": True},
}
REASONED = {"reason": "r"}
ARGUMENTS: dict[str, Any] = {
    "number": 1,
    "iso": "SG",
    "after": "x",
    "partner": "SG",
    "file": "a.csv",
    "as_of": "2026-01-01",
    "reason": "r",
}


def call(module: ModuleType, client: Any, code: str) -> Any:
    """What an operation's function gives, as generated."""
    types = typing.get_type_hints(module.sync_detailed)
    given: dict[str, Any] = {"client": client}
    optional = module.sync_detailed.__kwdefaults__ or {}
    for name, kind in types.items():
        if name in ("client", "return") or name in optional:
            continue
        if name != "body":
            given[name] = code if name == "code" else ARGUMENTS.get(name, "1")
        elif kind.__name__ == "File":
            given[name] = kind(payload=io.BytesIO(json.dumps({"code": code}).encode()))
        else:
            given[name] = kind.from_dict(BODIES.get(kind.__name__, REASONED))
    return module.sync_detailed(**given)


def test_it_calls_every_operation(web: WebFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, *_ = web.listed()
    document = web.client.get("/openapi.json")
    (tmp_path / "openapi.json").write_bytes(document.content)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"post_hooks": []}))
    generator = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    files = ["--path", "openapi.json", "--config", "config.json", "--output-path", "generated_client"]
    made = subprocess.run([*generator, *files], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    api = importlib.import_module("generated_client.api")
    found = [
        importlib.import_module(one.name) for one in pkgutil.walk_packages(api.__path__, "generated_client.api.") if not one.ispkg
    ]
    assert len(found) == sum(map(len, document.json()["paths"].values()))
    token = web.person("Li Si")["Authorization"].removeprefix("Bearer ")
    done = 0
    with listening(web.app) as url:
        client = importlib.import_module("generated_client").AuthenticatedClient(base_url=url, token=token, timeout=60.0)
        problem = importlib.import_module("generated_client.models").Problem
        for module in found:
            answer = call(module, client, code)
            refused = answer.status_code >= 400
            assert answer.status_code < 500, (module.__name__, answer)
            assert isinstance(answer.parsed, problem) == refused, (module.__name__, answer)
            (said,) = typing.get_args(typing.get_type_hints(module.sync_detailed)["return"])
            types = [one for one in typing.get_args(said) or (said,) if one is not typing.Any]  # 304 has no body
            assert isinstance(answer.parsed, tuple(types)), module.__name__
            done += not refused
    assert done >= 40, done  # the others have nothing of that number or name to be done to
