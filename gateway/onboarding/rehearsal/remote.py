"""A rehearsal against a partner's real test endpoint: what can be seen from outside, speaking as ourselves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.core.errors import Code, Refusal
from gateway.core.model import Environment, Kind, Picture, Standing, Statement
from gateway.domestic.projection import code_prefix, shared_on
from gateway.exchange.bindings.unproven import Unproven
from gateway.exchange.certificates.partner import pinned
from gateway.exchange.line import guard_for
from gateway.net import Guard, Identity, Response, Unreachable, get, post
from gateway.onboarding.connectivity import remedy_for
from gateway.onboarding.rehearsal import mutations
from gateway.onboarding.rehearsal.keys import make
from gateway.onboarding.rehearsal.results import Exchanged, Observation, Rehearsal, among, same, walk
from gateway.onboarding.rehearsal.session import XML, GatewayReply, exchanged, message_id, reply_in_words
from gateway.partners import Bundle
from gateway.sandbox.box import Box
from gateway.trust.certificates import Trust, TrustStore
from gateway.wire import payloads
from gateway.wire.algorithms import Signer, VerifyKey


@dataclass(slots=True)
class RemoteSession:
    """``we`` speaks as our gateway does, in the partner's own XML."""

    url: str
    guard: Guard
    we: Box
    stranger: Signer
    messages: list[Exchanged] = field(default_factory=list)

    def send(self, body: bytes) -> GatewayReply:
        """The partner's answer, signed by one of its pinned keys. Raises ``Refusal`` where it is not."""
        came = asyncio.run(post(self.url, body, headers=XML, guard=self.guard))
        answer = self._proven(came)
        self.messages.append(exchanged(self.we.iso, body, answer))
        return answer

    def tell(self, body: bytes, what: str = "answer") -> Observation:
        return same(what, "receipt", reply_in_words(self.send(body)))

    def _proven(self, came: Response) -> GatewayReply:
        try:
            answered = self.we.check(came.body)
        except Refusal as refused:
            ours = payloads.version_begun(came.body) is not None
            unproven = Unproven(came, str(refused) if ours else None)
            raise refused.but(detail=f"What came back is no answer that a pinned key signed: {unproven}") from None
        code = payloads.read_refusal(answered.payload).code if answered.header.kind is Kind.REFUSAL else ""
        return GatewayReply(came.status, answered.header.kind.value, code, came.body)

    def operator(self) -> Statement:
        """A made-up Chinese AEO as this partner would hear of it. Raises ``Refusal`` where the form of its code is unknown."""
        arrangement = self.we.bundle.arrangement
        prefix = code_prefix(arrangement, self.we.today)
        if prefix is None:
            raise Refusal(Code.DATA_INVALID, "The form of the Chinese code is unknown, so nothing can be told to this partner.")
        code = f"{prefix}{random.randrange(10**9, 10**10)}"  # noqa: S311 - made up, not secret
        name = "Made-up Rehearsal Co., Ltd." if "name" in shared_on(arrangement, self.we.today) else None
        return self.we.capabilities.fitted(Statement(tin=code, standing=Standing.VALID, name=name), 1)

    def status_message(self, statement: Statement, standing: Standing, kind: Kind = Kind.NOTICE, **header: Any) -> bytes:
        self.we.operators[statement.tin] = statement
        return self.we.message(kind, (self.we.change(statement.tin, standing),), **header)


def first_contact(session: RemoteSession) -> Iterator[Observation]:
    """We ask whether anybody is there; the answer is a receipt that one of the partner's pinned keys signed, for exactly these bytes."""
    body = session.we.protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    yield session.tell(body)
    receipt = session.we.receipts[-1]
    yield same("the receipt is for", message_id(body), receipt.message)
    apart = abs(receipt.received - session.we.clock())
    yield Observation("the clocks differ by", "less than 5 minutes", f"{apart.total_seconds():.0f} s", apart < timedelta(minutes=5))


def list_and_news(session: RemoteSession) -> Iterator[Observation]:
    """Our complete list, an update, a suspension and a reinstatement each get a receipt."""
    one = session.operator()
    picture = Picture(as_of=session.we.clock())
    yield session.tell(session.we.message(Kind.LIST, (one,), picture=picture), "answer to the list")
    yield session.tell(session.status_message(session.operator(), Standing.VALID, Kind.UPDATE), "answer to the update")
    yield session.tell(session.status_message(one, Standing.SUSPENDED), "answer to the suspension")
    yield session.tell(session.status_message(one, Standing.REINSTATED), "answer to the reinstatement")


def query(session: RemoteSession) -> Iterator[Observation]:
    """Our question about one of the partner's operators gets a receipt; its response comes to our own endpoint."""
    if Kind.QUERY not in session.we.dialect.kinds:
        yield same("queries are agreed", "no, so nothing is asked", "no, so nothing is asked")
        return
    theirs = next(iter(session.we.invent(1, seed=5)))
    yield session.tell(session.we.message(Kind.QUERY, query=theirs.tin))


