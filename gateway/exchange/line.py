"""The line to a partner: the one place that says where it may lead, who must be at its other end, and who we say we are.

Delivery, the check and the rehearsal against a partner's endpoint all go by it.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from urllib.parse import urlsplit

from gateway.core.arrangement import Binding
from gateway.net import Guard, Identity, Proxy, ServerTrust

#: No answer of a partner is larger: it is a receipt or a refusal.
LARGEST_ANSWER = 1 << 20
#: How long a partner may take to answer.
PATIENCE = timedelta(seconds=20)


def guard_for(binding: Binding, server: ServerTrust | None, identity: Identity | None, timeout: timedelta = PATIENCE) -> Guard:
    """What a request to this partner may do. ``server``: by what its server proves itself (``certificates.server``); ``identity`` what we
    present."""
    return Guard(
        private_addresses=binding.private_addresses,
        networks=tuple(map(ipaddress.ip_network, binding.addresses)),
        timeout=timeout,
        max_bytes=LARGEST_ANSWER,
        server=server,
        identity=identity,
        proxy=_proxy(binding),
    )


def _proxy(binding: Binding) -> Proxy | None:
    if binding.proxy is None:
        return None
    parts = urlsplit(binding.proxy)
    return Proxy(parts.scheme, parts.hostname or "", parts.port or 0, binding.resolve == "proxy")
