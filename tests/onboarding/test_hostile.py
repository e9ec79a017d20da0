"""Every vector of tests/vectors/onboarding: files and addresses from outside, read by the real loaders within the bounds of a hostile input."""

from __future__ import annotations

import asyncio
import io
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import net
from gateway.core.errors import Refusal
from gateway.journal import proof
from gateway.net import Guard, Unreachable
from gateway.partners import PartnerFaults, load_all, load_one, read_bundle
from gateway.wire.xsd import SchemaFault
from tests.net.test_net import OK, serving
from tests.rig.bounds import answer, undisturbed, untraced
from tests.rig.machine import REPO
from tests.rig.vectors import load, spread
from tests.wire.test_schema import XSD, compiled

pytestmark = pytest.mark.long

BASE = REPO / "tests" / "partners" / "base"
VECTORS = load("onboarding")
READ = [vector for vector in VECTORS if "url" not in vector and not ({"xsd", "raw", "unit", "link"} & vector.keys())]


def judged(run: Callable[[], object], size: int, besides: float = 0.0) -> tuple[str, str]:
    """The code and the sentence that ``run`` ends with."""

    def attempt() -> tuple[str, str]:
        try:
            run()
        except SchemaFault as fault:
            return ("schema-fault" if fault.file and fault.remedy else "says not where or what to do"), fault.problem
        except PartnerFaults as faults:
            return "partner-fault", str(faults)
        except Refusal as refusal:
            return str(refusal.code), refusal.detail
        except Unreachable as failed:
            return str(failed.reason), failed.detail
        return "accepted", ""

    outcome = answer(attempt, size, besides)
    assert isinstance(outcome, tuple)
    return outcome


# ---------------------------------------------------------------- XSD


@pytest.mark.parametrize(
    "vector", [one for one in VECTORS if {"xsd", "raw", "unit", "link"} & one.keys()], ids=lambda one: one["id"]
)
def test_xsd(vector: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    inside = vector.get("before", "") + spread(vector.get("unit", ""), vector.get("times", 0)) + vector.get("after", "")
    text = vector.get("raw") or XSD.format(attributes="", body=vector.get("xsd", inside))
    (folder / "main.xsd").write_text(text, encoding="utf-8")
    for number in range(1, vector.get("files", 1)):
        (folder / f"{number}.xsd").write_text(text, encoding="utf-8")
    if "link" in vector:
        (folder / "main.xsd").unlink()
        (folder / "main.xsd").symlink_to(vector["link"])
    code, problem = judged(lambda: compiled(folder), len(text) * vector.get("files", 1))
    assert code == vector["code"], problem
    assert vector.get("problem", "") in problem


def test_a_line_is_named(tmp_path: Path) -> None:
    (vector,) = [one for one in VECTORS if "line" in one]
    (tmp_path / "main.xsd").write_text(XSD.format(attributes="", body=vector["xsd"]), encoding="utf-8")
    with pytest.raises(SchemaFault) as caught:
        compiled(tmp_path)
    assert caught.value.line == vector["line"]


# ---------------------------------------------------------------- a partner's files, bundles, archives


def _copied(place: Path) -> Path:
    for dialect in ("canonical", "certificate", "party"):
        shutil.copytree(REPO / "schemas" / dialect / "1", place / "base" / "schemas" / dialect / "1")
    return Path(shutil.copytree(BASE, place / "base", dirs_exist_ok=True))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return _copied(tmp_path)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of CPU that loading takes after a change in which nothing is hostile: a dialect is compiled anew."""
    base, taken = _copied(tmp_path_factory.mktemp("usual")), []
    dialect = base / "schemas" / "canonical" / "1"
    for _ in range(3):
        for file in (dialect / "list.xml", dialect / "canonical.xsd"):
            file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        with undisturbed(), untraced():
            start = time.process_time()
            load_all(base / "partners", base / "schemas", base / "site")
            taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize("vector", READ, ids=lambda vector: vector["id"])
def test_files(vector: dict[str, Any], base: Path, usual: float) -> None:
    there = sorted(base.parent.rglob("*"))
    besides = 0.0
    if "archive" in vector:
        packed = _archive(vector)
        run: Callable[[], object] = partial(proof.verify, packed)
        size = 64 * 2**20 if "mebibytes" in vector else len(packed)
    elif "bundle" in vector:
        content = load_one(base / "partners" / "xa", base / "schemas", base / "site").content
        stored = msgspec.json.decode(content)
        stored["dialects"]["canonical/1"][vector["bundle"]] = "x"
        run, size = partial(read_bundle, msgspec.json.encode(stored)), len(content)
    else:
        size, besides = _change(base, vector), usual
        run = partial(load_all, base / "partners", base / "schemas", base / "site")
    code, problem = judged(run, size, besides)
    assert code == vector["code"], problem
    assert vector.get("problem", "") in problem
    assert sorted(base.parent.rglob("*")) == there, "nothing was written"
    assert not Path("/tmp/outside.xsd").exists()


def _change(base: Path, vector: dict[str, Any]) -> int:
    if "file" not in vector:
        return 0
    path = base / vector["file"]
    text = path.read_text(encoding="utf-8")
    assert "whole" in vector or vector["old"] in text
    changed = vector.get("whole") or text.replace(vector["old"], vector["new"], 1)
    path.write_text(changed, encoding="utf-8")
    return len(changed)


def _archive(vector: dict[str, Any]) -> bytes:
    if not vector["archive"]:
        return b"not a ZIP"
    made = io.BytesIO()
    packing = zipfile.ZIP_LZMA if vector.get("packing") == "lzma" else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(made, "w", packing) as archive:
        archive.writestr(vector["archive"], b"0" * max(1000, vector.get("mebibytes", 0) * 2**20))
    packed = made.getvalue()
    if vector.get("damaged"):
        at = packed.index(b"evidence.json") + len("evidence.json")
        packed = packed[:at] + b"\xff\xff\xff" + packed[at + 3 :]
    return packed


# ---------------------------------------------------------------- addresses


def _names(lists: list[list[str]]) -> net.Resolver:
    left = list(lists)

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host != "partner.example":
            return await net.system_resolver(host, port)
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize("vector", [one for one in VECTORS if "url" in one], ids=lambda one: one["id"])
def test_address(vector: dict[str, Any]) -> None:
    guard = Guard(private_addresses=vector.get("private", False), timeout=timedelta(seconds=5))
    arrived: list[int] = []

    async def send() -> None:
        async with serving(vector.get("answers", OK.decode()).encode()) as server:
            url = vector["url"].replace("{port}", str(server.port))
            try:
                await net.post(url, b"<a/>", headers={}, guard=guard, resolver=_names(vector.get("resolves", [[]])))
            finally:
                arrived.append(len(server.requests))

    code, detail = judged(lambda: asyncio.run(send()), 0)
    assert code == vector["code"], detail
    assert arrived[-1] == (code in ("accepted", "redirected")), "what is not allowed is not connected to"
