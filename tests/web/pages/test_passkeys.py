"""A passkey signs its person in, and proves nothing to anybody else, elsewhere, or twice."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from gateway.store.tables import passkey
from tests.rig.authenticator import Authenticator
from tests.rig.browser import BrowserFixture, set_up
from tests.rig.web import WebFixture


@pytest.fixture
def web(web: WebFixture) -> WebFixture:
    """At a name: an address is no party of WebAuthn."""
    web.node.settings = web.settings.model_copy(update={"url": "https://console.customs.example"})
    web.settings = web.node.settings
    return web


def options(browser: BrowserFixture, path: str) -> dict[str, object]:
    token = re.search(r'name="form" value="([^"]+)"', browser.page.text)
    assert token
    answer = browser.client.post(path, data={"form": token[1]}, headers={"Origin": browser.origin})
    assert answer.status_code == 200, answer.text
    said: dict[str, object] = answer.json()
    return said


def with_passkey(web: WebFixture, name: str = "Wang Wu") -> tuple[BrowserFixture, Authenticator]:
    browser, _ = set_up(web, name)
    device = Authenticator(browser.origin)
    browser.get("/me")
    answer = device.make(options(browser, "/me/passkeys/options"))
    assert browser.post("/me/passkeys", passkey_name="office PC", answer=answer).status_code == 200
    assert "office PC" in browser.text()
    return browser, device


def enter(browser: BrowserFixture, device: Authenticator, change: Callable[[str], str] = lambda answer: answer) -> int:
    browser.get("/sign-in")
    answer = change(device.sign(options(browser, "/sign-in/passkey/options")))
    return browser.post("/sign-in/passkey", answer=answer).status_code


def test_a_passkey_signs_in_without_a_password(web: WebFixture) -> None:
    _, device = with_passkey(web)
    browser = BrowserFixture(web)
    assert enter(browser, device) == 200
    assert str(browser.page.url).endswith("/me")
    assert "__Host-aeo" in browser.client.cookies
    assert [row.signed for row in web.rows(passkey)] == [1]
    (cookie,) = (line for line in browser.history[0].headers.get_list("set-cookie") if line.startswith("__Host-aeo="))
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    browser.post("/me/passkeys/remove", passkey=web.rows(passkey)[0].id)
    assert not web.rows(passkey)
    assert enter(BrowserFixture(web), device) == 401


def test_it_proves_nothing_twice_elsewhere_or_without_its_person(web: WebFixture) -> None:
    _, device = with_passkey(web)
    browser = BrowserFixture(web)
    browser.get("/sign-in")
    answer = device.sign(options(browser, "/sign-in/passkey/options"))
    other = BrowserFixture(web)
    other.get("/sign-in")
    options(other, "/sign-in/passkey/options")
    assert other.post("/sign-in/passkey", answer=answer).status_code == 401  # another browser's challenge
    assert browser.post("/sign-in/passkey", answer=answer).status_code == 200
    browser.post("/sign-out")
    assert browser.post("/sign-in/passkey", answer=answer).status_code == 401  # used
    device.origin = "https://console.customs.example.evil.example"
    assert enter(browser, device) == 401
    device.origin = browser.origin
    device.verifies = False
    assert enter(browser, device) == 401
    device.verifies = True
    device.user = b"somebody else"
    assert enter(browser, device) == 401
    for broken in ("", "{}", "[]", '{"id": 1}', "null", '{"id":"x","rawId":"x","type":"public-key","response":{}}'):
        assert enter(browser, device, lambda answer, broken=broken: broken) == 401  # type: ignore[misc] # its default binds
    assert "did not prove" in browser.text() or "not known" in browser.text()


def test_a_copied_passkey_is_found_by_its_count(web: WebFixture) -> None:
    _, device = with_passkey(web)
    browser = BrowserFixture(web)
    device.count = 10
    assert enter(browser, device) == 200
    browser.post("/sign-out")
    device.count = 4
    before = len(web.journal("sign-in"))
    assert enter(browser, device) == 401
    assert "copied" in browser.text()
    assert len(web.journal("sign-in")) == before + 1


def test_a_key_is_added_by_its_person_only_and_once(web: WebFixture) -> None:
    browser, device = with_passkey(web)
    other, _ = set_up(web, "Zhao Liu")
    other.get("/me")
    answer = device.make(options(other, "/me/passkeys/options"))
    assert other.post("/me/passkeys", passkey_name="a stolen id", answer=answer).status_code == 422
    unverified = Authenticator(browser.origin, verifies=False)
    browser.get("/me")
    answer = unverified.make(options(browser, "/me/passkeys/options"))
    assert browser.post("/me/passkeys", passkey_name="unverified", answer=answer).status_code == 422
    browser.get("/me")
    answer = Authenticator(browser.origin).make(options(browser, "/me/passkeys/options"))
    assert browser.post("/me/passkeys", passkey_name=" ", answer=answer).status_code == 422
    assert len(web.rows(passkey)) == 1
