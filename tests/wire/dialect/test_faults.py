"""Every fault of a dialect's folder is found when it is loaded: samples/faults.toml are the cases."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.dialect import Dialect, DialectFaults, load_folder

DATA = tomllib.loads((Path(__file__).parent / "samples" / "faults.toml").read_text(encoding="utf-8"))


def folder(tmp_path: Path, files: dict[str, str]) -> Path:
    where = tmp_path / "base" / "1"
    where.mkdir(parents=True)
    for name, text in files.items():
        (where / name).write_text(text, encoding="utf-8")
    return where


def changed(case: dict[str, Any]) -> dict[str, str]:
    files = dict(DATA["base"])
    name = case["file"]
    if case.get("delete"):
        del files[name]
        return files
    if "old" in case:
        assert case["old"] in files[name]
        files[name] = files[name].replace(case["old"], case["new"])
    else:
        files[name] = case["new"]
    if "also" in case:
        files["base.xsd"] = files["base.xsd"].replace(*case["also"])
    if "also_in_sample" in case:
        files["list.xml"] = files["list.xml"].replace(*case["also_in_sample"])
    if case.get("also_first"):
        files["list.xml"] = files["list.xml"].replace("{tin}", "{office}?").replace("{name}?", "{tin}")
    return files


def load(tmp_path: Path, files: dict[str, str], codes: dict[str, dict[str, str]] | None = None) -> Dialect:
    return load_folder(folder(tmp_path, files), codes or {})


def test_the_base_is_sound(tmp_path: Path) -> None:
    dialect = load(tmp_path, DATA["base"])
    assert (dialect.name, dialect.version, dialect.max_code) == ("base", "1", 20)
    assert dialect.fields == {"tin", "standing", "granted", "name", "level"}


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in DATA["fault"]])
def test_fault(case: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DialectFaults) as caught:
        load(tmp_path, changed(case))
    where = case.get("where", case["file"])
    found = [fault for fault in caught.value.faults if fault.file == where and case.get("key", "") in fault.key]
    assert any(case["problem"] in fault.problem for fault in found), str(caught.value)
    assert all(fault.remedy for fault in caught.value.faults)


def test_every_fault_at_once(tmp_path: Path) -> None:
    files = dict(DATA["base"])
    files["dialect.toml"] = files["dialect.toml"].replace("summary", "sumary")
    files["list.xml"] = files["list.xml"].replace("{name}", "{nmae}").replace("{granted|date}", "{granted}")
    files["update.xml"] = "<x"
    files["base.xsd"] = files["base.xsd"].replace('<xs:element name="Id"', '<xs:element maxOccurs="1000000000" name="Id"')
    with pytest.raises(DialectFaults) as caught:
        load(tmp_path, files)
    assert {fault.file for fault in caught.value.faults} == {"dialect.toml", "list.xml", "update.xml", "base.xsd"}
    assert sum(fault.file == "list.xml" for fault in caught.value.faults) == 2


def test_a_list_of_the_partner_replaces_the_dialects(tmp_path: Path) -> None:
    with pytest.raises(DialectFaults, match="allows the code 'S'"):
        load(tmp_path, DATA["base"], {"standing": {"V": "valid"}})


def test_the_partner_says_which_code_it_prefers(tmp_path: Path) -> None:
    codes = {"level": {"A": "AEO", "B": "AEO"}, "level.preferred": {"AEO": "B"}}
    assert load(tmp_path, DATA["base"], codes).name == "base"
