"""What is news to a partner, and saying it. For each partner that may hear anything at all:

    1  take its lock, so that what it was told cannot change meanwhile
    2  what it may hear today of each enterprise, less what it was last told
    3  unsent messages that are no longer right are taken back, and everyone they spoke of is looked at again
    4  say the news in its own XML, queued in the same transaction, and note what it will then have been told

One message a partner and urgency, whatever the number of enterprises. The first thing a partner hears is the complete list.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.projection import (
    LEARNED,
    Silence,
    changes,
    code_prefix,
    customs_code_asked,
    ending,
    in_list,
    kind_of,
    project,
    shared_on,
)
from gateway.exchange import say
from gateway.exchange.node import new_id
from gateway.exchange.say import House, connected
from gateway.store import beliefs, enterprises, outbox, partners
from gateway.store.beliefs import Belief
from gateway.store.live import Live

log = logging.getLogger(__name__)
unpack = msgspec.msgpack.Decoder(Enterprise).decode

#: Bytes of one document; larger ones are split. With its signature a message stays below the 20 MiB that are accepted.
LARGEST = 16 << 20

#: What is said of each enterprise, in order.
News = dict[str, tuple[Statement, ...]]


class Unsaid(msgspec.Struct, frozen=True):
    """What a partner's XML cannot say of an enterprise (a text too long for it), so that only this was left out. An empty ``uscc``: the
    whole message could not be said.
    """

    partner: str
    uscc: str
    code: str
    reason: str


@dataclass(slots=True)
class Told:
    """Messages queued for each partner, and what could not be said."""

    queued: dict[str, int] = field(default_factory=dict)
    unsaid: list[Unsaid] = field(default_factory=list)


class Document(NamedTuple):
    """One message to be queued."""

    message_id: str
    payload: str
    news: News


@dataclass(frozen=True, slots=True)
class Talk:
    """One partner spoken to at one moment, inside one transaction."""

    connection: Connection
    node: House
    live: Live
    at: datetime
    told: Told

    @property
    def arrangement(self) -> Arrangement:
        return self.live.arrangement

    @property
    def iso(self) -> str:
        return self.live.arrangement.iso

    @property
    def day(self) -> date:
        return say.day_of(self.at)

    @property
    def shared(self) -> frozenset[str]:
        return shared_on(self.arrangement, self.day)

    def unsaid(self, uscc: str, refusal: Refusal) -> None:
        """Notes what could not be said, and goes on."""
        log.warning("%s cannot be told of %s: %s", self.iso, uscc or "anything", refusal)
        self.told.unsaid.append(Unsaid(self.iso, uscc, str(refusal.code), refusal.detail))


def may_hear(live: Live, at: datetime) -> bool:
    """Whether anything at all may be said: connected, the arrangement in force, and the form of our codes known."""
    day = say.day_of(at)
    in_force = live.arrangement.in_force.on(day).value is True
    return connected(live) and in_force and code_prefix(live.arrangement, day) is not None


def tell(connection: Connection, node: House, states: Mapping[str, Enterprise], at: datetime, only: str | None = None) -> Told:
    """Queues for every partner (or one) what these enterprises make news to it, and tells again what expired unheard."""
    told = Told()
    for iso, live in sorted(node.partners.all().items()):
        if only in (None, iso) and may_hear(live, at):
            partners.lock(connection, iso)  # 1
            if outbox.last_queued(connection, iso, Kind.LIST) is None:
                _list(Talk(connection, node, live, at, told))
            else:
                _news(Talk(connection, node, live, at, told), states)
    return told


def full_list(connection: Connection, node: House, live: Live, at: datetime) -> int:
    """Queues the complete list of every enterprise this partner may hear of, in as many parts as it takes; returns how many it names.

    Whom it had learned of and the list no longer names is thereby delisted; that is noted. What it was told before and has proven
    to know keeps its proof.
    """
    partners.lock(connection, live.arrangement.iso)
    return _list(Talk(connection, node, live, at, Told()))


def respond(connection: Connection, node: House, live: Live, code: str, refers_to: str, at: datetime) -> None:
    """Queues the answer to a partner's query about one Chinese code: valid, suspended, or not an AEO. Never the tier."""
    day = say.day_of(at)
    asked = customs_code_asked(code, live.arrangement, day)
    found = enterprises.by_customs_code(connection, asked) if asked else None
    now = project(unpack(found[1]), live.arrangement, day) if found else None
    pairs = [(found[0], now)] if found and isinstance(now, Statement) else []
    message_id, picture = new_id(), Picture(as_of=at)
    statements = [statement for _, statement in pairs]
    payload = say.words(node, live, Kind.RESPONSE, statements, message_id, at, picture=picture, query={"tin": code})
    row = say.queue(connection, node, live, Kind.RESPONSE, payload, message_id, at, picture=picture, refers_to=refers_to)
    last, _ = last_told(beliefs.tellings(connection, live.arrangement.iso, [uscc for uscc, _ in pairs]))
    beliefs.tell(connection, live.arrangement.iso, [(uscc, one) for uscc, one in pairs if not _known(last.get(uscc), one)], row, at)


