"""Moments from outside: whoever reads one, it lies within bounds or it is refused, and nobody adds to what was not bounded.

Two things together. What the source says: the standard library's readers of moments, and the certificate library's moments, are asked in
two files alone, and those two add and take away nothing; so no other line of the gateway ever holds a moment that is not bounded. And a
property over every parser: any moment that can be represented in, a result within bounds or a refusal out, and never another exception.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import typer
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.clearance import declaration, wording
from gateway.cli import common
from gateway.core import moments
from gateway.core.errors import Refusal
from gateway.core.fold import fold
from gateway.core.history import unpack
from gateway.core.home import HOME_ZONE
from gateway.core.model import Environment, Header, Kind, Standing, Statement
from gateway.core.moments import FIRST, LAST, LONGEST, from_epoch
from gateway.core.place import place
from gateway.domestic import claim, record
from gateway.exchange.deliver import courier
from gateway.exchange.offline import read as offline
from gateway.onboarding.draft import days
from gateway.partners.shape import Step
from gateway.settings import SettingsFault, from_environment
from gateway.store.tables import Moment, microseconds
from gateway.trust import endings
from gateway.trust.certificates import KnownRevocations, Pin, Trust, TrustStore
from gateway.trust.revocation import Revocation
from gateway.web.api import questions, switches
from gateway.wire import payloads
from gateway.wire.certificate import from_pem
from gateway.wire.dialect import values
from tests.rig.machine import REPO
from tests.rig.shipped import arrangements
from tests.rig.volume import times
from tests.trust.pki import MOMENT, Pki
from tests.trust.test_revocation import EvidenceInMemory, Servers, refresh

SOURCE = sorted((REPO / "gateway").rglob("*.py"))
#: Where the gateway reads moments that others wrote: as text, and in what the certificate library read.
TEXT, CERTIFICATES = "gateway/core/moments.py", "gateway/wire/certificate.py"
#: What reads or holds a moment as it came, and who alone may ask for it.
RAW = {
    **dict.fromkeys(("fromisoformat", "strptime", "parsedate_to_datetime", "parsedate", "fromtimestamp", "utcfromtimestamp"), TEXT),
    **dict.fromkeys(
        ("not_valid_before_utc", "not_valid_after_utc", "last_update_utc", "next_update_utc", "this_update_utc", "produced_at_utc"),
        CERTIFICATES,
    ),
    **dict.fromkeys(("load_der_x509_certificate", "load_der_x509_crl", "load_der_ocsp_response", "extensions"), CERTIFICATES),
    **dict.fromkeys(("not_valid_before", "not_valid_after", "last_update", "next_update", "this_update", "produced_at"), "nobody"),
}
#: Not ours to guard: the script that a partner gets runs alone, at the partner's; and who builds a certificate says when it ends.
APART = {
    "gateway/onboarding/verify_message.py": set(RAW),
    "gateway/trust/selfsigned.py": {"not_valid_before", "not_valid_after"},
}


def raw(tree: ast.AST) -> Iterator[str]:
    """What it asks for that gives a moment as it came."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if name in RAW:
                yield name
            case ast.Name(id=name) | ast.alias(name=name) if name in RAW and name != "extensions":
                yield name


def reckons(tree: ast.AST) -> bool:
    """Whether anything is added or taken away in it."""
    return any(isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub) for node in ast.walk(tree))


def test_only_two_files_hold_a_moment_that_is_not_bounded() -> None:
    found = {(str(path.relative_to(REPO)), name) for path in SOURCE for name in raw(ast.parse(path.read_text("utf-8")))}
    assert {(file, name) for file, name in found if RAW[name] != file and name not in APART.get(file, ())} == set()
    assert {name for _, name in found if RAW[name] != "nobody"} >= {"fromisoformat", "not_valid_after_utc", "next_update_utc"}


@pytest.mark.parametrize("file", [TEXT, CERTIFICATES])
def test_and_they_add_and_take_away_nothing(file: str) -> None:
    assert not reckons(ast.parse((REPO / file).read_text("utf-8")))


