"""Heads of requests, before any route: what is too much, and what two readers could read in two ways."""

from __future__ import annotations

from gateway.core.errors import Code, Refusal
from gateway.serving import HEAD, Message
from gateway.web.http import tracing

#: Which must not stand twice: whoever reads the first acts for another than whoever reads the last.
_ONCE = {b"authorization", b"host", b"content-length", b"transfer-encoding"}
_READ = _ONCE | tracing.NAMES
#: What stands around a name and its value, and around a method and an address.
_AROUND, _LINE = len(b": \r\n"), len(b"  HTTP/1.1\r\n")


def read(scope: Message) -> tuple[bytes, bool, list[tuple[bytes, bytes]]]:
    """The one Authorization header, empty where there is none; whether a body follows; and the headers of ``tracing.NAMES``. Raises
    ``Refusal``: HEAD_TOO_LARGE, HEAD_AMBIGUOUS.

    A head of which some comes later than the rest may be read by hyper with up to ``HEAD`` bytes more than it may have; so it is
    counted here. Of Content-Length beside Transfer-Encoding hyper shows the latter alone, and closes the line (RFC 9112, 6.1).
    """
    given, body, seen, traced = b"", False, set[bytes](), list[tuple[bytes, bytes]]()
    size = _LINE + len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    for name, value in scope["headers"]:
        size += len(name) + len(value) + _AROUND
        if name not in _READ:
            continue
        if name in tracing.NAMES:
            traced.append((name, value))
            continue
        if name in seen:
            raise Refusal(Code.HEAD_AMBIGUOUS, f"The header {name.decode()} stands twice.", field=name.decode())
        seen.add(name)
        if name == b"authorization":
            given = value
        elif name == b"content-length":
            body = body or value != b"0"
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise Refusal(
                    Code.HEAD_AMBIGUOUS, "Only chunked is understood.", field="transfer-encoding", value=value.decode("latin-1")
                )
            body = True
    if size > HEAD:
        raise Refusal(Code.HEAD_TOO_LARGE, f"It has {size} bytes; the limit is {HEAD}.")
    return given, body, traced
