"""Warnings at 60, 30, 14, 7 and 1 days, and at the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trust.certificates import Pin, Trust
from gateway.trust.endings import DAYS, Ending, alerts, alerts_since, of_facts, of_keys, of_partner
from gateway.trust.keys import KeyRing, Purpose, create_file_key
from gateway.trust.revocation import RevocationEvidence
from gateway.trust.selfsigned import Subject
from tests.trust.pki import ENDS, MOMENT, Pki

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
END = datetime(2027, 1, 1, tzinfo=UTC)
YEAR = Ending("certificate", "XA", "signing", END - 365 * DAY, END)
WEEKLY = Ending("revocation", "http://ca.example/list", "crl", END - 7 * DAY, END, renewed=True)


@pytest.mark.parametrize("days", [60, 30, 14, 7, 1, 0])
def test_each_threshold(days: int) -> None:
    at = END - timedelta(days=days)
    (alert,) = alerts([YEAR], at)
    assert (alert.days, alert.left) == (days, timedelta(days=days))
    before = alerts([YEAR], at - SECOND)
    assert [alert.days for alert in before] == [other for other in DAYS if other > days][-1:]
    # Told once, when the threshold is crossed, however seldom one looks.
    assert alerts_since([YEAR], at - SECOND, at) == (alert,)
    assert alerts_since([YEAR], at, at + 3600 * SECOND) == ()


def test_a_long_silence_gives_one_alert_the_nearest() -> None:
    (alert,) = alerts_since([YEAR], END - 100 * DAY, END - 10 * DAY)
    assert alert.days == 14


def test_what_renews_itself_is_news_only_when_it_has_not() -> None:
    assert alerts([WEEKLY], END - 4 * DAY) == ()
    assert [alert.days for alert in alerts([WEEKLY], END - DAY)] == [1]
    assert [alert.days for alert in alerts([WEEKLY], END + DAY)] == [0]


def test_the_soonest_comes_first_and_the_past_before_all() -> None:
    later = Ending("authority", "XA", "CN=root", END - 900 * DAY, END + 20 * DAY)
    gone = Ending("our-key", "gateway", "gateway-1", END - 900 * DAY, END - 20 * DAY)
    found = alerts([later, YEAR, gone], END - 2 * DAY)
    assert [alert.ending for alert in found] == [gone, YEAR, later]
    assert found[0].left == -18 * DAY


@given(st.lists(st.integers(-10, 100), min_size=2, max_size=10).map(sorted))
def test_however_one_looks_nothing_is_missed_and_nothing_told_twice(looks: list[int]) -> None:
    start = END - 90 * DAY
    moments = [start, *(start + timedelta(days=look) for look in looks if look > 0)]
    told = [alert.days for since, now in pairwise(moments) for alert in alerts_since([YEAR], since, now)]
    assert told == sorted(set(told), reverse=True)
    assert told[-1:] == [alert.days for alert in alerts([YEAR], moments[-1])]


def test_our_keys(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    create_file_key(tmp_path, "gateway", "ed25519", Subject("x"), Purpose.DEMO, "", 100, now=now)
    (alone,) = of_keys(KeyRing(tmp_path).all())
    assert (alone.kind, alone.owner, alone.name, alone.ends, alone.succeeded) == (
        "our-key", "gateway", "gateway-1", now + 100 * DAY, False,
    )  # fmt: skip
    KeyRing(tmp_path).rotate("gateway", "", 100, signs_from=now + 80 * DAY, now=now)
    assert [one.succeeded for one in of_keys(KeyRing(tmp_path).all())] == [True, False]


def test_partners_and_their_authorities() -> None:
    pki = Pki.of(
        {"new": {"issuer": "new", "usages": ["digital_signature"], "ends": ENDS + 300 * DAY}, "issuing": {"ends": ENDS - DAY}}
    )
    pins = (
        Pin.of("signing", pki.get("leaf")),
        Pin.of("signing", pki.get("new"), until=ENDS + 10 * DAY),
        Pin.of("tls", pki.get("leaf"), until=ENDS + 400 * DAY),
    )
    found = list(of_partner("XA", Trust(pins, (pki.get("root"),), (pki.get("issuing"),))))
    assert [(one.kind, one.name.split()[0], one.ends, one.succeeded) for one in found] == [
        ("certificate", "signing", ENDS, True),
        ("certificate", "signing", ENDS + 10 * DAY, False),
        ("certificate", "tls", ENDS, False),
        ("authority", "CN=root", ENDS, False),
        ("authority", "CN=issuing", ENDS - DAY, False),
    ]


def test_lists() -> None:
    fact = RevocationEvidence("crl", "http://ca.example/list", "", b"", MOMENT, MOMENT + 7 * DAY, MOMENT)
    (one,) = of_facts([fact])
    assert (one.kind, one.owner, one.renewed, one.ends) == ("revocation", "http://ca.example/list", True, MOMENT + 7 * DAY)