def test_what_is_looked_for() -> None:
    assert list(raw(ast.parse("x = datetime.fromisoformat(text) + timedelta(1)"))) == ["fromisoformat"]
    assert list(raw(ast.parse("map(x509.load_der_x509_certificate, ders)"))) == ["load_der_x509_certificate"]
    assert reckons(ast.parse("found - timedelta(1)"))


def test_what_is_bounded_can_be_reckoned_with() -> None:
    """By whatever length data can name, and twice: a window on a window."""
    for moment in (FIRST, LAST):
        assert moment - 2 * LONGEST < moment < moment + 2 * LONGEST
    assert microseconds(LAST) < 2**63


# ---------------------------------------------------------------- every parser

OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EDGES = [
    one.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for one in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), FIRST, LAST)
    for minutes in (-1439, -840, 0, 480, 840, 1439)
]
MOMENTS = st.datetimes(timezones=OFFSETS | st.just(UTC)) | st.sampled_from(EDGES)
DAYS = st.dates() | st.sampled_from([date.min, date.max, date(1, 1, 2), date(9999, 12, 30), FIRST.date(), LAST.date()])


def iso(moment: datetime) -> str:
    return moment.isoformat()


def utc_form(moment: datetime) -> str:
    """As the envelope writes it, whatever the zone."""
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def day_of(moment: datetime) -> str:
    return moment.date().isoformat()


def of_pattern(form: str) -> Callable[[datetime], str]:
    """``strftime`` writes years before 1000 with fewer digits than it reads."""
    return lambda moment: moment.strftime(form.replace("%Y", f"{moment.year:04}"))


class Parser(NamedTuple):
    """One that reads moments which others write: how they write them, how it reads, and what it may raise."""

    name: str
    written: Callable[[datetime], Any]
    read: Callable[[Any], Any]
    refuses: tuple[type[Exception], ...] = (Refusal,)
    bounds: bool = True


def element(xml: str) -> etree._Element:
    return etree.fromstring(xml)


def keys_message(since: str) -> etree._Element:
    return element(
        f'<x:Keys xmlns:x="{payloads.NAMESPACE}"><x:Certificate from="{since}" role="signing">AA==</x:Certificate></x:Keys>'
    )


def receipt(said: str) -> etree._Element:
    inside = f'<x:Message>m</x:Message><x:Digest>d</x:Digest><x:Received>{said}</x:Received><x:Checkpoint size="1" root="r" sealed="{said}"/>'
    return element(f'<x:Receipt xmlns:x="{payloads.NAMESPACE}">{inside}</x:Receipt>')


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def stopping(moment: str) -> bytes:
    return body(what="operator", subject="SG1", reason="r", since=moment, until=moment)


def step(day: str) -> Step[bool]:
    return Step[bool].model_validate_json(body(**{"from": day}, value=True, setting="made up"))


def mailed(text: str) -> datetime:
    return offline.moment(text, arrangements()["SG"], "SG")


def stored(value: int) -> datetime | None:
    return Moment().process_result_value(value, None)


def seconds(text: str) -> timedelta:
    return from_environment({"AEO_REVOCATION_EVERY": text}).revocation_every


