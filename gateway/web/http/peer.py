"""Who is at the other end of a line."""

from __future__ import annotations

from ipaddress import ip_address

from fastapi import Request

#: Our proxy states in this header for whom it speaks.
REMOTE = "x-real-ip"


def address(request: Request, proxy: str) -> str:
    """The address of the peer itself or, where that is our TLS ``proxy``, the one that it states. From anybody else the header says
    nothing, and neither does one that stands twice or holds no address."""
    peer = request.client.host if request.client else ""
    if not proxy or peer != proxy:
        return peer
    stated = request.headers.getlist(REMOTE)
    try:
        return str(ip_address(stated[0].strip())) if len(stated) == 1 else peer
    except ValueError:
        return peer
