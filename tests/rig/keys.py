"""Demo keys: those of a node, of partners, of servers and of thieves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from gateway.core.protocol import Announced, Proof, possession
from gateway.sandbox.box import Box
from gateway.trust.keys import Key, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.wire.algorithms import Signer


def demo_key(folder: Path, name: str, since: datetime, *, days: int = 365, hosts: tuple[str, ...] = ()) -> Key:
    """A new key without a passphrase; its certificate begins ``since``."""
    return create_file_key(folder, name, "ecdsa-p256-sha256", Subject(name, hosts=hosts), Purpose.DEMO, "", days, now=since)


def announced(
    box: Box, prover: Signer, certificate: bytes | None = None, since: datetime | None = None, role: str = "signing"
) -> Announced:
    """A certificate (``prover``'s own unless another is given) as the partner announces it: ``prover`` signs that it holds the key, where
    the envelope has a place for that."""
    one = Announced(role, certificate or prover.certificate or b"", since or box.clock())
    if box.version == 1:
        return one
    return Announced(
        one.role, one.certificate, one.since, Proof(prover.algorithm, prover.sign(possession(box.iso, box.gateway, one)))
    )
