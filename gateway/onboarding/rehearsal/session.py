"""What every step has at hand: a gateway that runs, the partner in a box, and real HTTP between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
from lxml import etree

from gateway.core.arrangement import Arrangement
from gateway.core.model import Kind, Standing, Statement
from gateway.core.question import Reason
from gateway.node.node import Node
from gateway.onboarding.rehearsal.keys import Keys
from gateway.onboarding.rehearsal.results import Exchanged, Observation, same
from gateway.sandbox.box import Box, ReceivedMessage
from gateway.wire import payloads

XML = {"Content-Type": "application/xml; charset=utf-8"}
#: Seconds anything that follows by itself may take.
PATIENCE = 15.0
T = TypeVar("T")


class RehearsalHost(NamedTuple):
    """A gateway that runs: its address, a token for every scope, and its node. It holds nothing but rehearsals."""

    url: str
    token: str
    node: Node


class GatewayReply(NamedTuple):
    """What came back for one message, proven by the sender's pinned keys. ``code`` is empty for a receipt."""

    status: int
    kind: str
    code: str
    body: bytes


@dataclass(slots=True)
class Session:
    """One partner's rehearsal. ``spare`` are valid operators that no step has used yet."""

    host: RehearsalHost
    box: Box
    keys: Keys
    http: httpx.Client
    messages: list[Exchanged] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)

    @property
    def arrangement(self) -> Arrangement:
        return self.box.bundle.arrangement

    # What the partner sends, and what it is answered.

    def send(self, body: bytes) -> GatewayReply:
        """Sends the box's message to the gateway; the answer must be signed by the gateway."""
        came = self.http.post(f"{self.host.url}/exchange", content=body, headers=XML)
        answer = proven(self.box, came)
        self.messages.append(exchanged(self.box.iso, body, answer))
        return answer

    def tell(self, body: bytes, what: str = "answer") -> Observation:
        """Sends what should be receipted."""
        return same(what, "receipt", reply_in_words(self.send(body)))

    def results(self, message: bytes) -> dict[str, str]:
        """The gateway's result for each operator of a message, which comes in a message of its own."""
        about = message_id(message)
        received = self.until(f"the result for {about}", lambda: self.received(Kind.RESULT, about))
        return {one.code: one.outcome for one in received.results}

    def received(self, kind: Kind, about: str) -> ReceivedMessage | None:
        """What the box received that refers to the message ``about``."""
        return next((one for one in self.box.received if (one.header.kind, one.header.refers_to) == (kind, about)), None)

    # What the gateway then thinks.

    def ask(self, path: str, **query: str) -> httpx.Response:
        return self.http.get(f"{self.host.url}{path}", params=query, headers={"Authorization": f"Bearer {self.host.token}"})

    def standing(self, code: str) -> str:
        """How the operator stands according to the gateway: by its newest authorisation, or ``unknown``."""
        found = self.ask(f"/v1/operators/{quote(code, safe='')}")
        if found.status_code == 404:
            return "unknown"
        stands = [one["standings"][-1]["standing"] for one in found.raise_for_status().json()["authorisations"] if one["standings"]]
        return str(stands[-1]) if stands else "unknown"

    def granted(self, code: str) -> str:
        """Whether clearance would grant anything for a code today, asked as clearance asks."""
        return _granted(self._decision(code)["grant"])

    def reason(self, code: str) -> str:
        reasons = self._decision(code)["reasons"]
        return str(reasons[0]["code"]) if reasons else "none"

    def _decision(self, code: str) -> dict[str, Any]:
        terms = self.arrangement
        today = self.box.today
        directions, modes = terms.directions.on(today).value, terms.modes.on(today).value
        asked: dict[str, str] = {"direction": min(directions)} if directions else {}
        asked |= {"mode": min(modes)} if modes else {}

        def decided() -> dict[str, Any] | None:
            decision: dict[str, Any] = self.ask("/v1/eligibility", code=code, **asked).raise_for_status().json()
            return None if any(one["code"] == Reason.NOT_CURRENT for one in decision["reasons"]) else decision

        return self.until("a current answer", decided)  # no partner is to fail because this machine is busy

    def entitles(self, standing: Standing = Standing.VALID) -> str:
        """What an operator of this partner gets by the arrangement's own terms: nothing unless it is in force and its terms are known."""
        terms, today = self.arrangement, self.box.today
        known = all(term.on(today).value for term in (terms.in_force, terms.directions, terms.modes, terms.measures))
        return _granted(known and standing.grants)

    def shows(self, code: str, standing: Standing) -> list[Observation]:
        """The operator stands so, and clearance grants what that is worth."""
        return [
            same(f"{code} stands", standing, self.standing(code)),
            same("clearance", self.entitles(standing), self.granted(code)),
        ]

    # Help.

    def operator(self) -> str:
        """A valid operator that no other step touches."""
        return self.spare.pop(0)

    def fresh(self, count: int, seed: int) -> list[Statement]:
        """Operators that the gateway has never heard of."""
        return [one for one in self.box.invent(count + len(self.box.operators), seed) if one.tin not in self.box.operators][:count]

    def until(self, what: str, ready: Callable[[], T | None]) -> T:
        """The first true value of ``ready``; ``TimeoutError`` where it does not come."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := ready():
                return found
            time.sleep(0.02)
        raise TimeoutError(f"{what} did not come within {PATIENCE:.0f} seconds")


def _granted(grant: bool) -> str:
    return "granted" if grant else "not granted"


def proven(box: Box, came: httpx.Response) -> GatewayReply:
    """Raises ``Refusal`` where the answer is not the gateway's."""
    answered = box.check(came.content)
    code = payloads.read_refusal(answered.payload).code if answered.header.kind is Kind.REFUSAL else ""
    return GatewayReply(came.status_code, answered.header.kind.value, code, came.content)


def reply_in_words(answer: GatewayReply) -> str:
    """In a word: the refusal's code, or the kind of the answer."""
    return answer.code or answer.kind


def exchanged(sender: str, body: bytes, answer: GatewayReply | None) -> Exchanged:
    text = body.decode("utf-8", "replace")
    if answer is None:
        return Exchanged(sender, kind_of(body), message_id(body), text, 0, "connection broken on purpose", "")
    return Exchanged(sender, kind_of(body), message_id(body), text, answer.status, reply_in_words(answer), answer.body.decode())


def message_id(body: bytes) -> str:
    return _header(body, "Id")


def kind_of(body: bytes) -> str:
    return _header(body, "Kind")


def _header(body: bytes, name: str) -> str:
    with suppress(etree.XMLSyntaxError):
        root = etree.fromstring(body)
        found = (root.findtext(f"{{{one}}}Header/{{{one}}}{name}") for one in payloads.NAMESPACES.values())
        return next((text for text in found if text), "")
    return ""
