"""What signing in keeps is kept alike on both databases, and does not grow with what strangers try."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.errors import Refusal
from gateway.store import attempts
from gateway.store.database import Database
from gateway.store.tables import attempt, ceremony
from tests.rig.browser import BrowserFixture, set_up, sign_in
from tests.rig.node import START
from tests.rig.web import WebFixture


def test_a_person_comes_in_on_either_database(database: Database, tmp_path: Path) -> None:
    with WebFixture(tmp_path, (), database) as web:
        _, totp = set_up(web)
        browser = BrowserFixture(web)
        browser.get("/sign-in")
        for _ in range(2):
            assert browser.post("/sign-in", name="Wang \x00 Wu", password="\x00").status_code == 401
            assert browser.post("/sign-in", name="Wang Wu", password="wrong").status_code == 401
        assert sign_in(browser, totp).status_code == 200
        begun = web.client.post("/sign-in/device").json()
        browser.get("/device")
        browser.post("/device", code=begun["user_code"])
        browser.post("/device/answer", answer="approve")
        given = web.client.post("/sign-in/device/token", data={"device_code": begun["device_code"]})
        assert "access_token" in given.json()
        web.later(minutes=2)
        assert str(browser.get("/me").url).endswith("/me")
        web.node.writer.do(lambda connection: None)
        browser.get("/me")
        assert browser.post("/me/sessions", session="others").status_code == 200
        assert browser.post("/sign-out").status_code == 200
        assert not web.rows(ceremony)


def test_strangers_fill_no_table_and_are_forgotten(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST", 10)
    with database.write.begin() as connection:
        for number in range(40):
            attempts.begin(connection, [attempts.account(f"nobody {number}")], START + timedelta(seconds=number))
        kept = connection.execute(attempt.select()).all()
        assert 5 <= len(kept) <= 10
        assert attempts.failures(connection, attempts.account("nobody 39")) == 1
        one = attempts.account("somebody")
        for second in range(5):
            attempts.begin(connection, [one], START + timedelta(minutes=1, seconds=second))
        with pytest.raises(Refusal, match="too-many-requests"):
            attempts.begin(connection, [one], START + timedelta(minutes=1, seconds=4))
        attempts.begin(connection, [one], START + timedelta(days=1, minutes=2))
        assert attempts.failures(connection, one) == 1
