"""Every shipped partner passes the whole conversation, and a rehearsal tells when something is not as it should be."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import httpx
import pytest
from lxml import etree

from gateway.cli.rehearsal_host import rehearsal_host as open_host
from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing
from gateway.exchange.certificates.partner import der_of
from gateway.onboarding.rehearsal import Rehearsal, RehearsalHost, RehearsalStep, rehearse, rehearse_against, report, run, session
from gateway.onboarding.rehearsal.keys import der, make, pem
from gateway.onboarding.rehearsal.results import same, walk
from gateway.partners import read_bundle
from gateway.partners.canonical import canonical
from gateway.running.follower import Follower
from gateway.sandbox import server
from gateway.sandbox.box import Box
from gateway.sandbox.listen import listening
from gateway.settings import from_environment
from gateway.wire.algorithms import VerifyKey
from tests.rig.shipped import ISOS, shipped
from tests.rig.volume import one_in

pytestmark = pytest.mark.long


def told(rehearsal: Rehearsal) -> str:
    """Everything that was not as expected, for the failing test."""
    return "\n".join(f"{step.name}: {point}" for step in rehearsal.steps for point in step.points if not point.ok)


@pytest.mark.parametrize("iso", one_in(5, ISOS))
def test_passes(iso: str, rehearsal_host: RehearsalHost) -> None:
    bundle = shipped(iso)
    rehearsal = rehearse(bundle, rehearsal_host)
    assert rehearsal.passed, told(rehearsal)
    assert len(rehearsal.steps) == 21
    if bundle.arrangement.in_force.on(datetime.now(UTC).date()).value is not True:
        granted = {point.found for step in rehearsal.steps for point in step.points if point.what == "clearance"}
        assert granted == {"not granted"}, "signed is not in force"


def test_a_busy_machine_fails_no_partner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where clearance often cannot know whether it is current, it is asked again."""
    look = Follower._look

    def late(follower: Follower) -> object:
        time.sleep(0.5)
        return look(follower)

    monkeypatch.setattr(Follower, "_look", late)
    with open_host(from_environment({"AEO_CURRENT_WITHIN": "0.3"})) as slow:
        rehearsal = rehearse(shipped("SG"), slow)
    assert rehearsal.passed, told(rehearsal)


def test_a_partner_that_does_not_suspend_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host of its own: a partner that begins anew within the skew of clocks contradicts what it said just before."""
    monkeypatch.setattr(session, "PATIENCE", 1.0)
    monkeypatch.setattr(Box, "change", lambda self, tin, standing: self.operators[tin])
    with open_host(from_environment({})) as its_own:
        rehearsal = rehearse(shipped("SG"), its_own)
    wrong = {step.name for step in rehearsal.steps if not step.passed}
    assert not rehearsal.passed
    assert "urgent suspension" in wrong
    assert "first contact" not in wrong


def a_rehearsal(*steps: RehearsalStep) -> Rehearsal:
    return Rehearsal("XX", "<b>Nowhere</b>", "0" * 64, "flat 1", "the partner in a box", datetime(2026, 4, 1, tzinfo=UTC), steps)


def test_reports_escape_and_say_what_failed() -> None:
    step = RehearsalStep("first contact", "It answers.", (same("answer", "receipt", "<script>alert(1)</script>\u202e"),), (), 0.1)
    page = report.as_html(a_rehearsal(step)).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "Not passed: first contact" in page
    assert "<link" not in page
    junit = etree.fromstring(report.as_junit([a_rehearsal(step)]))
    assert junit.xpath("string(//testsuite/@failures)") == "1"
    assert json.loads(report.as_json(a_rehearsal(step)))["steps"][0]["passed"] is False


def test_nothing_looked_at_is_nothing_passed() -> None:
    assert not a_rehearsal().passed
    assert not a_rehearsal(RehearsalStep("idle", "Nothing.", (), (), 0.0)).passed


def test_a_step_that_breaks_off_is_a_point() -> None:
    def breaks(_: None) -> object:
        """It breaks."""
        yield same("one", 1, 1)
        raise httpx.ConnectError("nobody there")

    step = walk(breaks, None, [])  # type: ignore[arg-type] # a generator is an iterator
    assert [point.ok for point in step.points] == [True, False]
    assert "nobody there" in step.points[-1].found


@pytest.mark.parametrize("iso", ["SG", "EU", "BY"])
def test_against_an_endpoint(iso: str) -> None:
    """A partner's endpoint is played by a box; we speak, and see what can be seen from outside."""
    plain = shipped(iso)
    now = datetime.now(UTC)
    keys, ours = make(plain.iso, plain.arrangement.binding, now), make("CN", plain.arrangement.binding, now).current
    bundle = run.under_test(plain, "http://127.0.0.1:1/exchange", keys)
    box = Box(bundle, keys.current, "CN", [VerifyKey.from_certificate(der(ours))], lambda: datetime.now(UTC))
    box.make_up(5)
    with listening(server.create_app(box, "http://127.0.0.1:1/exchange")) as url:
        rehearsal = rehearse_against(bundle, f"{url}/exchange", administration="CN", signer=ours, clock=lambda: datetime.now(UTC))
    assert rehearsal.passed, told(rehearsal)
    assert Standing.REINSTATED in {one.standing for one in box.told.values()}


