"""The steps in which the gateway sends: changes of ours told and acknowledged, and questions both ways."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from stdnum.cn import uscc

from gateway.core.access import itself
from gateway.core.errors import Code, Refusal
from gateway.core.home import Tier
from gateway.core.model import Kind, Standing, Statement
from gateway.domestic.projection import code_prefix, project
from gateway.domestic.record import Record
from gateway.domestic.rules import LegalGround, MeasureStatus
from gateway.domestic.tiers import apply
from gateway.exchange.tell import feed
from gateway.exchange.tell.respond import sayable
from gateway.onboarding.rehearsal.inbound import loss
from gateway.onboarding.rehearsal.results import Exchanged, Observation, same
from gateway.onboarding.rehearsal.session import Session, message_id, reply_in_words
from gateway.sandbox.box import SIGNATORY, ReceivedMessage
from gateway.store import disclosures
from gateway.wire.dialect import Reading
from gateway.wire.xml import parse


def _enterprise(session: Session) -> Record:
    """A made-up enterprise of the kind that every arrangement speaks of: Advanced Certified, consenting, complete."""
    code = f"{random.randrange(10**9, 10**10)}"  # noqa: S311 - made up, not secret
    first = f"91310000MA1{code[:6]}"
    today = session.box.today
    return Record(
        uscc=first + uscc.calc_check_digit(first),
        customs_code=code,
        name_zh="虚构演练有限公司",
        name_en="Made-up Rehearsal Co., Ltd.",
        address="1 Made-up Road, Shanghai",
        tier=Tier.ADVANCED,
        tier_since=today,
        measure_status=MeasureStatus.ACTIVE,
        measure_since=today,
        ground=LegalGround.CERTIFICATION,
        consent=("all",),
        consent_since=today,
        certified_on=today,
    )


def our_news(session: Session) -> Iterator[Observation]:
    """A Chinese enterprise is certified, then enters rectification; the partner is told each in its own XML, and no more than it may hear."""
    record = _enterprise(session)
    first = project(apply(None, record).state, session.arrangement, session.box.today)
    _follow(session, record)
    if not isinstance(first, Statement):
        # Nothing may be told: that is the whole of what has to happen.
        yield same(f"told of the enterprise ({first.why})", "nothing", "nothing" if not _told(session, record) else "something")
        return
    yield from _heard(session, record, Standing.VALID)
    rectifying = msgspec.structs.replace(
        record, measure_status=MeasureStatus.RECTIFYING, ground=LegalGround.RECTIFICATION_START, measure_since=session.box.today
    )
    _follow(session, rectifying)
    yield from _heard(session, rectifying, Standing.SUSPENDED)
    spoken = session.box.received[-1].body.decode().lower() + "".join(one.answer_body for one in session.messages).lower()
    yield same("the ground or the tier was told", "no", "yes" if "rectif" in spoken or record.tier in spoken else "no")


def _follow(session: Session, record: Record) -> None:
    node = session.host.node
    node.writer.do(partial(feed.follow, node=node, records=[record], at=node.clock(), who=itself("a rehearsal")))


def _told(session: Session, record: Record) -> list[disclosures.Disclosure]:
    with session.host.node.database.reading() as connection:
        return disclosures.told(connection, partner=session.box.iso, usccs=[record.uscc])


def _heard(session: Session, record: Record, standing: Standing) -> Iterator[Observation]:
    def acknowledged() -> disclosures.Disclosure | None:
        return next(
            (one for one in _told(session, record) if one.statement.standing is standing and one.received and one.outcome), None
        )

    disclosure = session.until(f"a receipt and a result for {standing}", acknowledged)
    received = session.until("the message", lambda: _with_id(session, disclosure.message_id))
    session.messages.append(_note(session, received))
    stated = next((one for one in received.statements if one.tin == disclosure.statement.tin), None)
    yield same(f"the partner heard of {disclosure.statement.tin}", standing, stated.standing if stated else "nothing")
    yield same("its result", "accepted", disclosure.outcome)


def _with_id(session: Session, identity: str) -> ReceivedMessage | None:
    return next((one for one in session.box.received if one.header.id == identity), None)


def _note(session: Session, received: ReceivedMessage) -> Exchanged:
    body = received.body.decode()
    return Exchanged(session.box.gateway, received.header.kind.value, received.header.id, body, 200, "receipt", "")


def our_list(session: Session) -> Iterator[Observation]:
    """The gateway sends its complete list, as of this moment, which names whom the partner may hear of and nobody else."""
    node = session.host.node
    live = node.partners.get(session.box.iso)
    at = node.clock()
    named = node.writer.do(partial(feed.full_list, node=node, live=live, at=at))
    if not named and not _expressible(session, Kind.LIST):
        yield same("operators to tell of", "none, and its XML has no empty list", "none, and its XML has no empty list")
        return
    received = session.until("our list", lambda: _list_as_of(session, at))
    session.messages.append(_note(session, received))
    yield same("operators named", named, len(received.statements))


def _expressible(session: Session, kind: Kind, query: dict[str, str] | None = None) -> bool:
    """Whether the partner's XML can say that there is nobody, or ask about this code."""
    now = session.box.clock()
    moments: dict[str, Any] = {
        "id": "a-trial",
        "issued": now,
        "as_of": now,
        "sender": session.box.gateway,
        "receiver": session.box.iso,
    }
    try:
        payload = session.box.dialect.write(kind, Reading(moments, (), query or {}), SIGNATORY)
        session.box.dialect.validate(parse(payload.encode()))
    except Refusal:
        return False
    return True


