"""Keeping what is known of revocations fresh: what is due is asked for, and a folder where it outlives the process.

Every node keeps its own folder; nothing in it is secret or cannot be fetched again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from gateway.trust.certificates import ROLES, TrustStore
from gateway.trust.revocation import Revocation, RevocationEvidence, Source, sources

log = logging.getLogger(__name__)

#: How often is looked at what is due.
EVERY = timedelta(minutes=1)
#: How long what is about a certificate that has ended is kept fresh: a message that came before may still have to be judged.
_REMEMBERED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Folder:
    """An ``EvidenceStore`` of files. A file that cannot be read is passed over: what it held is fetched again."""

    path: Path

    def all(self) -> Iterator[RevocationEvidence]:
        for file in sorted(self.path.glob("*.fact")):
            try:
                yield msgspec.msgpack.decode(file.read_bytes(), type=RevocationEvidence)
            except (OSError, msgspec.DecodeError) as error:
                log.warning("%s is passed over: %s", file, error)

    def put(self, fact: RevocationEvidence) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        name = self._name(fact)
        building = self.path / f"{name}.building"
        building.write_bytes(msgspec.msgpack.encode(fact))
        building.replace(self.path / f"{name}.fact")

    def drop(self, fact: RevocationEvidence) -> None:
        (self.path / f"{self._name(fact)}.fact").unlink(missing_ok=True)

    @staticmethod
    def _name(fact: RevocationEvidence) -> str:
        return hashlib.sha256(f"{fact.kind} {fact.url} {fact.about}".encode()).hexdigest()


#: What is done inside is done for one partner (its code, and what it is): whatever it fails by stays with that partner.
Apart = Callable[[str, str], AbstractContextManager[object]]


@contextmanager
def told_in_the_log(partner: str, what: str) -> Iterator[None]:
    """Where nobody keeps what is wrong with a partner."""
    try:
        yield
    except Exception:
        log.exception("%s of %s failed", what, partner)


async def refresh(known: Revocation, store: TrustStore, clock: Callable[[], datetime], apart: Apart = told_in_the_log) -> None:
    """Asks what is due, every partner's at once and apart from the others', and judges anew, so that no message waits for a long list to be
    read. A fault of ours, such as a full disk, is raised when everybody was asked."""
    now, trusts = clock(), store.trusts()
    wanted: dict[str, list[Source]] = {}
    for partner, trust in trusts.items():
        with apart(partner, "revocation"):
            wanted[partner] = list(
                sources(replace(trust, pins=tuple(pin for pin in trust.pins if pin.not_after > now - _REMEMBERED)))
            )
    asked = await asyncio.gather(*(known.refresh(some, now, partner) for partner, some in wanted.items()), return_exceptions=True)
    if wanted.keys() == trusts.keys():
        known.forget(source for some in wanted.values() for source in some)
    for partner in trusts:
        with apart(partner, "revocation"):
            for role in ROLES:
                await asyncio.to_thread(store.verdicts, partner, role, clock())
            if problems := known.problems(partner):
                raise Unanswered("; ".join(f"{one.url}: {one.detail}" for one in problems))
    for fault in asked:
        if isinstance(fault, BaseException):
            raise fault


class Unanswered(Exception):
    """What the certificates of a partner name for asking whether they were revoked gave no answer that counts."""