# ---------------------------------------------------------------- what was told


def last_told(tellings: Iterable[Belief]) -> tuple[dict[str, Belief], dict[str, list[Belief]]]:
    """By enterprise: what its partner last heard, or may have heard, of it; and what is still unsent."""
    newest: dict[str, Belief] = {}
    waiting: dict[str, list[Belief]] = {}
    for one in tellings:
        if one.untried:
            waiting.setdefault(one.uscc, []).append(one)
        else:
            newest[one.statement.tin] = one
    # A changed code ends the old number and grants the new in one message: the new is what was heard last.
    in_order = sorted(newest.values(), key=lambda one: (one.row, one.statement.standing in LEARNED))
    return {one.uscc: one for one in in_order}, waiting


# ---------------------------------------------------------------- news


def _news(talk: Talk, states: Mapping[str, Enterprise]) -> None:
    states = dict(states)
    while True:
        news, last, wrong = _compare(talk, states)  # 2
        if not wrong:
            break
        behind = beliefs.take_back(talk.connection, wrong, talk.at) - states.keys()  # 3
        states |= {uscc: unpack(packed) for uscc, packed in enterprises.states(talk.connection, behind).items()}
    for kind in (Kind.NOTICE, Kind.UPDATE):
        said = {uscc: statements for uscc, statements in news.items() if kind_of(statements) is kind}
        for document in _documents(talk, kind, said, last):
            row = _queue(talk, kind, document)
            beliefs.tell(talk.connection, talk.iso, _pairs(document.news), row, talk.at)  # 4


def _compare(talk: Talk, states: Mapping[str, Enterprise]) -> tuple[News, dict[str, Belief], set[int]]:
    """What is still to be said, what was last told, and the unsent messages that say something else."""
    now = {uscc: project(state, talk.arrangement, talk.day) for uscc, state in states.items()}
    tins = [one.tin for one in now.values() if isinstance(one, Statement)]
    last, waiting = last_told(beliefs.tellings(talk.connection, talk.iso, states, tins))
    shared = talk.shared
    news = {uscc: said for uscc, one in now.items() if (said := _said(last.get(uscc), one, shared))}
    # A code that one enterprise gave up and another took has not ended.
    taken = {one.tin for said in news.values() for one in said if one.standing in LEARNED}
    news = {
        uscc: left
        for uscc, said in news.items()
        if (left := tuple(one for one in said if one.standing in LEARNED or one.tin not in taken))
    }
    wrong: set[int] = set()
    for uscc, unsent in waiting.items():
        if uscc in states and _still_right(unsent, news.get(uscc, ()), last.get(uscc)):
            news.pop(uscc, None)
        elif uscc in states or any(one.statement.tin in taken for one in unsent):
            wrong.update(one.row for one in unsent)
    return news, last, wrong


def _still_right(unsent: Sequence[Belief], news: Sequence[Statement], last: Belief | None) -> bool:
    """What is unsent is just the news; or nothing is news any more because a list or response queued after it says the same."""
    if not news:
        return last is not None and last.row > unsent[0].row
    return {one.statement for one in unsent} == set(news)


def _said(last: Belief | None, now: Statement | Silence, shared: frozenset[str]) -> tuple[Statement, ...]:
    """What is news; and what was said in vain, because its message expired without a receipt."""
    news = changes(last.statement if last else None, now, shared)
    if news or last is None or last.state != "expired":
        return news
    before = last.statement
    if before.standing in LEARNED:
        return (now,) if isinstance(now, Statement) else ()
    return () if before.standing is Standing.DELISTED else (ending(before, before.standing, before.effective, shared),)


# ---------------------------------------------------------------- the complete list


def _list(talk: Talk) -> int:
    if not enterprises.any_known(talk.connection):
        return 0  # a complete list of nobody would take everybody's benefits away
    last, _ = last_told(beliefs.tellings(talk.connection, talk.iso))
    named, omitted = pictured(talk.connection, talk.arrangement, talk.day, last)
    documents = _documents(talk, Kind.LIST, named, last)
    for part, document in enumerate(documents, 1):
        row = _queue(talk, Kind.LIST, document, Picture(as_of=talk.at, part=part, parts=len(documents)))
        fresh = [(uscc, one) for uscc, one in _pairs(document.news) if not _known(last.get(uscc), one)]
        beliefs.tell(talk.connection, talk.iso, [*fresh, *(omitted if part == 1 else ())], row, talk.at)
    return sum(len(document.news) for document in documents)


