"""What is known of revocations: fetched in the background, kept, and handed to ``judge`` from memory.

For every certificate below a root that names a revocation list or a responder, the newest answer whose signature holds is kept. An
answer is fetched again at half of its life, so a responder may be away for the other half, and within ``every`` whatever it says of its
life: a list that says it holds for ever would hide every later revocation. What goes stale stays, and makes ``judge`` say that it
cannot tell; what is forged, oversized, or older than what is held changes nothing.

Nobody's addresses hold up anybody else: so many of a certificate are asked, in so much time; and so many of one partner's certificates
at once. Whatever an answer makes a library raise is a problem of that source.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

import msgspec
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from gateway import net
from gateway.core.moments import bounded
from gateway.net import Guard, Response
from gateway.trust.allowed import signature_holds
from gateway.trust.certificates import KnownRevocations, Trust, is_self_signed, issued_by
from gateway.wire.certificate import (
    ask,
    extension,
    from_der,
    list_freshness,
    list_from_der,
    response_freshness,
    response_from_der,
)

#: How long an OCSP response without nextUpdate is fresh, as the library that judges has it.
UNDATED = timedelta(minutes=30)
#: After a failure, how long to leave an address alone.
PAUSE = timedelta(minutes=5)
#: After how long what is known is asked for again at the latest, unless the settings say otherwise.
EVERY = timedelta(hours=6)
#: How many addresses of one certificate are asked at the most, and how long one, and all of them together, may take.
ADDRESSES, PATIENCE, TOTAL = 4, timedelta(seconds=10), timedelta(seconds=30)
#: How many certificates of one partner are asked about at once, and how long all of them may take in one round.
AT_ONCE, ROUND = 4, timedelta(seconds=60)
#: Bytes of one list or response; a list of this size names some 25,000 certificates.
MAX_BYTES = 1 << 20

#: Asks one address: GET without a body, POST with one. Raises ``Unreachable``.
Fetch = Callable[[str, bytes | None], Awaitable[Response]]


class RevocationEvidence(msgspec.Struct, frozen=True):
    """One list or response (DER) as it came from ``url``. ``about`` is the SHA-256 of the certificate a response speaks of."""

    kind: Literal["crl", "ocsp"]
    url: str
    about: str
    der: bytes
    issued: datetime
    stale: datetime
    fetched: datetime

    @property
    def due(self) -> datetime:
        return self.issued + (self.stale - self.issued) / 2


class EvidenceStore(Protocol):
    """Where facts outlive the process. ``put`` replaces the fact of the same kind, url and about; ``drop`` lets it go."""

    def all(self) -> Iterable[RevocationEvidence]: ...
    def put(self, fact: RevocationEvidence) -> None: ...
    def drop(self, fact: RevocationEvidence) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """One place to ask about one certificate. ``issuer`` signs what it answers, itself or through a responder it certified."""

    kind: Literal["crl", "ocsp"]
    urls: tuple[str, ...]
    certificate: x509.Certificate
    issuer: x509.Certificate

    @property
    def key(self) -> tuple[str, str]:
        """A list speaks of every certificate of its issuer, a response of one."""
        der = self.certificate.public_bytes(Encoding.DER) if self.kind == "ocsp" else b""
        return self.urls[0], hashlib.sha256(der).hexdigest() if der else ""


#: Who asked, and what: the partner, the address, and the certificate.
_Asked = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class FetchProblem:
    """Why a source gave nothing, since when, for our administrator. ``partner`` is whose certificate it is about."""

    url: str
    detail: str
    tried: datetime
    partner: str = ""


def sources(trust: Trust) -> Iterator[Source]:
    """Where the certificates of one partner say that their revocation is published: http and https only, ``ADDRESSES`` of each. A
    certificate that cannot be read says nothing; ``judge`` says what is wrong with it."""
    authorities = [one for der in (*trust.roots, *trust.intermediates) if (one := _certificate(der))]
    asked = (*(pin.der for pin in trust.pins if not is_self_signed(pin.der)), *trust.intermediates)
    for certificate in (one for der in asked if (one := _certificate(der))):
        issuer = next((one for one in authorities if issued_by(certificate, one)), None)
        if issuer is not None:
            yield from (Source(kind, urls, certificate, issuer) for kind, urls in _places(certificate))


def _certificate(der: bytes) -> x509.Certificate | None:
    try:
        return from_der(der)
    except ValueError:
        return None


class Revocation:
    """Implements ``certificates.Revocations``. ``refresh`` is for one background task; ``known`` for anyone, at any time."""

    def __init__(self, store: EvidenceStore, fetch: Fetch, every: timedelta = EVERY) -> None:
        self._store, self._fetch, self._every = store, fetch, every
        # What a release before this one kept may name any moment.
        kept = (msgspec.structs.replace(one, issued=bounded(one.issued), stale=bounded(one.stale)) for one in store.all())
        self._facts = {(fact.url, fact.about): fact for fact in kept}
        self._problems: dict[_Asked, FetchProblem] = {}
        self._known = KnownRevocations(revision=-1)
        self._regather()

    def known(self) -> KnownRevocations:
        return self._known

    def facts(self) -> tuple[RevocationEvidence, ...]:
        return tuple(self._facts.values())

    def problems(self, partner: str | None = None) -> tuple[FetchProblem, ...]:
        """The sources (of one partner) whose last try failed."""
        return tuple(one for one in self._problems.values() if partner in (None, one.partner))

    async def refresh(self, wanted: Iterable[Source], now: datetime, partner: str = "") -> None:
        """Asks every source of one partner that is due; never raises for what they answer. What is not answered in the time of a round is
        asked for in the next one."""
        every = {source.key: source for source in wanted}
        mine = {(partner, *key) for key in every}
        self._problems = {key: one for key, one in self._problems.items() if one.partner != partner or key in mine}
        by_certificate: dict[bytes, list[Source]] = {}
        for source in every.values():
            if self._due(source, now, partner):
                by_certificate.setdefault(source.certificate.fingerprint(SHA256()), []).append(source)
        turn = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.timeout(ROUND.total_seconds()):
                asking = (self._ask_all(group, now, partner, turn) for group in by_certificate.values())
                done = await asyncio.gather(*asking, return_exceptions=True)
        except TimeoutError:
            done = []
        self._regather()
        for fault in done:
            if isinstance(fault, BaseException):
                raise fault  # ours: what was answered could not be kept

    def forget(self, wanted: Iterable[Source]) -> None:
        """Lets go of what is about nobody's certificate any more: partners announce ever new ones."""
        keys = {source.key for source in wanted}
        for key in self._facts.keys() - keys:
            self._store.drop(self._facts.pop(key))
        self._regather()

    def _due(self, source: Source, now: datetime, partner: str) -> bool:
        held, failed = self._facts.get(source.key), self._problems.get((partner, *source.key))
        if failed is not None and failed.tried <= now < failed.tried + PAUSE:
            return False
        # A clock that went back must not keep anything from being asked.
        return held is None or not held.fetched <= now < min(held.due, held.fetched + self._every)

    async def _ask_all(self, of_one: list[Source], now: datetime, partner: str, turn: asyncio.Semaphore) -> None:
        """Asks about one certificate."""
        async with turn:
            left = list(of_one)
            try:
                async with asyncio.timeout(TOTAL.total_seconds()):
                    while left:
                        await self._ask(left[0], now, partner)
                        left.pop(0)
            except TimeoutError:
                for source in left:
                    self._failed(source, source.urls[0], f"no answer within {TOTAL.total_seconds():g} s", now, partner)

    async def _ask(self, source: Source, now: datetime, partner: str) -> None:
        held = self._facts.get(source.key)
        for url in source.urls:
            try:
                fact = await self._one(source, url, now)
                if held is not None and fact.issued < held.issued:
                    # An old list, replayed, would bring a revoked certificate back to life.
                    raise ValueError(f"issued {fact.issued.isoformat()}, older than the one of {held.issued.isoformat()} held")
            except Exception as error:  # noqa: BLE001 - whatever an address answers, it is that source's problem and nobody else's
                self._failed(source, url, str(error) or type(error).__name__, now, partner)
            else:
                await asyncio.to_thread(self._store.put, fact)
                self._facts[source.key] = fact
                self._problems.pop((partner, *source.key), None)
                return

    def _failed(self, source: Source, url: str, detail: str, now: datetime, partner: str) -> None:
        self._problems[(partner, *source.key)] = FetchProblem(url, detail[:300], now, partner)

    async def _one(self, source: Source, url: str, now: datetime) -> RevocationEvidence:
        answer = await self._fetch(url, _question(source) if source.kind == "ocsp" else None)
        if answer.status != 200:
            raise ValueError(f"answered {answer.status}")
        # A list of a megabyte takes the time of many messages.
        read = _read_response if source.kind == "ocsp" else _read_list
        issued, stale = await asyncio.to_thread(read, answer.body, source)
        if not issued <= now:
            raise ValueError(f"issued {issued.isoformat()}; our clock says {now.isoformat()}")
        return RevocationEvidence(source.kind, source.key[0], source.key[1], answer.body, issued, stale, now)

    def _regather(self) -> None:
        """Makes what is known of what is held, where that is anything else than before."""
        facts = list(self._facts.values())
        lists = tuple(fact.der for fact in facts if fact.kind == "crl")
        responses = tuple(fact.der for fact in facts if fact.kind == "ocsp")
        stale = tuple(fact.stale for fact in facts)
        if self._known.revision < 0 or self._known[:3] != (lists, responses, stale):
            self._known = KnownRevocations(lists, responses, stale, self._known.revision + 1)


