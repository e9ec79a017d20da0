"""A client that openapi-python-client writes from the document calls every operation, and what it gives has the declared types."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import re
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.sandbox.listen import listening
from tests.rig.demonstrated import PARTNERS, Asking, told_here
from tests.rig.web import WebFixture

pytestmark = [pytest.mark.process, pytest.mark.long]
#: The generator knows bytes by one name.
CONFIG = {"content_type_overrides": {f"application/{kind}": "application/octet-stream" for kind in ("x-ndjson", "xml", "zip")}}


def call(module: ModuleType, client: Any, asking: Asking) -> Any:
    """What an operation's function gives, as generated; what may be left out is."""
    types = typing.get_type_hints(module.sync_detailed)
    given: dict[str, Any] = {"client": client}
    optional = module.sync_detailed.__kwdefaults__ or {}
    for name, kind in types.items():
        if name in ("client", "return") or name in optional:
            continue
        if name != "body":
            given[name] = asking.values[name]
        elif kind.__name__ == "File":
            given[name] = kind(payload=io.BytesIO(asking.body or b""))
        else:
            given[name] = kind.from_dict(json.loads(asking.body or b""))
    return module.sync_detailed(**given)


def test_it_calls_every_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WebFixture(tmp_path / "home", PARTNERS) as web:
        told = told_here(web)
        (tmp_path / "openapi.json").write_text(json.dumps(told.document))
        (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"post_hooks": []}))
        generator = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
        files = ["--path", "openapi.json", "--config", "config.json", "--output-path", "generated_client"]
        made = subprocess.run([*generator, *files], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stdout + made.stderr
        monkeypatch.syspath_prepend(tmp_path)
        api = importlib.import_module("generated_client.api")
        walked = pkgutil.walk_packages(api.__path__, "generated_client.api.")
        found = {one.name.rpartition(".")[2]: importlib.import_module(one.name) for one in walked if not one.ispkg}
        assert len(found) == sum(map(len, told.document["paths"].values()))
        token = told.headers["Authorization"].removeprefix("Bearer ")
        problem = importlib.import_module("generated_client.models").Problem
        with listening(web.app) as url:
            client = importlib.import_module("generated_client").AuthenticatedClient(base_url=url, token=token, timeout=60.0)
            for asking in told.askings():
                module = found[re.sub("_+", "_", asking.operation)]
                answer = call(module, client, asking)
                assert answer.status_code < 300, (module.__name__, answer)
                (said,) = typing.get_args(typing.get_type_hints(module.sync_detailed)["return"])
                types = [one for one in typing.get_args(said) or (said,) if one is not typing.Any]  # 304 has no body
                assert isinstance(answer.parsed, tuple(types)), module.__name__
                assert not isinstance(answer.parsed, problem), module.__name__