PARSERS = [
    Parser("a moment", iso, moments.instant, (ValueError,)),
    Parser("a moment of a zone", lambda one: one.replace(tzinfo=None).isoformat(), lambda text: moments.instant(text, HOME_ZONE), (ValueError,)),
    Parser("a day", day_of, moments.day, (ValueError,)),
    Parser("the day of a moment", iso, lambda text: moments.day_in(text, HOME_ZONE), (ValueError,)),
    Parser("the envelope's", utc_form, moments.read_moment),
    Parser("a KEYS message", utc_form, lambda text: payloads.read_keys(keys_message(text))),
    Parser("a receipt", utc_form, lambda text: payloads.read_receipt(receipt(text))),
    Parser("a dialect's moment", lambda one: one.isoformat(timespec="seconds"), values.DATETIME.read, (ValueError,)),
    Parser("a dialect's pattern", of_pattern("%Y%m%d%H%M%S"), values.moments("yyyyMMddHHmmss+14:00").read, (ValueError,)),
    Parser("a dialect's other pattern", of_pattern("%Y%m%d%H%M%S"), values.moments("yyyyMMddHHmmss-12:00").read, (ValueError,)),
    Parser("a dialect's day", day_of, values.DATE.read, (ValueError,), bounds=False),
    Parser("a dialect's written day", of_pattern("%d/%m/%Y"), values.dates("dd/MM/yyyy").read, (ValueError,), bounds=False),
    Parser("POST /v1/stops", iso, lambda text: questions.understand(stopping(text), switches.Stopping)),
    Parser("POST /v1/disruptions", iso, lambda text: questions.understand(body(where="*", what="r", until=text), switches.Disrupting)),
    Parser("POST /v1/eligibility", iso, lambda text: questions.understand(body(codes=["SG1"], as_known_at=text), questions.Batch)),
    Parser("a code of POST /v1/eligibility", day_of, lambda text: questions.understand(body(codes=[{"code": "SG1", "on": text}]), questions.Batch)),
    Parser("GET /v1/eligibility", day_of, lambda text: questions.understand({"code": "SG1", "on": text}, questions.Single, strict=False)),
    Parser("a declaration", iso, lambda text: declaration._day(text, None), ()),
    Parser("a declaration by its format", of_pattern("%Y%m%d%H%M%S"), lambda text: declaration._day(text, "204"), ()),
    Parser("a declaration with its zone", of_pattern("%Y%m%d%H%M%S%z"), lambda text: declaration._day(text, "208"), ()),
    Parser("the terminal's moment", iso, common.moment, (typer.BadParameter,)),
    Parser("the terminal's day", day_of, common.day, (typer.BadParameter,)),
    Parser("a mailed list", iso, mailed),
    Parser("a mailed list of a day", day_of, mailed),
    Parser("a term of a partner's data", day_of, lambda text: step(text).since, (ValueError,)),
    Parser("a day of an example", of_pattern("%Y%m%d"), lambda text: days._is_day(text, "%Y%m%d"), ()),
    Parser("a fact to be shown", iso, lambda text: wording._shown(text, "when", wording.Language.EN), ()),
    Parser("what was kept", microseconds, stored, ()),
    Parser("Retry-After", of_pattern("%a, %d %b %Y %H:%M:%S GMT"), lambda text: courier.asked_for(text, MOMENT), ()),
    Parser("Date", of_pattern("%a, %d %b %Y %H:%M:%S %z"), moments.http_date, ()),
    Parser("a number of seconds", lambda one: str((one - MOMENT).total_seconds()), seconds, (SettingsFault,)),
    Parser("the domestic feed", day_of, record.read_day),
    Parser("since when a feed is complete", iso, lambda text: claim._as_of(text, None)),
]  # fmt: skip


def found_in(value: Any) -> Iterator[date]:
    """Every moment and day in what was read."""
    match value:
        case date():
            yield value
        case msgspec.Struct():
            yield from found_in(msgspec.structs.astuple(value))
        case tuple() | list():
            for one in value:
                yield from found_in(one)


def within(one: date) -> bool:
    return FIRST <= one <= LAST if isinstance(one, datetime) else FIRST.date() <= one <= LAST.date()


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
@given(moment=MOMENTS)
@settings(max_examples=times(60))
def test_every_moment_is_read_within_bounds_or_refused(parser: Parser, moment: datetime) -> None:
    try:
        written = parser.written(moment)
    except ValueError:
        return  # no such text: ``strftime`` cannot write it
    try:
        read = parser.read(written)
    except parser.refuses:
        return
    if parser.bounds:
        assert all(map(within, found_in(read))), (written, read)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_an_ordinary_moment_is_read(parser: Parser) -> None:
    """So that what refuses everything is not taken for careful."""
    read = parser.read(parser.written(datetime(2026, 6, 15, 4, 0, 1, tzinfo=UTC)))
    assert read is not None
    assert read is not False


