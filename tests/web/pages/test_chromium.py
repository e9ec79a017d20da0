"""The pages in a real browser: a passkey made and used by its own WebAuthn, and nothing wider than a telephone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
import pytest

from gateway.sandbox.listen import listening
from gateway.store.tables import passkey, session
from tests.rig.browser import PASSWORD, a_link
from tests.rig.chromium import ChromiumFixture, chromium
from tests.rig.web import WebFixture

pytestmark = [pytest.mark.judge, pytest.mark.process]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[ChromiumFixture]:
    with chromium(tmp_path / "profile") as made:
        yield made


@pytest.fixture
def at(web: WebFixture) -> Iterator[str]:
    """The console's address, by a name: WebAuthn has no party that is an address."""
    with listening(web.app) as url:
        address = f"http://localhost:{urlsplit(url).port}"
        web.node.settings = web.settings = web.settings.model_copy(update={"url": address})
        yield address


def come_in(browser: ChromiumFixture, web: WebFixture, at: str) -> None:
    """By a one-time link, with a password and a second factor."""
    link = a_link(web, "Wang Wu")
    browser.go(at + link)
    browser.send(link, password=PASSWORD, again=PASSWORD)
    secret = re.search(r"[A-Z2-7]{4}(?: [A-Z2-7]{4})+", browser.text())
    assert secret, browser.text()
    browser.send(f"{link}/code", code=pyotp.TOTP(secret[0].replace(" ", "")).at(web.now))
    assert "Wang Wu" in browser.text()


def test_a_passkey_is_made_and_signs_in(browser: ChromiumFixture, web: WebFixture, at: str) -> None:
    browser.call("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options = device | {"isUserVerified": True, "automaticPresenceSimulation": True}
    authenticator = browser.call("WebAuthn.addVirtualAuthenticator", options=options)["authenticatorId"]
    come_in(browser, web, at)
    browser.send("/me/passkeys", passkey_name="office PC")
    assert "office PC" in browser.text()
    browser.send("/sign-out")
    web.later(minutes=1)
    browser.send("/sign-in/passkey")
    assert "Wang Wu" in browser.text()
    assert {row.method for row in web.rows(session)} == {"set-up", "passkey"}
    (key,) = web.rows(passkey)
    (credential,) = browser.call("WebAuthn.getCredentials", authenticatorId=authenticator)["credentials"]
    assert (key.last_used, key.signed) == (web.now, credential["signCount"])

    browser.send("/sign-out")
    browser.call("WebAuthn.setUserVerified", authenticatorId=authenticator, isUserVerified=False)
    browser.send("/sign-in/passkey")
    assert "did not prove" in browser.text(), "a device that does not make sure who uses it lets nobody in"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_is_wider_than_a_telephone(browser: ChromiumFixture, web: WebFixture, at: str, language: str) -> None:
    browser.call("Emulation.setLocaleOverride", locale=language)
    browser.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
    browser.look(360)
    wide: dict[str, int] = {}

    def look(path: str) -> None:
        browser.go(at + path)
        wide[path] = browser.ask("document.documentElement.scrollWidth")

    look("/sign-in")
    look(a_link(web, "Li Si"))
    come_in(browser, web, at)
    for path in ("/me", "/device"):
        look(path)
    assert len(wide) == 4
    assert max(wide.values()) <= 360, wide
