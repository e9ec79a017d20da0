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
from gateway.core.protocol import Announced, Proof, Receipt, RecordResult, Resend, possession
from gateway.partners import Bundle
from gateway.sandbox import made_up
from gateway.sandbox.messages import STATING, Capabilities
from gateway.wire import envelope, payloads, signature
from gateway.wire.algorithms import made_by
from gateway.wire.dialect import Dialect, Reading
from gateway.wire.envelope import Envelope
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

    ``operators`` is this partner's own register, ``told`` what the gateway told it of Chinese operators, by code. ``received`` are the
    messages that came, ``receipts`` those for messages of its own.

    ``acting_as`` exchanges the roles: with our own code in it, the box is what a partner's endpoint takes for us.
    """

    bundle: Bundle
    signer: Signer
    gateway: str
    gateway_keys: Sequence[VerifyKey]
    clock: Callable[[], datetime]
    environment: Environment = Environment.TEST
    acting_as: str = ""
    operators: dict[str, Statement] = field(default_factory=dict)
    told: dict[str, Statement] = field(default_factory=dict)
    received: list[ReceivedMessage] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    _answers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _capabilities: dict[Dialect, Capabilities] = field(default_factory=dict)
    _sequence: dict[str, int] = field(default_factory=dict)

    @property
    def iso(self) -> str:
        return self.acting_as or self.bundle.iso

    @property
    def version(self) -> int:
        """Of the envelope, as the binding has it."""
        return self.bundle.arrangement.binding.envelope

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

    # What the box sends.

    def make_up(self, count: int, *, seed: int = 1) -> None:
        """Fills the partner's register with made-up operators."""
        self.operators |= {statement.tin: statement for statement in self.invent(count, seed)}

    def invent(self, count: int, seed: int) -> list[Statement]:
        """Made-up operators as the partner would state them, the same for the same seed; the register stays as it is."""
        return made_up.operators(self.bundle.arrangement, self.capabilities, count, self.today, seed=seed)

    def full_list(self) -> bytes:
        """The complete list as of now, signed."""
        return self.message(Kind.LIST, tuple(self.operators.values()), picture=Picture(as_of=self.clock()))

    def status_message(self, tin: str, standing: Standing, kind: Kind = Kind.NOTICE) -> bytes:
        """A notice (or update) about one operator; of one that is not in this partner's register the bare code is stated."""
        return self.message(kind, (self.change(tin, standing),))

    def change(self, tin: str, standing: Standing) -> Statement:
        """Changes the register, and returns what is to be stated of it."""
        known = self.operators.get(tin)
        changed = self.with_standing(known or Statement(tin=tin, standing=standing), standing)
        if known is not None:
            self.operators[tin] = (
                changed if "effective" in self.capabilities.needed(standing) else msgspec.structs.replace(changed, effective=None)
            )
        return changed

    def with_standing(self, statement: Statement, standing: Standing) -> Statement:
        """``statement`` with ``standing`` from now on: the partner's XML may need more fields for one standing than for another."""
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
        **fields: Any,
    ) -> bytes:
        """Any message in the partner's own XML, signed, with as much of ``statements`` as its kind has a place for; a list leaves out
        whom it has no word for. ``fields`` are of the header; ``edit`` changes the payload before it is signed, to make it wrong on purpose."""
        dialect, capabilities = self.dialect, self.capabilities
        statements = [
            capabilities.fitted(one, 1, kind)
            for one in statements
            if kind is not Kind.LIST or capabilities.can_state(one.standing, kind)
        ]
        header = self.header(kind, dialect=dialect.name, version=dialect.version, **fields)
        moments: dict[str, Any] = {"issued": header.created, "as_of": header.picture.as_of if header.picture else header.created}
        speakers = {"sender": header.sender, "receiver": header.receiver}
        reading = Reading({"id": header.id, **moments, **speakers}, tuple(statements), {"tin": query} if query else {})
        return self.sign(header, edit(dialect.write(kind, reading, SIGNATORY)), signer)

    def header(self, kind: Kind, **fields: Any) -> Header:
        """A header of a message of ours; a ``sequence`` is counted up unless it is given."""
        if kind in STATING and "sequence" not in fields:
            priority = priority_of(kind)
            fields["sequence"] = self._sequence[priority] = self._sequence.get(priority, 0) + 1
        usual: dict[str, Any] = {
            "id": str(uuid4()),
            "sender": self.iso,
            "receiver": self.gateway,
            "environment": self.environment,
            "created": self.clock(),
        }
        return Header(kind=kind, **(usual | fields))

    def protocol_message(self, kind: Kind, payload: str, *, signer: Signer | None = None, **fields: Any) -> bytes:
        """A message whose payload is the exchange schema's own: ping, keys, result."""
        return self.sign(self.header(kind, **fields), payload, signer)

    def announcement(self, signer: Signer, *, since: datetime | None = None, role: str = "signing", **fields: Any) -> bytes:
        """Announces the certificate of a next key, which proves itself where the binding's envelope has a place for it."""
        assert signer.certificate is not None, "only certificates are announced"
        one = Announced(role, signer.certificate, (since or self.clock()).replace(microsecond=0))
        if self.version > 1:
            proof = Proof(signer.algorithm, signer.sign(possession(self.iso, self.gateway, one)))
            one = msgspec.structs.replace(one, proof=proof)
        return self.protocol_message(Kind.KEYS, payloads.write_keys([one]), **fields)

    def skip(self, priority: Priority) -> int:
        """Leaves out the next number of a class, and returns it."""
        self._sequence[priority] = self._sequence.get(priority, 0) + 1
        return self._sequence[priority]

    def sign(self, header: Header, payload: str, signer: Signer | None = None) -> bytes:
        return signature.sign(envelope.write(header, payload, self.version), signer or self.signer)

    def check(self, answer: bytes) -> Envelope:
        """The gateway's answer, its signature verified with the pinned keys; a receipt is kept. Raises ``Refusal``."""
        verified = self._verified(answer)
        if (verified.header.sender, verified.header.receiver) != (self.gateway, self.iso):
            raise Refusal(Code.IDENTITY_MISMATCH, f"The answer is from {verified.header.sender} to {verified.header.receiver}.")
        if verified.header.kind is Kind.RECEIPT:
            self.receipts.append(payloads.read_receipt(verified.payload))
        return verified

    # What the box receives.

    def receive(self, body: bytes) -> tuple[int, bytes, list[bytes]]:
        """Takes one message of the gateway: (HTTP status, signed answer, messages to send afterwards).

        The same message again gets the same receipt again and changes nothing.
        """
        now = self.clock()
        try:
            verified = self._verified(body)
            if (verified.header.sender, verified.header.receiver) != (self.gateway, self.iso):
                raise Refusal(Code.WRONG_RECEIVER)
            if verified.header.environment != self.environment:
                raise Refusal(Code.WRONG_ENVIRONMENT)
            known = self._answers.get(verified.header.id)
            if known is not None:
                if known[0] != verified.digest:
                    raise Refusal(Code.ID_CONFLICT)
                return 200, known[1], []
            follow = self._take(verified, body)
        except Refusal as refusal:
            return (
                refusal.code.row.status,
                self.protocol_message(Kind.REFUSAL, payloads.write_refusal(refusal, sha256(body).hexdigest(), now)),
                [],
            )
        receipt = self.protocol_message(
            Kind.RECEIPT, payloads.write_receipt(Receipt(verified.header.id, verified.digest, now)), refers_to=verified.header.id
        )
        self._answers[verified.header.id] = (verified.digest, receipt)
        return 200, receipt, follow

    def _take(self, verified: Envelope, body: bytes) -> list[bytes]:
        header = verified.header
        if header.kind not in DIALECT_KINDS:
            results = payloads.read_result(verified.payload) if header.kind is Kind.RESULT else ()
            resend = payloads.read_resend(verified.payload) if header.kind is Kind.RESEND else None
            if header.kind is Kind.KEYS:
                self._pin(header, payloads.read_keys(verified.payload))
            self.received.append(ReceivedMessage(header, (), body, results, resend))
            return []
        dialect = self.bundle.dialects.get((header.dialect or "", header.version or ""))
        if dialect is None:
            raise Refusal(Code.SCHEMA_NOT_AGREED, field="Schema", value=f"{header.dialect} {header.version}")
        dialect.validate(verified.payload)
        reading = dialect.read(header.kind, verified.payload)
        self.received.append(ReceivedMessage(header, reading.statements, body))
        if header.kind is Kind.RESPONSE:
            return []
        if header.kind is Kind.QUERY:
            tin = reading.query["tin"]
            found = [self.operators[tin]] if tin in self.operators else []
            return [self.message(Kind.RESPONSE, found, query=tin, refers_to=header.id, picture=Picture(as_of=self.clock()))]
        self.told |= {statement.tin: statement for statement in reading.statements}
        outcomes = [RecordResult(statement.tin, "accepted") for statement in reading.statements]
        return [self.protocol_message(Kind.RESULT, payloads.write_result(outcomes), refers_to=header.id)]

    def _pin(self, header: Header, announced: Sequence[Announced]) -> None:
        """The gateway's next certificates, whose keys it must hold where the envelope has a place for the proof."""
        for one in announced:
            said = possession(header.sender, header.receiver, one)
            if self.version > 1 and not (one.proof and made_by(one.certificate, one.proof.algorithm, one.proof.value, said)):
                raise Refusal(Code.CERTIFICATE_UNSUITABLE, "Nothing proves that the announced key is held.", field="Certificate")
        fresh = (VerifyKey.from_certificate(one.certificate) for one in announced if one.role == "signing")
        self.gateway_keys = (*self.gateway_keys, *fresh)

    def _verified(self, body: bytes) -> Envelope:
        policy = Policy(frozenset(self.bundle.arrangement.binding.algorithms))
        return envelope.read(signature.verify(parse(body), self.gateway_keys, policy))
