"""Responses of partners: each answers one open query of ours, and what it states, or that it states nothing, counts
(exchange/RULES.md, Queries and responses)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.exchange.deliver import resend
from gateway.exchange.receive.receive import Reply
from gateway.net import Response
from gateway.partners import read_bundle
from gateway.store.tables import query
from gateway.wire import payloads
from tests.rig.gateway import GatewayFixture, down
from tests.rig.people import person


def asked(gateway: GatewayFixture, code: str) -> str:
    """Asks about a code, and delivers the question; its message id."""
    message_id = gateway.ask(code)
    gateway.deliver()
    gateway.links["SG"].follow.clear()  # what the box says by itself
    return message_id


def respond(
    gateway: GatewayFixture,
    about: str | None,
    code: str,
    statements: Sequence[Statement] = (),
    as_of: datetime | None = None,
    **fields: Any,
) -> Reply:
    picture = Picture(as_of=as_of or gateway.now)
    box = gateway.boxes["SG"]
    return gateway.receive(box.message(Kind.RESPONSE, statements, query=code, refers_to=about, picture=picture, **fields))


def refusal_of(reply: Reply) -> Refusal:
    assert reply.refusal is not None, "it was taken"
    return reply.refusal


def outcomes(gateway: GatewayFixture) -> list[str | None]:
    return [row.outcome for row in gateway.rows(query)]


def test_not_an_aeo_takes_away_what_was_listed(gateway: GatewayFixture) -> None:
    code, other, *_ = gateway.listed()
    gateway.later(hours=1)
    assert respond(gateway, asked(gateway, code), code).refusal is None
    assert (gateway.standing(code), gateway.standing(other)) == (Standing.DELISTED, Standing.VALID)
    (said,) = [one for one in gateway.said(code) if one.derived]
    assert (said.issued, outcomes(gateway)) == (gateway.now, ["not-an-AEO"])
    assert len(gateway.journal("query")) == 1


def test_not_an_aeo_of_whom_nobody_spoke_leaves_nobody_behind(gateway: GatewayFixture) -> None:
    gateway.listed()
    stranger = gateway.boxes["SG"].invent(9, 3)[8].tin
    assert respond(gateway, asked(gateway, stranger), stranger).refusal is None
    assert (gateway.timeline(stranger), outcomes(gateway)) == (None, ["not-an-AEO"])


def test_it_counts_as_of_the_moment_that_it_pictures(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    gateway.later(hours=1)
    about, then = asked(gateway, code), gateway.now
    gateway.later(hours=1)
    gateway.send(gateway.boxes["SG"].status_message(code, Standing.SUSPENDED))
    gateway.later(hours=1)
    respond(gateway, about, code, as_of=then)
    assert gateway.standing(code) is Standing.SUSPENDED, "what was issued after it says otherwise"


def test_a_list_that_comes_late_does_not_bring_back_whom_a_response_denied(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    gateway.later(hours=1)
    late = gateway.boxes["SG"].full_list()
    gateway.later(hours=1)
    respond(gateway, asked(gateway, code), code)
    gateway.later(hours=1)
    gateway.send(late)
    assert gateway.standing(code) is Standing.DELISTED


def test_a_late_list_names_for_the_first_time_whom_a_response_denied(gateway: GatewayFixture) -> None:
    """Nothing was known when the response came, so it left no statement behind; the list pictures a moment before it all the same."""
    gateway.listed()
    box = gateway.boxes["SG"]
    fresh = box.invent(9, 3)[8]
    gateway.later(hours=1)
    late = box.message(Kind.LIST, [*box.operators.values(), fresh], picture=Picture(as_of=gateway.now))
    gateway.later(hours=1)
    respond(gateway, asked(gateway, fresh.tin), fresh.tin)
    gateway.later(hours=1)
    gateway.send(late)
    assert gateway.standing(fresh.tin) is Standing.DELISTED


def test_what_it_states_is_recorded(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    gateway.later(hours=1)
    said = msgspec.structs.replace(gateway.boxes["SG"].operators[code], standing=Standing.SUSPENDED)
    respond(gateway, asked(gateway, code), code, [said])
    assert (gateway.standing(code), outcomes(gateway)) == (Standing.SUSPENDED, ["stated"])


@pytest.fixture
def uncertain(gateway: GatewayFixture) -> GatewayFixture:
    """Its partner data says that a response without a statement says nothing of the operator."""
    live = gateway.live()
    content = live.bundle.content.replace(b"not-an-AEO", b"cannot-say")
    bundle = replace(live.bundle, dialects=read_bundle(content).dialects)
    gateway.partners.put("SG", replace(live, bundle=bundle))
    return gateway


def test_cannot_say_closes_the_query_changes_nothing_and_warns(uncertain: GatewayFixture, caplog: pytest.LogCaptureFixture) -> None:
    code, *_ = uncertain.listed()
    about = asked(uncertain, code)
    with caplog.at_level(logging.WARNING):
        assert respond(uncertain, about, code).refusal is None
    assert (uncertain.standing(code), outcomes(uncertain)) == (Standing.VALID, ["cannot-say"])
    assert any("SG cannot say" in record.getMessage() for record in caplog.records)
    assert refusal_of(respond(uncertain, about, code)).code is Code.REFERENCE_UNKNOWN


# ---------------------------------------------------------------- which query it answers


def test_a_query_is_answered_once(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    about = asked(gateway, code)
    said = gateway.boxes["SG"].operators[code]
    assert respond(gateway, about, code, [said]).refusal is None
    again = refusal_of(respond(gateway, about, code))
    assert (again.code, again.field) == (Code.REFERENCE_UNKNOWN, "RefersTo")
    assert "was answered before" in again.detail
    assert gateway.standing(code) is Standing.VALID


def test_a_query_is_open_until_its_time_ends(gateway: GatewayFixture) -> None:
    code, other, *_ = gateway.listed()
    accept_for = gateway.terms("SG").binding.accept_for
    in_time, late = asked(gateway, code), asked(gateway, other)
    gateway.now += accept_for - timedelta(seconds=1)
    assert respond(gateway, in_time, code).refusal is None
    gateway.later(seconds=1)
    assert "could be answered until" in refusal_of(respond(gateway, late, other)).detail
    assert (gateway.standing(code), gateway.standing(other)) == (Standing.DELISTED, Standing.VALID)


@pytest.mark.parametrize("about", ["nothing-of-ours", None])
def test_no_query_of_ours(gateway: GatewayFixture, about: str | None) -> None:
    code, *_ = gateway.listed()
    refused = refusal_of(respond(gateway, about, code))
    assert (refused.code, refused.field) == (Code.REFERENCE_UNKNOWN, "RefersTo")
    assert gateway.standing(code) is Standing.VALID


def test_another_partner_s_query(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    about = asked(gateway, code)
    box = gateway.boxes["HK"]
    body = box.message(Kind.RESPONSE, query=code, refers_to=about, picture=Picture(as_of=gateway.now))
    assert gateway.refused(body) == "reference-unknown"


def test_a_message_of_ours_that_is_no_query(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    gateway.deliver()  # the results of the list
    about = gateway.heard()[-1].id
    assert refusal_of(respond(gateway, about, code)).code is Code.REFERENCE_UNKNOWN


def test_another_code_than_was_asked_about(gateway: GatewayFixture) -> None:
    code, other, *_ = gateway.listed()
    about = asked(gateway, code)
    said = gateway.boxes["SG"].operators[other]
    for statements, named in (([said], code), ([], other)):
        refused = refusal_of(respond(gateway, about, named, statements))
        assert (refused.code, refused.value) == (Code.REFERENCE_UNKNOWN, other)
        assert code in refused.detail
    assert gateway.standing(other) is Standing.VALID
    assert respond(gateway, about, code).refusal is None, "what is refused closes nothing"


def test_a_query_sent_again_is_answered_under_either_id(gateway: GatewayFixture) -> None:
    for number, code in enumerate(gateway.listed(count=2)):
        first = gateway.ask(code)
        gateway.links["SG"].spoil = down
        for _ in range(30):
            gateway.later(hours=6)
            gateway.deliver()
        gateway.links["SG"].spoil = None
        assert gateway.of(first).state == "expired"
        again = partial(resend.by_hand, node=gateway.node, message_ids=[first], who=person("a person"), reason="the line is back")
        gateway.do(partial(again, at=gateway.now))
        gateway.deliver()
        second = gateway.heard(kind=Kind.QUERY)[-1].id
        assert second != first
        assert respond(gateway, (first, second)[number], code).refusal is None
        assert "was answered before" in refusal_of(respond(gateway, (second, first)[number], code)).detail


# ---------------------------------------------------------------- a refusal is an answer too


def _cannot_say(gateway: GatewayFixture, body: bytes) -> bytes:
    notice = payloads.write_refusal(Refusal(Code.CANNOT_SAY), sha256(body).hexdigest(), gateway.now)
    return gateway.boxes["SG"].protocol_message(Kind.REFUSAL, notice)


def test_cannot_say_in_the_answer_ends_the_query_for_good(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    message_id = gateway.ask(code)
    gateway.links["SG"].spoil = lambda body: Response(422, {}, _cannot_say(gateway, body))
    gateway.deliver()
    assert (gateway.of(message_id).state, outcomes(gateway)) == ("delivered", ["cannot-say"])
    gateway.links["SG"].spoil = None
    gateway.later(days=1)
    assert gateway.deliver() == [], "it is not asked again"
    assert gateway.standing(code) is Standing.VALID


def test_cannot_say_that_comes_by_itself_ends_the_query_too(gateway: GatewayFixture) -> None:
    code, *_ = gateway.listed()
    message_id = asked(gateway, code)
    body = gateway.of(message_id).body
    notice = payloads.write_refusal(Refusal(Code.CANNOT_SAY), sha256(body).hexdigest(), gateway.now)
    gateway.send(gateway.boxes["SG"].protocol_message(Kind.REFUSAL, notice, refers_to=message_id))
    assert gateway.standing(code) is Standing.VALID
    assert outcomes(gateway) == ["cannot-say"]
    assert refusal_of(respond(gateway, message_id, code)).code is Code.REFERENCE_UNKNOWN
