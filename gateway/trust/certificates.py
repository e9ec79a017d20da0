"""Which of a partner's certificates are relied on at a moment.

A partner has any number of pinned certificates, each with a window in which we accept it; windows overlap, so a rollover never
needs the same minute on both sides. A certificate counts when the moment lies in its window *and* ``judge`` passes it then.
Nothing is fetched here: what is known of revocations comes from ``revocation``, which the background keeps fresh.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol, TypeVar

from asn1crypto.crl import CertificateList
from asn1crypto.ocsp import OCSPResponse
from asn1crypto.x509 import Certificate
from cryptography import x509

from gateway.core.errors import Code, Refusal
from gateway.net import ServerTrust
from gateway.trust.allowed import CertificateRules
from gateway.trust.validate import DEFAULT, PathVerdict, validate
from gateway.wire.algorithms import VerifyKey
from gateway.wire.certificate import ask, from_der, validity_of

T = TypeVar("T")

#: What a certificate is pinned for: messages, or connections to us ("tls", the word of the wire).
Role = Literal["signing", "tls"]
ROLES: tuple[Role, ...] = ("signing", "tls")
#: How long a verdict is kept at most.
KEPT = timedelta(hours=1)
#: Certificates and lists hold through the second in which they end.
_TICK = timedelta(seconds=1)


class KnownRevocations(NamedTuple):
    """What is known of revocations: lists and responses in DER, and when each goes stale. Any change changes ``revision``."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    stale: tuple[datetime, ...] = ()
    revision: int = 0

    def known(self) -> KnownRevocations:
        """Of itself: a fixed state of knowledge is good for ``Revocations``."""
        return self


NOTHING_KNOWN = KnownRevocations()


class Revocations(Protocol):
    """Gives what is known, from memory: never waits, never fetches, and may be asked by several threads at once."""

    def known(self) -> KnownRevocations: ...


@dataclass(frozen=True, slots=True)
class Pin:
    """One certificate (DER) of a partner, and the window in which *we* accept it; both ends belong to it, both are aware.

    ``proven``: a person compared it, or the partner showed that it holds its key. Of one that was only announced nobody knows whose it is.
    """

    role: Role
    der: bytes
    not_before: datetime
    not_after: datetime
    proven: bool = True

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in lower-case hex."""
        return hashlib.sha256(self.der).hexdigest()

    @classmethod
    def of(
        cls, role: Role, der: bytes, *, since: datetime | None = None, until: datetime | None = None, proven: bool = True
    ) -> Pin:
        """A pin whose window, where not said otherwise, is the certificate's own period. Raises ``ValueError`` for no certificate."""
        begins, ends = validity_of(der)
        return cls(role, der, since or begins, until or ends, proven)


