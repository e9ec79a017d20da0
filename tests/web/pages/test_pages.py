"""Every page: its headers, its languages, and what it says when something goes wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clearance.wording import Language
from gateway.core.access import PrincipalKind
from gateway.store import emergencies
from gateway.web.pages import render, words
from gateway.web.site import PAGES
from tests.rig.browser import BrowserFixture, set_up
from tests.rig.people import person
from tests.rig.web import WebFixture

HERE = Path(render.__file__).parent
_FACT = re.compile(r"{(\w+)}")


def test_both_languages_say_everything_with_the_same_facts() -> None:
    english, chinese = words.sentences(Language.EN), words.sentences(Language.ZH)
    assert set(english) == set(chinese)
    for key, sentence in english.items():
        assert set(_FACT.findall(sentence)) == set(_FACT.findall(chinese[key])), key
        assert sentence.strip(), key
        assert chinese[key].strip(), key


def test_every_sentence_is_said_somewhere_and_every_key_is_one() -> None:
    sentences = set(words.sentences(Language.EN))
    code = "\n".join(path.read_text("utf-8") for path in HERE.parent.parent.rglob("*.py"))
    templates = "\n".join(path.read_text("utf-8") for path in (HERE / "templates").iterdir())
    asked = set(re.findall(r'(?:\bt|column)\("([\w.-]+)"[,)]', templates)) | set(re.findall(r'"(nav\.[\w-]+|time\.\w+)"', code))
    refused = {f"refusal.{key}.{part}" for key in re.findall(r'\bpage(?:": |=)"([\w-]+)"', code) for part in ("cause", "remedy")}
    assert asked | refused <= sentences
    # These keys are put together: of a role, of how somebody signed in, of a field, of a length.
    made = {key for key in sentences if key.startswith(("role.", "method.", "field.", "refusal.short.", "refusal.long."))}
    assert asked | refused | made == sentences


@pytest.mark.parametrize(
    ("own", "accepted", "chosen"),
    [
        ("zh", "en", "zh"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr,en;q=0.3,zh;q=0.7", "zh"),
        (None, "zh;q=0, fr", "en"),
        (None, "zh;q=x", "en"),
        (None, "", "en"),
    ],
)
def test_the_language_is_the_persons_else_the_browsers(own: str | None, accepted: str, chosen: str) -> None:
    assert words.choose(own, accepted, Language.EN) == chosen


def test_every_page_keeps_itself(web: WebFixture) -> None:
    browser, _ = set_up(web)
    stranger = BrowserFixture(web)
    for one, path in ((browser, "/me"), (stranger, "/me"), (stranger, "/sign-in"), (stranger, "/sign-in/x"), (stranger, "/")):
        answer = one.client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert " style=" not in answer.text
        assert "<script>" not in answer.text
    chinese = BrowserFixture(web, "zh-CN")
    assert '<html lang="zh-CN">' in chinese.get("/sign-in").text
    assert "登录" in chinese.text()


def test_a_person_reads_in_its_own_language(web: WebFixture) -> None:
    browser, _ = set_up(web)
    browser.get("/me")
    browser.post("/me/language", language="zh")
    assert '<html lang="zh-CN">' in browser.page.text
    browser.post("/me/language", language="")
    assert '<html lang="en">' in browser.page.text


def test_without_a_session_no_page_is_for_anybody(web: WebFixture) -> None:
    """Whatever is not for signing in sends a stranger there."""
    stranger = BrowserFixture(web)
    for router in PAGES:
        for route in router.routes:
            path, methods = route.path, route.methods  # type: ignore[attr-defined] # FastAPI's routes
            if path == "/" or path.startswith(("/sign-in", "/static")):
                continue
            for method in methods:
                answer = stranger.client.request(method, re.sub(r"{\w+}", "1", path), headers={"Origin": stranger.origin})
                assert answer.status_code == (303 if method == "GET" else 401), (method, path)


def test_what_is_served_beside_the_pages_may_be_kept(web: WebFixture) -> None:
    browser = BrowserFixture(web)
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', browser.get("/sign-in").text):
        answer = browser.client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert browser.client.get("/static/x/base.html").status_code == 404


def test_colours_can_be_told_apart_in_both_themes() -> None:
    """Text on its ground has a contrast of 4.5 (WCAG 2.2, 1.4.3), in the light and in the dark."""
    css = (HERE / "static" / "console.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r"{([^{}]*--ground:[^{}]*)}", css)
    )
    for theme in (light, light | dark):
        pairs = [
            ("ink", "ground"),
            ("ink", "sheet"),
            ("soft", "ground"),
            ("soft", "sheet"),
            ("accent", "sheet"),
            ("accent-ink", "accent"),
        ]
        pairs += [(one, f"{one}-soft") for one in ("good", "watch", "bad", "quiet", "accent")] + [
            ("ink", "bad-soft"),
            ("bad", "sheet"),
        ]
        for ink, ground in pairs:
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_an_emergency_is_told_on_every_page_of_who_is_signed_in(web: WebFixture) -> None:
    who = replace(person("emergency:0", kind=PrincipalKind.EMERGENCY), because="<b>nobody</b> can sign in")
    with web.database.write.begin() as connection:
        emergencies.note(connection, who, "stop SG", web.now)
    browser, _ = set_up(web)
    for path in ("/me", "/device"):
        assert "&lt;b&gt;nobody&lt;/b&gt; can sign in" in browser.get(path).text, path
    assert "can sign in" not in BrowserFixture(web).get("/sign-in").text, "of a stranger's nothing is told"


def test_a_mistyped_address_is_a_page_for_people_and_a_problem_for_programs(web: WebFixture) -> None:
    browser, _ = set_up(web)
    for one in (browser, BrowserFixture(web)):
        answer = one.client.get("/nothing", headers={"Accept": "text/html,*/*"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "There is no page at this address" in answer.text
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    for path, accept in (("/nothing", "*/*"), ("/v1/nothing", "text/html")):
        assert browser.client.get(path, headers={"Accept": accept}).json()["code"] == "not-found"
