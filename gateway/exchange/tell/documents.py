"""Statements as documents that the partner's own schema takes, none too large. What its XML cannot say is noted and left out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from gateway.core.errors import Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.domestic.projection import (
    LEARNED,
    ending,
)
from gateway.exchange.tell import compose
from gateway.exchange.tell.recipient import Document, News, Talk
from gateway.node.context import new_id
from gateway.store.disclosures import Belief

#: Bytes of one document; larger ones are split. With its signature a message stays below the 20 MiB that are accepted.
LARGEST = 16 << 20


def documents(talk: Talk, kind: Kind, news: News, last: Mapping[str, Belief]) -> list[Document]:
    """The news as documents that the partner's own schema takes, none too large. What cannot be said is noted and left out."""
    if not news and kind is not Kind.LIST:
        return []
    message_id, statements = new_id(), [one for said in news.values() for one in said]
    picture = Picture(as_of=talk.at) if kind is Kind.LIST else None
    try:
        payload = compose.words(talk.node, talk.live, kind, statements, message_id, talk.at, picture=picture)
        if len(payload.encode()) > LARGEST and len(news) > 1:
            return _in_two(talk, kind, news, last)
        compose.check(talk.live, payload, talk.at)
    except Refusal as refusal:
        sayable = {uscc: said for uscc, one in news.items() if (said := _sayable(talk, kind, uscc, one, last.get(uscc)))}
        if sayable == news and len(news) > 1 and kind is not Kind.LIST:
            return _in_two(talk, kind, news, last)  # a document may speak of one operator only
        if sayable == news:
            talk.unsaid("", refusal)  # it would come back; nobody else is to wait for that
            return []
        return documents(talk, kind, sayable, last)
    return [Document(message_id, payload, news)]


def _in_two(talk: Talk, kind: Kind, news: News, last: Mapping[str, Belief]) -> list[Document]:
    first = dict(islice(news.items(), len(news) // 2))
    second = {uscc: said for uscc, said in news.items() if uscc not in first}
    return [*documents(talk, kind, first, last), *documents(talk, kind, second, last)]


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
            compose.check(
                talk.live, compose.words(talk.node, talk.live, kind, statements, new_id(), talk.at, picture=picture), talk.at
            )
        except Refusal as refusal:
            cause = refusal
        else:
            return statements
    talk.unsaid(uscc, cause)
    return ()


def enqueue(talk: Talk, kind: Kind, document: Document, picture: Picture | None = None) -> int:
    talk.told.queued[talk.iso] = talk.told.queued.get(talk.iso, 0) + 1
    return compose.queue(
        talk.connection, talk.node, talk.live, kind, document.payload, document.message_id, talk.at, picture=picture
    )
