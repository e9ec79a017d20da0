"""A partner's gateway in a box: the partner's half of every conversation, in its own XML, with its own key.

Independent of HTTP: ``server.py`` puts it on a port, rehearsals drive it directly. It keeps what it was told in memory; it is a
counterpart to develop against, not a product for a partner to run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from uuid import uuid4

import msgspec

from gateway.core.arrangement import HOME_ZONE
from gateway.core.errors import Code, Refusal
from gateway.core.model import DIALECT_KINDS, Environment, Header, Kind, Picture, Standing, Statement, priority_of
from gateway.partners import Bundle
from gateway.sandbox import made_up
from gateway.sandbox.speech import Speech
from gateway.wire import envelope, signature
from gateway.wire.envelope import Envelope, Receipt, RecordResult
from gateway.wire.sample import Dialect, Reading
from gateway.wire.signature import Policy, Signer, VerifyKey
from gateway.wire.xml import parse


class Heard(msgspec.Struct, frozen=True):
    """A message that came to the box, as it understood it."""

    header: Header
    statements: tuple[Statement, ...]
    body: bytes


@dataclass(slots=True)
class Box:
    """``gateway`` is the other side's code; ``gateway_keys`` are the certificates of it that this partner pinned."""

    bundle: Bundle
    signer: Signer
    gateway: str
    gateway_keys: Sequence[VerifyKey]
    clock: Callable[[], datetime]
    environment: Environment = Environment.TEST
    operators: dict[str, Statement] = field(default_factory=dict)
    believed: dict[str, Statement] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    _answers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _sequence: dict[str, int] = field(default_factory=dict)

    @property
    def iso(self) -> str:
        return self.bundle.iso

    @property
    def dialect(self) -> Dialect:
        choice = self.bundle.arrangement.dialect.on(self.clock().astimezone(HOME_ZONE).date()).value
        if choice is None:
            raise Refusal(Code.SCHEMA_NOT_AGREED, f"No dialect is chosen for {self.iso}.")
        return self.bundle.dialects[choice.name, choice.version]

    @property
    def speech(self) -> Speech:
        return Speech(self.bundle, self.dialect)

    # What the box says.

    def make_up(self, count: int, *, seed: int = 1) -> None:
        """Fills the partner's register with made-up operators."""
        today = self.clock().astimezone(self.bundle.arrangement.zone).date()
        for statement in made_up.operators(self.bundle, self.dialect, count, today, seed=seed):
            self.operators[statement.tin] = statement

    def full_list(self) -> bytes:
        """The complete list as of now, signed."""
        now = self.clock()
        return self.message(Kind.LIST, tuple(self.operators.values()), picture=Picture(as_of=now))

    def say(self, tin: str, standing: Standing, kind: Kind = Kind.NOTICE) -> bytes:
        """A notice (or update) about one operator; of one that is not in this partner's register the bare code is said."""
        return self.message(kind, (self.change(tin, standing),))

    def change(self, tin: str, standing: Standing) -> Statement:
        """Changes the register, and returns what is to be said of it."""
        known = self.operators.get(tin)
        said = msgspec.structs.replace(known or Statement(tin=tin, standing=standing), standing=standing)
        if known is not None:
            self.operators[tin] = said
        return msgspec.structs.replace(said, effective=self.speech.effective(self.clock(), self.bundle.arrangement.zone_of(tin)))

    def message(
        self,
        kind: Kind,
        statements: Sequence[Statement] = (),
        *,
        picture: Picture | None = None,
        query: str | None = None,
        refers_to: str | None = None,
    ) -> bytes:
        """Any message in the partner's own XML, signed."""
        dialect, now = self.dialect, self.clock()
        header = self.header(kind, picture=picture, refers_to=refers_to)
        said: dict[str, str | int | date | datetime] = {"id": header.id, "issued": now, "as_of": picture.as_of if picture else now}
        reading = Reading(message=said, statements=tuple(statements), query={"tin": query} if query else {})
        payload = dialect.write(kind, reading, {"signatory.surname": "Made-up", "signatory.name": "Signatory"})
        return self.sign(msgspec.structs.replace(header, dialect=dialect.name, version=dialect.version), payload)

    def header(self, kind: Kind, *, refers_to: str | None = None, picture: Picture | None = None) -> Header:
        number = 0
        if kind in DIALECT_KINDS[:3]:
            priority = priority_of(kind)
            number = self._sequence[priority] = self._sequence.get(priority, 0) + 1
        return Header(
            id=str(uuid4()),
            kind=kind,
            sender=self.iso,
            receiver=self.gateway,
            environment=self.environment,
            created=self.clock(),
            refers_to=refers_to,
            sequence=number,
            picture=picture,
        )

    def sign(self, header: Header, payload: str) -> bytes:
        return signature.sign(envelope.write(header, payload), self.signer)

    def check(self, answer: bytes) -> Envelope:
        """The gateway's answer, its signature verified with the pinned keys; a receipt is kept. Raises ``Refusal``."""
        said = self._verified(answer)
        if said.header.kind is Kind.RECEIPT:
            self.receipts.append(envelope.read_receipt(said))
        return said

    # What the box hears.

    def hear(self, body: bytes) -> tuple[int, bytes, list[bytes]]:
        """Takes one message of the gateway: (HTTP status, signed answer, messages to send afterwards).

        The same message again gets the same receipt again and changes nothing.
        """
        now = self.clock()
        try:
            said = self._verified(body)
            if (said.header.sender, said.header.receiver) != (self.gateway, self.iso):
                raise Refusal(Code.WRONG_RECEIVER)
            known = self._answers.get(said.header.id)
            if known is not None:
                if known[0] != said.digest:
                    raise Refusal(Code.ID_CONFLICT)
                return 200, known[1], []
            follow = self._take(said, body)
        except Refusal as refusal:
            payload = envelope.write_refusal(refusal, sha256(body).hexdigest(), now)
            return refusal.code.row.status, self.sign(self.header(Kind.REFUSAL), payload), []
        receipt = self.sign(
            self.header(Kind.RECEIPT, refers_to=said.header.id), envelope.write_receipt(Receipt(said.header.id, said.digest, now))
        )
        self._answers[said.header.id] = (said.digest, receipt)
        return 200, receipt, follow

    def _take(self, said: Envelope, body: bytes) -> list[bytes]:
        statements: tuple[Statement, ...] = ()
        follow: list[bytes] = []
        if said.header.kind in DIALECT_KINDS:
            dialect = self.bundle.dialects[said.header.dialect or "", said.header.version or ""]
            dialect.validate(said.payload)
            reading = dialect.read(said.header.kind, said.payload)
            statements = reading.statements
            if said.header.kind is Kind.QUERY:
                tin = reading.query["tin"]
                found = [self.operators[tin]] if tin in self.operators else []
                picture = Picture(as_of=self.clock())
                follow.append(self.message(Kind.RESPONSE, found, picture=picture, query=tin, refers_to=said.header.id))
            else:
                self.believed |= {statement.tin: statement for statement in statements}
                outcomes = envelope.write_result(RecordResult(statement.tin, "accepted") for statement in statements)
                follow.append(self.sign(self.header(Kind.RESULT, refers_to=said.header.id), outcomes))
        self.heard.append(Heard(said.header, statements, body))
        return follow

    def _verified(self, body: bytes) -> Envelope:
        policy = Policy(frozenset(self.bundle.arrangement.binding.algorithms))
        return envelope.read(signature.verify(parse(body), self.gateway_keys, policy))
