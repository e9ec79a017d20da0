"""Judging one message, steps 1 to 6 of receive: from bytes to something that may be recorded.

Pure computing on what the node knows already: no database, no network, no clock of its own. Each stage takes the type that only
the stage before it makes. Whatever fails raises ``Refusal``; the first failing stage speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from lxml import etree

from gateway.core.arrangement import HOME_ZONE, Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.model import DIALECT_KINDS, Header, Kind, Picture, Statement, Told
from gateway.core.place import place
from gateway.exchange.node import Node
from gateway.store.live import Live
from gateway.wire import envelope, signature
from gateway.wire.envelope import Envelope
from gateway.wire.sample import Reading
from gateway.wire.xml import Limits, parse

#: Years that a certificate's date can mean; "9999" is how some systems write "open", and an open end is left out.
_YEARS = range(1990, 2100)


@dataclass(frozen=True, slots=True)
class Transport:
    """How a message reached us. ``identity`` is the partner whose TLS certificate was proven, or None where TLS proves nobody."""

    remote: str
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A parsed document and the partner it claims to be from. Nothing is proven yet."""

    root: etree._Element
    live: Live


@dataclass(frozen=True, slots=True)
class Proven:
    """A message that this partner signed, addressed to us, in time. ``fingerprint`` is of the certificate that proved it."""

    live: Live
    envelope: Envelope
    fingerprint: str

    @property
    def header(self) -> Header:
        return self.envelope.header


class Said(NamedTuple):
    """What one message says, however it came. ``digest`` (SHA-256, hex) is of what was signed, or of the file that was mailed."""

    header: Header
    arrangement: Arrangement
    digest: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A message that may be recorded: its statements placed in time (none for kinds that carry none)."""

    proven: Proven
    told: tuple[Told, ...]
    reading: Reading | None

    @property
    def said(self) -> Said:
        return Said(self.proven.header, self.proven.live.arrangement, self.proven.envelope.digest, self.told)


def claim(node: Node, body: bytes, transport: Transport) -> Claimed:
    """1, 2: which partner speaks, parsed under limits; a proven transport identity must agree."""
    if len(body) > node.settings.body_limit:
        raise Refusal(Code.BODY_TOO_LARGE, f"The message has {len(body)} bytes; the limit is {node.settings.body_limit}.")
    root = parse(body, Limits(bytes=node.settings.body_limit))
    live = node.partners.get(envelope.claimed_sender(root))
    iso = live.arrangement.iso
    if transport.identity is not None and transport.identity != iso:
        # TLS certificate of A with a message of B: whoever can connect must not speak for somebody else.
        raise Refusal(Code.IDENTITY_MISMATCH, f"The connection is {transport.identity}'s, the message says {iso}.")
    if live.state != "active":
        raise Refusal(Code.PARTNER_SUSPENDED, f"Exchange with {iso} is {live.state}.")
    return Claimed(root, live)


def prove(node: Node, claimed: Claimed, received: datetime) -> Proven:
    """3: signed by one of this partner's pinned keys, for us, for this environment, in time."""
    arrangement = claimed.live.arrangement
    keys = node.trust.keys_for(arrangement.iso, "signing", received)
    policy = signature.Policy(frozenset(arrangement.binding.algorithms), arrangement.binding.min_rsa_bits)
    try:
        verified = signature.verify(claimed.root, keys, policy)
    except Refusal as refusal:
        raise node.trust.explain(
            refusal, arrangement.iso, "signing", refusal.facts.get("certificate in KeyInfo"), received
        ) from None
    opened = envelope.read(verified)
    _addressed(node, opened.header, arrangement, received)
    return Proven(claimed.live, opened, verified.fingerprint)


def _addressed(node: Node, header: Header, arrangement: Arrangement, received: datetime) -> None:
    ours = node.settings.administration
    if header.receiver != ours:
        raise Refusal(
            Code.WRONG_RECEIVER, f"The message is for {header.receiver}; this is {ours}.", field="Receiver", value=header.receiver
        )
    if header.sender != arrangement.iso:
        raise Refusal(
            Code.IDENTITY_MISMATCH,
            "The signed sender is not the one whose keys were asked for.",
            field="Sender",
            value=header.sender,
        )
    if header.environment != node.environment:
        raise Refusal(
            Code.WRONG_ENVIRONMENT, f"A {header.environment} message came to the {node.environment} gateway.", field="Environment"
        )
    clocks = {"created": header.created.isoformat(), "received": received.isoformat()}
    seen = f"It says {envelope.moment(header.created)}; our clock says {envelope.moment(received)}"
    if header.created > received + node.settings.clock_skew:
        raise Refusal(Code.CREATED_IN_FUTURE, f"The message was created in the future. {seen}.", field="Created", facts=clocks)
    if header.created < received - arrangement.binding.accept_for:
        raise Refusal(
            Code.TOO_OLD, f"The message is older than {arrangement.binding.accept_for}. {seen}.", field="Created", facts=clocks
        )
    if header.picture and header.picture.as_of > header.created + timedelta(minutes=1):
        raise Refusal(Code.CREATED_IN_FUTURE, "The list pictures a moment after it was made.", field="Picture", facts=clocks)


