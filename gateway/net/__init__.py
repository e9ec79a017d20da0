"""The one HTTP client for addresses that data, not code, chose: partners' endpoints, revocation lists, responders.

A name is resolved first, every address it has is looked at, and the connection goes to one of exactly those addresses, so that a
name cannot point elsewhere between looking and connecting. Host and TLS server name stay those of the URL. Nothing is taken from
the environment (a proxy would connect on our behalf, unguarded: one is asked only where data names it), no compression is asked for
or accepted, and bytes are counted as they come.
"""

from gateway.net.addresses import Resolver, is_public
from gateway.net.client import get, post
from gateway.net.guard import Guard, Identity, Network, Proxy, Response, ServerTrust, Unreachable, UnreachableReason
from gateway.net.lines import Lines
from gateway.net.names import Names, system_resolver

__all__ = [
    "Guard",
    "Identity",
    "Lines",
    "Names",
    "Network",
    "Proxy",
    "Resolver",
    "Response",
    "ServerTrust",
    "Unreachable",
    "UnreachableReason",
    "get",
    "is_public",
    "post",
    "system_resolver",
]