def guarded_fetch(guard: Guard, resolver: net.Resolver = net.system_resolver) -> Fetch:
    """Fetches through ``net``. Lists and responses are signed, so plain http and a few redirects are borne."""
    guard = replace(guard, plain=True, redirects=2, max_bytes=MAX_BYTES, timeout=PATIENCE)

    async def fetch(url: str, body: bytes | None) -> Response:
        if body is None:
            return await net.get(url, guard=guard, resolver=resolver)
        return await net.post(url, body, headers={"content-type": "application/ocsp-request"}, guard=guard, resolver=resolver)

    return fetch


def _places(certificate: x509.Certificate) -> list[tuple[Literal["crl", "ocsp"], tuple[str, ...]]]:
    """Where to ask about a certificate: the lists of its distribution points, each with its addresses, and its responders; in all
    ``ADDRESSES``, of which one is a responder's where it has any."""
    try:
        points = extension(certificate, x509.CRLDistributionPoints) or ()
        access = extension(certificate, x509.AuthorityInformationAccess) or ()
    except ValueError:
        return []
    responders = _http(one.access_location for one in access if one.access_method == AuthorityInformationAccessOID.OCSP)
    found: list[tuple[Literal["crl", "ocsp"], tuple[str, ...]]] = []
    left = ADDRESSES - bool(responders)
    for point in points:
        if urls := _http(point.full_name or ())[:left]:
            found.append(("crl", urls))
            left -= len(urls)
    if responders:
        found.append(("ocsp", responders[: left + 1]))
    return found


