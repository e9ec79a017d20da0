"""Every vector of tests/vectors/protocol: what a proven partner says, received within the bounds of a hostile input.

A vector's fields, all optional but the first four and ``message``:
- ``id``, ``why``, ``citation``, ``code`` (of the refusal, or ``accepted``)
- ``first``: messages that are said before and accepted; ``message``: the one that is judged. Of a message:
  - ``kind`` (notice), ``partner`` (SG), ``about`` (numbers of operators, or codes), ``standing``, and other fields of a ``statement``
  - ``header`` and ``picture``: fields said otherwise; moments in seconds from now. ``wait``: so many seconds later
  - ``payload`` instead of all that; ``change`` pairs [old, new] in the payload, ``unsigned`` in the whole document, before it is signed
  - ``signer``: whose key; ``certificate``: what is announced; ``again``: the bytes of that one of ``first``
  - ``of``: what a receipt, refusal or result is about; ``names`` another message in its body, ``digest`` is another than what was sent
- ``suspended``: exchange with Singapore is
- afterwards: ``outcome`` (of the intake: who replays a captured message proves nothing and must not fill the journal), ``stands`` (operator 0; by default as before), ``settled`` (our message), ``asks`` (class, first, last),
  ``listing`` (the newest list's state), ``result`` (outcomes told), ``clocks``: the refusal names both

Whatever happens, the bytes that came are kept, and nobody's standing changes but that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from gateway.core.errors import Code, Refusal
from gateway.core.model import DIALECT_KINDS, Environment, Kind, Picture, Standing, Statement
from gateway.core.protocol import Announced, Receipt, RecordResult
from gateway.exchange.receive.receive import Reply
from gateway.store import tables
from gateway.wire import envelope, payloads
from gateway.wire.signature import sign
from tests.rig.bounds import answer
from tests.rig.gateway import GatewayFixture, down
from tests.rig.shipped import chosen
from tests.rig.vectors import load

pytestmark = pytest.mark.long

DIGITS = {"{digits}": "9" * 5000, "{zeros}": "0" * 5000}


class VectorSender:
    """Eight operators of Singapore, five of which stand; a message of ours that went out to it, and one that did not."""

    def __init__(self, gateway: GatewayFixture) -> None:
        self.gateway = gateway
        gateway.change("SG", threshold=chosen(2))
        gateway.listed("HK")
        self.codes = [one.tin for one in gateway.boxes["SG"].invent(8, 1)]
        gateway.listed("SG")
        gateway.later(days=1)
        gateway.deliver()
        self.sent = gateway.ask(self.codes[0])
        gateway.links["SG"].spoil = down
        gateway.deliver()
        self.unsent = gateway.ask(self.codes[1])
        gateway.links["SG"].spoil = None
        self.said: list[bytes] = []
        self.receipt = ""

    def take(self, message: dict[str, Any]) -> None:
        """What is said before."""
        body = self.body(message)
        self.said.append(body)
        self.receipt = self.gateway.send(body, message.get("partner", "SG")).header.id

    def body(self, message: dict[str, Any]) -> bytes:
        gateway = self.gateway
        gateway.later(seconds=message.get("wait", 0))
        if "again" in message:
            again: int = message["again"]
            return self.said[again]
        kind, box = Kind(message.get("kind", "notice")), gateway.boxes[message.get("partner", "SG")]
        header = box.header(kind, **self._header(kind, message))
        payload = message.get("payload") or (
            self._dialect(message, header) if kind in DIALECT_KINDS else self._ours(kind, message, header.refers_to or "")
        )
        for old, new in message.get("change", []):
            assert old in payload, payload
            payload = payload.replace(old, new, 1)
        unsigned = envelope.write(header, payload).decode()
        for old, new in message.get("unsigned", []):
            assert old in unsigned, unsigned
            for name, digits in DIGITS.items():
                new = new.replace(name, digits)
            unsigned = unsigned.replace(old, new, 1)
        signer = gateway.key(message["signer"]).signer("") if "signer" in message else box.signer
        return sign(unsigned.encode(), signer)

    def _header(self, kind: Kind, message: dict[str, Any]) -> dict[str, Any]:
        dialect, now = self.gateway.boxes[message.get("partner", "SG")].dialect, self.gateway.now
        said: dict[str, Any] = {"sequence": 0} | message.get("header", {})
        if "created" in said:
            said["created"] = now + timedelta(seconds=said["created"])
        if "environment" in said:
            said["environment"] = Environment(said["environment"])
        if kind in DIALECT_KINDS:
            said = {"dialect": dialect.name, "version": dialect.version} | said
        picture = dict(message.get("picture", {}))
        if kind is Kind.LIST and not picture.pop("none", False):
            said["picture"] = Picture(as_of=now + timedelta(seconds=picture.pop("as_of", 0)), **picture)
        abouts = {"sent": self.sent, "unsent": self.unsent, "unknown": "unknown-message-1", "receipt": self.receipt}
        return said | ({"refers_to": abouts.get(message["of"])} if "of" in message else {})

    def _dialect(self, message: dict[str, Any], header: Any) -> str:
        box = self.gateway.boxes[message.get("partner", "SG")]
        statements = [self._statement(one, message) for one in message.get("about", [0])]
        made: list[str] = []

        def note(payload: str) -> str:
            made.append(payload)
            return payload

        box.message(header.kind, statements, edit=note, picture=header.picture, id=header.id, created=header.created, sequence=0)
        return made[0]

    def _statement(self, about: int | str, message: dict[str, Any]) -> Statement:
        box, standing = self.gateway.boxes["SG"], Standing(message["standing"])
        tin = self.codes[about] if isinstance(about, int) else about
        known = next((one for one in box.invent(8, 1) if one.tin == tin), Statement(tin=tin, standing=standing))
        return msgspec.structs.replace(known, standing=standing, **message.get("statement", {}))

    def _ours(self, kind: Kind, message: dict[str, Any], about: str) -> str:
        now, gateway = self.gateway.now, self.gateway
        sent = gateway.of(self.sent)
        if kind is Kind.KEYS:
            (pin,) = gateway.node.trust.trust_of("HK").pins
            der = pin.der
            if message["certificate"] == "version 6":
                der = gateway.key("sg-next").certificate.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
            return payloads.write_keys([Announced("signing", der, now)])
        match kind:
            case Kind.RECEIPT:
                named = "unknown-message-1" if "names" in message else about or "nothing-at-all"
                return payloads.write_receipt(Receipt(named, message.get("digest", "") * 32 or sent.digest, now))
            case Kind.REFUSAL:
                digest = message.get("digest", "") * 32 or sha256(sent.body).hexdigest()
                return payloads.write_refusal(Refusal(Code.SCHEMA_INVALID), digest, now)
            case Kind.RESULT:
                return payloads.write_result([RecordResult(self.codes[0], "accepted")])
            case _:
                return payloads.write_empty(kind)

    def standings(self) -> dict[str, Standing | None]:
        codes = [*self.codes, *self.gateway.boxes["HK"].operators]
        return {code: self.gateway.standing(code) for code in codes}


@pytest.fixture
def sender(gateway: GatewayFixture) -> VectorSender:
    return VectorSender(gateway)


def _cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Where nothing but the message itself is judged, one database is enough."""
    for vector in load("protocol"):
        yield "sqlite", vector
        if vector["code"] == "accepted" or "first" in vector or "of" in vector["message"]:
            yield "postgresql", vector


