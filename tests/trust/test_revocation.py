"""What is known of revocations, fetched in the background: from real servers where the guard matters, from a table otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.core.errors import Code, Refusal
from gateway.net import Guard, Response, Unreachable, UnreachableReason
from gateway.trust.certificates import Pin, Trust, TrustStore
from gateway.trust.revocation import Revocation, RevocationEvidence, guarded_fetch, sources
from tests.net.test_net import names, serving
from tests.rig import bounds
from tests.rig.vectors import load
from tests.trust.pki import MOMENT, Pki

LIST, RESPONDER = "http://ca.example/list", "http://ca.example/ocsp"
DAY = timedelta(days=1)
PKI = Pki.of({"leaf": {"lists": [LIST]}})
ANSWERED = Pki.of({"leaf": {"responders": [RESPONDER]}, "neighbour": {"issuer": "issuing"}})


def trust(pki: Pki = PKI) -> Trust:
    return Trust((Pin.of("signing", pki.get("leaf")),), (pki.get("root"),), (pki.get("issuing"),))


@dataclass
class EvidenceInMemory:
    """Keeps facts in memory; can fail, as a database can."""

    kept: dict[tuple[str, str], RevocationEvidence] = field(default_factory=dict)
    broken: bool = False

    def all(self) -> Iterable[RevocationEvidence]:
        return list(self.kept.values())

    def put(self, fact: RevocationEvidence) -> None:
        if self.broken:
            raise OSError("disk full")
        self.kept[fact.url, fact.about] = fact


@dataclass
class Servers:
    """Answers by URL; what is no answer is raised."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, bytes | None]] = field(default_factory=list)

    async def fetch(self, url: str, body: bytes | None) -> Response:
        self.asked.append((url, body))
        answer = self.answers.get(url, Unreachable(UnreachableReason.CONNECTION, "nobody there"))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else Response(200, {}, answer)


def refresh(known: Revocation, of: Trust, now: datetime) -> None:
    asyncio.run(known.refresh(sources(of), now))


def verdict(known: Revocation, pki: Pki, moment: datetime) -> str:
    try:
        TrustStore({"XA": trust(pki)}, known).keys_for("XA", "signing", moment)
    except Refusal as refused:
        return str(refused.code)
    return "accepted"


def test_where_to_ask() -> None:
    pki = Pki.of(
        {
            "issuing": {"lists": ["http://ca.example/authorities"]},
            "leaf": {"lists": ["ldap://ca.example/x", LIST], "responders": [RESPONDER, "http://second.example/"]},
            "alone": {"issuer": "alone", "lists": ["http://never.example/"], "usages": ["digital_signature"]},
        }
    )
    of = Trust((*trust(pki).pins, Pin.of("tls", pki.get("alone"))), trust(pki).roots, trust(pki).intermediates)
    found = {(source.kind, source.urls) for source in sources(of)}
    assert found == {("crl", (LIST,)), ("crl", ("http://ca.example/authorities",)), ("ocsp", (RESPONDER, "http://second.example/"))}


@pytest.mark.parametrize(
    ("pki", "url", "make", "bad"),
    [(PKI, LIST, PKI.crl, {"revoked": ["leaf"]}), (ANSWERED, RESPONDER, ANSWERED.ocsp, {"status": "revoked"})],
    ids=["list", "responder"],
)
def test_a_revocation_becomes_known(pki: Pki, url: str, make: Any, bad: dict[str, Any]) -> None:
    servers, evidence = Servers({url: make({})}), EvidenceInMemory()
    known = Revocation(evidence, servers.fetch)
    assert verdict(known, pki, MOMENT) == "revocation-unknown"
    refresh(known, trust(pki), MOMENT)
    assert verdict(known, pki, MOMENT) == "accepted"
    servers.answers[url] = make({**bad, "issued": MOMENT + 3 * DAY, "next": MOMENT + 10 * DAY})
    refresh(known, trust(pki), MOMENT + DAY)  # not yet at half of its life
    assert len(servers.asked) == 1
    refresh(known, trust(pki), MOMENT + 4 * DAY)
    assert verdict(known, pki, MOMENT + 4 * DAY) == "certificate-revoked"
    # Another process, or this one after a restart, knows it from what was kept without asking.
    again = Revocation(evidence, Servers().fetch)
    assert again.known()[:3] == known.known()[:3]
    assert verdict(again, pki, MOMENT + 4 * DAY) == "certificate-revoked"
    (fact,) = again.facts()
    assert (fact.issued, fact.fetched) == (MOMENT + 3 * DAY, MOMENT + 4 * DAY)


def test_the_second_address_is_asked_when_the_first_is_silent() -> None:
    pki = Pki.of({"leaf": {"responders": [RESPONDER, "http://second.example/"]}})
    servers = Servers({"http://second.example/": pki.ocsp({})})
    known = Revocation(EvidenceInMemory(), servers.fetch)
    refresh(known, trust(pki), MOMENT)
    assert [url for url, _ in servers.asked] == [RESPONDER, "http://second.example/"]
    assert verdict(known, pki, MOMENT) == "accepted"
    assert known.problems() == ()


def test_a_failing_address_is_left_alone_for_a_while() -> None:
    servers = Servers()
    known = Revocation(EvidenceInMemory(), servers.fetch)
    for minutes in (0, 1, 4, 6):
        refresh(known, trust(), MOMENT + timedelta(minutes=minutes))
    assert len(servers.asked) == 2
    (problem,) = known.problems()
    assert (problem.url, problem.tried) == (LIST, MOMENT + timedelta(minutes=6))
    assert "nobody there" in problem.detail
    assert verdict(known, PKI, MOMENT) == "revocation-unknown"


