"""A browser at the console, as far as pages need one: it keeps cookies, fills in forms and says where they come from."""

from __future__ import annotations

import re
from html import unescape

import pyotp
from argon2 import PasswordHasher
from httpx import Response
from starlette.testclient import TestClient

from gateway.core.access import StaffRole
from gateway.operate import people
from gateway.operate.passwords import Passwords
from gateway.store import principals
from tests.rig.people import person
from tests.rig.web import WebFixture

PASSWORD = "correct horse battery staple"
#: As quick as argon2 can be: only one test is about how long it takes.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class BrowserFixture:
    """One browser, at ``web``. ``page`` is what it shows."""

    def __init__(self, web: WebFixture, language: str = "en") -> None:
        self.web = web
        self.origin = web.settings.public_url
        web.service.passwords = Passwords(QUICK) if web.service.passwords._hasher is not QUICK else web.service.passwords
        self.client = TestClient(web.app, base_url=self.origin, raise_server_exceptions=False, follow_redirects=False)
        self.client.headers["Accept-Language"] = language
        self.client.portal = web.client.portal  # one event loop for all of them, as a server has
        self.page: Response

    def get(self, path: str) -> Response:
        """Goes to a page, and on to where it leads."""
        self.page = self.client.get(path)
        return self._on()

    def post(self, path: str, **fields: str) -> Response:
        """Fills in the form that leads to ``path`` on this page, and sends it."""
        form = next(text for text in self.forms() if f'action="{path}"' in text)
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
        typed = {name: unescape(text) for name, text in hidden} | {name.replace("_", "-"): text for name, text in fields.items()}
        return self.send(path, typed)

    def send(self, path: str, typed: dict[str, str], **headers: str) -> Response:
        """Sends what was typed, as a page of the console would."""
        self.page = self.client.post(path, data=typed, headers={"Origin": self.origin} | headers)
        return self._on()

    def forms(self) -> list[str]:
        return re.findall(r"<form.*?</form>", self.page.text, re.DOTALL)

    def text(self) -> str:
        """What a person reads of the page."""
        return unescape(re.sub(r"<[^>]+>", "", self.page.text))

    def _on(self) -> Response:
        self.history = [self.page]
        while self.page.is_redirect:
            self.page = self.client.get(self.page.headers["location"])
            self.history.append(self.page)
        return self.page


def a_link(web: WebFixture, name: str, *roles: StaffRole) -> str:
    """The path of a one-time link of a person of this name, made known for it where there is none."""
    with web.database.write.begin() as connection:
        if all(one.name != name for one in principals.listed(connection)):
            email = f"{name.partition(' ')[0].lower()}@customs.example"
            principals.add_person(connection, name, roles or tuple(StaffRole), by=(), at=web.now, email=email)
        _, secret = people.new_link(connection, name, who=person("a test"), reason="a test", at=web.now)
    return f"/sign-in/{secret}"


def set_up(web: WebFixture, name: str = "Wang Wu", *roles: StaffRole, language: str = "en") -> tuple[BrowserFixture, pyotp.TOTP]:
    """A person that has just set up how it signs in, and so is signed in; with its second factor."""
    browser, link = BrowserFixture(web, language), a_link(web, name, *roles)
    browser.get(link)
    browser.post(link, password=PASSWORD, again=PASSWORD)
    totp = second_factor(browser)
    assert browser.post(f"{link}/code", code=totp.at(web.now)).status_code == 200, browser.text()
    web.later(minutes=1)  # that code is used
    return browser, totp


def second_factor(browser: BrowserFixture) -> pyotp.TOTP:
    """The one that the page shows."""
    found = re.search(r'<div class="secret">([A-Z2-7 ]+)</div>', browser.page.text)
    assert found, browser.text()
    return pyotp.TOTP(found[1].replace(" ", ""))


def sign_in(browser: BrowserFixture, totp: pyotp.TOTP, name: str = "Wang Wu", password: str = PASSWORD) -> Response:
    """Signs in, with a code that was not used."""
    browser.get("/sign-in")
    browser.post("/sign-in", name=name, password=password)
    browser.web.later(seconds=30)
    return browser.post("/sign-in/code", code=totp.at(browser.web.now))
