"""What is known of revocations: fetched in the background, kept, and handed to ``judge`` from memory.

For every certificate below a root that names a revocation list or a responder, the newest answer whose signature holds is kept. An
answer is fetched again at half of its life, so a responder may be away for the other half. What goes stale stays, and makes
``judge`` say that it cannot tell; what is forged, oversized, or older than what is held changes nothing.
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
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from gateway import net
from gateway.net import Guard, Response, Unreachable
from gateway.trust.allowed import signature_holds
from gateway.trust.certificates import KnownRevocations, Trust, is_self_signed, issued_by
from gateway.wire.certificate import list_from_der

#: How long an OCSP response without nextUpdate is fresh, as the library that judges has it.
UNDATED = timedelta(minutes=30)
#: After a failure, how long to leave an address alone.
PAUSE = timedelta(minutes=5)
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
    """Where facts outlive the process. ``put`` replaces the fact of the same kind, url and about."""

    def all(self) -> Iterable[RevocationEvidence]: ...
    def put(self, fact: RevocationEvidence) -> None: ...


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


@dataclass(frozen=True, slots=True)
class FetchProblem:
    """Why a source gave nothing, since when, for our administrator."""

    url: str
    detail: str
    tried: datetime


def sources(trust: Trust) -> Iterator[Source]:
    """Where the certificates of one partner say that their revocation is published; http and https only."""
    authorities = [x509.load_der_x509_certificate(der) for der in (*trust.roots, *trust.intermediates)]
    asked = (*(pin.der for pin in trust.pins if not is_self_signed(pin.der)), *trust.intermediates)
    for certificate in map(x509.load_der_x509_certificate, asked):
        for issuer in authorities:
            if issued_by(certificate, issuer):
                for urls in _lists(certificate):
                    yield Source("crl", urls, certificate, issuer)
                if urls := _responders(certificate):
                    yield Source("ocsp", urls, certificate, issuer)


class Revocation:
    """Implements ``certificates.Revocations``. ``refresh`` is for one background task; ``known`` for anyone, at any time."""

    def __init__(self, store: EvidenceStore, fetch: Fetch) -> None:
        self._store, self._fetch = store, fetch
        self._facts = {(fact.url, fact.about): fact for fact in store.all()}
        self._problems: dict[tuple[str, str], FetchProblem] = {}
        self._known = self._gather(0)

    def known(self) -> KnownRevocations:
        return self._known

    def facts(self) -> tuple[RevocationEvidence, ...]:
        return tuple(self._facts.values())

    def problems(self) -> tuple[FetchProblem, ...]:
        """The sources whose last try failed."""
        return tuple(self._problems.values())

    async def refresh(self, wanted: Iterable[Source], now: datetime) -> None:
        """Asks every source that is due, all at once; never raises for what they answer."""
        due = {source.key: source for source in wanted if self._due(source, now)}
        if await asyncio.gather(*(self._ask(source, now) for source in due.values())):
            self._known = self._gather(self._known.revision + 1)

    def _due(self, source: Source, now: datetime) -> bool:
        held, failed = self._facts.get(source.key), self._problems.get(source.key)
        if failed is not None and now < failed.tried + PAUSE:
            return False
        return held is None or now >= held.due

    async def _ask(self, source: Source, now: datetime) -> None:
        held = self._facts.get(source.key)
        for url in source.urls:
            try:
                fact = await self._one(source, url, now)
                if held is not None and fact.issued < held.issued:
                    # An old list, replayed, would bring a revoked certificate back to life.
                    raise ValueError(f"issued {fact.issued.isoformat()}, older than the one of {held.issued.isoformat()} held")
            except (Unreachable, ValueError) as error:
                self._problems[source.key] = FetchProblem(url, str(error)[:300], now)
            else:
                await asyncio.to_thread(self._store.put, fact)
                self._facts[source.key] = fact
                self._problems.pop(source.key, None)
                return

    async def _one(self, source: Source, url: str, now: datetime) -> RevocationEvidence:
        answer = await self._fetch(url, _question(source) if source.kind == "ocsp" else None)
        if answer.status != 200:
            raise ValueError(f"answered {answer.status}")
        issued, stale = (_read_response if source.kind == "ocsp" else _read_list)(answer.body, source)
        if not issued <= now:
            raise ValueError(f"issued {issued.isoformat()}; our clock says {now.isoformat()}")
        return RevocationEvidence(source.kind, source.key[0], source.key[1], answer.body, issued, stale, now)

    def _gather(self, revision: int) -> KnownRevocations:
        facts = list(self._facts.values())
        return KnownRevocations(
            tuple(fact.der for fact in facts if fact.kind == "crl"),
            tuple(fact.der for fact in facts if fact.kind == "ocsp"),
            tuple(fact.stale for fact in facts),
            revision,
        )


def guarded_fetch(guard: Guard, resolver: net.Resolver = net.system_resolver) -> Fetch:
    """Fetches through ``net``. Lists and responses are signed, so plain http and a few redirects are borne."""
    guard = replace(guard, plain=True, redirects=2, max_bytes=MAX_BYTES)

    async def fetch(url: str, body: bytes | None) -> Response:
        if body is None:
            return await net.get(url, guard=guard, resolver=resolver)
        return await net.post(url, body, headers={"content-type": "application/ocsp-request"}, guard=guard, resolver=resolver)

    return fetch


def _lists(certificate: x509.Certificate) -> Iterator[tuple[str, ...]]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for point in points:
        if urls := _http(point.full_name or ()):
            yield urls


def _responders(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return _http(entry.access_location for entry in access if entry.access_method == AuthorityInformationAccessOID.OCSP)


def _http(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    found = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return tuple(url for url in found if url.startswith(("http://", "https://")))


def _question(source: Source) -> bytes:
    # RFC 6960 hashes the issuer's name and key only to name them; responders still know them by SHA-1 alone.
    return ocsp.OCSPRequestBuilder().add_certificate(source.certificate, source.issuer, SHA1()).build().public_bytes(Encoding.DER)  # noqa: S303


def _read_list(der: bytes, source: Source) -> tuple[datetime, datetime]:
    """When the list was issued and when it goes stale. Raises ``ValueError`` unless the issuer signed it."""
    found = list_from_der(der)
    if found.next_update_utc is None:
        raise ValueError("the list does not say when the next one comes")
    algorithm = asn1_crl.CertificateList.load(der)["signature_algorithm"]
    if not signature_holds(found.signature, found.tbs_certlist_bytes, algorithm, source.issuer):
        raise ValueError("the list is not signed by the certificate's issuer")
    return found.last_update_utc, found.next_update_utc


def _read_response(der: bytes, source: Source) -> tuple[datetime, datetime]:
    """As ``_read_list``; who may answer for the issuer is judged again with every use."""
    found = ocsp.load_der_ocsp_response(der)
    if found.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(f"the responder answers {found.response_status.name}")
    if found.serial_number != source.certificate.serial_number:
        raise ValueError("the response is about another certificate")
    algorithm = asn1_ocsp.OCSPResponse.load(der).basic_ocsp_response["signature_algorithm"]
    signers = [source.issuer, *(one for one in found.certificates if _is_responder(one, source.issuer))]
    if not any(signature_holds(found.signature, found.tbs_response_bytes, algorithm, signer) for signer in signers):
        raise ValueError("the response is not signed by the certificate's issuer, or by a responder that it certified")
    return found.this_update_utc, found.next_update_utc or found.this_update_utc + UNDATED


def _is_responder(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usages and issued_by(certificate, issuer)
