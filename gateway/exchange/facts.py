"""Which revocation lists and responses a message was judged with: kept once each, named by the message's journal entry."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from gateway.store.tables import fact
from gateway.trust.certificates import TrustStore


def keep(connection: Connection, trust: TrustStore, iso: str) -> list[str]:
    """Keeps what is known of revocations now, where the partner's certificates have an authority above them; the digests.

    A certificate that is pinned itself is its own authority, and only its pin can be taken away.
    """
    if not trust.trust_of(iso).roots:
        return []
    known = trust.known()
    named = _named(known.crls, known.ocsps)
    there = set(connection.execute(select(fact.c.digest).where(fact.c.digest.in_(list(named)))).scalars())
    fresh = [{"digest": digest, "kind": kind, "der": der} for digest, (kind, der) in named.items() if digest not in there]
    if fresh:
        connection.execute(insert(fact), fresh)
    return list(named)


@lru_cache(maxsize=4)
def _named(crls: tuple[bytes, ...], ocsps: tuple[bytes, ...]) -> dict[str, tuple[str, bytes]]:
    kinds = [("crl", der) for der in crls] + [("ocsp", der) for der in ocsps]
    return {sha256(der).hexdigest(): (kind, der) for kind, der in kinds}