@pytest.mark.parametrize(
    ("database_url", "vector"), _cases(), indirect=["database_url"], ids=lambda part: part if isinstance(part, str) else part["id"]
)
def test_vector(vector: dict[str, Any], sender: VectorSender) -> None:
    gateway = sender.gateway
    for message in vector.get("first", []):
        sender.take(message)
    body = sender.body(vector["message"])
    if vector.get("suspended"):
        gateway.partners.put("SG", replace(gateway.live("SG"), state="suspended"))
    before, intakes = sender.standings(), len(gateway.rows(tables.intake))
    got = answer(lambda: gateway.receive(body), len(body))
    assert isinstance(got, Reply)
    assert str(got.refusal.code if got.refusal else "accepted") == vector["code"], got.refusal and got.refusal.detail
    # What was received is kept, and nothing changed but what may.
    came = gateway.rows(tables.intake)[intakes]
    usual = "accepted" if got.refusal is None else "refused"
    assert came.outcome == vector.get("outcome", usual)
    stored = [row.body for row in gateway.rows(tables.message)]
    assert (body in stored) if got.refusal is None else (came.body == body)
    after = before | ({sender.codes[0]: Standing(vector["stands"])} if "stands" in vector else {})
    assert sender.standings() == after
    _said_back(vector, sender, got)


def _said_back(vector: dict[str, Any], sender: VectorSender, got: Reply) -> None:
    gateway, iso = sender.gateway, vector["message"].get("partner", "SG")
    if got.signed is not None and "claims" not in vector:
        kind = gateway.boxes[iso].check(got.signed).header.kind
        assert kind is (Kind.RECEIPT if got.refusal is None else Kind.REFUSAL)
    if vector.get("clocks"):
        assert got.refusal is not None
        assert {"created", "received"} <= got.refusal.facts.keys()
        assert got.refusal.detail.count("2026-06") == 2, "both clocks are named to the partner"
    assert gateway.of(sender.sent).state == ("delivered" if vector.get("settled") else "queued")
    if "listing" in vector:
        assert gateway.rows(tables.listing)[-1].state == vector["listing"]
    gateway.later(minutes=5)
    gateway.deliver()
    assert [[one.priority.value, one.first, one.last] for one in gateway.resends()] == (
        [vector["asks"]] if "asks" in vector else []
    )
    if "result" in vector:
        assert vector["result"] in {outcome for _, outcome in list(gateway.results().values())[-1]}
