"""Which revocation lists and responses a message was judged with: kept once each, named by the message's journal entry."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from gateway.store.tables import entry, fact, message
from gateway.trust.certificates import TrustStore
from gateway.wire.certificate import list_freshness, list_from_der, response_freshness, response_from_der


def keep(connection: Connection, trust: TrustStore, iso: str, at: datetime) -> list[str]:
    """Keeps what is known of revocations now, where the partner's certificates have an authority above them; the digests.

    A certificate that is pinned itself is its own authority, and only its pin can be taken away.
    """
    if not trust.trust_of(iso).roots:
        return []
    known = trust.known_of(iso)
    named = _named(known.crls, known.ocsps)
    there = set(connection.execute(select(fact.c.digest).where(fact.c.digest.in_(list(named)))).scalars())
    fresh = [
        {"digest": digest, "kind": kind, "der": der, "stored": at} for digest, (kind, der) in named.items() if digest not in there
    ]
    if fresh:
        connection.execute(insert(fact), fresh)
    return list(named)


def named(connection: Connection) -> set[str]:
    """Digests of everything that the messages whose bytes are kept were judged with."""
    same = (entry.c.subject == message.c.message_id) & (entry.c.partner == message.c.partner)
    query = select(entry.c.body).join(message, same).where(entry.c.kind == "message", message.c.body.is_not(None))
    rows = connection.execute(query.execution_options(yield_per=1_000)).scalars()
    return {digest for body in rows for digest in json.loads(body).get("revocation", ())}


def ends(connection: Connection, digest: str) -> datetime | None:
    """Until when a list or response says that it holds; None: it does not say."""
    row = connection.execute(select(fact.c.kind, fact.c.der).where(fact.c.digest == digest)).one()
    try:
        if row.kind == "crl":
            return list_freshness(list_from_der(row.der)).next
        return response_freshness(response_from_der(row.der)).next
    except ValueError:  # what cannot be read says nothing, and stays
        return None


@lru_cache(maxsize=64)
def _named(crls: tuple[bytes, ...], ocsps: tuple[bytes, ...]) -> dict[str, tuple[str, bytes]]:
    kinds = [("crl", der) for der in crls] + [("ocsp", der) for der in ocsps]
    return {sha256(der).hexdigest(): (kind, der) for kind, der in kinds}
