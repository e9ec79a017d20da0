"""What a partner's XML cannot say is named, and holds up nobody else."""

from __future__ import annotations

from datetime import datetime
from itertools import count

import pytest

from gateway.core.errors import Code, Refusal
from gateway.exchange.tell import compose
from gateway.store.active import ActivePartner
from tests.rig.enterprises import RECTIFYING, made_uscc, row
from tests.rig.telling import TellingFixture

ONE, TWO = "9900000001", "9900000002"


TOO_LONG = "x" * 301  # for Japan's dialect


def test_one_enterprise_that_cannot_be_said_holds_up_nobody(telling: TellingFixture) -> None:
    telling.add("JP")
    telling.feed(row(2))
    telling.deliver("JP")
    done = telling.feed(row(3, name_en=TOO_LONG), row(4))
    assert [(one.partner, one.uscc, one.code) for one in done.unsaid] == [("JP", made_uscc(3), "schema-invalid")]
    assert telling.deliver("JP") == [("update", [("valid", "9900000004")])]
    assert ("valid", "9900000003") in telling.deliver("SG")[-1][1]
    telling.feed(row(3))
    assert telling.deliver("JP") == [("update", [("valid", "9900000003")])]


def test_a_loss_that_todays_words_cannot_carry_is_told_in_the_words_last_told(telling: TellingFixture) -> None:
    telling.add("JP")
    telling.feed(row(2))
    telling.deliver("JP")
    done = telling.feed(row(1, name_en=TOO_LONG), row(2, **RECTIFYING, name_en=TOO_LONG))
    assert [(one.partner, one.uscc) for one in done.unsaid] == [("JP", made_uscc(1))]
    assert telling.deliver("JP") == [("notice", [("suspended", TWO)])]
    assert [one.statement.name for one in telling.told("JP", 2)] == [row(2)["name_en"]]
    telling.later(days=31)
    telling.look()
    assert telling.deliver("JP")[-1] == ("list", [("valid", ONE), ("suspended", TWO)])


def test_a_partner_whose_documents_speak_of_one_operator_gets_one_each(
    telling: TellingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = compose.validate

    def strict(live: ActivePartner, payload: str, at: datetime) -> None:
        if live.arrangement.iso == "SG" and payload.count("<wco:RoleCode") + payload.count("<wco:ID>") > 2:
            raise Refusal(Code.SCHEMA_INVALID, "one party a message")
        check(live, payload, at)

    monkeypatch.setattr(compose, "validate", strict)
    done = telling.feed(row(2), row(3))
    assert not done.unsaid
    assert telling.deliver("SG") == [("update", [("valid", TWO)]), ("update", [("valid", "9900000003")])]
    assert telling.deliver("HK") == [("update", [("valid", TWO), ("valid", "9900000003")])]


def test_a_partner_whose_xml_takes_no_message_holds_up_nobody(telling: TellingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    check, calls = compose.validate, count()

    def moody(live: ActivePartner, payload: str, at: datetime) -> None:
        """Refuses the message, and takes every part of it when it is tried alone."""
        if live.arrangement.iso == "SG" and next(calls) % 2 == 0:
            raise Refusal(Code.SCHEMA_INVALID, "not so")
        check(live, payload, at)

    monkeypatch.setattr(compose, "validate", moody)
    done = telling.feed(row(2))
    assert [(one.partner, one.uscc) for one in done.unsaid] == [("SG", "")]
    assert telling.deliver("SG") == []
    assert telling.deliver("HK") == [("update", [("valid", TWO)])]
    monkeypatch.undo()
    telling.look()
    assert telling.deliver("SG") == [("update", [("valid", TWO)])]
