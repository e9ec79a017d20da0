"""Partners in boxes, as every test has them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.partners import Bundle
from gateway.sandbox.box import Box
from gateway.trust.keys import Key
from gateway.wire.algorithms import VerifyKey


def box_of(bundle: Bundle, key: Key, ours: Key, clock: Callable[[], datetime]) -> Box:
    """A partner that signs with ``key`` and has pinned our certificate."""
    pinned = (VerifyKey.from_certificate(ours.certificate),)
    return Box(bundle=bundle, signer=key.signer(""), gateway="CN", gateway_keys=pinned, clock=clock)
