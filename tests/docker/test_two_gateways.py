"""Two of these gateways reach each other through the shipped nginx: TLS proven at both ends, in both directions."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.cli.processes import free_port
from gateway.onboarding.finding import Mark
from gateway.onboarding.ondisk import checked
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.store.tables import announced, intake, outbox
from gateway.trust.keys import Key, KeyRing
from tests.rig.databases import migrate
from tests.rig.installation import SINCE, Served
from tests.rig.keys import demo_key
from tests.rig.nginx import PROXY, start, start_nginx
from tests.rig.shipped import activate, installed
from tests.rig.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.judge]

HOST = "127.0.0.1"
SWITCH = timedelta(days=30)


@dataclass
class Side:
    """One installation: its home, where partners reach it, and what it proves itself with."""

    iso: str
    settings: Settings
    doors: tuple[int, int]
    server: Key
    signing: Key
    line: Key

    @classmethod
    def made(cls, home: Path, iso: str) -> Side:
        settings = Settings.model_validate({"home": home, "administration": iso})
        keys = [demo_key(settings.keys, name, SINCE) for name in ("gateway", "line")]
        server = demo_key(home / "tls", "server", SINCE, hosts=(HOST,))
        return cls(iso, settings, (free_port(), free_port()), server, *keys)

    def pin(self, other: Side) -> None:
        """What an administrator enters of the other side."""
        folder = self.settings.site / other.iso.lower()
        (folder / "certs").mkdir(parents=True)
        for name, key in (("signing-1", other.signing), ("client-1", other.line), ("server-1", other.server)):
            (folder / "certs" / f"{name}.pem").write_text(key.pem, "ascii")
        endpoint = f'endpoint = "https://{HOST}:{other.doors[0]}/exchange"'
        (folder / "site.toml").write_text(f'[binding]\n{endpoint}\naddresses = ["127.0.0.1/32"]\nclient_key = "line"\n', "utf-8")
        migrate(self.settings.database_url)
        with self.opened() as database, database.write.begin() as connection:
            activate(connection, [installed(other.iso, self.settings.site)], datetime.now(UTC))

    def serve(self, stack: ExitStack) -> Served:
        home, port = self.settings.home, free_port()
        own = {"AEO_HOME": str(home), "AEO_MODE": "demo", "AEO_ADMINISTRATION": self.iso, "AEO_PROXY": PROXY}
        command = [sys.executable, "-m", "gateway.cli.main", "serve", "--port", str(port)]
        node = Served(start(command, own, home / "gateway.log"), port, home / "gateway.log")
        stack.callback(node.stop)
        nginx = start_nginx(home / "nginx", self.server, [port], self.doors)
        stack.callback(Served(nginx, self.doors[0], home / "nginx.log").stop)
        return node

    @contextlib.contextmanager
    def opened(self) -> Iterator[Database]:
        with contextlib.closing(Database(self.settings.database_url)) as database:
            yield database

    def sent(self) -> list[tuple[str, str]]:
        with self.opened() as database, database.reading() as connection:
            return [(row.kind, row.state) for row in connection.execute(select(outbox.c.kind, outbox.c.state))]

    def has_announced(self) -> bool:
        return self.sent() == [("keys", "delivered")]

    def told(self) -> str:
        return f"{self.iso}: {self.sent()}\n{(self.settings.home / 'gateway.log').read_text()[-2000:]}"

    def came(self) -> list[tuple[str | None, str]]:
        with self.opened() as database, database.reading() as connection:
            return [(row.identity, row.outcome) for row in connection.execute(select(intake.c.identity, intake.c.outcome))]

    def accepted(self) -> list[tuple[str, str, bytes]]:
        with self.opened() as database, database.reading() as connection:
            return [(row.partner, row.role, row.certificate) for row in connection.execute(select(announced))]

    def look(self, other: Side) -> tuple[str, str]:
        """What the check says of the line, once asked: ticks, and crosses."""
        seen = checked(self.settings, other.iso, datetime.now(UTC), online=True)
        ticks, crosses = ("\n".join(one.what for one in seen.points if one.mark is mark) for mark in (Mark.OK, Mark.BAD))
        return ticks, crosses


def test_two_gateways_through_nginx_and_both_ends_proven(tmp_path: Path) -> None:
    """Each has rotated the key that it connects with, and announces it over the line itself: the message proves the way, both ways."""
    sides = [Side.made(tmp_path / iso.lower(), iso) for iso in ("SG", "HK")]
    first, second = sides
    fresh = {}
    for side, other in (sides, sides[::-1]):
        side.pin(other)
        now = datetime.now(UTC)
        fresh[side.iso] = KeyRing(side.settings.keys).rotate("line", "", 365, signs_from=now + SWITCH, now=now)
    with ExitStack() as stack:
        for node in [side.serve(stack) for side in sides]:
            node.ready()
        for side in sides:
            until(side.has_announced, side.told)
        for side, other in (sides, sides[::-1]):
            assert side.came() == [(other.iso, "accepted")], "who spoke was known by its certificate"
            assert side.accepted() == [(other.iso, "tls", fresh[other.iso].certificate)]
        ticks, crosses = first.look(second)
        assert "TLS is as pinned" in ticks
        assert crosses == ""
        # What is pinned is what counts, for the check and for the courier alike: here, another server's certificate.
        shutil.copy(first.server.folder / "certificate.pem", first.settings.site / "hk" / "certs" / "server-1.pem")
        ticks, crosses = first.look(second)
        assert "tls-failed" in crosses
        assert "TLS is as pinned" not in ticks
