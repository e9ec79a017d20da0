"""The README can fail: its commands exist, its settings are the program's, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from gateway.cli.main import app
from gateway.settings import ROOT, Settings, SettingsFault, from_environment
from tests.rig.machine import REPO

README = (REPO / "README.md").read_text("utf-8")


def settings_table() -> str:
    """The table as the README holds it."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, timedelta):
            default = f"{default.total_seconds():g}"
        elif isinstance(default, Path):
            default = f"{default.relative_to(ROOT)}/"
        elif name in ("key_passphrase", "oidc_secret"):
            default = ""
        shown = f"`{default}`" if default != "" else ""
        lines.append(f"| `AEO_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines)


def commands() -> list[tuple[str, ...]]:
    """Every ``aeo-gateway`` command the README quotes, up to its first argument."""
    quoted = re.findall(r"aeo-gateway((?: [a-z][a-z-]*)+)", README)
    return sorted({tuple(one.split()) for one in quoted})


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_quoted_commands_exist(words: tuple[str, ...]) -> None:
    command = get_command(app)
    for word in words:
        inside = getattr(command, "commands", None)
        if inside is None:
            return
        assert word in inside, f"aeo-gateway {' '.join(words)}"
        command = inside[word]
    assert isinstance(command, typer.core.TyperCommand)


def test_quoted_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)) <= targets


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (REPO / target).exists(), target


def test_settings_are_those_of_the_program() -> None:
    assert settings_table() in README, f"the README's settings should be:\n{settings_table()}"


def test_every_fault_of_the_environment_is_named_at_once() -> None:
    with pytest.raises(SettingsFault) as caught:
        from_environment({"AEO_PORT": "99999", "AEO_LEASE": "soon", "AEO_MODE": "play"})
    assert {fault.split(":")[0] for fault in caught.value.faults} == {"AEO_PORT", "AEO_LEASE", "AEO_MODE"}


def test_a_setting_that_is_none_is_a_fault_with_the_nearest_name() -> None:
    others = {"AEO_TOKEN": "x", "AEO_TEST_CLOCK": "x", "AEO_GATEWAY_PORT_8100_TCP_ADDR": "10.0.0.1", "HOME": "/"}
    with pytest.raises(SettingsFault) as caught:
        from_environment(
            {"AEO_PARTNER": "x", "AEO_CURRENTWITHIN": "9", "aeo_home": "x", "AEO_ZZZZZZ": "", "AEO_PORT": "1e3", **others}
        )
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "AEO_PARTNER", "AEO_CURRENTWITHIN", "aeo_home", "AEO_ZZZZZZ", "AEO_PORT",
    ]  # fmt: skip
    said = " ".join(caught.value.faults)
    assert all(f"the nearest is {name}." in said for name in ("AEO_PARTNERS", "AEO_CURRENT_WITHIN", "AEO_HOME"))
    assert "settings show" in said
    assert from_environment(others) == from_environment({})


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_number_has_its_bounds(field: str) -> None:
    if Settings.model_fields[field].annotation in (int, timedelta, timedelta | None):
        for beyond in ("-1", "1e30", "nan", "inf", "99999999999999999999"):
            with pytest.raises(SettingsFault, match=f"AEO_{field.upper()}"):
                from_environment({f"AEO_{field.upper()}": beyond})


@pytest.mark.parametrize("given", [{"POLL": "0"}, {"RATE": "0"}, {"LEASE": "0"}, {"BODY_LIMIT": "0"}, {"POLL": "9"}])
def test_what_would_stop_everything_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(SettingsFault):
        from_environment({f"AEO_{name}": value for name, value in given.items()})


def test_durations_are_seconds() -> None:
    assert from_environment({"AEO_POLL": "0.5"}).poll == timedelta(milliseconds=500)


@pytest.mark.process
def test_the_command_is_installed() -> None:
    done = subprocess.run([sys.executable, "-m", "gateway.cli.main", "version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?\n", done.stdout)
