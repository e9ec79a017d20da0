"""A node that receives and delivers: what lies between it and each partner can be cut or spoilt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.core.model import Header, Kind
from gateway.core.protocol import Resend
from gateway.exchange.bindings.base import Transport
from gateway.exchange.certificates import partner
from gateway.exchange.deliver.courier import deliver
from gateway.exchange.receive.receive import Reply, receive
from gateway.exchange.tell import feed
from gateway.net import Guard, Lines, Response, Unreachable, UnreachableReason
from gateway.node.node import Node
from gateway.sandbox.box import Box
from gateway.store.database import Database
from gateway.trust.keys import KeyRing
from gateway.wire.envelope import Envelope
from tests.rig.node import NodeFixture

T = TypeVar("T")


class Link:
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
        status, answer, follow = self.box.receive(body)
        self.follow += follow
        return Response(status, {}, answer)


def down(body: bytes) -> Response:
    raise Unreachable(UnreachableReason.CONNECTION, "nobody answers")


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[bytes], Response]:
    return lambda _: Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class GatewayFixture(NodeFixture):
    """``links`` are what lies between the node and its partners, by code."""

    def __init__(self, home: Path, isos: Iterable[str] = ("SG", "HK"), database: Database | None = None, **settings: Any) -> None:
        super().__init__(home, isos, database, **settings)
        self.loop = asyncio.new_event_loop()
        self.links = {iso: Link(box) for iso, box in self.boxes.items()}
        for iso in self.boxes:
            self.bind(iso, endpoint=f"http://{iso.lower()}.test/exchange", private_addresses=True)

    def close(self) -> None:
        super().close()
        self.loop.close()

    def over_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The courier's posts go over the links."""

        async def post(_: Lines, whose: str, url: str, body: bytes, *, headers: Mapping[str, str], guard: Guard) -> Response:
            return self.links[whose].post(body)

        monkeypatch.setattr(Lines, "post", post)

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(story)

    def run_elsewhere(self, story: Coroutine[Any, Any, T]) -> T:
        """From inside a story that is running."""
        with ThreadPoolExecutor(1) as other:
            return other.submit(asyncio.run, story).result()

    def pin_certificates(self) -> None:
        """Every box's certificate into its partner's data, as in an installation."""
        for iso in self.boxes:
            live, (key,) = self.live(iso), KeyRing(self.folder(iso)).all(iso.lower())
            self.partners.put(iso, replace(live, bundle=replace(live.bundle, certificates=(("signing", key.pem),))))
        self.follow_certificates()

    def follow_certificates(self) -> None:
        """What the follower does when the journal speaks of certificates."""
        with self.database.reading() as connection:
            for iso, trust in partner.trusts(connection, self.partners.all(), self.settings.clock_skew).items():
                self.trust.put(iso, trust)

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

    def listed(self, iso: str = "SG", count: int = 5) -> list[str]:
        """A partner's complete list of made-up operators, applied; their codes."""
        box = self.boxes[iso]
        box.make_up(count)
        self.send(box.full_list(), iso)
        return list(box.operators)

    # What we say.

    def ask(self, code: str, iso: str = "SG") -> str:
        """Queues a query of ours: the simplest message there is to deliver."""
        return self.do(lambda connection: feed.ask(connection, self.node, self.live(iso), code, self.now))

    def deliver(self, iso: str = "SG", node: Node | None = None) -> list[bytes]:
        """Works a partner's queue as far as it can be now; what was tried."""
        tried = len(self.links[iso].tries)

        async def drain() -> None:
            while await deliver(node or self.node, self.live(iso)):
                pass

        self.run(drain())
        return self.links[iso].tries[tried:]

    def answered(self, iso: str = "SG") -> list[Reply]:
        """What the partner says after what it heard comes in."""
        follow, self.links[iso].follow = self.links[iso].follow, []
        return [self.receive(body) for body in follow]

    def heard(self, iso: str = "SG", kind: Kind | None = None) -> list[Header]:
        return [one.header for one in self.boxes[iso].received if kind in (None, one.header.kind)]

    def results(self, iso: str = "SG") -> dict[str, list[tuple[str, str]]]:
        """What the partner was told of its records, by message."""
        return {
            one.header.refers_to or "": [(record.code, record.outcome) for record in one.results]
            for one in self.boxes[iso].received
            if one.header.kind is Kind.RESULT
        }

    def resends(self, iso: str = "SG") -> list[Resend]:
        return [one.resend for one in self.boxes[iso].received if one.resend]
