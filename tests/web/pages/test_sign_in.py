"""People sign in with a password and a code, and nobody else does."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gateway.operate import people
from gateway.store import attempts, ceremonies, sessions
from gateway.store.tables import attempt, ceremony, principal
from gateway.store.tables import session as table
from tests.rig.browser import PASSWORD, BrowserFixture, a_link, second_factor, set_up, sign_in
from tests.rig.people import person
from tests.rig.web import WebFixture


@pytest.fixture
def browser(web: WebFixture) -> BrowserFixture:
    return BrowserFixture(web)


def test_a_link_is_used_up_only_when_password_and_code_are_proven(web: WebFixture, browser: BrowserFixture) -> None:
    link = a_link(web, "Wang Wu")
    browser.get(link)
    assert browser.post(link, password="too short", again="too short").status_code == 422
    assert "at least 12 characters" in browser.text()
    assert browser.post(link, password=PASSWORD, again=PASSWORD + "x").status_code == 422
    assert browser.post(link, password=PASSWORD, again=PASSWORD).status_code == 200
    totp = second_factor(browser)
    assert browser.post(f"{link}/code", code="000000").status_code == 422
    assert second_factor(browser).secret == totp.secret
    assert browser.get(link).status_code == 200  # still good
    browser.post(link, password=PASSWORD, again=PASSWORD)
    totp = second_factor(browser)
    done = browser.post(f"{link}/code", code=totp.at(web.now))
    assert (done.status_code, str(done.url).endswith("/me")) == (200, True)
    other = BrowserFixture(web)
    assert other.get(link).status_code == 404
    assert "not good any more" in other.text()
    assert web.journal("sign-in")


def test_another_browser_cannot_end_what_one_began(web: WebFixture, browser: BrowserFixture) -> None:
    link = a_link(web, "Wang Wu")
    browser.get(link)
    browser.post(link, password=PASSWORD, again=PASSWORD)
    totp = second_factor(browser)
    other = BrowserFixture(web)
    other.get(link)
    assert other.send(f"{link}/code", {"form": form_token(other), "code": totp.at(web.now)}).status_code == 401


def test_name_or_email_then_a_code_that_is_good_once(web: WebFixture) -> None:
    first, totp = set_up(web)
    first.post("/sign-out")
    for name in ("Wang Wu", "  WANG WU", "wang@customs.example", "Wang@Customs.Example"):
        assert sign_in(first, totp, name).status_code == 200, first.text()
        assert str(first.page.url).endswith("/me")
        assert first.post("/sign-out").status_code == 200
    used = totp.at(web.now)
    first.post("/sign-in", name="Wang Wu", password=PASSWORD)
    assert first.post("/sign-in/code", code=used).status_code == 422
    assert "used already" in first.text()
    web.later(minutes=16)
    assert first.post("/sign-in/code", code=totp.at(web.now)).status_code == 401
    assert "15 minutes" in first.text()


def test_whoever_is_unknown_is_told_the_same(web: WebFixture, browser: BrowserFixture) -> None:
    set_up(web)
    browser.get("/sign-in")
    pages = []
    for name in ("Wang Wu", "Nobody at all"):
        assert browser.post("/sign-in", name=name, password="not the password").status_code == 401
        pages.append(re.sub(f'value="{name}"', "", browser.page.text))
    assert pages[0] == pages[1]
    assert not web.rows(ceremony)


def test_failures_slow_down_the_account_and_are_told_and_forgotten(web: WebFixture, browser: BrowserFixture) -> None:
    _, totp = set_up(web)
    browser.get("/sign-in")
    for _ in range(5):
        assert browser.post("/sign-in", name="Wang Wu", password="not the password").status_code == 401
    paused = browser.post("/sign-in", name="Wang Wu", password=PASSWORD)
    assert (paused.status_code, paused.headers["Retry-After"]) == (429, "1")
    assert "in 1 seconds" in browser.text()
    web.later(seconds=1)
    assert browser.post("/sign-in", name="Wang Wu", password="not the password").status_code == 401
    assert browser.post("/sign-in", name="Wang Wu", password=PASSWORD).headers["Retry-After"] == "2"
    web.later(seconds=2)
    assert sign_in(browser, totp).status_code == 200  # never locked for good
    assert [row.failures for row in web.rows(attempt) if row.subject.startswith("account")] == []
    told = web.journal("sign-in")
    assert len(told) == 3  # set up, the fifth failure, signed in: not one entry each


def test_the_pause_grows_to_a_bound_and_an_address_has_more_free() -> None:
    account, address = attempts.account("x"), attempts.address("2001:db8::1")
    assert [account.pause(n).total_seconds() for n in (0, 4, 5, 6, 7, 14, 15, 10**6)] == [0, 0, 1, 2, 4, 512, 900, 900]
    assert address.pause(19) == timedelta()
    assert attempts.address("2001:db8::ffff") == address != attempts.address("2001:db8:0:1::1")


def test_codes_are_slowed_down_apart_from_passwords(web: WebFixture, browser: BrowserFixture) -> None:
    _, totp = set_up(web)
    browser.get("/sign-in")
    browser.post("/sign-in", name="Wang Wu", password=PASSWORD)
    for _ in range(5):
        assert browser.post("/sign-in/code", code="000000").status_code == 422
    assert browser.post("/sign-in/code", code=totp.at(web.now)).status_code == 429
    web.later(seconds=30)
    assert browser.post("/sign-in/code", code=totp.at(web.now)).status_code == 200


def test_a_session_ends_without_use_and_in_any_case(web: WebFixture) -> None:
    browser, totp = set_up(web)
    for _ in range(4):
        web.later(minutes=29)
        assert str(browser.get("/me").url).endswith("/me")
        web.node.writer.do(lambda connection: None)  # that it was used is noted behind the answer
    web.later(minutes=30)
    assert str(browser.get("/me").url).endswith("/sign-in?next=/me")
    sign_in(browser, totp)
    ends = web.now + sessions.LONGEST
    while web.now + timedelta(minutes=20) < ends:
        web.later(minutes=20)
        assert str(browser.get("/me").url).endswith("/me")
        web.node.writer.do(lambda connection: None)
    web.later(minutes=20)
    assert "/sign-in" in str(browser.get("/me").url)


def test_a_cookie_is_new_at_every_sign_in_and_only_its_hash_is_kept(web: WebFixture) -> None:
    browser, totp = set_up(web)
    planted = browser.client.cookies["aeo"]
    sign_in_again = BrowserFixture(web)
    sign_in_again.client.cookies["aeo"] = "planted by somebody else"
    sign_in(sign_in_again, totp)
    fresh = sign_in_again.client.cookies.get("aeo", domain="127.0.0.1") or ""
    assert fresh not in ("", planted, "planted by somebody else")
    kept = b"".join(path.read_bytes() for path in web.settings.home.glob("gateway.db*"))
    assert fresh.encode() not in kept
    assert planted.encode() not in kept
    assert len(web.rows(table)) == 2


def test_a_cookie_never_authenticates_the_interface(web: WebFixture) -> None:
    browser, _ = set_up(web)
    assert str(browser.get("/me").url).endswith("/me")
    for path in ("/v1/partners", "/v1/stops", "/v1/eligibility?code=X", "/metrics"):
        assert browser.client.get(path).status_code == 401, path
    assert browser.client.post("/v1/stops", json={}, headers={"Origin": browser.origin}).status_code == 401


def test_a_disabled_person_is_out_at_once(web: WebFixture) -> None:
    browser, _ = set_up(web)
    with web.database.write.begin() as connection:
        connection.execute(principal.update().values(disabled=web.now))
    assert "/sign-in" in str(browser.get("/me").url)
    browser.get("/sign-in")
    assert browser.post("/sign-in", name="Wang Wu", password=PASSWORD).status_code == 401


def test_an_administrator_ends_all_sessions_of_a_person_and_a_person_its_own(web: WebFixture) -> None:
    browser, totp = set_up(web)
    second, third = BrowserFixture(web), BrowserFixture(web)
    for one in (second, third):
        sign_in(one, totp)
    browser.get("/me")
    (newest, *_) = (row for row in web.rows(table) if row.created == max(row.created for row in web.rows(table)))
    browser.post("/me/sessions", session=newest.hash)
    assert "/sign-in" in str(third.get("/me").url)
    assert str(second.get("/me").url).endswith("/me")
    browser.post("/me/sessions", session="others")
    assert "/sign-in" in str(second.get("/me").url)
    other, _ = set_up(web, "Zhao Liu")
    other.get("/me")
    browser.get("/me")
    stolen = next(row.hash for row in web.rows(table) if row.ended is None and row.principal == newest.principal)
    other.get("/me")
    assert other.send("/me/sessions", {"form": form_token(other), "session": stolen}).status_code == 404  # another's
    with web.database.write.begin() as connection:
        _, ended = people.sign_out(connection, "Wang Wu", who=person("Li Si"), reason="left a desk", at=web.now)
    assert ended == 1
    assert "/sign-in" in str(browser.get("/me").url)
    assert str(other.get("/me").url).endswith("/me")


def form_token(browser: BrowserFixture) -> str:
    found = re.search(r'name="form" value="([^"]+)"', browser.page.text)
    assert found
    return found[1]


def test_strangers_keep_nobody_out_who_knows_the_password(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    _, totp = set_up(web)
    monkeypatch.setattr(ceremonies, "OF_ONE", 3)
    for status in (200, 200, 200, 429):
        stranger = BrowserFixture(web)
        stranger.get("/sign-in")
        assert stranger.send("/sign-in/passkey/options", {"form": form_token(stranger)}).status_code == status
    assert sign_in(BrowserFixture(web), totp).status_code == 200


def test_what_another_site_sends_does_nothing(web: WebFixture) -> None:
    browser, _ = set_up(web)
    browser.get("/me")
    good = {"form": form_token(browser), "session": "others"}
    assert browser.send("/me/sessions", good, Origin="https://evil.example").status_code == 403
    assert browser.send("/me/sessions", good, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.send("/me/sessions", good, **{"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert browser.send("/me/sessions", good, Origin="null").status_code == 403
    assert browser.client.post("/me/sessions", data=good).status_code == 403
    assert browser.send("/me/sessions", {"session": "others"}).status_code == 403
    assert browser.send("/me/sessions", good | {"form": "0" * 64}).status_code == 403
    assert browser.send("/me/sessions", good).status_code == 200


def test_a_lost_session_keeps_what_was_typed(web: WebFixture) -> None:
    browser, totp = set_up(web)
    browser.get("/me")
    web.later(minutes=31)
    lost = browser.post("/me/tokens", token_name="my laptop & more", days="7")
    assert lost.status_code == 401
    assert "my laptop & more" in browser.text()
    kept = browser.page
    sign_in(browser, totp)
    browser.page = kept
    stale = browser.post("/me/tokens")
    assert stale.status_code == 403  # the page was of before: it is asked once more, and nothing is typed twice
    made = browser.post("/me/tokens")
    assert made.status_code == 200
    assert "aeo_" in made.text


@pytest.mark.parametrize("goes", ["//evil.example", "/\\evil.example", "https://evil.example", "/\tevil", "javascript:alert(1)"])
def test_nobody_is_led_elsewhere(goes: str, web: WebFixture) -> None:
    browser, totp = set_up(web)
    browser.post("/sign-out")
    browser.client.get("/sign-in")
    browser.page = browser.client.get("/sign-in", params={"next": goes})
    browser.post("/sign-in", name="Wang Wu", password=PASSWORD, next=goes)
    browser.post("/sign-in/code", code=totp.at(web.now), next=goes)
    assert [one.headers.get("location") for one in browser.history] == ["/me", None]
