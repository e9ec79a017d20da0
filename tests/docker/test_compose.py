"""What containers would run agrees with the program: nothing here needs Docker."""

from __future__ import annotations

import re

from typer.main import get_command

from gateway.cli.main import app
from gateway.settings import Settings
from tests.rig.machine import REPO

DOCKER = REPO / "docker"
COMPOSE = (DOCKER / "compose.yaml").read_text("utf-8")


def test_only_the_proxy_may_forward_certificates() -> None:
    (believed,) = re.findall(r"AEO_PROXY: (\S+)", COMPOSE)
    assert re.findall(r"ipv4_address: ([\d.]+)", COMPOSE) == [believed]


def test_every_variable_is_a_setting() -> None:
    assert {name.removeprefix("AEO_").lower() for name in re.findall(r"^ +(AEO_\w+):", COMPOSE, re.MULTILINE)} <= set(
        Settings.model_fields
    )


def test_every_command_exists() -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined] # a group
    assert {"serve", "courier"} == set(re.findall(r"command: \[(\w+)", COMPOSE)) - {"nginx"}
    assert {"serve", "courier"} <= commands


def test_nginx_knows_every_node() -> None:
    nodes = re.findall(r"^  (node-\d+):$", COMPOSE, re.MULTILINE)
    served = re.findall(r"server (\S+):(\d+);", (DOCKER / "nginx" / "nodes.conf").read_text("utf-8"))
    assert served == [(node, "8100") for node in nodes]
    assert len(nodes) == 2
    assert 'AEO_PORT: "8100"' in COMPOSE


def test_ports_are_those_of_both_doors() -> None:
    listens = {
        re.findall(r"listen (\d+) ssl;", (DOCKER / "nginx" / f"{door}.listen").read_text("utf-8"))[0]
        for door in ("partners", "inside")
    }
    assert listens == set(re.findall(r':(\d+)"', COMPOSE.split("ports:")[1].split("\n")[0]))


def test_everything_copied_into_the_image_is_let_in_and_there() -> None:
    copied = {
        name
        for line in re.findall(r"^COPY (?!--)(.*)", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)
        for name in line.split()[:-1]
    }
    let_in = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert copied == let_in
    assert all((REPO / name).exists() for name in copied)
