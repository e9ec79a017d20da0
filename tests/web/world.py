"""A whole node in memory and on disk, with a clock of its own and partners that speak: what the HTTP tests drive."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from gateway.clearance.answer import Answers
from gateway.clearance.index import Index
from gateway.node.node import Node
from gateway.node.signing import Signing
from gateway.partners import Bundle, load_one
from gateway.partners.bundle import read_law
from gateway.sandbox.box import Box
from gateway.settings import Settings
from gateway.store import partners as stored
from gateway.store import tokens
from gateway.store.active import ActivePartners
from gateway.store.database import Database, Writer
from gateway.store.tables import metadata
from gateway.store.tokens import TokenScope
from gateway.trust.certificates import Pin, Trust, TrustStore
from gateway.trust.keys import Key, KeyRing, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.web.site import Service, create_app
from gateway.wire.algorithms import VerifyKey
from tests.tools import REPO

START = datetime(2026, 6, 15, 4, tzinfo=UTC)
_LAW, _LAW_CONTENT = read_law(tomllib.loads((REPO / "partners" / "common.toml").read_text("utf-8")), "common.toml")


@cache
def shipped(iso: str) -> Bundle:
    """A partner as the repository has it."""
    return load_one(REPO / "partners" / iso.lower(), REPO / "schemas")


class World:
    """``client`` speaks to the node; ``boxes`` are partners by code; ``now`` is what everybody's clock says."""

    def __init__(self, home: Path, isos: Iterable[str] = ("SG", "HK"), **settings: Any) -> None:
        self.now = START
        self.settings = Settings(home=home, **settings)
        database = Database(self.settings.database_url)
        metadata.create_all(database.write)
        ours = self._key("gateway")
        trust = TrustStore({})
        partners = ActivePartners()
        signing = Signing(KeyRing(self.settings.keys), "gateway", "", self.clock, production=False)
        self.node = Node(self.settings, database, Writer(database), partners, trust, signing, self.clock)
        self.index = Index(self.settings.current_within)
        self.answers = Answers(partners, self.index, self.clock, self.settings.domestic_stop_after)
        self.boxes = {iso: self._box(iso, ours) for iso in isos}
        with database.write.begin() as connection:
            put = [(stored.LAW, _LAW.digest, _LAW_CONTENT)]
            put += [(iso, shipped(iso).digest, shipped(iso).content) for iso in self.boxes]
            for iso, digest, content in put:
                stored.activate(connection, iso, digest, content, at=START - timedelta(days=400), who="test", reason="test")
        self.refresh()
        self.index.load((), 0)
        self.index.heard(self.now)
        self.node.committed.on_timelines = self.index.apply
        self.node.committed.on_lists_and_switches = self.answers.refresh
        self.service = Service(node=self.node, answers=self.answers, index=self.index)
        self.app = create_app(self.service)
        self.client = TestClient(self.app, raise_server_exceptions=False)
        self.client.__enter__()  # one event loop for all requests, as a server has

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        """Later; the index hears a heartbeat."""
        self.now += timedelta(**span)
        self.index.heard(self.now)

    def refresh(self) -> None:
        with self.node.database.reading() as connection:
            self.node.partners.refresh(connection)
            self.answers.refresh(connection)

    def token(self, *scopes: TokenScope, days: float = 30, name: str = "a test") -> dict[str, str]:
        """The headers of a caller with these scopes."""
        with self.node.database.write.begin() as connection:
            _, secret = tokens.create(connection, name, scopes, at=self.now, expires=self.now + timedelta(days=days), by="a test")
        self.now += tokens.STALE * 2
        self.index.heard(self.now)
        return {"Authorization": f"Bearer {secret}"}

    def listed(self, iso: str = "SG", count: int = 5) -> list[str]:
        """Has a partner send a complete list of made-up operators; their codes."""
        box = self.boxes[iso]
        box.make_up(count)
        self.send(box.full_list())
        return list(box.operators)

    def send(self, message: bytes) -> None:
        answer = self.client.post("/exchange", content=message, headers={"Content-Type": "application/xml"})
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        self.client.__exit__()
        self.node.writer.close()
        self.node.database.close()

    def _key(self, name: str) -> Key:
        return create_file_key(
            self.settings.keys, name, "ecdsa-p256-sha256", Subject(name), Purpose.DEMO, "", 365, now=START - timedelta(days=1)
        )

    def _box(self, iso: str, ours: Key) -> Box:
        key = self._key(iso.lower())
        self.node.trust.put(iso, Trust((Pin.of("signing", key.certificate),)))
        return Box(
            bundle=shipped(iso),
            signer=key.signer(""),
            gateway=self.settings.administration,
            gateway_keys=(VerifyKey.from_certificate(ours.certificate),),
            clock=self.clock,
        )