def pictured(
    connection: Connection, arrangement: Arrangement, day: date, last: Mapping[str, Belief]
) -> tuple[News, list[tuple[str, Statement]]]:
    """Whom a complete list names, and who it thereby says is gone: those of whom the partner had learned."""
    named: News = {}
    omitted: list[tuple[str, Statement]] = []
    for uscc, packed in enterprises.every(connection):
        before = last[uscc].statement if uscc in last else None
        statement = in_list(before, project(unpack(packed), arrangement, day))
        if statement is not None:
            named[uscc] = (statement,)
        elif before is not None and before.standing in LEARNED:
            omitted.append((uscc, Statement(tin=before.tin, standing=Standing.DELISTED)))
    tins = {one.tin for said in named.values() for one in said}
    return named, [(uscc, one) for uscc, one in omitted if one.tin not in tins]


def _known(last: Belief | None, statement: Statement) -> bool:
    """Whether the partner has proven to know just this; saying it again then takes nothing from the proof."""
    if last is None or not last.proven:
        return False
    before = last.statement
    if before.standing is Standing.REINSTATED:
        before = msgspec.structs.replace(before, standing=Standing.VALID)
    return before == statement


# ---------------------------------------------------------------- saying it


def _documents(talk: Talk, kind: Kind, news: News, last: Mapping[str, Belief]) -> list[Document]:
    """The news as documents that the partner's own schema takes, none too large. What cannot be said is noted and left out."""
    if not news and kind is not Kind.LIST:
        return []
    message_id, statements = new_id(), [one for said in news.values() for one in said]
    picture = Picture(as_of=talk.at) if kind is Kind.LIST else None
    try:
        payload = say.words(talk.node, talk.live, kind, statements, message_id, talk.at, picture=picture)
        if len(payload.encode()) > LARGEST and len(news) > 1:
            return _in_two(talk, kind, news, last)
        say.check(talk.live, payload, talk.at)
    except Refusal as refusal:
        sayable = {uscc: said for uscc, one in news.items() if (said := _sayable(talk, kind, uscc, one, last.get(uscc)))}
        if sayable == news and len(news) > 1 and kind is not Kind.LIST:
            return _in_two(talk, kind, news, last)  # a document may speak of one operator only
        if sayable == news:
            talk.unsaid("", refusal)  # it would come back; nobody else is to wait for that
            return []
        return _documents(talk, kind, sayable, last)
    return [Document(message_id, payload, news)]


def _in_two(talk: Talk, kind: Kind, news: News, last: Mapping[str, Belief]) -> list[Document]:
    first = dict(islice(news.items(), len(news) // 2))
    second = {uscc: said for uscc, said in news.items() if uscc not in first}
    return [*_documents(talk, kind, first, last), *_documents(talk, kind, second, last)]


def _sayable(talk: Talk, kind: Kind, uscc: str, said: tuple[Statement, ...], last: Belief | None) -> tuple[Statement, ...]:
    """``said`` where the partner's XML can say it; a standing that today's words cannot carry goes out in the words last told."""
    tries = [said]
    if last is not None and last.statement.standing in LEARNED:
        plain = tuple(
            ending(last.statement, one.standing, one.effective, talk.shared) for one in said if one.tin == last.statement.tin
        )
        if plain and (kind is Kind.LIST or any(one.standing is not Standing.VALID for one in plain)):
            tries.append(plain)
    picture = Picture(as_of=talk.at) if kind is Kind.LIST else None
    for statements in tries:
        try:
            say.check(talk.live, say.words(talk.node, talk.live, kind, statements, new_id(), talk.at, picture=picture), talk.at)
        except Refusal as refusal:
            cause = refusal
        else:
            return statements
    talk.unsaid(uscc, cause)
    return ()


def _queue(talk: Talk, kind: Kind, document: Document, picture: Picture | None = None) -> int:
    talk.told.queued[talk.iso] = talk.told.queued.get(talk.iso, 0) + 1
    return say.queue(talk.connection, talk.node, talk.live, kind, document.payload, document.message_id, talk.at, picture=picture)


def _pairs(news: News) -> Sequence[tuple[str, Statement]]:
    return [(uscc, statement) for uscc, said in news.items() for statement in said]