def duplicate_and_conflict(session: RemoteSession) -> Iterator[Observation]:
    """The same bytes get the very same receipt; other content under a used id is refused."""
    body = session.status_message(session.operator(), Standing.VALID, Kind.UPDATE)
    first = session.send(body)
    yield same("answer", "receipt", reply_in_words(first))
    yield same("the same bytes get the same receipt", "yes", "yes" if session.send(body).body == first.body else "no")
    other = session.status_message(session.operator(), Standing.VALID, Kind.UPDATE, id=message_id(body), sequence=0)
    yield same("answer to other content", Code.ID_CONFLICT, reply_in_words(session.send(other)))


def wrong_signature(session: RemoteSession) -> Iterator[Observation]:
    """A message changed on its way, and one signed with a key the partner does not know, are refused."""
    ping = session.we.protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    identity = message_id(ping).encode()
    changed = ping.replace(identity, identity[::-1])
    yield same("changed on its way", Code.SIGNATURE_DIGEST, reply_in_words(session.send(changed)))
    forged = session.we.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), signer=session.stranger)
    unknown = (str(Code.SIGNATURE_INVALID), str(Code.CERTIFICATE_UNKNOWN))
    yield among("signed by a stranger", unknown, reply_in_words(session.send(forged)))


def wrong_address(session: RemoteSession) -> Iterator[Observation]:
    """A message for somebody else, and one of the production environment, are refused."""
    payload = payloads.write_empty(Kind.PING)
    yield same(
        "for somebody else",
        Code.WRONG_RECEIVER,
        reply_in_words(session.send(session.we.protocol_message(Kind.PING, payload, receiver="ZZ"))),
    )
    production = session.we.protocol_message(Kind.PING, payload, environment=Environment.PRODUCTION)
    yield same("of production", Code.WRONG_ENVIRONMENT, reply_in_words(session.send(production)))


def wrong_document(session: RemoteSession) -> Iterator[Observation]:
    """A document with an element that was not agreed, and one with a code outside its list, are refused."""
    body = session.status_message(session.operator(), Standing.VALID, sequence=0, edit=mutations.unexpected)
    refused = (str(Code.SCHEMA_INVALID), str(Code.FIELD_UNEXPECTED))
    yield among("an element too many", refused, reply_in_words(session.send(body)))
    edit = mutations.unknown_code(session.we.dialect, Kind.NOTICE)
    if edit is None:
        return
    with suppress(LookupError):  # what we may tell this partner need not hold a code of any list
        body = session.status_message(session.operator(), Standing.VALID, sequence=0, edit=edit)
        yield among("an unknown code", (str(Code.CODE_UNKNOWN), str(Code.SCHEMA_INVALID)), reply_in_words(session.send(body)))


STEPS: tuple[Callable[[RemoteSession], Iterator[Observation]], ...] = (
    first_contact,
    list_and_news,
    query,
    duplicate_and_conflict,
    wrong_signature,
    wrong_address,
    wrong_document,
)


def _keys(iso: str, trust: Trust, now: datetime) -> tuple[VerifyKey, ...]:
    try:
        return TrustStore({iso: trust}).keys_for(iso, "signing", now)
    except Refusal as refused:
        if any(pin.role == "signing" for pin in trust.pins):
            detail = f"No certificate pinned for {iso} can be relied on now: {refused.detail}"
            remedy = f"aeo-gateway partner check {iso} says of each what is against it."
        else:
            detail = f"No certificate of {iso} is pinned, so nothing that it answers could be proven."
            remedy = f"Put the certificate it signs with at site/{iso.lower()}/certs/signing-1.pem in AEO_HOME."
        raise Refusal(refused.code, detail, remedy=remedy) from None


def rehearse_against(
    bundle: Bundle,
    url: str,
    *,
    administration: str,
    signer: Signer,
    clock: Callable[[], datetime],
    identity: Identity | None = None,
) -> Rehearsal:
    """Walks every step that can be walked from outside, with our own ``signer``; test messages only. ``identity`` is presented.

    The partner's certificates are those of ``bundle``. Raises ``Refusal`` where none of them can be relied on now, and where nobody
    is there: then there is nothing to report on.
    """
    now, binding = clock(), bundle.arrangement.binding
    trust = pinned(bundle)
    keys = _keys(bundle.iso, trust, now)
    we = Box(bundle, signer, bundle.iso, keys, clock, acting_as=administration)
    guard = guard_for(binding, trust.server, identity)
    try:
        asyncio.run(get(url, guard=guard))
    except Unreachable as problem:
        raise Refusal(
            Code.DATA_INVALID, f"{url} gives no answer: {problem}.", field="against", value=url, remedy=remedy_for(problem)
        ) from None
    session = RemoteSession(url, guard, we, make(bundle.iso, binding, now).stranger)
    steps = tuple(walk(step, session, session.messages) for step in STEPS)
    dialect = we.dialect
    return Rehearsal(bundle.iso, bundle.arrangement.economy.en, bundle.digest, f"{dialect.name} {dialect.version}", url, now, steps)
