"""Which of a partner's certificates count when, and what is said when none does."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Code, Refusal
from gateway.trust.allowed import CertificateRules
from gateway.trust.certificates import KnownRevocations, Pin, Trust, TrustStore
from gateway.trust.validate import PathVerdict, validate
from gateway.wire.algorithms import ALGORITHMS, KeySigner, Policy
from gateway.wire.signature import sign, verify
from gateway.wire.xml import parse
from tests.rig.volume import times
from tests.trust.pki import BEGINS, ENDS, MOMENT, Pki

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
POLICY = Policy(ALGORITHMS)
PKI = Pki.of({name: {"issuer": name, "usages": ["digital_signature"]} for name in ("old", "new")})
LISTED = Pki.of({"leaf": {"lists": ["http://ca.example/list"]}})


def pin(name: str, since: datetime | None = None, until: datetime | None = None, pki: Pki = PKI) -> Pin:
    return Pin.of("signing", pki.get(name), since=since, until=until)


def refusal(store: TrustStore, moment: datetime = MOMENT) -> Refusal:
    with pytest.raises(Refusal) as caught:
        store.keys_for("XA", "signing", moment)
    assert caught.value.facts["our clock"].startswith(moment.date().isoformat())
    return caught.value


def names(store: TrustStore, moment: datetime) -> list[str]:
    try:
        return [key.fingerprint for key in store.keys_for("XA", "signing", moment)]
    except Refusal:
        return []


def test_nothing_pinned() -> None:
    assert refusal(TrustStore({})).code is Code.CERTIFICATE_UNKNOWN
    tls_only = Trust((Pin.of("tls", PKI.get("old")),))
    assert refusal(TrustStore({"XA": tls_only})).code is Code.CERTIFICATE_UNKNOWN
    assert refusal(TrustStore({"XB": Trust((pin("old"),))})).code is Code.CERTIFICATE_UNKNOWN


def test_a_rollover_overlaps() -> None:
    old, new = pin("old", until=MOMENT + 10 * DAY), pin("new", since=MOMENT - 10 * DAY)
    store = TrustStore({"XA": Trust((old, new))})
    assert names(store, MOMENT - 11 * DAY) == [old.fingerprint]
    assert set(names(store, MOMENT)) == {old.fingerprint, new.fingerprint}
    assert names(store, MOMENT + 10 * DAY) == [new.fingerprint, old.fingerprint]
    assert names(store, MOMENT + 10 * DAY + SECOND) == [new.fingerprint]


def test_the_window_is_ours_and_the_dates_are_the_certificates() -> None:
    wide = TrustStore({"XA": Trust((pin("old", BEGINS - 100 * DAY, ENDS + 100 * DAY),))})
    assert refusal(wide, BEGINS - DAY).code is Code.CERTIFICATE_NOT_YET_VALID
    assert refusal(wide, ENDS + DAY).code is Code.CERTIFICATE_EXPIRED
    narrow = TrustStore({"XA": Trust((pin("old", MOMENT, MOMENT + DAY),))})
    early, late = refusal(narrow, MOMENT - SECOND), refusal(narrow, MOMENT + DAY + SECOND)
    assert (early.code, late.code) == (Code.CERTIFICATE_NOT_YET_VALID, Code.CERTIFICATE_EXPIRED)
    assert "is accepted from 2026-06-01T00:00:00+00:00. Our clock says 2026-05-31T23:59:59+00:00." in early.detail
    assert late.facts["certificate"] == pin("old").fingerprint
    assert late.facts["accepted"] == "2026-06-01T00:00:00+00:00 to 2026-06-02T00:00:00+00:00"


def test_pinning_what_is_no_certificate() -> None:
    with pytest.raises(ValueError, match="parsing"):
        Pin.of("signing", b"garbage")


def test_a_certificate_of_an_authority_needs_that_authority() -> None:
    pki = Pki.of({})
    leaf = pin("leaf", pki=pki)
    assert refusal(TrustStore({"XA": Trust((leaf,))})).code is Code.CERTIFICATE_PATH
    assert refusal(TrustStore({"XA": Trust((leaf,), roots=(pki.get("root"),))})).code is Code.CERTIFICATE_PATH
    whole = Trust((leaf,), (pki.get("root"),), (pki.get("issuing"),))
    assert names(TrustStore({"XA": whole}), MOMENT) == [leaf.fingerprint]
    # An intermediate authority may itself be what is trusted.
    assert names(TrustStore({"XA": Trust((leaf,), (pki.get("issuing"),))}), MOMENT) == [leaf.fingerprint]


def test_an_authority_that_nobody_knows_is_named() -> None:
    pki = Pki.of({})
    trusted = Trust((pin("leaf", pki=pki),), (PKI.get("old"),), (pki.get("issuing"),))
    assert 'issuer "Common Name: root' in refusal(TrustStore({"XA": trusted})).detail
    alone = Trust((pin("leaf", pki=pki),), (pki.get("root"),))
    assert 'issuer "Common Name: issuing' in refusal(TrustStore({"XA": alone})).detail


def test_production_and_sizes_come_from_rules_and_binding() -> None:
    pki = Pki.of({"leaf": {"issuer": "leaf", "demo": True, "key": "rsa2048"}})
    trust = Trust((pin("leaf", pki=pki),))
    assert "2048 bits" in refusal(TrustStore({"XA": trust})).detail
    agreed = replace(trust, min_rsa_bits=2048)
    assert names(TrustStore({"XA": agreed}), MOMENT)
    assert "demonstrations" in refusal(TrustStore({"XA": agreed}, rules=CertificateRules(production=True))).detail


class Changing:
    """Revocation knowledge that a test changes; counts how often it is asked."""

    def __init__(self, *crls: bytes) -> None:
        self.now = KnownRevocations(crls)

    def learn(self, *crls: bytes, stale: tuple[datetime, ...] = ()) -> None:
        self.now = KnownRevocations(crls, (), stale, self.now.revision + 1)

    def known(self) -> KnownRevocations:
        return self.now


def listed(revocations: Changing) -> TrustStore:
    return TrustStore({"XA": Trust((pin("leaf", pki=LISTED),), (LISTED.get("root"),), (LISTED.get("issuing"),))}, revocations)


def test_what_becomes_known_counts_at_once() -> None:
    revocations = Changing()
    store = listed(revocations)
    unknown = refusal(store)
    assert unknown.code is Code.REVOCATION_UNKNOWN
    assert unknown.code.row.retryable
    revocations.learn(LISTED.crl({}))
    assert names(store, MOMENT)
    revocations.learn(LISTED.crl({"revoked": ["leaf"]}))
    revoked = refusal(store)
    assert revoked.code is Code.CERTIFICATE_REVOKED
    assert revoked.facts["revoked at"] == "2026-05-01T00:00:00+00:00"


def test_what_goes_stale_stops_counting_at_once() -> None:
    revocations = Changing()
    next_list = datetime.fromisoformat("2026-06-07T00:00:00Z")
    revocations.learn(LISTED.crl({}), stale=(next_list,))
    store = listed(revocations)
    assert names(store, next_list - 1800 * SECOND)
    assert names(store, next_list)
    stale = refusal(store, next_list + SECOND)
    assert (stale.code, stale.facts["fresh until"]) == (Code.REVOCATION_UNKNOWN, "2026-06-07T00:00:00+00:00")


def test_a_verdict_is_kept_until_it_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def counting(der: bytes, *, moment: datetime, **named: Any) -> PathVerdict:
        asked.append(moment)
        return validate(der, moment=moment, **named)

    monkeypatch.setattr("gateway.trust.certificates.validate", counting)
    store = TrustStore({"XA": Trust((pin("old", until=MOMENT + 600 * SECOND),))})
    for seconds in range(0, 600, 7):
        store.keys_for("XA", "signing", MOMENT + seconds * SECOND)
    assert asked == [MOMENT]
    assert names(store, MOMENT + 601 * SECOND) == []
    # A clock set back is a moment nobody has judged.
    store.keys_for("XA", "signing", MOMENT - DAY)
    assert len(asked) == 2
    store.put("XA", Trust((pin("new"),)))
    assert names(store, MOMENT) == [pin("new").fingerprint]


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 40)), max_size=5),
    st.lists(st.integers(-60, 100), min_size=1, max_size=8),
)
@settings(max_examples=times(60), deadline=None)
def test_what_is_kept_is_what_would_be_judged(windows: list[tuple[int, int]], hours: list[int]) -> None:
    pins = tuple(pin("old", MOMENT + since * 3600 * SECOND, MOMENT + (since + length) * 3600 * SECOND) for since, length in windows)
    kept = TrustStore({"XA": Trust(pins)})
    for hour in hours:
        moment = MOMENT + hour * 3600 * SECOND
        assert names(kept, moment) == names(TrustStore({"XA": Trust(pins)}), moment)
        assert len(names(kept, moment)) == sum(since <= hour <= since + length for since, length in windows)


def _message(name: str, *, with_certificate: bool = True, pki: Pki = PKI) -> bytes:
    return sign(b"<a>1</a>", KeySigner(pki.private(name), pki.get(name) if with_certificate else None))


def _answer(store: TrustStore, message: bytes) -> Code:
    with pytest.raises(Refusal) as caught:
        verify(parse(message), store.keys_for("XA", "signing", MOMENT), POLICY)
    came = caught.value.facts.get("certificate in KeyInfo")
    return store.explain(caught.value, "XA", "signing", came, MOMENT).code


def test_a_message_of_a_certificate_that_is_left_out_is_told_why() -> None:
    revocations = Changing()
    trust = Trust(
        (pin("old", until=MOMENT - DAY), pin("new"), pin("leaf", pki=LISTED)), (LISTED.get("root"),), (LISTED.get("issuing"),)
    )
    store = TrustStore({"XA": trust}, revocations)
    assert verify(parse(_message("new")), store.keys_for("XA", "signing", MOMENT), POLICY).fingerprint == pin("new").fingerprint
    assert _answer(store, _message("old")) is Code.CERTIFICATE_EXPIRED
    assert _answer(store, _message("leaf", pki=LISTED)) is Code.REVOCATION_UNKNOWN
    # Without KeyInfo it may be the one of which we cannot tell: the sender must not be told "never".
    assert _answer(store, _message("leaf", with_certificate=False, pki=LISTED)) is Code.REVOCATION_UNKNOWN
    revocations.learn(LISTED.crl({"revoked": ["leaf"]}))
    assert _answer(store, _message("leaf", pki=LISTED)) is Code.CERTIFICATE_REVOKED
    assert _answer(store, _message("leaf", with_certificate=False, pki=LISTED)) is Code.SIGNATURE_INVALID
    stranger = Pki.of({"leaf": {"issuer": "leaf", "key_of": "stranger"}})
    assert _answer(store, _message("leaf", pki=stranger)) is Code.SIGNATURE_INVALID
    other = Refusal(Code.SIGNATURE_DIGEST)
    assert store.explain(other, "XA", "signing", pin("old").fingerprint, MOMENT) is other


def test_whom_a_connection_belongs_to() -> None:
    tls = Pin.of("tls", PKI.get("old"), until=MOMENT + DAY)
    store = TrustStore({"XA": Trust((pin("new"),)), "XB": Trust((tls,))})
    assert store.owner(PKI.get("old"), MOMENT) == "XB"
    assert store.owner(PKI.get("old"), MOMENT + 2 * DAY) is None
    assert store.owner(PKI.get("new"), MOMENT) is None  # pinned, but to sign with


def test_workers_get_a_copy_that_judges_alike() -> None:
    revocations = Changing(LISTED.crl({}))
    store = listed(revocations)
    assert names(store, MOMENT)
    copy = pickle.loads(pickle.dumps(store))
    assert names(copy, MOMENT) == names(store, MOMENT)
    assert copy.trust_of("XA") == store.trust_of("XA")


def test_threads_never_see_an_older_trust() -> None:
    store = TrustStore({"XA": Trust((pin("old"),))})
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            store.put("XA", Trust((pin("old"),)))
            asked = [pool.submit(names, store, MOMENT) for _ in range(8)]
            store.put("XA", Trust((pin("new"),)))
            assert names(store, MOMENT) == [pin("new").fingerprint]
            for one in asked:
                assert one.result() in ([pin("old").fingerprint], [pin("new").fingerprint])
            assert names(store, MOMENT) == [pin("new").fingerprint]
