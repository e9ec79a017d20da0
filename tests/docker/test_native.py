"""The pieces of docker/compose.yaml without containers: nginx with the very configuration file, PostgreSQL, two nodes and a courier."""

from __future__ import annotations

import os
import shutil
import ssl
import statistics
import subprocess
import sys
import time
import tomllib
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from gateway.app import utc_now
from gateway.cli.processes import free_port
from gateway.core.model import Kind, Standing
from gateway.partners import load_one
from gateway.partners.bundle import read_law
from gateway.sandbox.box import Box
from gateway.sandbox.listen import listening
from gateway.sandbox.server import create_app
from gateway.store import partners as stored
from gateway.store import tokens
from gateway.store.database import Database
from gateway.store.tables import intake
from gateway.store.tokens import TokenScope
from gateway.trust.keys import Key, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.wire import payloads
from gateway.wire.algorithms import VerifyKey
from tests.rig.machine import REPO, need_tool

pytestmark = pytest.mark.xdist_group("docker")

PROXY = "127.0.0.2"
XML = {"Content-Type": "application/xml"}
ISOS = ("SG", "HK")
PATIENCE = 60.0


@dataclass
class Place:
    """What runs: nginx's two doors, the two nodes, and partners who can connect."""

    partners_door: str
    inside_door: str
    nodes: list[str]
    processes: dict[str, subprocess.Popen[bytes]]
    boxes: dict[str, Box]
    lines: dict[str, Key]
    database: Database
    token: dict[str, str]
    server: Path

    @contextmanager
    def connected(self, line: str | None) -> Iterator[httpx.Client]:
        """A client with this TLS certificate, or with none."""
        context = ssl.create_default_context(cafile=str(self.server))
        if line:
            folder = self.lines[line].folder
            context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        with httpx.Client(verify=context, timeout=30) as client:
            yield client

    def post(self, body: bytes, line: str | None, **headers: str) -> httpx.Response:
        with self.connected(line) as client:
            return client.post(f"{self.partners_door}/exchange", content=body, headers=XML | headers)

    def says(self, node: str, code: str, reason: str) -> bool:
        """Whether a node gives this as the first reason in its answer about a code."""
        said = httpx.get(f"{node}/v1/eligibility", params={"code": code, "direction": "import"}, headers=self.token, timeout=30)
        return [one["code"] for one in said.raise_for_status().json()["reasons"]][:1] == [reason]


