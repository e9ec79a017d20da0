"""A terminal is signed in by a person who enters its code, once, and by nobody else."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from gateway.cli import device as terminal
from gateway.core.access import StaffRole, Way
from gateway.core.errors import Refusal
from gateway.sandbox.listen import listening
from gateway.store import devices, tokens
from tests.rig.browser import BrowserFixture, set_up
from tests.rig.web import WebFixture

ASK, POLL = "/sign-in/device", "/sign-in/device/token"


def asked(web: WebFixture) -> dict[str, str]:
    answer = web.client.post(ASK)
    assert answer.status_code == 200, answer.text
    said: dict[str, str] = answer.json()
    return said


def polled(web: WebFixture, code: str) -> tuple[int, str]:
    answer = web.client.post(POLL, data={"device_code": code})
    return answer.status_code, answer.json().get("error") or answer.json()["access_token"]


def entered(browser: BrowserFixture, code: str, answer: str) -> None:
    browser.get("/device")
    assert browser.post("/device", code=code).status_code == 200, browser.text()
    assert "testclient" in browser.text()  # where the terminal asked from
    assert browser.post("/device/answer", answer=answer).status_code == 200, browser.text()


def test_a_person_signs_its_terminal_in_once(web: WebFixture) -> None:
    browser, _ = set_up(web, "Wang Wu", StaffRole.VIEWER)
    begun = asked(web)
    assert set(begun["user_code"]) <= set(devices.LETTERS + "-")
    assert polled(web, begun["device_code"]) == (400, "authorization_pending")
    assert polled(web, begun["device_code"]) == (400, "slow_down")
    entered(browser, begun["user_code"].lower().replace("-", " "), "approve")
    web.later(seconds=5)
    status, token = polled(web, begun["device_code"])
    assert status == 200
    assert polled(web, begun["device_code"]) == (400, "invalid_grant")
    with web.database.reading() as connection:
        caller = tokens.holder(connection, token, Way.TERMINAL, web.now)
    assert (caller.name, caller.expires - web.now) == ("Wang Wu", devices.SIGNED_IN)
    assert web.client.get("/v1/partners", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert "terminal at testclient" in browser.get("/me").text
    browser.post("/me/tokens/revoke", token=caller.id)
    assert "terminal at testclient" not in browser.page.text
    with web.database.reading() as connection, pytest.raises(Refusal):
        tokens.holder(connection, token, Way.TERMINAL, web.now)


def test_what_is_refused_late_or_unknown_is_not_signed_in(web: WebFixture) -> None:
    browser, _ = set_up(web)
    denied = asked(web)
    entered(browser, denied["user_code"], "deny")
    assert polled(web, denied["device_code"]) == (400, "access_denied")
    late = asked(web)
    web.later(minutes=10)
    browser.get("/device")
    assert browser.post("/device", code=late["user_code"]).status_code == 404
    assert "10 minutes" in browser.text()
    assert late["user_code"] in browser.page.text  # what was typed stays
    assert polled(web, late["device_code"]) == (400, "expired_token")
    assert polled(web, "made up") == (400, "invalid_grant")


def test_an_address_has_few_codes_at_once(web: WebFixture) -> None:
    for _ in range(devices.OF_ONE):
        asked(web)
    full = web.client.post(ASK)
    assert (full.status_code, full.headers["Retry-After"]) == (429, "600")
    web.later(minutes=10)
    asked(web)


def test_a_link_fills_the_code_in_and_decides_nothing(web: WebFixture) -> None:
    browser, _ = set_up(web)
    begun = asked(web)
    page = browser.get(begun["verification_uri_complete"].removeprefix(browser.origin)).text
    assert f'value="{begun["user_code"]}"' in page
    assert polled(web, begun["device_code"]) == (400, "authorization_pending")


def test_the_terminal_speaks_so(web: WebFixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    browser, _ = set_up(web)
    waits = []

    def meanwhile(seconds: float) -> None:
        waits.append(seconds)
        web.later(seconds=seconds)
        if len(waits) == 2:
            code = capsys.readouterr().out.split()[-1].rstrip(".")
            browser.get("/device")
            browser.post("/device", code=code)
            browser.post("/device/answer", answer="approve")

    monkeypatch.setattr(terminal, "time", SimpleNamespace(sleep=meanwhile, monotonic=time.monotonic))
    with listening(web.app) as url:
        token = terminal.ask(url)
    assert token.startswith(tokens.PREFIX)
    assert waits == [5, 5]