OTHER = Pki.of({"issuing": {"key_of": "attacker"}, "leaf": {"lists": [LIST], "responders": [RESPONDER]}})
UNAUTHORISED = Pki.of({**ANSWERED.described, "responder": {"issuer": "issuing", "usages": ["digital_signature"]}})


@pytest.mark.parametrize(
    ("pki", "answer", "problem"),
    [
        (PKI, b"<html>Not found</html>", "error parsing asn1 value|ParseError|InvalidTag|parsing"),
        (PKI, Response(404, {}, b""), "answered 404"),
        (PKI, OTHER.crl({}), "not signed by the certificate's issuer"),
        (PKI, PKI.crl({"hash": "sha1"}), "not signed by the certificate's issuer"),
        (PKI, PKI.crl({"issued": MOMENT - 30 * DAY, "next": MOMENT + DAY}), "older than the one of"),
        (PKI, PKI.crl({"issued": MOMENT + 9 * DAY, "next": MOMENT + 12 * DAY}), "our clock says"),
        (ANSWERED, OTHER.ocsp({}), "not signed by the certificate's issuer"),
        (ANSWERED, UNAUTHORISED.ocsp({"by": "responder"}), "or by a responder that it certified"),
        (ANSWERED, ANSWERED.ocsp({"about": "neighbour"}), "about another certificate"),
        (ANSWERED, b"\x30\x03\x0a\x01\x06", "UNAUTHORIZED"),
        (ANSWERED, Unreachable(UnreachableReason.TIMEOUT, "slow"), "slow"),
    ],
)
def test_a_bad_answer_changes_nothing_and_is_remembered(pki: Pki, answer: object, problem: str) -> None:
    url = LIST if pki is PKI else RESPONDER
    servers, evidence = Servers({url: PKI.crl({}) if pki is PKI else ANSWERED.ocsp({})}), EvidenceInMemory()
    known = Revocation(evidence, servers.fetch)
    refresh(known, trust(pki), MOMENT)
    before = (known.known(), dict(evidence.kept))
    servers.answers[url] = answer
    later = MOMENT + 4 * DAY
    refresh(known, trust(pki), later)
    assert len(servers.asked) == 2
    assert (known.known()[:3], evidence.kept) == (before[0][:3], before[1])
    (noted,) = known.problems()
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(noted.detail)
    # Good until it goes stale, and then nobody can tell.
    assert verdict(known, pki, later) == "accepted"
    assert verdict(known, pki, MOMENT + 7 * DAY) == "revocation-unknown"


def test_what_cannot_be_kept_is_not_known_either() -> None:
    evidence = EvidenceInMemory(broken=True)
    known = Revocation(evidence, Servers({LIST: PKI.crl({})}).fetch)
    with pytest.raises(OSError, match="disk full"):
        refresh(known, trust(), MOMENT)
    assert known.known().crls == ()
    assert verdict(known, PKI, MOMENT) == "revocation-unknown"


def test_one_list_for_all_certificates_of_an_issuer_is_asked_once() -> None:
    pki = Pki.of({name: {"issuer": "issuing", "usages": ["digital_signature"], "lists": [LIST]} for name in ("leaf", "two")})
    both = Trust((*trust(pki).pins, Pin.of("tls", pki.get("two"))), trust(pki).roots, trust(pki).intermediates)
    servers = Servers({LIST: pki.crl({})})
    refresh(Revocation(EvidenceInMemory(), servers.fetch), both, MOMENT)
    assert servers.asked == [(LIST, None)]


# Through the guard, from a server.


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("vector", load("certificates", "fetched"), ids=lambda vector: vector["id"])
def test_fetched(vector: dict[str, Any]) -> None:
    """Every vector of tests/vectors/certificates/fetching.toml, from a server on loopback."""

    async def story() -> Revocation:
        async with serving(lambda writer: answer(writer)) as server:
            base = f"http://ca.example:{server.port}"
            pki = Pki.of({"leaf": {"lists": [f"{base}/list"], "responders": [f"{base}/ocsp"]}})

            async def answer(writer: asyncio.StreamWriter) -> None:
                body = pki.ocsp({}) if server.requests[-1].startswith(b"POST") else pki.crl({})
                if "version" in vector:
                    body = body.replace(b"\x02\x01\x01\x30", b"\x02\x01%c\x30" % vector["version"], 1)
                writer.write(_http(b"0" * vector["bytes"] if "bytes" in vector else body))
                await writer.drain()

            guard = Guard(private_addresses=vector.get("private", False))
            known = Revocation(EvidenceInMemory(), guarded_fetch(guard, names(ca_example=[vector["address"]])))
            await known.refresh(sources(trust(pki)), MOMENT)
            questions = [request for request in server.requests if request.startswith(b"POST /ocsp")]
            assert all(b"content-type: application/ocsp-request" in question.lower() for question in questions)
        assert verdict(known, pki, MOMENT) == vector["code"]
        return known

    known = bounds.answer(lambda: asyncio.run(story()), vector.get("bytes", 0) * 2)
    assert isinstance(known, Revocation)
    problems = [problem.detail for problem in known.problems()]
    assert all(vector["problem"] in problem for problem in problems) if "problem" in vector else not problems, problems


def test_receiving_never_fetches() -> None:
    async def never(url: str, body: bytes | None) -> Response:
        raise AssertionError("fetched while judging")

    known = Revocation(EvidenceInMemory(), never)
    for moment in (MOMENT, MOMENT + 365 * DAY):
        with pytest.raises(Refusal) as caught:
            TrustStore({"XA": trust()}, known).keys_for("XA", "signing", moment)
        assert caught.value.code in (Code.REVOCATION_UNKNOWN, Code.CERTIFICATE_EXPIRED)
