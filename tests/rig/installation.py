"""A gateway as it is installed: a home, keys, activated partners, and real processes that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from gateway.cli.processes import free_port as free_port
from gateway.partners import Bundle, load_one
from gateway.partners.bundle import read_law
from gateway.sandbox.box import Box
from gateway.settings import Settings
from gateway.store import partners, tokens
from gateway.store.database import Database
from gateway.trust.keys import KeyRing, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.wire.algorithms import VerifyKey
from tests.rig.machine import REPO

#: Keys are older than any clock that goes wrong here.
SINCE = datetime.now(UTC) - timedelta(days=1)
XML = {"Content-Type": "application/xml"}


def now() -> datetime:
    return datetime.now(UTC)


class Installation:
    """``boxes`` are the partners, played here; ``endpoints`` says where the gateway finds those it is to call.

    Use it in a ``with``: processes that still run at its end are killed.
    """

    def __init__(
        self, home: Path, isos: Iterable[str] = ("SG",), *, database: str = "", endpoints: dict[str, str] | None = None
    ) -> None:
        self.settings = Settings.model_validate({"home": home, "database": database})
        self.environment = {"AEO_HOME": str(home), "AEO_DATABASE": database, "AEO_MODE": "demo"}
        home.mkdir(parents=True, exist_ok=True)
        demo = Purpose.DEMO
        ours = create_file_key(self.settings.keys, "gateway", "ecdsa-p256-sha256", Subject("gateway"), demo, "", 90, now=SINCE)
        self.boxes = {iso: self._box(iso, ours.certificate) for iso in isos}
        for iso, url in (endpoints or {}).items():
            (self.settings.site / iso.lower() / "site.toml").write_text(
                f'[binding]\nendpoint = "{url}"\nprivate_addresses = true\n'
            )
        opened = Database(self.settings.database_url)
        opened.migrate()
        with opened.write.begin() as connection:
            law, content = read_law(tomllib.loads((REPO / "partners" / "common.toml").read_text()), "common.toml")
            put = [(partners.LAW, law.digest, content)]
            put += [(iso, bundle.digest, bundle.content) for iso, bundle in ((iso, self._bundle(iso)) for iso in self.boxes)]
            for iso, digest, content in put:
                partners.activate(connection, iso, digest, content, at=now(), who="a test", reason="a test")
            until = now() + timedelta(days=1)
            _, self.token = tokens.create(connection, "a test", tokens.TokenScope, at=now(), expires=until, by="a test")
        opened.close()
        self._running: list[subprocess.Popen[bytes]] = []

    def _box(self, iso: str, ours: bytes) -> Box:
        folder = self.settings.site / iso.lower() / "certs"
        folder.mkdir(parents=True)
        boxes = self.settings.home / "boxes"
        key = create_file_key(boxes, iso.lower(), "ecdsa-p256-sha256", Subject(iso), Purpose.DEMO, "", 90, now=SINCE)
        (folder / "signing-1.pem").write_text(key.pem)
        return Box(
            bundle=self._bundle(iso),
            signer=key.signer(""),
            gateway="CN",
            gateway_keys=(VerifyKey.from_certificate(ours),),
            clock=now,
        )

    def _bundle(self, iso: str) -> Bundle:
        return load_one(REPO / "partners" / iso.lower(), REPO / "schemas", self.settings.site)

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            if process.poll() is None:
                kill(process)

    def key(self, fingerprint: str) -> bytes:
        return next(key.certificate for key in KeyRing(self.settings.keys).all() if key.fingerprint == fingerprint)

    def serve(self, *crash: str, courier: bool = True, environment: Mapping[str, str] | None = None) -> Served:
        """Starts the gateway. ``crash`` are steps (``name`` or ``name:nth``) at which it is killed as by ``kill -9``."""
        port = free_port()
        command = [sys.executable, "-m", "tests.rig.serving", str(port), "courier" if courier else "no-courier", *crash]
        log = (self.settings.home / "gateway.log").open("ab")
        process = subprocess.Popen(
            command,
            cwd=REPO,
            env=os.environ | self.environment | dict(environment or {}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._running.append(process)
        return Served(process, port, self.settings.home / "gateway.log")

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        """Has a process end with this installation at the latest."""
        self._running.append(process)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Database]:
        database = Database(self.settings.database_url)
        try:
            yield database
        finally:
            database.close()


class Served:
    """One process of the gateway."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self._log = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self.began = time.monotonic()

    def ready(self, patience: float = 60) -> float:
        """Waits until it can answer; the seconds that took since it was started. Raises where it ends or takes too long."""
        while time.monotonic() - self.began < patience and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return time.monotonic() - self.began
            time.sleep(0.02)
        raise AssertionError(f"the gateway did not come up:\n{self._log.read_text()[-3000:]}")

    def post(self, body: bytes, timeout: float = 60) -> httpx.Response:
        return httpx.post(f"{self.url}/exchange", content=body, headers=XML, timeout=timeout)

    def died(self, patience: float = 30) -> bool:
        """Whether it was killed within so many seconds."""
        try:
            return self.process.wait(patience) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def kill(self) -> None:
        kill(self.process)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def kill(process: subprocess.Popen[bytes]) -> None:
    """``kill -9`` of one process that we started."""
    process.kill()
    process.wait()
