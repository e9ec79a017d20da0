"""Keys that are made for one rehearsal and end with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.arrangement import Binding
from gateway.core.errors import Code, Refusal
from gateway.trust import selfsigned
from gateway.trust.selfsigned import Subject
from gateway.wire.algorithms import KeySigner
from gateway.wire.certificate import from_der

DAY = timedelta(days=1)


class Keys(NamedTuple):
    """``current`` and ``expired`` are pinned, ``next`` is announced during the rehearsal, ``stranger`` nobody knows."""

    current: KeySigner
    expired: KeySigner
    next: KeySigner
    stranger: KeySigner


def make(iso: str, binding: Binding, now: datetime) -> Keys:
    """Four keys of the first algorithm agreed with the partner, RSA only where nothing quicker is agreed."""
    agreed = sorted(binding.algorithms, key=lambda name: name.startswith("rsa"))
    if not agreed:
        raise Refusal(Code.DATA_INVALID, f"No signature algorithm is agreed with {iso}.", field="binding.algorithms")

    def key(name: str, begins: datetime, ends: datetime) -> KeySigner:
        private = selfsigned.generate(agreed[0], max(binding.min_rsa_bits, selfsigned.MIN_RSA_BITS))
        subject = Subject(f"{iso} in a box, {name} key")
        made = selfsigned.builder(private.public_key(), subject, demo=True, begins=begins, ends=ends)
        return KeySigner(private, selfsigned.sign(made, private), agreed[0])

    return Keys(
        current=key("current", now - DAY, now + DAY),
        expired=key("expired", now - 3 * DAY, now - DAY),
        next=key("next", now - DAY, now + 2 * DAY),
        stranger=key("unknown", now - DAY, now + DAY),
    )


def der(signer: KeySigner) -> bytes:
    assert signer.certificate is not None, "every key here was given its certificate"
    return signer.certificate


def pem(signer: KeySigner) -> str:
    return from_der(der(signer)).public_bytes(Encoding.PEM).decode()