@given(
    text=st.text(max_size=40)
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,30} [A-Z][a-z]{2} \d{1,30} \d\d:\d\d:\d\d [+\-A-Z0-9]{1,9}", fullmatch=True)
)
def test_whatever_a_header_says_is_a_moment_or_nothing(text: str) -> None:
    found = moments.http_date(text)
    assert found is None or within(found)
    assert timedelta() <= courier.asked_for(text, MOMENT) <= courier.LONGEST


def test_the_retry_after_that_was_found() -> None:
    assert courier.asked_for("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", MOMENT) == timedelta()


# ---------------------------------------------------------------- certificates, lists and responses

#: What a certificate can say, as the library writes it.
EARLIEST, LATEST = datetime(1950, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
IN_CERTIFICATES = st.integers(0, int((LATEST - EARLIEST).total_seconds())).map(lambda more: EARLIEST + timedelta(seconds=more))
ORDERED = st.lists(IN_CERTIFICATES | st.sampled_from([EARLIEST, LATEST]), min_size=2, max_size=2, unique=True).map(sorted)
NOW = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(lambda one: one.replace(tzinfo=UTC))


def judged(of: Trust, now: datetime, known: Any = None) -> str:
    """What is thought of a partner's certificates."""
    store = TrustStore({"XA": of}) if known is None else TrustStore({"XA": of}, known)
    try:
        keys = store.keys_for("XA", "signing", now)
    except Refusal as refusal:
        return str(refusal.code)
    assert keys
    return "accepted"


@given(validity=ORDERED, now=NOW)
@settings(max_examples=times(60))
def test_a_certificate_of_any_moments_is_judged_everywhere(validity: list[datetime], now: datetime) -> None:
    begins, ends = validity
    pki = Pki.of({"alone": {"issuer": "alone", "usages": ["digital_signature"], "begins": begins, "ends": ends}})
    pin = Pin.of("signing", pki.get("alone"), since=None)
    assert within(pin.not_before)
    assert within(pin.not_after)
    outcome = judged(Trust((pin,)), now)
    assert outcome == "accepted" if begins <= now.replace(microsecond=0) <= min(ends, LAST) else outcome.startswith("certificate-")
    for ending in endings.of_partner("XA", Trust((pin,), (pin.der,))):
        assert within(ending.ends)
        assert endings.alerts_since([ending], now - timedelta(days=1), now) is not None


@pytest.mark.parametrize("old", ["00010101000000Z", "18991231235959Z", "99991231235959Z"])
def test_moments_that_the_library_cannot_write_are_read_all_the_same(old: str) -> None:
    der = Pki.of({"alone": {"issuer": "alone", "ends": datetime(2051, 2, 3, 4, 5, 6, tzinfo=UTC)}}).get("alone")
    changed = der.replace(b"20510203040506Z", old.encode())
    pin = Pin.of("signing", changed)
    assert within(pin.not_after)
    assert judged(Trust((pin,), (changed,)), MOMENT).startswith("certificate-")


LIST, RESPONDER = "http://ca.example/list", "http://ca.example/ocsp"
BOTH = Pki.of({"leaf": {"lists": [LIST], "responders": [RESPONDER]}})
TRUST = Trust((Pin.of("signing", BOTH.get("leaf")),), (BOTH.get("root"),), (BOTH.get("issuing"),))
OTHERS = Pki.of({"leaf": {"issuer": "leaf"}})
OTHER = Trust((Pin.of("signing", OTHERS.get("leaf")),))


@given(published=ORDERED, answered=ORDERED, now=NOW.filter(lambda one: 2026 <= one.year < 2990))
@settings(max_examples=40)
def test_lists_and_responses_of_any_moments_end_in_a_verdict(
    published: list[datetime], answered: list[datetime], now: datetime
) -> None:
    servers = Servers()
    for url, made, said in ((LIST, BOTH.crl, published), (RESPONDER, BOTH.ocsp, answered)):
        servers.answers[url] = made({"issued": said[0], "next": said[1]})
    known = Revocation(EvidenceInMemory(), servers.fetch)
    refresh(known, TRUST, now)
    for fact in known.facts():
        assert all(map(within, (fact.issued, fact.stale, fact.due)))
    assert judged(TRUST, MOMENT, known) in ("accepted", "revocation-unknown", "certificate-revoked")
    assert judged(OTHER, MOMENT, known) == "accepted", "nobody else's"
    assert known.known().revision >= 0


FOUND = Path(__file__).parent / "vectors" / "moments"


def test_the_list_without_an_end_that_was_found() -> None:
    """It made the keys of every partner raise. It is no word about anybody else; and no word about its own that could raise."""
    authority, crl = ((FOUND / name).read_bytes() for name in ("crl-authority.der", "crl-next-update-9999.der"))

    class Known:
        def known(self) -> KnownRevocations:
            return KnownRevocations((crl,), (), (LAST,), 1)

    own = Trust(TRUST.pins, (authority, *TRUST.roots), TRUST.intermediates)
    for of in (own, OTHER):
        assert judged(of, MOMENT, Known()) in ("accepted", "revocation-unknown")
    assert judged(OTHER, MOMENT, Known()) == "accepted"


def test_the_response_of_the_far_future_that_was_found() -> None:
    """It ended the asking of all. It is that source's problem, and the list beside it is taken in."""
    servers = Servers({RESPONDER: (FOUND / "ocsp-this-update-9999.der").read_bytes(), LIST: BOTH.crl({})})
    known = Revocation(EvidenceInMemory(), servers.fetch)
    refresh(known, TRUST, MOMENT)
    assert [one.url for one in known.problems()] == [RESPONDER]
    assert [one.url for one in known.facts()] == [LIST]
    assert judged(TRUST, MOMENT, known) == "accepted"


def test_the_certificate_without_an_end_that_was_found() -> None:
    pem = (FOUND / "certificate-not-after-9999.pem").read_bytes()
    pin = Pin.of("tls", from_pem(pem).public_bytes(Encoding.DER))
    assert pin.not_after == LAST
    assert TrustStore({"XA": Trust((pin,)), "XB": OTHER}).claims(pin.der, MOMENT)[0].partner == "XA"
    assert TrustStore({"XA": Trust((pin,)), "XB": OTHER}).owner(OTHER.pins[0].der, MOMENT) is None
    assert all(within(one.ends) for one in endings.of_partner("XA", Trust((pin,), (pin.der,))))


# ---------------------------------------------------------------- days that a message states


@given(
    said=st.tuples(DAYS, DAYS, DAYS),
    standing=st.sampled_from(list(Standing)),
    zone=st.sampled_from(["SG", "CL", "NZ", "EU"]),
    sent=NOW,
)
@settings(max_examples=times(100))
def test_any_days_of_a_statement_have_a_place_in_time(
    said: tuple[date, date, date], standing: Standing, zone: str, sent: datetime
) -> None:
    """The calendar's first and last day are what some mean by "always" and "without end": they are taken, and never reckoned out of it."""
    granted, expires, effective = said
    zone_of = arrangements()[zone].zone
    one = Statement(tin="XX1", standing=standing, granted=granted, expires=expires, effective=effective)
    header = Header(id="m", kind=Kind.NOTICE, sender=zone, receiver="CN", environment=Environment.TEST, created=sent)
    placed = place(one, header, zone_of, digest="", received=sent)
    assert within(placed.takes_effect)
    timeline = fold([placed], zone_of)
    assert unpack(msgspec.msgpack.encode(timeline)) == timeline
    for authorisation in timeline.authorisations:
        for moment in (FIRST, sent, LAST):
            authorisation.standing_at(int(moment.timestamp()), int(sent.timestamp()))
        assert all(from_epoch(period.since) for period in authorisation.periods)
