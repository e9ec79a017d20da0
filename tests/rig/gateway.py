"""A node and partners in boxes, without a network: one clock for everybody, a line to each partner that can be spoilt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, select

from gateway.core.arrangement import Arrangement, Binding
from gateway.core.history import Timeline, unpack
from gateway.core.model import Header, Kind, PlacedStatement, Standing
from gateway.core.protocol import Resend
from gateway.domestic.record import decode
from gateway.exchange.bindings import https
from gateway.exchange.bindings.base import Transport
from gateway.exchange.deliver.courier import deliver
from gateway.exchange.receive.receive import Reply, receive
from gateway.exchange.tell import feed
from gateway.journal import sealer
from gateway.net import Guard, Response, Unreachable, UnreachableReason
from gateway.node.node import Node
from gateway.node.signing import Signing
from gateway.partners import load_all
from gateway.partners.load import LoadedPartners as Loaded
from gateway.sandbox.box import Box
from gateway.settings import Settings
from gateway.store import partners, statements
from gateway.store.active import ActivePartner, ActivePartners
from gateway.store.database import Database, Writer
from gateway.store.tables import entry, outbox
from gateway.trust.certificates import Pin, Trust, TrustStore
from gateway.trust.keys import Key, KeyRing, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.wire.algorithms import VerifyKey
from gateway.wire.envelope import Envelope
from tests.rig.desk import chosen, row
from tests.rig.machine import REPO

T = TypeVar("T")
START = datetime(2026, 6, 15, 4, tzinfo=UTC)


@cache
def loaded() -> Loaded:
    return load_all(REPO / "partners", REPO / "schemas")


class Line:
    """What lies between us and one partner. ``spoil`` stands in for the partner; ``tries`` counts."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.spoil: Callable[[bytes], Response] | None = None
        self.tries: list[bytes] = []
        self.follow: list[bytes] = []

    def post(self, body: bytes) -> Response:
        self.tries.append(body)
        if self.spoil is not None:
            return self.spoil(body)
        return self.through(body)

    def through(self, body: bytes) -> Response:
        status, answer, follow = self.box.hear(body)
        self.follow += follow
        return Response(status, {}, answer)


def down(body: bytes) -> Response:
    raise Unreachable(UnreachableReason.CONNECTION, "nobody answers")


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[bytes], Response]:
    return lambda _: Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class _Activated(ActivePartners):
    """Partners as activated, with terms changed at will."""

    def put(self, iso: str, live: ActivePartner) -> None:
        self._live = {**self._live, iso: live}