@dataclass(frozen=True, slots=True)
class Trust:
    """What one partner may prove itself with. ``roots`` are the authorities trusted for it, ``intermediates`` lead to them (DER).

    ``min_rsa_bits`` is what its binding agreed on for its own keys. ``server`` is by what its server proves itself to us; None: by whatever
    public authorities vouch for.
    """

    pins: tuple[Pin, ...] = ()
    roots: tuple[bytes, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    min_rsa_bits: int = DEFAULT.min_rsa_bits
    server: ServerTrust | None = None


class TlsClaim(NamedTuple):
    """A partner that has a certificate for TLS, whether it has proven to hold its key, and what is thought of the certificate there."""

    partner: str
    proven: bool
    verdict: PathVerdict


class _Judged(NamedTuple):
    """Verdicts on ``trust``, good in ``[since, until)`` as long as nothing else becomes known."""

    trust: Trust
    since: datetime
    until: datetime
    revision: int
    verdicts: tuple[tuple[Pin, PathVerdict], ...]
    keys: tuple[VerifyKey, ...]


_NOBODY = Trust()


class TrustStore:
    """Every partner's ``Trust``, judged when asked. Safe to use from several threads; pickles, for spawned workers.

    Verdicts are kept until one could change by itself (a window, a certificate or a revocation list begins or ends), for an hour
    at most, and while nothing new is known of revocations.
    """

    def __init__(
        self, partners: Mapping[str, Trust], revocations: Revocations = NOTHING_KNOWN, rules: CertificateRules = DEFAULT
    ) -> None:
        self._partners = dict(partners)
        self._revocations = revocations
        self._rules = rules
        self._judged: dict[tuple[str, Role], _Judged] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_judged": {}, "_revocations": self._revocations.known()}

    def known_of(self, partner: str) -> KnownRevocations:
        """What is known of revocations now, as far as it is about this partner's certificates."""
        return concerning(self.trust_of(partner), self._revocations.known())

    def put(self, partner: str, trust: Trust) -> None:
        """Replaces what is pinned for ``partner``, from the next question on."""
        self._partners[partner] = trust

    def trusts(self) -> dict[str, Trust]:
        """What is pinned now, by partner."""
        return dict(self._partners)

    def trust_of(self, partner: str) -> Trust:
        return self._partners.get(partner, _NOBODY)

    def keys_for(self, partner: str, role: Role, moment: datetime) -> tuple[VerifyKey, ...]:
        """The keys relied on at ``moment`` (aware), never none of them.

        Raises ``Refusal``: REVOCATION_UNKNOWN (retryable) where that may change, CERTIFICATE_UNKNOWN where nothing is pinned, or
        what speaks against the pin that ends last.
        """
        judged = self._judge(partner, role, moment)
        if not judged.keys:
            raise _refusal([verdict for _, verdict in judged.verdicts], moment)
        return judged.keys

    def explain(self, refused: Refusal, partner: str, role: Role, came: str | None, moment: datetime) -> Refusal:
        """A better reason than that no key fits (SIGNATURE_INVALID), where there is one; otherwise ``refused`` itself.

        ``keys_for`` leaves out what cannot be relied on. If such a certificate is the one that ``came`` (its fingerprint; None or
        "none" without KeyInfo, when it might be), the sender must learn that it expired, or that the same bytes may pass later.
        """
        if refused.code is not Code.SIGNATURE_INVALID:
            return refused
        against = [(pin.fingerprint, verdict) for pin, verdict in self.verdicts(partner, role, moment) if not verdict.passed]
        unnamed = came in (None, "none")
        possible = [verdict for fingerprint, verdict in against if fingerprint == came or (unnamed and verdict.cannot_tell)]
        return _refusal(possible, moment) if possible else refused

    def verdicts(self, partner: str, role: Role, moment: datetime) -> tuple[tuple[Pin, PathVerdict], ...]:
        """Every pin and what is thought of it, for the administrator."""
        return self._judge(partner, role, moment).verdicts

    def claims(self, der: bytes, moment: datetime) -> list[TlsClaim]:
        """Every partner that has this certificate for TLS, and what is thought of it there."""
        holders = [iso for iso, trust in self._partners.items() if any(pin.role == "tls" and pin.der == der for pin in trust.pins)]
        judged = ((iso, pin, verdict) for iso in holders for pin, verdict in self.verdicts(iso, "tls", moment))
        return [TlsClaim(iso, pin.proven, verdict) for iso, pin, verdict in judged if pin.der == der]

    def owner(self, der: bytes, moment: datetime) -> str | None:
        """The partner that this TLS certificate proves at ``moment``, or None. Who has proven that it is its own goes before who only
        announced it; where several did no more than that, it proves nobody."""
        good = [one for one in self.claims(der, moment) if one.verdict.passed]
        owners = {one.partner for one in good if one.proven} or {one.partner for one in good}
        return owners.pop() if len(owners) == 1 else None

    def _judge(self, partner: str, role: Role, moment: datetime) -> _Judged:
        moment = moment.replace(microsecond=0)
        trust, known = self.trust_of(partner), self._revocations.known()
        kept = self._judged.get((partner, role))
        # Another thread may just have put in what it judged of an older trust.
        if not (kept and kept.trust is trust and kept.revision == known.revision and kept.since <= moment < kept.until):
            kept = self._judged[partner, role] = self._judge_now(trust, role, moment, concerning(trust, known))
        return kept

    def _judge_now(self, trust: Trust, role: Role, moment: datetime, known: KnownRevocations) -> _Judged:
        pins = sorted((pin for pin in trust.pins if pin.role == role), key=lambda pin: pin.not_after, reverse=True)
        verdicts = tuple((pin, _verdict(pin, trust, moment, known, self._rules)) for pin in pins)
        keys = tuple(VerifyKey.from_certificate(pin.der) for pin, verdict in verdicts if verdict.passed)
        until = min((edge for edge in _edges(trust, pins, known) if edge > moment), default=moment + KEPT)
        return _Judged(trust, moment, min(until, moment + KEPT), known.revision, verdicts, keys)


def _verdict(pin: Pin, trust: Trust, moment: datetime, known: KnownRevocations, rules: CertificateRules) -> PathVerdict:
    since, until = pin.not_before.isoformat(), pin.not_after.isoformat()
    facts = {"certificate": pin.fingerprint, "accepted": f"{since} to {until}"}
    if moment < pin.not_before:
        return PathVerdict(Code.CERTIFICATE_NOT_YET_VALID, f"The certificate is accepted from {since}.", facts)
    if moment > pin.not_after:
        return PathVerdict(Code.CERTIFICATE_EXPIRED, f"The certificate was accepted until {until}.", facts)
    roots = (*trust.roots, pin.der) if is_self_signed(pin.der) else trust.roots
    verdict = validate(
        pin.der,
        intermediates=trust.intermediates,
        roots=roots,
        crls=known.crls,
        ocsps=known.ocsps,
        moment=moment,
        usage=pin.role,
        rules=replace(rules, min_rsa_bits=trust.min_rsa_bits),
    )
    return replace(verdict, facts=facts | verdict.facts)


def _edges(trust: Trust, pins: Iterable[Pin], known: KnownRevocations) -> Iterator[datetime]:
    """Every moment from which on a verdict may be another one by itself."""
    for pin in pins:
        yield from (pin.not_before, pin.not_after + _TICK)
    for der in (*(pin.der for pin in pins), *trust.roots, *trust.intermediates):
        with suppress(ValueError):  # the verdict says so
            begins, ends = validity_of(der)
            yield from (begins, ends + _TICK)
    yield from (stale + _TICK for stale in known.stale)


def _refusal(verdicts: Sequence[PathVerdict], moment: datetime) -> Refusal:
    """What speaks against the first of ``verdicts``, those that may be otherwise later before all others."""
    clock = {"our clock": moment.isoformat()}
    if not verdicts:
        return Refusal(Code.CERTIFICATE_UNKNOWN, facts=clock)
    worst = min(verdicts, key=lambda verdict: not verdict.cannot_tell)
    assert worst.code is not None
    return Refusal(worst.code, f"{worst.detail} Our clock says {moment.isoformat()}.".lstrip(), facts=clock | worst.facts)


def concerning(trust: Trust, known: KnownRevocations) -> KnownRevocations:
    """What of ``known`` is about a partner's own certificates: nobody is judged by what another partner's authority publishes, or by how
    it fails to."""
    if not (known.crls or known.ocsps):
        return known
    own = [said for der in (*(pin.der for pin in trust.pins), *trust.roots, *trust.intermediates) if (said := _called(der))]
    names, serials = {name for name, _ in own}, {serial for _, serial in own}
    lists = tuple(der for der in known.crls if _issuer_of(der) in names)
    return known._replace(crls=lists, ocsps=tuple(der for der in known.ocsps if serials & _serials_in(der)))


def _of(read: Callable[[], T]) -> T | None:
    try:
        return ask(read)
    except ValueError:
        return None


@lru_cache(maxsize=1_024)
def _called(der: bytes) -> tuple[object, int] | None:
    """A certificate's subject, in a form that can be compared, and its number; None where they cannot be read."""

    def read() -> tuple[object, int]:
        certificate = Certificate.load(der)
        return certificate.subject.hashable, certificate.serial_number

    return _of(read)


@lru_cache(maxsize=256)
def _issuer_of(crl: bytes) -> object:
    """Who issued a list, in the same form; what cannot be read is nobody's."""
    return _of(lambda: CertificateList.load(crl).issuer.hashable)


@lru_cache(maxsize=256)
def _serials_in(response: bytes) -> frozenset[int]:
    """Of which certificates a response speaks."""

    def read() -> frozenset[int]:
        said = OCSPResponse.load(response).basic_ocsp_response["tbs_response_data"]["responses"]
        return frozenset(one["cert_id"]["serial_number"].native for one in said)

    return _of(read) or frozenset()


@lru_cache(maxsize=1_024)
def is_self_signed(der: bytes) -> bool:
    """Whether the certificate was issued by its own key, so that there is no other authority to ask."""
    certificate = _of(lambda: from_der(der))
    return certificate is not None and issued_by(certificate, certificate)


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the names fit and ``issuer``'s key made the signature; nothing else is looked at."""
    try:
        ask(lambda: certificate.verify_directly_issued_by(issuer))
    except ValueError:
        return False
    return True
