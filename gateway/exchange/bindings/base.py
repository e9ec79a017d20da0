"""How far a message has come on the way from bytes to something proven: each stage takes the type that only the stage before it makes."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from gateway.core.model import Header
from gateway.store.active import ActivePartner
from gateway.wire.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Transport:
    """How a message reached us. ``identity`` is the partner whose TLS certificate was proven, or None where TLS proves nobody."""

    remote: str
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A parsed document and the partner it claims to be from. Nothing is proven yet."""

    root: etree._Element
    live: ActivePartner


@dataclass(frozen=True, slots=True)
class Proven:
    """A message that this partner signed, addressed to us, in time. ``fingerprint`` is of the certificate that proved it."""

    live: ActivePartner
    envelope: Envelope
    fingerprint: str

    @property
    def header(self) -> Header:
        return self.envelope.header
