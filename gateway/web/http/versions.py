"""Answers that a caller may have already: a tag for what is given (RFC 9110, 8.8.3), and 304 where the caller names that tag.

The tag is of the very bytes, so whatever changes an answer changes it; a caller's copy is asked about again each time.
"""

from __future__ import annotations

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

#: Kept by nobody on the way, and by who asked only to be asked about again.
_HELD = "private, no-cache"


def tagged(request: Request, body: bytes, media: str = "application/json") -> Response:
    """``body``, or 304 where the request's ``If-None-Match`` (RFC 9110, 13.1.2) names what it is."""
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": _HELD}
    named = {one.strip().removeprefix("W/") for said in request.headers.getlist("if-none-match") for one in said.split(",")}
    if named & {tag, "*"}:
        return Response(None, 304, headers)
    return Response(body, 200, headers, media)
