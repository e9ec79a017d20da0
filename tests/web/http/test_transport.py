"""Every vector of tests/vectors/transport, over HTTP, within the bounds of a hostile input.

A vector's fields, all optional but the first four:
- ``id``, ``why``, ``citation``, ``code`` (of the refusal, or ``accepted``)
- the body: a signed message of ``partner`` (SG) unless ``text`` so many ``times``, or ``hex``, says otherwise; ``before`` it, ``half`` of it, in another
  ``encoding``, ``packed``, in pieces (``chunked``)
- ``headers`` instead of the usual ones; ``certificate``: whose the client's is, forwarded in a ``form``, by our ``proxy``
- ``limit`` of a body in bytes (``size``: its own), ``full``: no more can be held now
- ``remote``: the address in the record of what was accepted, where it is not the peer's own
- ``path``: a GET of that address instead
- ``kept``: whether these very bytes are there afterwards though they were refused

Whatever happens, no standing changes.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from gateway.core.access import Scope
from gateway.core.model import Kind
from gateway.sandbox.listen import listening
from gateway.store.tables import intake, message, operator
from gateway.trust.certificates import Pin, Trust
from gateway.web.http import body
from gateway.wire import payloads
from gateway.wire.certificate import from_der
from tests.rig.bounds import answer, memory
from tests.rig.vectors import load
from tests.rig.waiting import until
from tests.rig.web import WebFixture

XML = [["Content-Type", "application/xml"]]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFixture]:
    """Two partners whose certificates are pinned for TLS too; some operators stand."""
    with WebFixture(tmp_path_factory.mktemp("transport")) as made:
        made.listed()
        for iso in made.boxes:
            ((signing, _),) = made.node.trust.verdicts(iso, "signing", made.now)
            made.node.trust.put(iso, Trust((signing, Pin.of("tls", signing.der))))
        yield made


def ping(web: WebFixture, iso: str = "SG") -> bytes:
    return web.boxes[iso].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))


def standings(web: WebFixture) -> list[Any]:
    with web.node.database.reading() as connection:
        return list(connection.execute(select(operator.c.tin, operator.c.timeline).order_by(operator.c.tin)))


def bodies(web: WebFixture) -> list[bytes]:
    with web.node.database.reading() as connection:
        return list(connection.execute(select(intake.c.body).where(intake.c.outcome.not_in(("accepted", "duplicate")))).scalars())


def messages(web: WebFixture) -> set[str]:
    with web.node.database.reading() as connection:
        return set(connection.execute(select(message.c.message_id)).scalars())


def said(response: httpx.Response) -> str:
    """The code of an answer, signed or not."""
    if response.headers.get("content-type", "").startswith("application/xml"):
        return response.text.partition("<x:Code>")[2].partition("<")[0] or "accepted"
    return response.json()["code"] if "problem" in response.headers.get("content-type", "") else "accepted"


def content(vector: dict[str, Any], web: WebFixture) -> bytes:
    data: bytes
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    data = ping(web, vector.get("partner", "SG"))
    if "text" in vector:
        data = (vector["text"] * vector.get("times", 1)).encode()
    data = (vector.get("before", "") + data.decode()).encode(vector.get("encoding", "utf-8"))
    data = data[: len(data) // 2] if vector.get("half") else data
    match vector.get("packed"):
        case "gzip":
            return gzip.compress(data)
        case "deflate":
            return zlib.compress(data)
        case _:
            return data


def forwarded(vector: dict[str, Any], web: WebFixture) -> str:
    whose = vector["certificate"]
    iso = whose if whose in web.boxes else "SG"
    ((pin, _),) = web.node.trust.verdicts(iso, "tls", web.now)
    der = {"stranger": web.node.signer.certificate or b""}.get(whose, pin.der)
    if vector.get("form") != "nginx":
        return f":{base64.b64encode(der).decode()}:"
    pem = from_der(der).public_bytes(Encoding.PEM)
    if whose == "version 6":
        bad = base64.encodebytes(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1))
        pem = b"-----BEGIN CERTIFICATE-----\n" + bad + b"-----END CERTIFICATE-----\n"
    return quote(pem.decode(), safe="")


@pytest.fixture
def settings(web: WebFixture) -> Iterator[dict[str, Any]]:
    """Settings and room, put back afterwards."""
    kept, used = dict(web.settings.__dict__), web.service.room.used
    yield web.settings.__dict__
    web.settings.__dict__.update(kept)
    web.service.room.used = used


@pytest.mark.parametrize("vector", load("transport"), ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any], web: WebFixture, settings: dict[str, Any]) -> None:
    data = b"" if "path" in vector else content(vector, web)
    headers = [tuple(pair) for pair in vector.get("headers", XML)]
    if not any(name == "Content-Type" for name, _ in headers):
        headers += [tuple(pair) for pair in XML]
    if "certificate" in vector:
        headers.append(("Client-Cert", forwarded(vector, web)))
    if vector.get("proxy"):
        settings["proxy"] = "testclient"
    if "limit" in vector:
        settings["body_limit"] = len(data) if vector["limit"] == "size" else vector["limit"]
    if vector.get("full"):
        web.service.room.used = web.service.room.limit
    token, before, kept = web.token(*Scope) if "path" in vector else {}, standings(web), bodies(web)

    def ask() -> Any:
        if "path" in vector:
            return web.client.get(vector["path"], headers=token)
        pieces = (data[at : at + 100] for at in range(0, len(data), 100))
        return web.client.post("/exchange", content=pieces if vector.get("chunked") else data, headers=headers)

    response = answer(ask, len(data))
    assert isinstance(response, httpx.Response)
    assert said(response) == vector["code"], response.text
    assert standings(web) == before
    fresh = bodies(web)[len(kept) :]
    assert (data in fresh) == vector.get("kept", False)
    assert vector.get("full") or web.service.room.used == 0
    if "certificate" not in vector and vector["code"] == "accepted" and data:
        with web.node.database.reading() as connection:
            peer = connection.execute(select(intake.c.remote).order_by(intake.c.id.desc())).scalars().first()
        assert peer == vector.get("remote", "testclient"), "nobody but our proxy says where a message came from"


@pytest.fixture(scope="module")
def served(web: WebFixture) -> Iterator[tuple[str, int]]:
    with listening(web.app) as url:
        address = httpx.URL(url)
        assert address.port is not None
        yield address.host, address.port


@pytest.mark.long
@pytest.mark.parametrize("vector", load("transport", "connection"), ids=lambda vector: vector["id"])
def test_connection(vector: dict[str, Any], web: WebFixture, served: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    if vector["code"] == "body-incomplete":
        monkeypatch.setattr(body, "PATIENCE", 0.5)
    whole = ping(web)
    parts = {
        "message": whole.decode(),
        "half": whole[: len(whole) // 2].decode(),
        "size": str(len(whole)),
        "hex": f"{len(whole):x}",
        "token": web.token(*Scope)["Authorization"].removeprefix("Bearer "),
        "64 KiB": "x" * 65_536,
        "100 lines": "X: y\r\n" * 100,
    }
    before = standings(web)
    with memory(len(whole)), socket.create_connection(served, timeout=30) as line:
        started = time.process_time()
        for number, piece in enumerate(vector["send"]):
            time.sleep(vector.get("pause", 0.0) if number else 0.0)
            for name, text in parts.items():
                piece = piece.replace("{" + name + "}", text)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line.sendall(piece.encode())
        until(lambda: not vector.get("kept") or _id(whole) in messages(web))
        came, more = ("nobody-to-tell", []) if vector.get("leave") else _answers(line)
        spent = time.process_time() - started
    assert came == vector["code"]
    assert more == vector.get("then", [])
    assert spent < 0.05 * 4  # two ends of a connection, and what waits between them
    assert (_id(whole) in messages(web)) == vector.get("kept", False)
    assert standings(web) == before
    again = web.client.post("/exchange", content=whole, headers={"Content-Type": "application/xml"})
    assert said(again) == "accepted", "the sender tries again and is heard"
    until(lambda: web.service.room.used == 0)


def _id(whole: bytes) -> str:
    return whole.decode().partition("<x:Id>")[2].partition("<")[0]


def _answers(line: socket.socket) -> tuple[str, list[str]]:
    """The code of the first answer, where HTTP itself objects its status, and those of all that follow on the line."""
    came = []
    with contextlib.closing(line.makefile("rb")) as reader:
        while start := reader.readline():
            status = start.split()[1].decode()
            headers = dict(iter(lambda: reader.readline().decode().rstrip().partition(": ")[::2], ("", "")))
            text = reader.read(int(headers.get("content-length", 0)))
            response = httpx.Response(int(status), headers={"content-type": headers.get("content-type", "")}, content=text)
            came.append(said(response) if headers.get("content-type") else f"http-{status}")
            if len(came) == 1:
                with contextlib.suppress(OSError):  # it is closed from there already
                    line.shutdown(socket.SHUT_WR)
    return came[0], came[1:]