def test_an_endpoint_that_is_not_the_partner_is_found_out() -> None:
    plain = shipped("SG")
    now = datetime.now(UTC)
    keys, other, ours = (make(plain.iso, plain.arrangement.binding, now) for _ in range(3))
    bundle = run.under_test(plain, "http://127.0.0.1:1/exchange", keys)
    box = Box(bundle, other.current, "CN", [VerifyKey.from_certificate(der(ours.current))], lambda: datetime.now(UTC))
    with listening(server.create_app(box, "http://127.0.0.1:1/exchange")) as url:
        rehearsal = rehearse_against(
            bundle, f"{url}/exchange", administration="CN", signer=ours.current, clock=lambda: datetime.now(UTC)
        )
    assert not any(step.passed for step in rehearsal.steps)
    assert "signature-invalid" in told(rehearsal)


@pytest.mark.parametrize(
    ("pinned", "url", "code", "said", "remedy"),
    [
        (
            False,
            "http://127.0.0.1:1/exchange",
            Code.CERTIFICATE_UNKNOWN,
            "No certificate of SG is pinned",
            "site/sg/certs/signing-1.pem",
        ),
        (True, "http://127.0.0.1:1/exchange", Code.DATA_INVALID, "gives no answer: connection-failed", "Nothing listens there"),
        (True, "example", Code.DATA_INVALID, "gives no answer: url-not-allowed", "https://host/exchange"),
    ],
)
def test_nobody_to_rehearse_with(pinned: bool, url: str, code: Code, said: str, remedy: str) -> None:
    plain, now = shipped("SG"), datetime.now(UTC)
    keys = make(plain.iso, plain.arrangement.binding, now)
    bundle = run.under_test(plain, "http://127.0.0.1:1/exchange", keys) if pinned else plain
    with pytest.raises(Refusal, match=said) as caught:
        rehearse_against(bundle, url, administration="CN", signer=keys.current, clock=lambda: datetime.now(UTC))
    assert caught.value.code is code
    assert remedy in caught.value.remedy


def test_rehearsed_data_is_the_same_but_for_keys_and_address() -> None:
    plain = shipped("SG")
    keys = make(plain.iso, plain.arrangement.binding, datetime.now(UTC))
    tried = run.under_test(plain, "http://127.0.0.1:1/exchange", keys)
    assert tried.arrangement.measures == plain.arrangement.measures
    assert {der_of(text) for _, text in tried.certificates} == {der(keys.current), der(keys.expired)}
    assert pem(keys.current) in {text for _, text in tried.certificates}
    assert read_bundle(canonical(json.loads(plain.content))).digest == plain.digest
