"""A partner's gateway in a box: the partner's half of every conversation, in its own XML, with its own key.

Independent of HTTP: ``server.py`` puts it on a port, rehearsals drive it directly. It keeps what it was told in memory; it is a
counterpart to develop against, not a product for a partner to run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec

from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE
from gateway.core.model import DIALECT_KINDS, Environment, Header, Kind, Picture, Priority, Standing, Statement, priority_of
from gateway.partners import Bundle
from gateway.sandbox import made_up
from gateway.sandbox.messages import STATING, Capabilities
from gateway.wire import envelope, signature
from gateway.wire.dialect import Dialect, Reading
from gateway.wire.envelope import Envelope, Receipt, RecordResult, Resend
from gateway.wire.signature import Policy, Signer, VerifyKey
from gateway.wire.xml import parse

#: Who signs documents that name a person.
SIGNATORY = {"signatory.surname": "Made-up", "signatory.name": "Signatory"}


class ReceivedMessage(msgspec.Struct, frozen=True):
    """A message that came to the box, as it understood it."""

    header: Header
    statements: tuple[Statement, ...]
    body: bytes
    results: tuple[RecordResult, ...] = ()
    resend: Resend | None = None


@dataclass(slots=True)
class Box:
    """``gateway`` is the other side's code; ``gateway_keys`` are the certificates of it that this partner pinned.

    ``speaks_as`` exchanges the roles: with our own code in it, the box is what a partner's endpoint takes for us.
    """

    bundle: Bundle
    signer: Signer
    gateway: str
    gateway_keys: Sequence[VerifyKey]
    clock: Callable[[], datetime]
    environment: Environment = Environment.TEST
    speaks_as: str = ""
    operators: dict[str, Statement] = field(default_factory=dict)
    believed: dict[str, Statement] = field(default_factory=dict)
    heard: list[ReceivedMessage] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    _answers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _capabilities: dict[Dialect, Capabilities] = field(default_factory=dict)
    _sequence: dict[str, int] = field(default_factory=dict)

    @property
    def iso(self) -> str:
        return self.speaks_as or self.bundle.iso

    @property
    def today(self) -> date:
        """The day in China, by which the arrangement's terms are dated."""
        return self.clock().astimezone(HOME_ZONE).date()

    @property
    def dialect(self) -> Dialect:
        choice = self.bundle.arrangement.dialect.on(self.today).value
        if choice is None:
            raise Refusal(Code.SCHEMA_NOT_AGREED, f"No dialect is chosen for {self.iso}.")
        return self.bundle.dialects[choice.name, choice.version]

    @property
    def capabilities(self) -> Capabilities:
        dialect = self.dialect
        if dialect not in self._capabilities:
            self._capabilities[dialect] = Capabilities(self.bundle, dialect)
        return self._capabilities[dialect]

    # What the box says.

    def make_up(self, count: int, *, seed: int = 1) -> None:
        """Fills the partner's register with made-up operators."""
        self.operators |= {statement.tin: statement for statement in self.invent(count, seed)}

    def invent(self, count: int, seed: int) -> list[Statement]:
        """Made-up operators as the partner would state them, the same for the same seed; the register stays as it is."""
        return made_up.operators(self.bundle.arrangement, self.capabilities, count, self.today, seed=seed)

    def full_list(self) -> bytes:
        """The complete list as of now, signed."""
        return self.message(Kind.LIST, tuple(self.operators.values()), picture=Picture(as_of=self.clock()))

    def say(self, tin: str, standing: Standing, kind: Kind = Kind.NOTICE) -> bytes:
        """A notice (or update) about one operator; of one that is not in this partner's register the bare code is said."""
        return self.message(kind, (self.change(tin, standing),))

    def change(self, tin: str, standing: Standing) -> Statement:
        """Changes the register, and returns what is to be said of it."""
        known = self.operators.get(tin)
        said = self.as_said(known or Statement(tin=tin, standing=standing), standing)
        if known is not None:
            self.operators[tin] = (
                said if "effective" in self.capabilities.needed(standing) else msgspec.structs.replace(said, effective=None)
            )
        return said

    def as_said(self, statement: Statement, standing: Standing) -> Statement:
        """``statement`` as it is said where ``standing`` holds from now on: its XML may need more for one standing than for another."""
        effective = self.capabilities.effective(standing, self.clock(), self.bundle.arrangement.zone_of(statement.tin))
        return self.capabilities.fitted(msgspec.structs.replace(statement, standing=standing, effective=effective), 1)

    def message(
        self,
        kind: Kind,
        statements: Sequence[Statement] = (),
        *,
        query: str | None = None,
        signer: Signer | None = None,
        edit: Callable[[str], str] = str,
        **said: Any,
    ) -> bytes:
        """Any message in the partner's own XML, signed, with as much of ``statements`` as its kind has a place for; a list leaves out
        whom it has no word for. ``said`` are fields of the header; ``edit`` spoils the payload on purpose."""
        dialect, capabilities = self.dialect, self.capabilities
        statements = [
            capabilities.fitted(one, 1, kind)
            for one in statements
            if kind is not Kind.LIST or capabilities.can_state(one.standing, kind)
        ]
        header = self.header(kind, dialect=dialect.name, version=dialect.version, **said)
        moments: dict[str, Any] = {"issued": header.created, "as_of": header.picture.as_of if header.picture else header.created}
        speakers = {"sender": header.sender, "receiver": header.receiver}
        reading = Reading({"id": header.id, **moments, **speakers}, tuple(statements), {"tin": query} if query else {})
        return self.sign(header, edit(dialect.write(kind, reading, SIGNATORY)), signer)

    def header(self, kind: Kind, **said: Any) -> Header:
        """A header of a message of ours; a ``sequence`` is counted up unless it is said."""
        if kind in STATING and "sequence" not in said:
            priority = priority_of(kind)
            said["sequence"] = self._sequence[priority] = self._sequence.get(priority, 0) + 1
        usual: dict[str, Any] = {
            "id": str(uuid4()),
            "sender": self.iso,
            "receiver": self.gateway,
            "environment": self.environment,
            "created": self.clock(),
        }
        return Header(kind=kind, **(usual | said))

    def ours(self, kind: Kind, payload: str, *, signer: Signer | None = None, **said: Any) -> bytes:
        """A message whose payload is the exchange schema's own: ping, keys, result."""
        return self.sign(self.header(kind, **said), payload, signer)

    def skip(self, priority: Priority) -> int:
        """Leaves out the next number of a class, and returns it."""
        self._sequence[priority] = self._sequence.get(priority, 0) + 1
        return self._sequence[priority]

    def sign(self, header: Header, payload: str, signer: Signer | None = None) -> bytes:
        return signature.sign(envelope.write(header, payload), signer or self.signer)

    def check(self, answer: bytes) -> Envelope:
        """The gateway's answer, its signature verified with the pinned keys; a receipt is kept. Raises ``Refusal``."""
        said = self._verified(answer)
        if (said.header.sender, said.header.receiver) != (self.gateway, self.iso):
            raise Refusal(Code.IDENTITY_MISMATCH, f"The answer is from {said.header.sender} to {said.header.receiver}.")
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
            if said.header.environment != self.environment:
                raise Refusal(Code.WRONG_ENVIRONMENT)
            known = self._answers.get(said.header.id)
            if known is not None:
                if known[0] != said.digest:
                    raise Refusal(Code.ID_CONFLICT)
                return 200, known[1], []
            follow = self._take(said, body)
        except Refusal as refusal:
            return (
                refusal.code.row.status,
                self.ours(Kind.REFUSAL, envelope.write_refusal(refusal, sha256(body).hexdigest(), now)),
                [],
            )
        receipt = self.ours(
            Kind.RECEIPT, envelope.write_receipt(Receipt(said.header.id, said.digest, now)), refers_to=said.header.id
        )
        self._answers[said.header.id] = (said.digest, receipt)
        return 200, receipt, follow

    def _take(self, said: Envelope, body: bytes) -> list[bytes]:
        header = said.header
        if header.kind not in DIALECT_KINDS:
            results = envelope.read_result(said) if header.kind is Kind.RESULT else ()
            resend = envelope.read_resend(said) if header.kind is Kind.RESEND else None
            if header.kind is Kind.KEYS:
                fresh = (VerifyKey.from_certificate(one.certificate) for one in envelope.read_keys(said) if one.role == "signing")
                self.gateway_keys = (*self.gateway_keys, *fresh)
            self.heard.append(ReceivedMessage(header, (), body, results, resend))
            return []
        dialect = self.bundle.dialects.get((header.dialect or "", header.version or ""))
        if dialect is None:
            raise Refusal(Code.SCHEMA_NOT_AGREED, field="Schema", value=f"{header.dialect} {header.version}")
        dialect.validate(said.payload)
        reading = dialect.read(header.kind, said.payload)
        self.heard.append(ReceivedMessage(header, reading.statements, body))
        if header.kind is Kind.RESPONSE:
            return []
        if header.kind is Kind.QUERY:
            tin = reading.query["tin"]
            found = [self.operators[tin]] if tin in self.operators else []
            return [self.message(Kind.RESPONSE, found, query=tin, refers_to=header.id, picture=Picture(as_of=self.clock()))]
        self.believed |= {statement.tin: statement for statement in reading.statements}
        outcomes = [RecordResult(statement.tin, "accepted") for statement in reading.statements]
        return [self.ours(Kind.RESULT, envelope.write_result(outcomes), refers_to=header.id)]

    def _verified(self, body: bytes) -> Envelope:
        policy = Policy(frozenset(self.bundle.arrangement.binding.algorithms))
        return envelope.read(signature.verify(parse(body), self.gateway_keys, policy))
