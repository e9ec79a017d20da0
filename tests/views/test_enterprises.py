"""What people see of an enterprise: how it stands, and what each partner was told of it."""

from __future__ import annotations

import pytest

from gateway.core.errors import Refusal
from gateway.views import enterprises
from tests.rig.enterprises import RECTIFYING, made_uscc, row
from tests.rig.telling import TellingFixture

ONE = "9900000001"


def test_told_is_one_question(telling: TellingFixture) -> None:
    telling.feed(row(1, **RECTIFYING))
    telling.deliver("SG", "accepted")
    with telling.database.reading() as connection:
        by_uscc, by_code = enterprises.told(connection, made_uscc(1)), enterprises.told(connection, ONE)
    assert by_uscc == by_code
    heard, still = sorted(by_uscc.told, key=lambda one: one.partner, reverse=True)
    assert (heard.partner, heard.statement["tin"], heard.statement["standing"]) == ("SG", f"AEOCN{ONE}", "suspended")
    assert (heard.received, heard.outcome, heard.state) == (telling.now, "accepted", "delivered")
    assert heard.outcome_message
    assert (still.partner, still.state, still.received, still.outcome) == ("HK", "queued", None, None)


def test_an_old_customs_code_still_finds_its_enterprise(telling: TellingFixture) -> None:
    telling.feed(row(1, customs_code="9900000099"))
    telling.deliver("SG")
    with telling.database.reading() as connection:
        told = enterprises.told(connection, ONE)
        assert enterprises.stands(connection, "9900000099", telling.now.date()).enterprise.uscc == made_uscc(1)
    heard = [(one.statement["tin"][-10:], one.statement["standing"]) for one in told.told if one.partner == "SG"]
    assert heard == [(ONE, "revoked"), ("9900000099", "valid")]


@pytest.mark.parametrize("identity", ["", "\0", "１" * 18, "9" * 18, "9900000009", "%", "91999999000000001K\n", "a" * 10_000])
def test_whoever_was_never_heard_of_is_not_found(telling: TellingFixture, identity: str) -> None:
    if identity.strip() == made_uscc(1):
        return
    with telling.database.reading() as connection, pytest.raises(Refusal, match="not-found"):
        enterprises.find(connection, identity)
