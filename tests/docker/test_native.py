"""The pieces of docker/compose.yaml without containers: nginx with the very configuration file, PostgreSQL, two nodes and a courier."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import statistics
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.processes import free_port
from gateway.core.arrangement import Binding
from gateway.core.model import Kind, Standing
from gateway.exchange.line import guard_for
from gateway.net import Identity, Lines, ServerTrust, Unreachable
from gateway.sandbox.box import Box
from gateway.store.tables import intake
from gateway.trust.keys import Key
from gateway.wire import payloads
from gateway.wire.certificate import from_pem
from tests.rig.counterpart import Counterpart
from tests.rig.databases import create, drop
from tests.rig.installation import SINCE, Installation, Served
from tests.rig.keys import demo_key
from tests.rig.machine import need_tool
from tests.rig.nginx import PROXY, start, start_nginx
from tests.rig.waiting import HTTP, until

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.process]

XML = {"Content-Type": "application/xml"}
ISOS = ("SG", "HK")
PATIENCE = 60.0


@dataclass
class Containers:
    """What the containers would run: nginx's two doors, two nodes and a courier, with partners who can connect."""

    partners_door: str
    inside_door: str
    home: Path
    nodes: list[Served]
    courier: subprocess.Popen[bytes]
    installation: Installation
    connections: dict[str, Key]
    server: Path

    @property
    def boxes(self) -> dict[str, Box]:
        return self.installation.boxes

    @contextmanager
    def connected(self, whose: str | None) -> Iterator[httpx.Client]:
        """A client with this TLS certificate, or with none."""
        context = ssl.create_default_context(cafile=str(self.server))
        if whose:
            folder = self.connections[whose].folder
            context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        with httpx.Client(verify=context, timeout=30) as client:
            yield client

    def post(self, body: bytes, whose: str | None, **headers: str) -> httpx.Response:
        with self.connected(whose) as client:
            return client.post(f"{self.partners_door}/exchange", content=body, headers=XML | headers)

    @contextmanager
    def without_the_first_node(self) -> Iterator[None]:
        first = self.nodes[0]
        first.stop()
        yield
        self.nodes[0] = _node(self.installation, self.home / "node-1", first.port)
        self.nodes[0].ready()

    def says(self, node: Served, code: str, reason: str) -> bool:
        """Whether a node gives this as the first reason in its answer about a code."""
        asked, headers = {"code": code, "direction": "import"}, self.installation.authorised
        said = HTTP.get(f"{node.url}/v1/eligibility", params=asked, headers=headers, timeout=30)
        return [one["code"] for one in said.raise_for_status().json()["reasons"]][:1] == [reason]