class House:
    """``now`` is everybody's clock, the database's too."""

    def __init__(self, database: Database, home: Path, isos: Iterable[str] = ("SG", "HK"), **settings: Any) -> None:
        self.now = START
        self.loop = asyncio.new_event_loop()
        self.settings = Settings(home=home, database=database.url, **settings)
        self.database = database
        self.keys = home / "keys"
        self.ours = self.key("gateway")
        self.partners = _Activated()
        self.node = self.another()
        with database.write.begin() as connection:
            put = [(partners.LAW, loaded().law.digest, loaded().law_content)]
            put += [(iso, loaded()[iso].digest, loaded()[iso].content) for iso in isos]
            for iso, digest, content in put:
                partners.activate(connection, iso, digest, content, at=START - timedelta(days=400), who="test", reason="test")
            self.partners.refresh(connection)
        self.boxes = {iso: self._box(iso) for iso in isos}
        self.lines = {iso: Line(box) for iso, box in self.boxes.items()}
        for iso in isos:
            self.change(
                iso,
                binding=replace(self.terms(iso).binding, endpoint=f"http://{iso.lower()}.test/exchange", private_addresses=True),
            )

    def another(self) -> Node:
        """One more node on the same database; the first is made so too."""
        signing = Signing(KeyRing(self.keys), "gateway", "", self.clock, production=False)
        trust = self.node.trust if hasattr(self, "node") else TrustStore({})
        node = Node(self.settings, self.database, Writer(self.database), self.partners, trust, signing, self.clock)
        node.database_clock = lambda _: self.now
        return node

    def close(self) -> None:
        self.node.writer.close()
        self.loop.close()

    def clock(self) -> datetime:
        return self.now

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def key(self, name: str) -> Key:
        since = START - timedelta(days=1)
        return create_file_key(self.keys, name, "ecdsa-p256-sha256", Subject(name), Purpose.DEMO, "", 365, now=since)

    def _box(self, iso: str) -> Box:
        key = self.key(iso.lower())
        self.node.trust.put(iso, Trust((Pin.of("signing", key.certificate),)))
        pinned = (VerifyKey.from_certificate(self.ours.certificate),)
        return Box(bundle=loaded()[iso], signer=key.signer(""), gateway="CN", gateway_keys=pinned, clock=self.clock)

    def terms(self, iso: str) -> Arrangement:
        return self.partners.get(iso).arrangement

    def live(self, iso: str = "SG") -> ActivePartner:
        return self.partners.get(iso)

    def change(self, iso: str, **terms: Any) -> None:
        """Changes a partner's arrangement."""
        live = self.partners.get(iso)
        self.partners.put(iso, replace(live, bundle=replace(live.bundle, arrangement=replace(live.arrangement, **terms))))

    def bind(self, iso: str, **binding: Any) -> Binding:
        """Changes how a partner is connected."""
        self.change(iso, binding=replace(self.terms(iso).binding, **binding))
        return self.terms(iso).binding

    def threshold(self, iso: str, most: int) -> None:
        self.change(iso, threshold=chosen(most))

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(story)

    def run_elsewhere(self, story: Coroutine[Any, Any, T]) -> T:
        """From inside a story that is running."""
        with ThreadPoolExecutor(1) as other:
            return other.submit(asyncio.run, story).result()

    def do(self, job: Callable[[Connection], T]) -> T:
        """In a transaction of its own."""
        return self.node.writer.do(job)

    # What partners say.

    def receive(self, body: bytes, identity: str | None = None) -> Reply:
        return self.run(receive(self.node, body, Transport("192.0.2.1", identity)))

    def refused(self, body: bytes) -> str:
        """The code with which this is refused."""
        answer = self.receive(body)
        assert answer.refusal is not None, "it was taken"
        return str(answer.refusal.code)

    def send(self, body: bytes, iso: str = "SG") -> Envelope:
        """The gateway's answer, as the partner proves it; a receipt unless the test says otherwise."""
        answer = self.receive(body)
        assert answer.refusal is None, f"{answer.refusal} {answer.refusal and answer.refusal.facts}"
        assert answer.signed is not None
        return self.boxes[iso].check(answer.signed)

    def listed(self, iso: str = "SG", count: int = 5, **said: Any) -> list[str]:
        """A partner's complete list of made-up operators, applied; their codes."""
        box = self.boxes[iso]
        box.make_up(count)
        self.send(box.full_list(), iso)
        return list(box.operators)

    def standing(self, tin: str, iso: str = "SG") -> Standing | None:
        """How an operator stands now."""
        timeline = self.timeline(tin)
        stands = [one.standing_at(int(self.now.timestamp())) for one in timeline.authorisations] if timeline else []
        return stands[0].standing if stands and stands[0] else None

    def timeline(self, tin: str) -> Timeline | None:
        with self.database.reading() as connection:
            packed = statements.timeline(connection, tin)
        return unpack(packed) if packed else None

    def said(self, tin: str, iso: str = "SG") -> list[PlacedStatement]:
        with self.database.reading() as connection:
            return statements.statements_of(connection, iso, [tin]).get(tin, [])

    # What we say.

    def feed(self, *numbers: int, **said: Any) -> None:
        """The domestic feed speaks of made-up enterprises; the first time, every partner is to get its complete list."""
        rows = [{k: v for k, v in row(number, **said).items() if v is not None} for number in numbers]
        decoded = [(line, decode(one, line)) for line, one in enumerate(rows, 1)]
        self.do(lambda connection: feed.import_rows(connection, self.node, decoded, who="a test", at=self.now))

    def ask(self, code: str, iso: str = "SG") -> str:
        """Queues a query of ours: the simplest message there is to deliver."""
        return self.do(lambda connection: feed.ask(connection, self.node, self.live(iso), code, self.now))

    def deliver(self, iso: str = "SG", node: Node | None = None) -> list[bytes]:
        """Works a partner's queue as far as it can be now; what was tried."""
        tried = len(self.lines[iso].tries)

        async def drain() -> None:
            while await deliver(node or self.node, self.live(iso)):
                pass

        self.run(drain())
        return self.lines[iso].tries[tried:]

    def answered(self, iso: str = "SG") -> list[Reply]:
        """What the partner says after what it heard comes in."""
        follow, self.lines[iso].follow = self.lines[iso].follow, []
        return [self.receive(body) for body in follow]

    def heard(self, iso: str = "SG", kind: Kind | None = None) -> list[Header]:
        return [one.header for one in self.boxes[iso].heard if kind in (None, one.header.kind)]

    def results(self, iso: str = "SG") -> dict[str, list[tuple[str, str]]]:
        """What the partner was told of its records, by message."""
        return {
            one.header.refers_to or "": [(record.code, record.outcome) for record in one.results]
            for one in self.boxes[iso].heard
            if one.header.kind is Kind.RESULT
        }

    def resends(self, iso: str = "SG") -> list[Resend]:
        return [one.resend for one in self.boxes[iso].heard if one.resend]

    def queue(self, iso: str = "SG") -> list[tuple[str, str]]:
        """(kind, state) of every message to a partner, in order."""
        with self.database.reading() as connection:
            rows = connection.execute(select(outbox.c.kind, outbox.c.state).where(outbox.c.partner == iso).order_by(outbox.c.id))
            return [(row.kind, row.state) for row in rows]

    def of(self, message_id: str) -> Any:
        """The row of one of our messages."""
        with self.database.reading() as connection:
            return connection.execute(select(outbox).where(outbox.c.message_id == message_id)).one()

    def rows(self, table: Any) -> Sequence[Any]:
        with self.database.reading() as connection:
            return connection.execute(select(table).order_by(*table.primary_key)).all()

    def journal(self, kind: str) -> list[str]:
        """Subjects of the journal's entries of one kind."""
        with self.database.reading() as connection:
            query = select(entry.c.subject).where(entry.c.kind == kind).order_by(entry.c.id)
            return list(connection.execute(query).scalars())

    def seal(self) -> int:
        return self.do(lambda connection: sealer.seal(connection, self.node))


def through_lines(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier's posts go over the house's lines."""

    async def post(url: str, body: bytes, *, headers: Mapping[str, str], guard: Guard) -> Response:
        iso = url.removeprefix("http://").partition(".")[0].upper()
        return house.lines[iso].post(body)

    monkeypatch.setattr(https, "post", post)