def translate(proven: Proven, received: datetime) -> Judged:
    """4, 5, 6: valid against the agreed schema, translated by its annotated sample, about the sender's own operators only."""
    header, arrangement = proven.header, proven.live.arrangement
    if header.kind not in DIALECT_KINDS:
        return Judged(proven, (), None)
    day = received.astimezone(HOME_ZONE).date()
    choice = arrangement.dialect.on(day).value
    if choice is None or header.dialect != choice.name or header.version not in choice.accepts:
        agreed = "none" if choice is None else f"{choice.name} {', '.join(choice.accepts)}"
        raise Refusal(
            Code.SCHEMA_NOT_AGREED, f"The message says {header.dialect} {header.version}; agreed is {agreed}.", field="Schema"
        )
    dialect = proven.live.bundle.dialects[header.dialect, header.version]
    dialect.validate(proven.envelope.payload)
    reading = dialect.read(header.kind, proven.envelope.payload)
    complete(header, arrangement)
    _authority(reading.statements, header, arrangement)
    told = tuple(
        place(statement, header, arrangement.zone_of(statement.tin), digest=proven.envelope.digest, received=received)
        for statement in reading.statements
    )
    return Judged(proven, told, reading)


def complete(header: Header, arrangement: Arrangement) -> None:
    """Refuses a list or response that does not say what it pictures, or a scope that is no member's (LIST_INCOMPLETE)."""
    picture = header.picture
    if header.kind in (Kind.LIST, Kind.RESPONSE) and picture is None:
        raise Refusal(Code.LIST_INCOMPLETE, f"A {header.kind} says in the header which moment it pictures.", field="Picture")
    if header.kind is Kind.LIST and picture is not None:
        _scope(picture, arrangement)


def _scope(picture: Picture, arrangement: Arrangement) -> None:
    if picture.part > picture.parts:
        raise Refusal(Code.LIST_INCOMPLETE, f"Part {picture.part} of {picture.parts} cannot be.", field="Picture")
    if picture.scope != "*" and picture.scope not in {member.iso for member in arrangement.members}:
        raise Refusal(Code.LIST_INCOMPLETE, "The scope is no member of the arrangement.", field="Picture", value=picture.scope)


def _authority(statements: tuple[Statement, ...], header: Header, arrangement: Arrangement) -> None:
    against = Authority(header, arrangement).against
    for number, statement in enumerate(statements, 1):
        for refusal in against(statement):
            raise Refusal(refusal.code, refusal.detail, field=f"record {number}", value=refusal.value)


class Authority:
    """What a partner may say in one message, record after record: of its own operators, in its own form of code, with dates that can be
    meant, and in a list of each authorisation once."""

    def __init__(self, header: Header, arrangement: Arrangement) -> None:
        self._arrangement, self._once = arrangement, header.kind is Kind.LIST
        self._scope = header.picture.scope if header.picture else "*"
        self._form = arrangement.code.on(header.created.astimezone(HOME_ZONE).date()).value
        self._seen: set[tuple[str, str | None, str | None]] = set()

    def against(self, statement: Statement) -> Iterator[Refusal]:
        """Everything that stands against one record, each with the field at fault."""
        tin, form = statement.tin, self._form
        member = self._arrangement.member_of(tin)
        if member is None or (self._scope != "*" and member.iso != self._scope):
            # Partner A must never state operators of country B, nor one member those of another.
            yield Refusal(Code.FOREIGN_OPERATOR, "The code does not begin as the sender's own codes do.", field="tin", value=tin)
        elif form is not None and form.confirmed and not form.matches(tin):
            yield Refusal(
                Code.CODE_FORM,
                f"The code does not have the form of {self._arrangement.economy.en}'s codes, such as {form.example}."
                if form.example
                else "The code does not have the agreed form.",
                field="tin",
                value=tin,
            )
        yield from _dates(statement)
        key = (tin, statement.level, statement.number)
        if self._once and key in self._seen:
            yield Refusal(Code.OPERATOR_REPEATED, "The list says two things about one authorisation.", field="tin", value=tin)
        self._seen.add(key)


def _dates(statement: Statement) -> Iterator[Refusal]:
    granted, expires = statement.granted, statement.expires
    if granted is not None and expires is not None and granted > expires:
        detail = f"The period {granted} to {expires} ends before it begins."
        yield Refusal(Code.PERIOD_REVERSED, detail, field="expires", value=statement.tin)
    said: dict[str, date | datetime | None] = {"granted": granted, "expires": expires}
    said |= {"effective": statement.effective, "decided": statement.decided}
    for name, day in said.items():
        if day is not None and day.year not in _YEARS:
            yield Refusal(Code.DATE_RANGE, f"The year {day.year} cannot be meant.", field=name, value=day.isoformat())
