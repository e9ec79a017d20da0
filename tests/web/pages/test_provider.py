"""The administration's own provider lets people in; what it did not say for us, now and to this browser lets in nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from gateway.core.access import StaffRole
from gateway.settings import SettingsFault, from_environment
from gateway.store import principals
from gateway.store.principals import Principal
from gateway.store.tables import principal, session, tie
from tests.rig.browser import BrowserFixture, a_link, set_up
from tests.rig.provider import CLIENT, SECRET, ProviderFixture, provider
from tests.rig.waiting import HTTP
from tests.rig.web import WebFixture

ACCOUNT = {"sub": "4711", "name": "Wang Wu", "preferred_username": "wangwu", "email": "wang@customs.example", "groups": ["aeo-ops"]}
ROLES = "aeo-ops=operator,aeo-admin=administrator,aeo-ops=viewer"


@pytest.fixture(scope="module")
def ours() -> Iterator[ProviderFixture]:
    with provider(lambda: datetime.now(UTC)) as made:
        yield made


@pytest.fixture
def web(tmp_path: Path, ours: ProviderFixture) -> Iterator[WebFixture]:
    chosen: dict[str, Any] = {"oidc_issuer": ours.issuer, "oidc_client": CLIENT, "oidc_secret": SECRET, "oidc_roles": ROLES}
    with WebFixture(tmp_path, (), **chosen) as made:
        ours.clock, ours.account, ours.signing, ours.spoil = made.clock, dict(ACCOUNT), None, lambda claims: claims
        yield made


def there(browser: BrowserFixture, begin: str = "/sign-in") -> str:
    """Where the browser is sent from this page, and from there back."""
    browser.get(begin)
    sent = re.search(r'content="0;url=([^"]+)"', browser.post("/sign-in/provider").text)
    assert sent, browser.text()
    answer = HTTP.get(unescape(sent[1]))
    assert answer.status_code == httpx.codes.TEMPORARY_REDIRECT
    back = urlsplit(answer.headers["location"])
    return f"{back.path}?{back.query}"


def people(web: WebFixture) -> list[Principal]:
    with web.database.reading() as connection:
        return principals.listed(connection)


def test_a_person_is_made_known_and_its_roles_follow_its_groups(web: WebFixture, ours: ProviderFixture) -> None:
    browser = BrowserFixture(web)
    assert browser.get(there(browser)).status_code == 200
    assert 'content="0;url=/me"' in browser.page.text  # by a page: a redirect of another site's would not carry the cookie
    assert "Wang Wu" in browser.get("/me").text
    (one,) = people(web)
    assert (one.roles, one.set_up) == ((StaffRole.OPERATOR, StaffRole.VIEWER), True)
    assert not web.rows(tie)
    ours.account["groups"] = ["aeo-admin", "others"]
    ours.account["name"], ours.account["email"] = "Another name", "other@customs.example"
    browser.get(there(BrowserFixture(web)))
    again = BrowserFixture(web)
    again.get(there(again))
    (one,) = people(web)
    assert (one.name, one.roles) == ("Wang Wu", (StaffRole.ADMINISTRATOR,))
    ours.account["groups"] = []
    last = BrowserFixture(web)
    assert last.get(there(last)).status_code == 403
    assert "no group" in last.text()
    assert people(web)[0].roles == ()
    assert web.journal("principal").count(one.id) == 4  # made known, its subject, and two changes


def test_nobody_is_found_by_an_email_or_a_name_alone(web: WebFixture, ours: ProviderFixture) -> None:
    with web.database.write.begin() as connection:
        principals.add_person(connection, "Wang Wu", [StaffRole.APPROVER], by=(), at=web.now, email="wang@customs.example")
    browser = BrowserFixture(web)
    browser.get(there(browser))
    assert sorted(one.name for one in people(web)) == ["Wang Wu", "Wang Wu (wangwu)"]
    assert "Wang Wu (wangwu)" in browser.get("/me").text


Spoil = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda claims: claims | {"nonce": "another"},
        lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
        lambda claims: claims | {"aud": "another client"},
        lambda claims: claims | {"aud": [CLIENT, "another client"], "azp": "another client"},
        lambda claims: claims | {"exp": claims["iat"] - 61},
        lambda claims: claims | {"iat": claims["iat"] + 3600, "nbf": claims["iat"] + 3600},
        lambda claims: claims | {"iss": "https://another.example"},
        lambda claims: {name: value for name, value in claims.items() if name != "sub"},
        lambda claims: claims | {"sub": 4711},
    ],
    ids=["nonce", "no nonce", "audience", "azp", "expired", "future", "issuer", "nobody", "number"],
)
def test_a_token_that_is_not_for_this_lets_nobody_in(spoil: Spoil, web: WebFixture, ours: ProviderFixture) -> None:
    ours.spoil = spoil
    browser = BrowserFixture(web)
    assert browser.get(there(browser)).status_code == 401
    assert "did not confirm" in browser.text()
    assert not web.rows(session)
    assert not people(web)


def test_another_key_or_none_lets_nobody_in(web: WebFixture, ours: ProviderFixture) -> None:
    ours.signing = RSAKey.generate_key(2048, {"kid": "one"})
    browser = BrowserFixture(web)
    assert browser.get(there(browser)).status_code == 401
    assert not web.rows(session)


def test_another_state_browser_or_issuer_lets_nobody_in(web: WebFixture, ours: ProviderFixture) -> None:
    browser = BrowserFixture(web)
    back = there(browser)
    assert browser.get(re.sub("state=[^&]+", "state=another", back)).status_code == 401
    assert browser.get(back).status_code == 401  # what was begun ends with the first answer
    victim = BrowserFixture(web)
    victim.get("/sign-in")
    assert victim.get(there(browser)).status_code == 401  # an attacker's answer in another's browser
    assert browser.get(re.sub("iss=[^&]+", "iss=https%3A%2F%2Fevil.example", there(browser))).status_code == 401
    assert browser.get(re.sub("code=[^&]+", "code=made-up", there(browser))).status_code == 401
    state = parse_qs(urlsplit(there(browser)).query)["state"][0]
    assert browser.get(f"/sign-in/provider/back?error=access_denied&state={state}").status_code == 401
    assert "called it off" in browser.text()
    assert not web.rows(session)


def test_a_provider_that_is_away_or_another_is_told(web: WebFixture, ours: ProviderFixture) -> None:
    right = ours.issuer
    browser = BrowserFixture(web)
    browser.get("/sign-in")
    try:
        ours.issuer = "https://another.example"
        assert browser.post("/sign-in/provider").status_code == 503
        assert "does not answer" in browser.text()
    finally:
        ours.issuer = right


def test_settings_name_the_groups_that_count() -> None:
    chosen = from_environment({"AEO_OIDC_ROLES": "group=of=x=viewer, y=auditor"})
    assert chosen.group_roles == (("group=of=x", StaffRole.VIEWER), ("y", StaffRole.AUDITOR))
    for wrong in ("x", "x=king", "=viewer"):
        with pytest.raises(SettingsFault, match="AEO_OIDC_ROLES"):
            from_environment({"AEO_OIDC_ROLES": wrong})


def test_a_one_time_link_gives_its_person_the_account(web: WebFixture, ours: ProviderFixture) -> None:
    browser, _ = set_up(web, "Li Si", StaffRole.APPROVER)
    assert "Use the account of your administration" in browser.get(a_link(web, "Li Si")).text
    assert browser.get(there(browser, browser.page.url.path)).status_code == 200
    (one,) = people(web)
    assert (one.account, one.roles) == (f"{ours.issuer} 4711", (StaffRole.OPERATOR, StaffRole.VIEWER))
    assert "Li Si" in browser.get("/me").text
    (row,) = web.rows(principal)
    assert (row.password, row.totp) == (None, None), "what it used until now is good no more"
    with web.database.write.begin() as connection:
        principals.add_person(connection, "Zhao Liu", [StaffRole.APPROVER], by=(), at=web.now)
    other = BrowserFixture(web)
    other.get(a_link(web, "Zhao Liu"))
    assert other.get(there(other, other.page.url.path)).status_code == 401
    assert "signs in a person here already" in other.text()
    assert [one.account for one in people(web) if one.name == "Zhao Liu"] == [None]


def test_an_account_that_was_taken_lets_in_nobody_as_somebody_new(web: WebFixture, ours: ProviderFixture) -> None:
    one, admin = set_up(web, "Li Si")[0], web.person("an administrator")
    asked = {"subject": "4711", "reason": "the provider is new here"}
    given = web.client.post("/v1/principals/Li Si/account", headers=admin, json=asked)
    assert given.json()["account"] == f"{ours.issuer} 4711"
    again = web.client.post("/v1/principals/an administrator/account", headers=admin, json=asked)
    assert (again.status_code, "Li Si already" in again.json()["detail"]) == (422, True)
    browser = BrowserFixture(web)
    browser.get(there(browser))
    assert "Li Si" in browser.get("/me").text
    taken = web.client.post("/v1/principals/Li Si/account/unset", headers=admin, json={"reason": "moved"})
    assert (taken.json()["account"], taken.json()["set_up"]) == (None, True)
    assert {each.get("/me").url.path for each in (one, browser)} == {"/sign-in"}, "its sessions are over"
    assert browser.get(there(browser)).status_code == 403
    assert "was taken from it" in browser.text()
    assert len(people(web)) == 2
    unset = web.client.post("/v1/principals/Li Si/account/unset", headers=admin, json={"reason": "again"})
    assert unset.status_code == 404
    with web.database.reading() as connection:
        by_name = {each.name: each.id for each in principals.listed(connection)}
        why = principals.tied(connection, by_name["Li Si"], by_name["an administrator"], web.now)
    assert why is not None
    assert "reset how the other signs in" in why
    assert web.client.post("/v1/principals/an administrator/account", headers=admin, json=asked).status_code == 200


def test_without_a_provider_nobody_has_an_account_there(tmp_path: Path) -> None:
    with WebFixture(tmp_path, ()) as web:
        admin = web.person("an administrator")
        asked = {"subject": "4711", "reason": "a try"}
        said = web.client.post("/v1/principals/an administrator/account", headers=admin, json=asked)
        assert (said.status_code, "AEO_OIDC_ISSUER" in said.json()["remedy"]) == (422, True)
