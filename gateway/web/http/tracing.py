"""By which a request is found again, in our log and in the caller's: ``X-Request-Id``, and the ``traceparent`` of W3C Trace Context.

Both are taken from the caller and given back. What cannot be read, is too long or stands twice is replaced, and never repeated. A request
without an id is given one; a trace is never begun for who brought none.
"""

from __future__ import annotations

import re
import secrets
from itertools import count

from structlog.contextvars import bind_contextvars, clear_contextvars

from gateway.serving import Message

REQUEST_ID, TRACEPARENT = b"x-request-id", b"traceparent"
NAMES = frozenset({REQUEST_ID, TRACEPARENT})
#: What an id may be made of, and how long it may be (choice): UUIDs, ULIDs, base64 and what load balancers make are such.
_ID = re.compile(rb"[A-Za-z0-9._:=+/@-]{1,128}")
#: https://www.w3.org/TR/trace-context/#traceparent-header: a version, ids that are not all zero, flags. Of a version to come, more may follow.
_TRACE = re.compile(rb"(?!ff)([0-9a-f]{2})(-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-[!-~]{0,200})?")
#: Ours differ from those of every other process, and from each other; that they can be guessed gives nobody anything.
_OURS, _COUNTED = f"{secrets.token_hex(8)}-".encode(), count(1)
_LOGGED = {REQUEST_ID: "request", TRACEPARENT: "traceparent"}
#: Headers that go back with the answer.
Trace = tuple[tuple[bytes, bytes], ...]


def trace(given: list[tuple[bytes, bytes]]) -> Trace:
    """What goes back to who gave these, the headers of ``NAMES`` as they came."""
    if not given:  # as nearly always: so this must cost nothing
        return ((REQUEST_ID, _own()),)
    ids = [value for name, value in given if name == REQUEST_ID]
    traces = [value for name, value in given if name == TRACEPARENT]
    request = (REQUEST_ID, ids[0] if len(ids) == 1 and _ID.fullmatch(ids[0]) else _own())
    return (request, (TRACEPARENT, _continued(traces))) if traces else (request,)


def bind(trace: Trace) -> None:
    """Has every line that is logged of this request, from here on, carry both."""
    clear_contextvars()
    bind_contextvars(**{_LOGGED[name]: value.decode() for name, value in trace})


def given(scope: Message) -> list[tuple[bytes, bytes]]:
    """The headers of ``NAMES`` in a head, as they came."""
    return [header for header in scope["headers"] if header[0] in NAMES]


def _continued(traces: list[bytes]) -> bytes:
    read = _TRACE.fullmatch(traces[0]) if len(traces) == 1 else None
    if read is None or (read[1] == b"00" and read[3]):
        return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00".encode()
    return b"00" + read[2]


def _own() -> bytes:
    return _OURS + b"%d" % next(_COUNTED)
