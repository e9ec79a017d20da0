"""A gateway as it is installed: a home, keys, activated partners, and real processes that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import func, select

from gateway.cli.processes import free_port as free_port
from gateway.core.access import Scope
from gateway.sandbox.box import Box
from gateway.settings import Settings
from gateway.store import tokens
from gateway.store.database import Database
from gateway.store.tables import entry, intake, outbox
from gateway.trust.keys import Key
from tests.rig.boxes import box_of
from tests.rig.databases import migrate
from tests.rig.keys import demo_key
from tests.rig.machine import REPO
from tests.rig.people import person
from tests.rig.shipped import activate, installed
from tests.rig.waiting import HTTP, PATIENCE, until

#: Keys are older than any clock that goes wrong here.
SINCE = datetime.now(UTC) - timedelta(days=1)
XML = {"Content-Type": "application/xml"}


def now() -> datetime:
    return datetime.now(UTC)


class Installation:
    """``boxes`` are the partners, played here; ``endpoints`` says where the gateway finds those it is to call.

    ``connections`` are keys of partners for TLS, which are pinned too. Use it in a ``with``: processes that still run at its end are killed.
    """

    def __init__(
        self,
        home: Path,
        isos: Iterable[str] = ("SG",),
        *,
        database: str = "",
        endpoints: Mapping[str, str] | None = None,
        connections: Mapping[str, Key] | None = None,
    ) -> None:
        self.settings = Settings.model_validate({"home": home, "database": database})
        self.environment = {"AEO_HOME": str(home), "AEO_DATABASE": database, "AEO_MODE": "demo"}
        home.mkdir(parents=True, exist_ok=True)
        self.ours = demo_key(self.settings.keys, "gateway", SINCE)
        self.boxes = {iso: self._box(iso, (connections or {}).get(iso), (endpoints or {}).get(iso)) for iso in isos}
        self.token = self._activated()
        self._running: list[subprocess.Popen[bytes]] = []

    def _box(self, iso: str, connection: Key | None, endpoint: str | None) -> Box:
        """A partner, and what an administrator enters for it."""
        site = self.settings.site / iso.lower()
        (site / "certs").mkdir(parents=True)
        key = demo_key(self.settings.home / "boxes", iso.lower(), SINCE)
        (site / "certs" / "signing-1.pem").write_text(key.pem, "ascii")
        if connection:
            (site / "certs" / "client-1.pem").write_text(connection.pem, "ascii")
        if endpoint:
            (site / "site.toml").write_text(f'[binding]\nendpoint = "{endpoint}"\nprivate_addresses = true\n', "utf-8")
        return box_of(installed(iso, self.settings.site), key, self.ours, now)

    def _activated(self) -> str:
        """Has the partners come in force; a caller's token for everything."""
        migrate(self.settings.database_url)
        with self.opened() as database, database.write.begin() as connection:
            activate(connection, (box.bundle for box in self.boxes.values()), now())
            expires = now() + timedelta(days=1)
            return tokens.create(connection, "a test", Scope, at=now(), expires=expires, by=person("a test"))[1]

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            if process.poll() is None:
                kill(process)

    @property
    def authorised(self) -> dict[str, str]:
        """The headers of a caller who may do everything."""
        return {"Authorization": f"Bearer {self.token}"}

    def serve(
        self, *crash: str, courier: bool = True, environment: Mapping[str, str] | None = None, port: int | None = None
    ) -> Served:
        """Starts the gateway. ``crash`` are steps (``name`` or ``name:nth``) at which it is killed as by ``kill -9``."""
        port = port or free_port()
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
        return Served(self.adopt(process), port, self.settings.home / "gateway.log")

    def adopt(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Has a process end with this installation at the latest."""
        self._running.append(process)
        return process

    @contextlib.contextmanager
    def opened(self) -> Iterator[Database]:
        with contextlib.closing(Database(self.settings.database_url)) as database:
            yield database

    def left(self, besides: str = "") -> dict[str, int]:
        """What the gateway still has to do, where there is any; ``besides`` is a partner to whom nothing need be sent."""
        counts = {
            "to be sent": select(func.count()).where(outbox.c.state.in_(("queued", "sending")), outbox.c.partner != besides),
            "to be judged": select(func.count()).select_from(intake).where(intake.c.outcome == "pending"),
            "to be sealed": select(func.count()).select_from(entry).where(entry.c.position.is_(None)),
        }
        with self.opened() as database, database.reading() as connection:
            left = {name: int(connection.execute(query).scalar_one()) for name, query in counts.items()}
        return {name: count for name, count in left.items() if count}


class Served:
    """One process of the gateway."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self._log = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self.began = time.monotonic()

    def ready(self) -> float:
        """Waits until it can answer; the seconds that took since it was started. Raises where it ends or takes too long."""
        until(lambda: self.process.poll() is not None or self.is_ready(), self._told)
        assert self.process.poll() is None, self._told()
        return time.monotonic() - self.began

    def _told(self) -> str:
        return f"the gateway did not come up:\n{self._log.read_text()[-3000:]}"

    def is_ready(self) -> bool:
        """Whether it says so; no answer is a no."""
        try:
            return HTTP.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def post(self, body: bytes, timeout: float = PATIENCE) -> httpx.Response:
        return HTTP.post(f"{self.url}/exchange", content=body, headers=XML, timeout=timeout)

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
