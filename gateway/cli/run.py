"""Long-running commands: the gateway, and a partner in a box."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import app
from gateway.core.errors import Code, Refusal
from gateway.node.context import utc_now
from gateway.partners import load_one
from gateway.sandbox import server
from gateway.sandbox.box import Box
from gateway.serving import Server, bind
from gateway.settings import Settings
from gateway.trust.keys import KeyRing, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.web.http import logs
from gateway.web.site import create_app, settle
from gateway.wire.algorithms import VerifyKey
from gateway.wire.certificate import from_pem

#: What tells a process to end.
ENDING = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, port: int | None, *, courier: bool) -> None:
    """Runs one node until it is told to end."""
    with _built(settings) as gateway:
        uvloop.run(_serve(gateway, settings.host, settings.port if port is None else port, courier))


def courier(settings: Settings) -> None:
    """Runs a node that delivers and listens to nobody, until it is told to end."""
    with _built(settings) as gateway:
        uvloop.run(_deliver(gateway))


@contextmanager
def _built(settings: Settings) -> Iterator[app.Gateway]:
    logs.set_up()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    gateway = app.build(settings)
    try:
        yield gateway
    finally:
        gateway.close()


async def _deliver(gateway: app.Gateway) -> None:
    told = asyncio.Event()
    for number in ENDING:
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with app.running(gateway):
        await told.wait()


async def _serve(gateway: app.Gateway, host: str, port: int, courier: bool) -> None:
    with _bound(host, port) as listener:
        async with app.running(gateway, courier=courier):
            server = Server(create_app(gateway.service), ending=gateway.service.end)
            settle()
            await server.serve(listener, *ENDING)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        raise Refusal(
            Code.DATA_INVALID,
            f"Nobody can listen on {host}, port {port}: {error.strerror}.",
            remedy="Name another with AEO_HOST and AEO_PORT, or end what listens there.",
        ) from None


def _certificate(file: Path) -> bytes:
    """DER of the PEM in ``file``. Raises ``Refusal``."""
    try:
        return from_pem(file.read_bytes()).public_bytes(Encoding.DER)
    except (OSError, ValueError):
        raise Refusal(
            Code.DATA_INVALID,
            f"{file} cannot be read as a certificate.",
            remedy="aeo-gateway key export-certificate writes the gateway's as PEM.",
        ) from None


def sandbox(settings: Settings, iso: str, gateway: str, gateway_certificate: str, home: str, port: int) -> None:
    """Runs a box; its first line of output says where it listens and which certificate it signs with."""
    logs.set_up(logging.WARNING)
    keys = Path(home) / "keys"
    ring = KeyRing(keys)
    now = utc_now()
    if not ring.all("box"):
        create_file_key(keys, "box", "ecdsa-p256-sha256", Subject(f"{iso} in a box"), Purpose.DEMO, "", 90, now=now)
    key = ring.current("box", now, production=False)
    pinned = _certificate(Path(gateway_certificate))
    box = Box(
        bundle=load_one(settings.partners / iso.lower(), settings.schemas),
        signer=key.signer(""),
        gateway=settings.administration,
        gateway_keys=(VerifyKey.from_certificate(pinned),),
        clock=utc_now,
    )
    with _bound("127.0.0.1", port) as listener:
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(json.dumps({"url": url, "iso": iso, "certificate": str(key.folder / "certificate.pem")}), flush=True)
        uvloop.run(Server(server.create_app(box, gateway)).serve(listener, *ENDING))