def _list_as_of(session: Session, moment: datetime) -> ReceivedMessage | None:
    return next((one for one in session.box.received if one.header.picture and one.header.picture.as_of == moment), None)


def query_and_response(session: Session) -> Iterator[Observation]:
    """The partner asks about a Chinese code and is answered; we ask about one of its operators, and what it answers counts."""
    if not {Kind.QUERY, Kind.RESPONSE} <= session.box.dialect.kinds:
        yield same("queries are agreed", "no, so nothing is asked", "no, so nothing is asked")
        return
    record = _enterprise(session)
    _follow(session, record)
    shown = project(apply(None, record).state, session.arrangement, session.box.today)
    prefix = code_prefix(session.arrangement, session.box.today) or session.box.gateway
    yield from _asked(session, record, prefix, shown.standing if isinstance(shown, Statement) else "not an AEO")
    code, lost = session.operator(), loss(session)
    session.box.change(code, lost)
    node = session.host.node
    asked = node.writer.do(partial(feed.ask, node=node, live=node.partners.get(session.box.iso), code=code, at=node.clock()))
    session.messages.append(_note(session, session.until("our query", lambda: _with_id(session, asked))))
    session.until("the effect of the response", lambda: session.standing(code) == lost)
    yield from session.shows(code, lost)


def _asked(session: Session, record: Record, prefix: str, stands: str) -> Iterator[Observation]:
    """The partner asks about a Chinese AEO, and about a code that is nobody's. Where the arrangement lets nothing be said, both are refused
    alike."""
    speaks = sayable(session.host.node.partners.get(session.box.iso), session.box.clock())
    for code, expected in ((f"{prefix}{record.customs_code}", stands), (f"{prefix}0000000000", "not an AEO")):
        if not _expressible(session, Kind.QUERY, {"tin": code}):
            room = "its XML has no room for a Chinese code"
            yield same(f"a query about {code}", room, room)
            continue
        body = session.box.message(Kind.QUERY, query=code)
        if not speaks:
            yield same(f"answer to the query about {code}", Code.CANNOT_SAY, reply_in_words(session.send(body)))
            continue
        yield session.tell(body, f"answer to the query about {code}")
        received = session.until("a response", lambda: session.received(Kind.RESPONSE, message_id(body)))  # noqa: B023 - called at once
        session.messages.append(_note(session, received))
        yield same("the response says", expected, received.statements[0].standing if received.statements else "not an AEO")


STEPS = (our_news, our_list, query_and_response)
