"""Processes that the demonstration starts and ends: the gateway, and partners in a box."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
from rich.console import Console

from gateway import app
from gateway.core.access import Scope, itself
from gateway.node.context import utc_now
from gateway.operate import people
from gateway.settings import Settings
from gateway.store import tokens
from gateway.store.database import Database
from gateway.trust.keys import Purpose, create_file_key
from gateway.trust.selfsigned import Subject

#: What a process may take to come up.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A process that listens: where, its signing certificate, and its log."""

    url: str
    certificate: Path
    log: Path


def set_up(settings: Settings, boxes: list[str], stack: ExitStack, console: Console) -> tuple[Ready, str, dict[str, Ready]]:
    """A fresh demonstration home: keys, boxes, partner data activated, the gateway. Returns the gateway, a token, the boxes.

    What an earlier demonstration left in the same home is taken away first; nothing else is touched.
    """
    home = settings.home
    marker = home / "demo"
    if home.exists() and any(home.iterdir()) and not marker.exists():
        raise SystemExit(f"{home} is not a demonstration's home. Choose an empty one: AEO_HOME=... aeo-gateway demo")
    if marker.exists() and _lives(marker.read_text("utf-8")):
        raise SystemExit(f"A demonstration runs in {home} already; end it first, or choose another home with AEO_HOME=...")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    marker.write_text(str(os.getpid()), "utf-8")
    stack.callback(marker.write_text, "", "utf-8")
    said = console.status("Making keys, starting the boxes ...")
    with said:
        port = free_port()
        key = create_file_key(
            settings.keys,
            settings.key,
            "ecdsa-p256-sha256",
            Subject("Demonstration gateway"),
            Purpose.DEMO,
            "",
            90,
            now=utc_now(),
        )
        certificate = key.folder / "certificate.pem"
        url = f"http://127.0.0.1:{port}"
        started = {iso: _start_box(iso, settings, f"{url}/exchange", certificate, stack) for iso in boxes}
        ready = {iso: _await_box(process, log) for iso, (process, log) in started.items()}
        for iso, box in ready.items():
            _pin(settings, iso, box)
        said.update("Checking and activating the data of every partner ...")
        database = Database(settings.database_url)
        database.migrate()
        activated = app.activate_all(settings, database, who=itself("the demonstration"), reason="first start")
        with database.write.begin() as connection:
            now = utc_now()
            _, token = tokens.create(
                connection, "the demonstration", Scope, at=now, expires=now + timedelta(days=30), by=itself("the demonstration")
            )
            people.made_up(connection, settings, now)
        database.close()
        said.update("Starting the gateway ...")
        log = home / "gateway.log"
        process = _start(["serve", "--port", str(port)], settings, log, stack, AEO_URL=url)
        _await_gateway(url, process, log)
    console.print(f"   gateway: {url}   {len(activated)} partners activated", highlight=False)
    console.print(f"   data: {home}", highlight=False, soft_wrap=True)
    for iso, box in ready.items():
        console.print(f"   {iso} in a box: {box.url}", highlight=False)
    return Ready(url, certificate, log), token, ready


def sign_in_link(settings: Settings, url: str) -> str:
    """The address at which the first made-up person sets up how it signs in to the console, once."""
    database = Database(settings.database_url)
    try:
        with database.write.begin() as connection:
            who, at = itself("the demonstration"), utc_now()
            _, secret = people.new_link(connection, people.MADE_UP[0], who=who, reason="the demonstration", at=at)
    finally:
        database.close()
    return f"{url}/sign-in/{secret}"


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def free_port() -> int:
    """A port that stays free for a minute: a connection has just ended on it, so the system gives it to nobody who asks for any port, and
    yet to whoever names it and may reuse an address, as servers do."""
    with socket.socket() as listener, socket.socket() as caller:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        caller.connect(listener.getsockname())
        listener.accept()[0].close()
        return int(listener.getsockname()[1])


def _start(arguments: list[str], settings: Settings, log: Path, stack: ExitStack, **more: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"AEO_HOME": str(settings.home), "AEO_MODE": "demo"} | more
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "gateway.cli.main", *arguments],
            env=environment,
            stdout=subprocess.PIPE if arguments[0] == "sandbox" else output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches us alone; we end our children ourselves, in order
        )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _start_box(
    iso: str, settings: Settings, exchange: str, certificate: Path, stack: ExitStack
) -> tuple[subprocess.Popen[bytes], Path]:
    home = settings.home / "boxes" / iso.lower()
    home.mkdir(parents=True)
    log = home / "box.log"
    arguments = ["sandbox", iso, "--home", str(home), "--gateway", exchange, "--gateway-certificate", str(certificate)]
    return _start(arguments, settings, log, stack), log


def _await_box(process: subprocess.Popen[bytes], log: Path) -> Ready:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"A partner in a box did not come up; see {log}.")
    said = json.loads(line)
    return Ready(said["url"], Path(said["certificate"]), log)


def _await_gateway(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"The gateway did not come up; see {log}.")


def _pin(settings: Settings, iso: str, box: Ready) -> None:
    """What an administrator would enter for a partner: where it is, and the certificate it signs with."""
    folder = settings.site / iso.lower()
    (folder / "certs").mkdir(parents=True)
    shutil.copy(box.certificate, folder / "certs" / "signing-1.pem")
    (folder / "site.toml").write_text(f'[binding]\nendpoint = "{box.url}/exchange"\nprivate_addresses = true\n', "utf-8")
