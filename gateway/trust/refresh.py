"""Keeping what is known of revocations fresh: what is due is asked for, and a folder where it outlives the process.

Every node keeps its own folder; nothing in it is secret or cannot be fetched again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from gateway.trust.certificates import ROLES, TrustStore
from gateway.trust.revocation import Revocation, RevocationEvidence, sources

log = logging.getLogger(__name__)

#: How often is looked at what is due.
EVERY = timedelta(minutes=1)


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
        name = hashlib.sha256(f"{fact.kind} {fact.url} {fact.about}".encode()).hexdigest()
        building = self.path / f"{name}.building"
        building.write_bytes(msgspec.msgpack.encode(fact))
        building.replace(self.path / f"{name}.fact")


async def refresh(known: Revocation, store: TrustStore, clock: Callable[[], datetime]) -> None:
    """Asks what is due, and judges anew, so that no message waits for a long list to be read."""
    trusts = store.trusts()
    await known.refresh((source for trust in trusts.values() for source in sources(trust)), clock())
    for partner in trusts:
        for role in ROLES:
            await asyncio.to_thread(store.verdicts, partner, role, clock())