def _http(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    found = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return tuple(dict.fromkeys(url for url in found if url.startswith(("http://", "https://"))))


def _question(source: Source) -> bytes:
    # RFC 6960 hashes the issuer's name and key only to name them; responders still know them by SHA-1 alone.
    made = ocsp.OCSPRequestBuilder().add_certificate(source.certificate, source.issuer, SHA1())  # noqa: S303
    return ask(lambda: made.build().public_bytes(Encoding.DER))


def _read_list(der: bytes, source: Source) -> tuple[datetime, datetime]:
    """When the list was issued and when it goes stale. Raises ``ValueError`` unless the issuer signed it."""
    found = list_from_der(der)
    issued, stale = list_freshness(found)
    if stale is None:
        raise ValueError("the list does not say when the next one comes")
    algorithm, signature, signed = ask(
        lambda: (asn1_crl.CertificateList.load(der)["signature_algorithm"], found.signature, found.tbs_certlist_bytes)
    )
    if not signature_holds(signature, signed, algorithm, source.issuer):
        raise ValueError("the list is not signed by the certificate's issuer")
    return issued, stale


def _read_response(der: bytes, source: Source) -> tuple[datetime, datetime]:
    """As ``_read_list``; who may answer for the issuer is judged again with every use."""
    found = response_from_der(der)
    status = ask(lambda: found.response_status)
    if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(f"the responder answers {status.name}")
    if ask(lambda: found.serial_number) != source.certificate.serial_number:
        raise ValueError("the response is about another certificate")
    algorithm, signature, signed, enclosed = ask(
        lambda: (
            asn1_ocsp.OCSPResponse.load(der).basic_ocsp_response["signature_algorithm"],
            found.signature,
            found.tbs_response_bytes,
            found.certificates,
        )
    )
    signers = [source.issuer, *(one for one in enclosed if _is_responder(one, source.issuer))]
    if not any(signature_holds(signature, signed, algorithm, signer) for signer in signers):
        raise ValueError("the response is not signed by the certificate's issuer, or by a responder that it certified")
    issued, stale = response_freshness(found)
    return issued, stale or issued + UNDATED


def _is_responder(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        usages = extension(certificate, x509.ExtendedKeyUsage) or ()
    except ValueError:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usages and issued_by(certificate, issuer)
