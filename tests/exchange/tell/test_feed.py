"""Story two: what the feed does, and what each partner hears of it, in which order."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import select

from gateway.core.errors import Refusal
from gateway.core.four_eyes import Decision
from gateway.core.terms import Dated, Provenance, Term
from gateway.exchange.tell import feed
from gateway.exchange.tell.feed import ConfirmedRecord, Report
from gateway.store import proposals
from gateway.store.proposals import Proposal
from gateway.store.tables import entry
from tests.rig.enterprises import DOWNGRADED, RECTIFIED, RECTIFYING, UNFORESEEN, made_uscc, row
from tests.rig.telling import TellingFixture

ONE, TWO = "9900000001", "9900000002"
FACT = Provenance("fact", source="made up")


# ---------------------------------------------------------------- the feed


def test_the_same_feed_again_does_nothing(telling: TellingFixture) -> None:
    assert telling.feed(row(1)) == feed.Report(rows=1, repeated=1)
    assert telling.deliver("SG") == []


def test_only_the_latest_record_can_be_repeated(telling: TellingFixture) -> None:
    telling.feed(row(1, **RECTIFYING))
    again = telling.feed(row(1, ground="correction"), row(1, **RECTIFYING))
    assert (again.taken, again.repeated) == (2, 0)
    assert telling.deliver("SG") == [("notice", [("suspended", ONE)])]


def test_every_row_is_judged_by_itself(telling: TellingFixture) -> None:
    done = telling.feed(row(2), row(3, tier="AA", customs_code="1"), row(4), row(4, name_zh=None))
    assert (done.rows, done.taken) == (4, 2)
    assert [(one.line, one.field, one.code) for one in done.refused] == [
        (2, "customs_code", "field-invalid"),
        (2, "tier", "code-unknown"),
        (4, "name_zh", "field-missing"),
    ]
    assert all(one.detail and one.remedy for one in done.refused)
    assert telling.deliver("SG") == [("update", [("valid", TWO), ("valid", "9900000004")])]


def test_a_customs_code_names_one_enterprise(telling: TellingFixture) -> None:
    done = telling.feed(row(2, customs_code=ONE), row(3))
    (refused,) = done.refused
    assert (done.taken, refused.line, refused.field, refused.value) == (1, 1, "customs_code", ONE)
    assert made_uscc(1) in refused.detail
    assert made_uscc(1) in refused.remedy
    twice = telling.feed(row(5), row(6, customs_code="9900000005"))
    assert [one.line for one in twice.refused] == [2]


def test_it_is_journalled_who_said_what(telling: TellingFixture) -> None:
    with telling.database.reading() as connection:
        body = connection.execute(select(entry.c.body).where(entry.c.kind == "domestic")).scalar_one()
    assert json.loads(body).items() >= {"records": 1, "held": 0, "who": "a test"}.items()


# ---------------------------------------------------------------- what is news


def test_a_rectification_and_its_end(telling: TellingFixture) -> None:
    telling.feed(row(1, **RECTIFYING))
    assert telling.deliver("SG", "accepted") == [("notice", [("suspended", ONE)])]
    telling.feed(row(1, **RECTIFIED))
    assert telling.deliver("SG", "accepted") == [("notice", [("reinstated", ONE)])]
    telling.feed(row(1, **DOWNGRADED))
    assert telling.deliver("SG", "accepted") == [("notice", [("revoked", ONE)])]
    telling.feed(row(1, **DOWNGRADED, address="2 Nowhere Road"))
    assert telling.deliver("SG") == []


def test_only_what_changes_what_a_partner_was_told_is_said(telling: TellingFixture) -> None:
    telling.feed(row(1, address="2 Nowhere Road", recertify_by="2031-04-01"))
    assert telling.deliver("SG") == []  # shares no address
    assert telling.deliver("HK") == [("update", [("valid", ONE)])]


def test_losses_go_out_ahead_of_grants_and_in_one_message_each(telling: TellingFixture) -> None:
    telling.feed(*(row(number) for number in range(2, 6)))
    telling.deliver("SG")
    telling.feed(row(6), row(1, **DOWNGRADED), row(7), row(2, **RECTIFYING))
    notice, update = telling.deliver("SG")
    assert (notice[0], sorted(notice[1])) == ("notice", [("revoked", ONE), ("suspended", TWO)])
    assert (update[0], sorted(update[1])) == ("update", [("valid", "9900000006"), ("valid", "9900000007")])


def test_a_changed_code_ends_the_old_and_grants_the_new_in_one_message(telling: TellingFixture) -> None:
    telling.feed(row(1, customs_code="9900000099"))
    assert telling.deliver("SG") == [("notice", [("revoked", ONE), ("valid", "9900000099")])]
    telling.feed(row(1, **RECTIFYING, customs_code="9900000099"))
    assert telling.deliver("SG") == [("notice", [("suspended", "9900000099")])]
    telling.feed(row(1, **RECTIFYING, customs_code="9900000098"))
    assert telling.deliver("SG") == [("notice", [("revoked", "9900000099"), ("suspended", "9900000098")])]
    telling.feed(row(1, **RECTIFIED, customs_code="9900000098"))
    assert telling.deliver("SG") == [("notice", [("reinstated", "9900000098")])]


def test_a_code_that_nobody_was_told_of_needs_no_end(telling: TellingFixture) -> None:
    telling.feed(row(2))
    telling.feed(row(2, customs_code="9900000099"))
    assert telling.deliver("SG") == [("update", [("valid", "9900000099")])]


def test_a_code_that_passes_on_does_not_end(telling: TellingFixture) -> None:
    done = telling.feed(row(1, customs_code="9900000099"), row(2, customs_code=ONE))
    assert not done.refused
    ((kind, said),) = telling.deliver("SG")
    assert (kind, sorted(said)) == ("update", [("valid", ONE), ("valid", "9900000099")])
    telling.feed(row(1, **DOWNGRADED, customs_code="9900000099"))
    assert telling.deliver("SG") == [("notice", [("revoked", "9900000099")])]


def test_a_code_that_passes_on_while_its_end_is_unsent(telling: TellingFixture) -> None:
    telling.feed(row(1, customs_code="9900000099"))
    telling.feed(row(2, customs_code=ONE))
    ((kind, said),) = telling.deliver("SG")
    assert (kind, sorted(said)) == ("update", [("valid", ONE), ("valid", "9900000099")])


def test_an_enterprise_without_a_code_is_never_told(telling: TellingFixture) -> None:
    telling.feed(row(2, customs_code=None))
    assert telling.deliver("SG") == []
    telling.feed(row(1, customs_code=None))
    assert telling.deliver("SG") == [("notice", [("revoked", ONE)])]


def test_withdrawn_consent_is_told_at_once_to_those_that_had_learned(telling: TellingFixture) -> None:
    telling.change("SG", consent=Term((Dated(date(2021, 11, 1), True, FACT),)))
    telling.feed(row(2, consent="all", consent_since="2026-04-01"), row(3), row(1, consent="SG", consent_since="2026-04-01"))
    assert telling.deliver("SG") == [("update", [("valid", TWO)])]
    telling.deliver("HK")
    gone = {"consent": "all -SG", "consent_since": "2026-06-15"}
    telling.feed(row(1, **gone), row(2, **gone), row(3, **gone))
    assert telling.deliver("SG") == [("notice", [("withdrawn", ONE), ("withdrawn", TWO)])]
    assert telling.deliver("HK") == []


# ---------------------------------------------------------------- unforeseen


def test_an_unforeseen_upgrade_waits_for_a_person_and_then_is_told(telling: TellingFixture) -> None:
    telling.feed(row(1, **DOWNGRADED))
    assert telling.deliver("SG") == [("notice", [("revoked", ONE)])]
    done = telling.feed(row(1, **UNFORESEEN))
    (flagged,) = done.flagged
    assert (done.taken, done.held, flagged.line) == (1, 1, 1)
    assert telling.deliver("SG") == []
    with telling.database.reading() as connection:
        (waiting,) = feed.waiting(connection)
    assert (waiting.id, waiting.record.uscc, waiting.note) == (flagged.record, made_uscc(1), flagged.note)
    assert flagged.record is not None
    confirmed = telling.confirm(flagged.record)
    assert (confirmed.uscc, confirmed.queued) == (made_uscc(1), {"SG": 1})  # HK had not even heard of the loss
    assert telling.deliver("SG") == [("update", [("valid", ONE)])]
    with telling.database.reading() as connection:
        said = connection.execute(select(entry.c.body).where(entry.c.kind == "decision")).scalar_one()
    assert json.loads(said).items() >= {"who": "a person", "uscc": made_uscc(1), "subject": f"record-{waiting.id}"}.items()
    with pytest.raises(Refusal, match="not-found"):
        telling.confirm(waiting.id)


def test_two_people_let_gains_through_where_the_settings_ask_for_it(telling: TellingFixture) -> None:
    telling.node.settings = telling.settings.model_copy(update={"two_people": True})
    telling.feed(row(1, **DOWNGRADED))
    telling.deliver("SG")
    record = telling.feed(row(1, **UNFORESEEN)).flagged[0].record
    assert record is not None
    for who in ("alice", "ＡＬＩＣＥ"):
        proposed = telling.let_through(record, who)
        assert isinstance(proposed, Proposal)
        assert proposed.sentence == "Proposed by alice. It comes in force when a second person confirms the very same record."
    assert telling.deliver("SG") == []
    assert isinstance(telling.let_through(record, "bob"), ConfirmedRecord)
    assert telling.deliver("SG") == [("update", [("valid", ONE)])]
    with telling.database.reading() as connection:
        said = connection.execute(select(entry.c.body).where(entry.c.kind == "decision")).scalar_one()
    assert json.loads(said)["who"] == ["alice", "bob"]


def test_a_newer_record_ends_what_is_proposed_of_the_older(telling: TellingFixture) -> None:
    telling.node.settings = telling.settings.model_copy(update={"two_people": True})
    telling.feed(row(1, **DOWNGRADED))
    older = telling.feed(row(1, **UNFORESEEN)).flagged[0].record
    assert older is not None
    telling.let_through(older, "alice")
    newer = telling.feed(row(1, **UNFORESEEN, name_en="Renamed Ltd")).flagged[0].record
    assert newer is not None
    with telling.database.reading() as connection:
        assert proposals.open_now(connection, Decision.GAINS) == []
    with pytest.raises(Refusal, match="not-found"):
        telling.let_through(older, "bob")
    assert isinstance(telling.let_through(newer, "bob"), Proposal), "alice did not see this one"


def test_an_unforeseen_downgrade_goes_out_at_once_and_is_flagged(telling: TellingFixture) -> None:
    done = telling.feed(row(1, **DOWNGRADED | {"ground": "other"}))
    assert (len(done.flagged), done.held, done.flagged[0].record) == (1, 0, None)
    assert telling.deliver("SG") == [("notice", [("revoked", ONE)])]


def test_a_newer_record_speaks_instead_of_one_that_waits(telling: TellingFixture) -> None:
    """Else a person could let an old upgrade wipe out the loss that came after it."""
    telling.feed(row(1, **DOWNGRADED))
    first = telling.feed(row(1, **UNFORESEEN)).flagged[0].record
    telling.feed(row(1, **DOWNGRADED | {"tier": "discredited", "ground": "correction", "tier_since": "2026-06-14"}))
    assert first is not None
    with pytest.raises(Refusal, match="not-found"):
        telling.confirm(first)
    both = telling.feed(row(1, **UNFORESEEN), row(1, **UNFORESEEN, address="2 Nowhere Road"))
    assert ([one.record is None for one in both.flagged], both.held) == ([True, False], 1)


# ---------------------------------------------------------------- unsent, untold, expired


def test_unsent_news_is_taken_back_and_not_corrected(telling: TellingFixture) -> None:
    telling.feed(row(2), row(3))
    telling.feed(row(2, **DOWNGRADED))
    assert telling.deliver("SG") == [("update", [("valid", "9900000003")])]
    assert [one.state for one in telling.told("SG", 2)] == []


def test_what_was_told_before_stands_again(telling: TellingFixture) -> None:
    telling.feed(row(1, **RECTIFYING))
    telling.feed(row(1, **RECTIFIED))
    assert telling.deliver("SG") == []
    (standing,) = telling.told("SG", 1)
    assert (standing.statement.standing, standing.proven) == ("valid", True)


def test_what_was_tried_may_have_arrived(telling: TellingFixture) -> None:
    telling.feed(row(2))
    assert telling.take_up("SG")
    telling.feed(row(2, **DOWNGRADED))
    telling.later(minutes=1)
    assert telling.deliver("SG") == [("notice", [("revoked", TWO)]), ("update", [("valid", TWO)])]


def test_news_that_is_still_right_stays_where_it_is(telling: TellingFixture) -> None:
    telling.feed(row(2))
    before = telling.told("SG", 2)[0].message_id
    telling.feed(row(2, recertify_by="2031-04-01"))
    assert [one.message_id for one in telling.told("SG", 2)] == [before]


def test_what_expired_unheard_is_said_again(telling: TellingFixture) -> None:
    telling.look()
    telling.feed(row(1, **DOWNGRADED), row(2), row(3))
    telling.expire("SG")
    telling.feed(row(3, **RECTIFYING))
    telling.deliver("SG")
    telling.later(days=1)
    telling.look()
    assert telling.deliver("SG") == [("notice", [("revoked", ONE)]), ("update", [("valid", TWO)])]
    telling.later(days=1)
    telling.look()
    assert telling.deliver("SG") == []


# ---------------------------------------------------------------- several at once


def test_two_feeds_at_once_take_turns(telling: TellingFixture) -> None:
    """Two nodes, or a node and a command: no customs code goes to two enterprises, nothing is lost, nothing is told twice."""
    numbers = range(10, 30)

    def feed(shift: int) -> Report:
        return telling.feed(*(row(number + shift, customs_code=f"99{number:08d}") for number in numbers))

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(feed, (0, 1000, 0, 1000)))
    assert sorted(one.taken for one in reports) == [0, 0, 0, 20]
    assert sum(len(one.refused) for one in reports) == 40
    assert sum(one.repeated for one in reports) == 20
    ((kind, said),) = telling.deliver("SG")
    assert (kind, sorted(said)) == ("update", [("valid", f"99{number:08d}") for number in numbers])
