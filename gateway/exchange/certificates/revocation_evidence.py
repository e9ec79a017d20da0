"""Which revocation lists and responses a message was judged with: kept once each, named by the message's journal entry."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography.x509 import load_der_x509_crl
from cryptography.x509.ocsp import load_der_ocsp_response
from sqlalchemy import Connection, insert, select

from gateway.store.tables import entry, fact, message
from gateway.trust.certificates import TrustStore


def keep(connection: Connection, trust: TrustStore, iso: str, at: datetime) -> list[str]:
    """Keeps what is known of revocations now, where the partner's certificates have an authority above them; the digests.

    A certificate that is pinned itself is its own authority, and only its pin can be taken away.
    """
    if not trust.trust_of(iso).roots:
        return []
    known = trust.known()
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
    return load_der_x509_crl(row.der).next_update_utc if row.kind == "crl" else load_der_ocsp_response(row.der).next_update_utc


@lru_cache(maxsize=4)
def _named(crls: tuple[bytes, ...], ocsps: tuple[bytes, ...]) -> dict[str, tuple[str, bytes]]:
    kinds = [("crl", der) for der in crls] + [("ocsp", der) for der in ocsps]
    return {sha256(der).hexdigest(): (kind, der) for kind, der in kinds}