@pytest.fixture(scope="module")
def place(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    nginx, home = need_tool("nginx"), tmp_path_factory.mktemp("place")
    with ExitStack() as stack:
        ours, server = _key(home / "keys", "gateway"), _key(home, "server", "127.0.0.1")
        boxes, lines = {}, {name: _key(home, f"line-{name.lower()}") for name in (*ISOS, "stranger")}
        url = _database(postgres, stack)
        database = Database(url)
        stack.callback(database.close)
        database.migrate()
        for iso in ISOS:
            signing = _key(home, f"signing-{iso.lower()}")
            bundle = load_one(REPO / "partners" / iso.lower(), REPO / "schemas")
            pinned = (VerifyKey.from_certificate(ours.certificate),)
            boxes[iso] = Box(bundle=bundle, signer=signing.signer(""), gateway="CN", gateway_keys=pinned, clock=utc_now)
            address = stack.enter_context(listening(create_app(boxes[iso], "http://127.0.0.1:9/exchange")))
            _connect(home / "site" / iso.lower(), address, signing, lines[iso])
        token = _activate(database, home / "site")
        ports = [free_port() for _ in range(4)]
        nodes = [f"http://127.0.0.1:{port}" for port in ports[:2]]
        processes = {}
        for name, command in (
            ("node-1", ["serve", "--no-courier", "--port", str(ports[0])]),
            ("node-2", ["serve", "--no-courier", "--port", str(ports[1])]),
            ("courier", ["courier"]),
        ):
            shutil.copytree(home / "keys", home / name / "keys")
            own = {"AEO_HOME": str(home / name), "AEO_DATABASE": url, "AEO_MODE": "demo", "AEO_PROXY": PROXY}
            processes[name] = _start([sys.executable, "-m", "gateway.cli.main", *command], own, home / f"{name}.log", stack)
        processes["nginx"] = _start_nginx(nginx, home / "nginx", server, ports, stack)
        for node, name in zip(nodes, ("node-1", "node-2"), strict=True):
            until(partial(_ready, node), f"{name}: {(home / f'{name}.log').read_text()}")
        yield Place(
            f"https://127.0.0.1:{ports[2]}",
            f"https://127.0.0.1:{ports[3]}",
            nodes,
            processes,
            boxes,
            lines,
            database,
            {"Authorization": f"Bearer {token}"},
            server.folder / "certificate.pem",
        )


def _key(folder: Path, name: str, *hosts: str) -> Key:
    subject = Subject(name, hosts=hosts)
    return create_file_key(folder, name, "ecdsa-p256-sha256", subject, Purpose.DEMO, "", 9, now=datetime.now(UTC))


def _database(postgres: str, stack: ExitStack) -> str:
    name = f"native_{uuid.uuid4().hex}"
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")

    def drop() -> None:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()

    stack.callback(drop)
    return sa.make_url(postgres).set(database=name).render_as_string(hide_password=False)


def _connect(folder: Path, address: str, signing: Key, line: Key) -> None:
    """What an administrator enters for a partner."""
    (folder / "certs").mkdir(parents=True)
    (folder / "site.toml").write_text(f'[binding]\nendpoint = "{address}/exchange"\nprivate_addresses = true\n', "utf-8")
    (folder / "certs" / "signing-1.pem").write_text(signing.pem, "ascii")
    (folder / "certs" / "tls-1.pem").write_text(line.pem, "ascii")


def _activate(database: Database, site: Path) -> str:
    at = utc_now()
    law, content = read_law(tomllib.loads((REPO / "partners" / "common.toml").read_text("utf-8")), "common.toml")
    with database.write.begin() as connection:
        stored.activate(connection, stored.LAW, law.digest, content, at=at, who="a test", reason="a test")
        for iso in ISOS:
            bundle = load_one(REPO / "partners" / iso.lower(), REPO / "schemas", site)
            stored.activate(connection, iso, bundle.digest, bundle.content, at=at, who="a test", reason="a test")
        return tokens.create(connection, "a test", TokenScope, at=at, expires=at + timedelta(days=1), by="a test")[1]


def _start(command: list[str], own: dict[str, str], log: Path, stack: ExitStack) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEO_")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=inherited | own, stdout=output, stderr=output, cwd=REPO)
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _start_nginx(nginx: str, home: Path, server: Key, ports: list[int], stack: ExitStack) -> subprocess.Popen[bytes]:
    """The file as it is; only what it includes is of this place."""
    home.mkdir()
    shutil.copy(REPO / "docker" / "nginx" / "nginx.conf", home)
    (home / "nodes.conf").write_text(
        f"upstream gateway {{ server 127.0.0.1:{ports[0]}; server 127.0.0.1:{ports[1]}; keepalive 32; }}\nproxy_bind {PROXY};\n"
    )
    (home / "partners.listen").write_text(f"listen 127.0.0.1:{ports[2]} ssl;\n")
    (home / "inside.listen").write_text(f"listen 127.0.0.1:{ports[3]} ssl;\n")
    (home / "tls").mkdir()
    shutil.copy(server.folder / "certificate.pem", home / "tls" / "server.pem")
    shutil.copy(server.folder / "key.pem", home / "tls" / "server.key")
    run = home / "run"
    run.mkdir()
    command = [nginx, "-p", str(run), "-c", str(home / "nginx.conf"), "-g", "daemon off;"]
    process = _start(command, {}, home / "nginx.log", stack)
    until((run / "nginx.pid").exists, f"nginx: {(home / 'nginx.log').read_text()}")
    return process


def _ready(node: str) -> bool:
    try:
        return httpx.get(f"{node}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def until(ready: Callable[[], object], what: str = "it did not come") -> float:
    """Seconds until it was so."""
    began = time.monotonic()
    while not ready():
        assert time.monotonic() < began + PATIENCE, what
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def listed(place: Place) -> list[str]:
    """Singapore's list came in through nginx; its codes."""
    box = place.boxes["SG"]
    box.make_up(8)
    answer = place.post(box.full_list(), "SG")
    assert answer.status_code == 200, answer.text
    assert box.check(answer.content).header.kind is Kind.RECEIPT
    return list(box.operators)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a problem: nobody was named to sign for."""
    return answer.status_code, answer.json()["code"]


def test_a_partner_is_known_by_its_certificate(place: Place, listed: list[str]) -> None:
    with place.database.reading() as connection:
        row = connection.execute(sa.select(intake).order_by(intake.c.id).limit(1)).one()
    assert (row.identity, row.partner, row.outcome, row.remote) == ("SG", "SG", "accepted", "127.0.0.1")


def test_every_node_answers_within_a_second_of_what_one_received(place: Place, listed: list[str]) -> None:
    took = []
    for code in listed[:3]:
        body = place.boxes["SG"].say(code, Standing.SUSPENDED)
        answer = httpx.post(f"{place.nodes[0]}/exchange", content=body, headers=XML)
        assert answer.status_code == 200, answer.text
        assert place.says(place.nodes[0], code, "suspended"), "the node itself knows at once"
        took.append(until(partial(place.says, place.nodes[1], code, "suspended")))
    assert statistics.median(took) < 1.0


def test_the_courier_delivers_what_the_nodes_queued(place: Place, listed: list[str]) -> None:
    until(lambda: [one for one in place.boxes["SG"].heard if one.header.kind is Kind.RESULT])
    assert place.processes["courier"].poll() is None


def test_the_line_of_one_partner_does_not_carry_messages_of_another(place: Place) -> None:
    body = place.boxes["HK"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    assert refused(place.post(body, "SG")) == (403, "identity-mismatch")
    assert place.post(body, "HK").status_code == 200


def test_who_is_no_partner_does_not_come_far(place: Place) -> None:
    body = place.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    assert refused(place.post(body, "stranger")) == (403, "identity-mismatch")
    without = place.post(body, None)
    assert (without.status_code, "nginx" in without.text) == (403, True)
    with place.connected("SG") as client:
        assert client.get(f"{place.partners_door}/v1/partners", headers=place.token).status_code == 404


def test_nobody_can_write_the_header_himself(place: Place) -> None:
    """Not to a node, not through the partners' door, not through our own."""
    body = place.boxes["HK"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    forged = {"Client-Cert": f":{b64encode(place.lines['HK'].certificate).decode()}:"}
    straight = httpx.post(f"{place.nodes[0]}/exchange", content=body, headers=XML | forged | {"X-Forwarded-For": PROXY})
    assert refused(straight) == (403, "forwarded-identity")
    assert refused(place.post(body, "SG", **forged)) == (403, "identity-mismatch")
    with place.connected(None) as client:
        assert client.post(f"{place.inside_door}/exchange", content=body, headers=XML | forged).status_code == 404
        assert client.get(f"{place.inside_door}/v1/partners", headers=place.token | forged).status_code == 200


def test_one_node_is_enough(place: Place) -> None:
    _end(place.processes["node-1"])
    for _ in range(3):
        body = place.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING))
        assert place.post(body, "SG").status_code == 200
    assert _ready(place.nodes[1])
