"""Every binding there is, by the name under which partner data and kept messages call it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.exchange.bindings.base import Binding
from gateway.exchange.bindings.https import HTTPS
from gateway.store.active import ActivePartner

BINDINGS: Mapping[str, Binding] = {HTTPS.name: HTTPS}


def binding_of(live: ActivePartner) -> Binding:
    """How messages to this partner travel."""
    return BINDINGS[live.arrangement.binding.name]
