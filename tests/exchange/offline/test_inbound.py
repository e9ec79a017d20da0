"""What a partner mails as a spreadsheet: read by one person, confirmed by another, and then under the rules of every other message."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.clearance.answer import Asked
from gateway.clearance.as_known import AsKnown
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.core.question import Answer, Warn
from gateway.exchange import void
from gateway.exchange.lists import review
from gateway.exchange.offline import inbound
from gateway.exchange.offline.inbound import ConfirmedTranscription, TranscriptionProposal
from gateway.exchange.offline.read import Mailed, moment, read
from gateway.store import listings, statements
from gateway.store.tables import entry, listing, message
from gateway.store.tables import transcription as table
from gateway.views import messages as views
from gateway.views.search import MessageSearch, search
from tests.rig.gateway import GatewayFixture
from tests.rig.node import START
from tests.rig.people import person

pytestmark = pytest.mark.long

HEADINGS = ("tin", "standing", "name", "level", "granted", "expires")
CODES = [f"SG12345678901{number}" for number in range(5)]
Row = tuple[object, ...]


def good(*codes: str, standing: str = "valid") -> list[Row]:
    return [(code, standing, "Made-Up Ltd", "STP-Plus", "2024-01-01", "2027-01-31") for code in codes]


def mailed(
    rows: Sequence[Row], *, update: bool = False, as_of: datetime = START, scope: str = "*", name: str = "mail.csv"
) -> Mailed:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([HEADINGS, *rows])
    kind = Kind.UPDATE if update else Kind.LIST
    return Mailed(file=name, body=written.getvalue().encode(), kind=kind, as_of=as_of, scope=scope)


def propose(
    gateway: GatewayFixture, rows: Sequence[Row], iso: str = "SG", who: str = "alice", **said: Any
) -> TranscriptionProposal:
    one = mailed(rows, **said)
    found = read(gateway.node, gateway.live(iso), one, gateway.now)
    return gateway.do(lambda c: inbound.propose(c, gateway.live(iso), one, found, reason="a mail", who=person(who), at=gateway.now))


def confirm(gateway: GatewayFixture, number: int, who: str = "bob") -> ConfirmedTranscription:
    return gateway.do(
        lambda c: inbound.confirm(
            c, number, inbound.again(c, gateway.node, inbound.waiting(c, number)), who=person(who), at=gateway.now
        )
    )


def counted(gateway: GatewayFixture, rows: Sequence[Row], **said: Any) -> ConfirmedTranscription:
    """Proposed by one person and confirmed by another."""
    made = propose(gateway, rows, **said).made
    assert made is not None
    return confirm(gateway, made.id)


def refused(job: Callable[[], object]) -> tuple[Code, str]:
    with pytest.raises(Refusal) as caught:
        job()
    return caught.value.code, caught.value.detail


def standings(gateway: GatewayFixture, codes: Sequence[str] = CODES) -> list[str | None]:
    return [one and one.value for one in map(gateway.standing, codes)]


def asked(gateway: GatewayFixture, code: str, known_at: datetime | None = None) -> Answer:
    with gateway.database.reading() as connection:
        return AsKnown(connection, gateway.partners, known_at or gateway.now).answer(Asked(code=code), gateway.now)


# ---------------------------------------------------------------- two people


def test_before_a_second_person_confirms_nothing_counts_and_then_every_answer_says_so(gateway: GatewayFixture) -> None:
    done = propose(gateway, good(*CODES))
    assert done.made is not None
    assert (done.would.baseline, done.would.held, done.would.granting) == (True, False, tuple(CODES))
    assert standings(gateway) == [None] * 5
    assert gateway.rows(message) == [] == gateway.rows(listing)
    before = gateway.now
    gateway.later(hours=1)
    assert confirm(gateway, done.made.id).outcomes == {"accepted": 5}
    assert standings(gateway) == ["valid"] * 5
    answer = asked(gateway, CODES[0])
    assert answer.grant
    assert [(one.code, one.facts) for one in answer.warnings] == [(Warn.TRANSCRIBED, {"message": done.made.message_id})]
    assert all(one.transcribed for one in answer.evidence)
    assert not asked(gateway, CODES[0], before).grant, "as known before the confirmation"


def test_whoever_proposed_is_no_second_person(gateway: GatewayFixture) -> None:
    made = propose(gateway, good(*CODES)).made
    assert made is not None
    assert refused(lambda: confirm(gateway, made.id, "alice"))[0] is Code.DATA_INVALID
    assert standings(gateway) == [None] * 5


def test_what_is_decided_is_decided(gateway: GatewayFixture) -> None:
    first = propose(gateway, good(*CODES)).made
    assert first is not None
    gateway.do(lambda c: inbound.discard(c, first.id, reason="the wrong file", who=person("alice"), at=gateway.now))
    assert "was discarded by alice already" in refused(lambda: confirm(gateway, first.id))[1]
    assert standings(gateway) == [None] * 5
    second = propose(gateway, good(*CODES)).made
    assert second is not None, "a file that was set aside can be proposed again"
    confirm(gateway, second.id)
    assert "confirmed by bob already" in refused(lambda: confirm(gateway, second.id, "carol"))[1]
    assert "confirmed already, as number 2" in refused(lambda: propose(gateway, good(*CODES)))[1]
    assert propose(gateway, good(*CODES), as_of=START - timedelta(days=1)).made is not None, "the same bytes of another day"
    assert refused(lambda: confirm(gateway, 99))[0] is Code.NOT_FOUND


def test_a_file_waits_only_once(gateway: GatewayFixture) -> None:
    propose(gateway, good(*CODES))
    assert "proposed already, as number 1" in refused(lambda: propose(gateway, good(*CODES), who="bob"))[1]


def test_a_proposal_is_for_the_partner_data_that_read_it(gateway: GatewayFixture) -> None:
    made = propose(gateway, good(*CODES)).made
    assert made is not None
    live = gateway.live()
    gateway.partners.put("SG", replace(live, bundle=replace(live.bundle, digest="0" * 64)))
    assert "changed since" in refused(lambda: confirm(gateway, made.id))[1]


def test_bytes_that_changed_in_the_database_are_not_confirmed(gateway: GatewayFixture) -> None:
    made = propose(gateway, good(*CODES)).made
    assert made is not None
    other = mailed(good(*CODES, "SG999999999999")).body
    gateway.do(lambda c: c.execute(update(table).values(body=other)).rowcount)
    assert "not the one that was proposed" in refused(lambda: confirm(gateway, made.id))[1]


@pytest.mark.parametrize("state", ["suspended", "retired"])
def test_a_partner_whose_exchange_is_suspended(gateway: GatewayFixture, state: str) -> None:
    gateway.partners.put("SG", replace(gateway.live(), state=state))
    assert refused(lambda: propose(gateway, good(*CODES)))[0] is Code.PARTNER_SUSPENDED


# ---------------------------------------------------------------- rows


BAD: list[tuple[Row, Code]] = [
    (("MY1234567890", "valid"), Code.FOREIGN_OPERATOR),
    (("SG99", "valid"), Code.CODE_FORM),
    (("SG123456789099", "valid", "", "", "2027-01-01", "2024-01-01"), Code.PERIOD_REVERSED),
    (("SG123456789099", "valid", "", "", "", "9999-12-31"), Code.DATE_RANGE),
    (("SG123456789099", "Active"), Code.CODE_UNKNOWN),
    (("SG123456789099",), Code.FIELD_MISSING),
    ((CODES[0], "revoked", "", "STP-Plus"), Code.OPERATOR_REPEATED),
]


@pytest.mark.parametrize(("row", "code"), BAD, ids=[str(code) for _, code in BAD])
def test_a_complete_list_with_a_row_that_cannot_be_taken_is_not_taken(gateway: GatewayFixture, row: Row, code: Code) -> None:
    counted(gateway, good(*CODES), as_of=START - timedelta(days=30))
    done = propose(gateway, [*good(*CODES[:4]), row])
    assert done.made is None
    assert [(one.line, one.code) for one in done.read.refused] == [(6, code)]
    assert all(one.field in HEADINGS and one.remedy for one in done.read.refused)
    assert len(gateway.rows(table)) == 1, "nothing is kept of what is not proposed"
    assert standings(gateway) == ["valid"] * 5


def test_the_good_rows_of_an_update_go_on(gateway: GatewayFixture) -> None:
    counted(gateway, good(*CODES), as_of=START - timedelta(days=30))
    rows = [*good(CODES[0], standing="suspended"), *[row for row, code in BAD if code is not Code.OPERATOR_REPEATED]]
    done = propose(gateway, rows, update=True)
    assert done.made is not None
    assert (done.made.statements, done.made.refused) == (1, 6)
    confirm(gateway, done.made.id)
    assert standings(gateway) == ["suspended", *["valid"] * 4], "at once, and nobody is delisted"
    answer = asked(gateway, CODES[0])
    assert "suspended" in [one.code.value for one in answer.reasons]
    assert Warn.TRANSCRIBED in [one.code for one in answer.warnings]


def test_an_update_of_which_no_row_can_be_taken(gateway: GatewayFixture) -> None:
    assert propose(gateway, [("SG99", "valid")], update=True).made is None


def test_a_file_that_names_nobody_delists_nobody(gateway: GatewayFixture) -> None:
    counted(gateway, good(*CODES), as_of=START - timedelta(days=30))
    assert "names no operator" in refused(lambda: propose(gateway, []))[1]


def test_a_file_larger_than_a_message(gateway: GatewayFixture) -> None:
    gateway.node.settings = gateway.node.settings.model_copy(update={"body_limit": 100})
    assert refused(lambda: propose(gateway, good(*CODES)))[0] is Code.BODY_TOO_LARGE


# ---------------------------------------------------------------- the rules of every message


def test_a_later_list_delists_whom_it_no_longer_names(gateway: GatewayFixture) -> None:
    counted(gateway, good(*CODES), as_of=START - timedelta(days=30))
    done = propose(gateway, good(*CODES[1:]))
    assert done.made is not None
    assert (done.would.omitting, done.would.granting, done.would.baseline) == ((CODES[0],), (), False)
    confirm(gateway, done.made.id)
    assert standings(gateway) == ["delisted", *["valid"] * 4]


def test_a_list_that_changes_too_much_waits(gateway: GatewayFixture) -> None:
    gateway.threshold("SG", 2)
    counted(gateway, good(*CODES), as_of=START - timedelta(days=30))
    gateway.later(days=1)
    done = propose(gateway, good(*CODES[3:]))
    assert done.made is not None
    assert done.would.held
    confirm(gateway, done.made.id)
    assert standings(gateway) == ["valid"] * 5
    with gateway.database.reading() as connection:
        (one,) = listings.held_lists(connection)
    gateway.do(
        lambda c: review.release(c, gateway.live(), one.id, gateway.settings, who=person("carol"), reason="asked", at=gateway.now)
    )
    assert standings(gateway) == ["delisted"] * 3 + ["valid"] * 2


def test_the_order_of_issue_decides(gateway: GatewayFixture) -> None:
    counted(gateway, good(*CODES), as_of=START - timedelta(days=30))
    counted(gateway, good(CODES[0], standing="suspended"), update=True, as_of=START - timedelta(days=2))
    assert counted(gateway, good(*CODES), as_of=START - timedelta(days=9)).outcomes == {"accepted": 4, "overruled": 1}
    assert standings(gateway)[0] == "suspended", "the list was made up before the suspension"
    counted(gateway, good(*CODES, "SG123456789099"), as_of=START - timedelta(days=1))
    assert standings(gateway)[0] == "valid", "and this one after it"


def test_a_list_of_a_moment_that_was_applied_or_is_to_come(gateway: GatewayFixture) -> None:
    counted(gateway, good(*CODES))
    assert refused(lambda: propose(gateway, good(*CODES[1:])))[0] is Code.LIST_INCOMPLETE
    assert refused(lambda: propose(gateway, good(*CODES), as_of=gateway.now + timedelta(days=1)))[0] is Code.CREATED_IN_FUTURE


def test_two_proposals_of_one_moment_are_confirmed_once(gateway: GatewayFixture) -> None:
    first, second = propose(gateway, good(*CODES)).made, propose(gateway, good(*CODES[1:])).made
    assert first is not None
    assert second is not None
    confirm(gateway, first.id)
    assert refused(lambda: confirm(gateway, second.id))[0] is Code.LIST_INCOMPLETE
    assert standings(gateway) == ["valid"] * 5
    assert [row.state for row in gateway.rows(table)] == ["confirmed", "proposed"], "refused whole, with nothing recorded"


def test_the_age_of_the_data_is_that_of_the_list(gateway: GatewayFixture) -> None:
    counted(gateway, good(*CODES), as_of=START - timedelta(days=40))
    answer = asked(gateway, CODES[0])
    assert answer.data_as_of == START - timedelta(days=40)
    assert Warn.DATA_OLD in [one.code for one in answer.warnings]
    gateway.later(days=40)
    assert not asked(gateway, CODES[0]).grant


def test_a_day_is_the_midnight_with_which_it_begins_at_the_partners(gateway: GatewayFixture) -> None:
    arrangement = gateway.terms("SG")
    assert moment("2026-06-15", arrangement, "*") == datetime(2026, 6, 14, 16, tzinfo=UTC)
    assert moment("2026-06-15T08:00:00+08:00", arrangement, "*") == datetime(2026, 6, 15, tzinfo=UTC)
    for text in ("15.06.2026", "2026-06-15T08:00:00", "", "2026-02-30", "0001-01-01T00:00:00+14:00"):
        assert refused(lambda text=text: moment(text, arrangement, "*"))[0] is Code.DATA_INVALID  # type: ignore[misc] # bound


# ---------------------------------------------------------------- connected later


def test_a_partner_that_is_connected_goes_on_from_there(gateway: GatewayFixture) -> None:
    """The mailed list was the baseline, so the first signed one is measured by it; what it says again stands on a signature."""
    gateway.threshold("SG", 2)
    counted(gateway, good(*CODES), as_of=START - timedelta(days=1))
    said = [
        Statement(
            tin=code,
            standing=Standing.VALID,
            name="Made-Up Ltd",
            level="STP-Plus",
            granted=date(2024, 1, 1),
            expires=date(2027, 1, 31),
        )
        for code in CODES
    ]
    gateway.later(hours=1)
    gateway.send(gateway.boxes["SG"].message(Kind.LIST, said[3:], picture=Picture(as_of=gateway.now)))
    assert [row.state for row in gateway.rows(listing)] == ["applied", "held"]
    gateway.later(hours=1)
    gateway.send(gateway.boxes["SG"].message(Kind.LIST, said, picture=Picture(as_of=gateway.now)))
    answer = asked(gateway, CODES[0])
    assert answer.grant
    assert [one.code for one in answer.warnings] == []


# ---------------------------------------------------------------- kept, journalled, annulled


def test_who_did_it_and_why_is_in_the_journal(gateway: GatewayFixture) -> None:
    made = propose(gateway, good(*CODES)).made
    assert made is not None
    confirm(gateway, made.id)
    with gateway.database.reading() as connection:
        bodies = {row.kind: json.loads(row.body) for row in connection.execute(select(entry.c.kind, entry.c.body))}
        kept = connection.execute(select(message.c.body, message.c.voided)).one()
        said = statements.statements_in(connection, "SG", made.message_id)
    assert bodies["proposal"]["digest"] == bodies["message"]["digest"] == made.digest
    assert (bodies["message"]["who"], bodies["message"]["reason"]) == (["alice", "bob"], "a mail")
    assert bodies["message"]["statements_digest"] == statements.digest(said)
    assert bodies["message"]["partner_data"] == gateway.live().bundle.digest
    assert kept.body == mailed(good(*CODES)).body
    assert [row.body for row in gateway.rows(table)] == [None], "kept once"
    assert all(one.transcribed and one.received == gateway.now for one in said)


def test_it_is_among_the_messages(gateway: GatewayFixture) -> None:
    made = propose(gateway, good(*CODES)).made
    assert made is not None
    with gateway.database.reading() as connection:
        assert [(one["state"], one["problem"]) for one in search(connection, MessageSearch()).messages] == [
            ("proposed", "waits for a second person: 1")
        ]
        assert search(connection, MessageSearch(partner="HK")).messages == []
    confirm(gateway, made.id)
    with gateway.database.reading() as connection:
        assert [(one["state"], one["id"]) for one in search(connection, MessageSearch()).messages] == [
            ("transcribed", made.message_id)
        ]
        shown = views.shown(connection, made.message_id) or {}
    assert (shown["file"], shown["proposed_by"], shown["confirmed_by"], shown["certificate"]) == ("mail.csv", "alice", "bob", "")
    assert shown["body"].startswith("tin,standing")


def test_two_people_annul_it(gateway: GatewayFixture) -> None:
    counted(gateway, good(*CODES), as_of=START - timedelta(days=30))
    done = counted(gateway, good(*CODES[1:]))
    gateway.later(hours=1)

    def annul(c: Any) -> object:
        one = void.propose_message(c, done.transcription.message_id, reason="the wrong month", who=person("alice"), at=gateway.now)
        return void.confirm(c, gateway.partners, one.id, who=person("bob"), at=gateway.now)

    gateway.do(annul)
    assert standings(gateway) == ["valid"] * 5
    gateway.later(hours=1)
    assert propose(gateway, good(*CODES[1:]), as_of=START + timedelta(hours=1)).made is not None, (
        "the very file, put right by its moment"
    )


def test_the_journal_still_verifies(gateway: GatewayFixture) -> None:
    """Of a transcribed message there is no receipt that could bear witness."""
    from gateway.journal import audit

    counted(gateway, good(*CODES))
    gateway.seal()
    with gateway.database.reading() as connection:
        assert audit.verify(connection, {gateway.ours.fingerprint: gateway.ours.certificate}, "CN").fault is None
