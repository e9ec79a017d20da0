"""A request whose answer was lost is sent again, and does what it does once: a key that its sender gives it stands for the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.core.errors import Code, Refusal
from gateway.store.tables import idempotency

#: For how long a key stands for an answer, and how many keys a token may have meanwhile: its oldest then go (choices).
KEPT, KEYS = timedelta(days=1), 1_000
#: Characters of a key.
LONGEST = 128


def once(connection: Connection, token: str, key: str, request: bytes, at: datetime, do: Callable[[], bytes]) -> bytes:
    """What ``do`` answers to ``request``, or what it answered when this token gave this key before, to whichever node. In one transaction
    with what ``do`` does; where that is refused, the key is free: a job of the writer takes back what it did. Raises ``Refusal``
    DATA_INVALID where the key was another request's."""
    digest = sha256(request).hexdigest()
    connection.execute(delete(idempotency).where(idempotency.c.at < at - KEPT))
    # First of all: another node that has the same key at this moment waits here until it is known what became of it.
    insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    claim = insert_for(idempotency).values(token=token, key=key, at=at, digest=digest, answer=b"").on_conflict_do_nothing()
    mine = (idempotency.c.token == token) & (idempotency.c.key == key)
    if connection.execute(claim.returning(idempotency.c.key)).first() is None:
        row = connection.execute(select(idempotency.c.digest, idempotency.c.answer).where(mine)).one()
        if row.digest != digest:
            raise Refusal(
                Code.DATA_INVALID,
                "This key came before with another request.",
                field="Idempotency-Key",
                value=key,
                remedy="Give each request a key of its own; send one again only as it was.",
            )
        answer: bytes = row.answer
        return answer
    answer = do()
    connection.execute(update(idempotency).where(mine).values(answer=answer))
    _bound(connection, token)
    return answer


def _bound(connection: Connection, token: str) -> None:
    of_token = select(idempotency.c.key).where(idempotency.c.token == token)
    newest = of_token.order_by(idempotency.c.at.desc(), idempotency.c.key).limit(KEYS)
    connection.execute(delete(idempotency).where(idempotency.c.token == token, idempotency.c.key.not_in(newest.scalar_subquery())))