@pytest.fixture(scope="module")
def containers(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    need_tool("nginx")
    home = tmp_path_factory.mktemp("containers")
    server = demo_key(home, "server", SINCE, days=9, hosts=("127.0.0.1",))
    connections = {name: demo_key(home, f"tls-{name.lower()}", SINCE) for name in (*ISOS, "stranger")}
    with ExitStack() as stack:
        url = create(postgres)
        stack.callback(drop, postgres, url)
        ends = {iso: Counterpart() for iso in ISOS}
        urls = {iso: end.url for iso, end in ends.items()}
        made = Installation(home / "installation", ISOS, database=url, endpoints=urls, connections=connections)
        installation = stack.enter_context(made)
        for iso, end in ends.items():
            end.box = installation.boxes[iso]
            stack.callback(end.close)
        nodes, doors = [free_port(), free_port()], [free_port(), free_port()]
        nginx_process = start_nginx(home / "nginx", server, nodes, doors)
        stack.callback(Served(nginx_process, doors[0], home / "nginx.log").stop)
        courier = _run(installation, home / "courier", ["courier"])
        served = [_node(installation, home / f"node-{number}", port) for number, port in enumerate(nodes, 1)]
        for node in served:
            node.ready()
        addresses = [f"https://127.0.0.1:{port}" for port in doors]
        yield Containers(
            addresses[0], addresses[1], home, served, courier, installation, connections, server.folder / "certificate.pem"
        )


def _node(installation: Installation, home: Path, port: int) -> Served:
    process = _run(installation, home, ["serve", "--no-courier", "--port", str(port)])
    return Served(process, port, home.with_suffix(".log"))


def _run(installation: Installation, home: Path, command: list[str]) -> subprocess.Popen[bytes]:
    """A process of the gateway with a home of its own; of the installation it has the key and the database."""
    shutil.copytree(installation.settings.keys, home / "keys", dirs_exist_ok=True)
    own = installation.environment | {"AEO_HOME": str(home), "AEO_PROXY": PROXY}
    return installation.adopt(start([sys.executable, "-m", "gateway.cli.main", *command], own, home.with_suffix(".log")))


@pytest.fixture(scope="module")
def listed(containers: Containers) -> list[str]:
    """Singapore's list came in through nginx, at one of the nodes, and all of them know of it; its codes."""
    box = containers.boxes["SG"]
    box.make_up(8)
    answer = containers.post(box.full_list(), "SG")
    assert answer.status_code == 200, answer.text
    assert box.check(answer.content).header.kind is Kind.RECEIPT
    codes = list(box.operators)
    until(lambda: not any(containers.says(node, codes[0], "data-too-old") for node in containers.nodes))
    return codes


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a problem: nobody was named to sign for."""
    return answer.status_code, answer.json()["code"]


def test_a_partner_is_known_by_its_certificate(containers: Containers) -> None:
    body = containers.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    assert containers.post(body, "SG").status_code == 200
    with containers.installation.opened() as database, database.reading() as connection:
        row = connection.execute(sa.select(intake).order_by(intake.c.id.desc()).limit(1)).one()
    assert (row.identity, row.partner, row.outcome, row.remote) == ("SG", "SG", "accepted", "127.0.0.1")


def test_every_node_answers_within_a_second_of_what_one_received(containers: Containers, listed: list[str]) -> None:
    took = []
    for code in listed[:3]:
        body = containers.boxes["SG"].status_message(code, Standing.SUSPENDED)
        answer = containers.nodes[0].post(body)
        assert answer.status_code == 200, answer.text
        assert containers.says(containers.nodes[0], code, "suspended"), "the node itself knows at once"
        took.append(until(partial(containers.says, containers.nodes[1], code, "suspended")))
    assert statistics.median(took) < 1.0


def test_the_courier_delivers_what_the_nodes_queued(containers: Containers, listed: list[str]) -> None:
    until(lambda: [one for one in containers.boxes["SG"].received if one.header.kind is Kind.RESULT])
    assert containers.courier.poll() is None


def test_the_line_of_one_partner_does_not_carry_messages_of_another(containers: Containers) -> None:
    body = containers.boxes["HK"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    assert refused(containers.post(body, "SG")) == (403, "identity-mismatch")
    assert containers.post(body, "HK").status_code == 200


def test_who_is_no_partner_does_not_come_far(containers: Containers) -> None:
    body = containers.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    assert refused(containers.post(body, "stranger")) == (403, "identity-mismatch")
    without = containers.post(body, None)
    assert (without.status_code, "nginx" in without.text) == (403, True)
    with containers.connected("SG") as client:
        assert client.get(f"{containers.partners_door}/v1/partners", headers=containers.installation.authorised).status_code == 404


def test_nobody_can_write_the_header_himself(containers: Containers) -> None:
    """Not to a node, not through the partners' door, not through our own."""
    body = containers.boxes["HK"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    forged = {"Client-Cert": f":{b64encode(containers.connections['HK'].certificate).decode()}:"}
    straight = HTTP.post(f"{containers.nodes[0].url}/exchange", content=body, headers=XML | forged | {"X-Forwarded-For": PROXY})
    assert refused(straight) == (403, "forwarded-identity")
    assert refused(containers.post(body, "SG", **forged)) == (403, "identity-mismatch")
    with containers.connected(None) as client:
        assert client.post(f"{containers.inside_door}/exchange", content=body, headers=XML | forged).status_code == 404
        assert (
            client.get(f"{containers.inside_door}/v1/partners", headers=containers.installation.authorised | forged).status_code
            == 200
        )


def test_one_node_is_enough(containers: Containers) -> None:
    with containers.without_the_first_node():
        for _ in range(3):
            body = containers.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
            assert containers.post(body, "SG").status_code == 200
        assert containers.nodes[1].is_ready()


def test_our_own_line_to_such_a_gateway_is_proven_at_both_ends_and_kept(containers: Containers) -> None:
    """As another of these gateways would deliver: by a binding that pins the server and names the key that it connects with."""
    key = containers.connections["SG"].folder
    identity = Identity(key / "certificate.pem", key / "key.pem")
    binding = Binding(endpoint=f"{containers.partners_door}/exchange", addresses=("127.0.0.0/8",))
    pinned = ServerTrust((from_pem(containers.server.read_bytes()).public_bytes(Encoding.DER),))

    def ping() -> bytes:
        return containers.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))

    async def story() -> list[int]:
        lines, url, guard = Lines(), binding.endpoint or "", guard_for(binding, pinned, identity)
        answers = [(await lines.post("CN", url, ping(), headers=XML, guard=guard)).status for _ in range(3)]
        nobody = guard_for(binding, pinned, None)
        answers.append((await lines.post("CN", url, ping(), headers=XML, guard=nobody)).status)
        lines.close()
        with pytest.raises(Unreachable):  # to whoever else answers there nothing is said
            await lines.post("CN", url, ping(), headers=XML, guard=guard_for(binding, None, identity))
        return answers

    assert asyncio.run(story()) == [200, 200, 200, 403]
