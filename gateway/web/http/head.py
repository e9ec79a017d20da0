"""Heads of requests, before any route: what is too much, and what two readers could read in two ways."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from gateway.core.errors import Code, Refusal
from gateway.serving import HEAD, Message
from gateway.web.http import tracing

#: Which must not stand twice: whoever reads the first acts for another than whoever reads the last.
_ONCE = {b"authorization", b"host", b"content-length", b"transfer-encoding"}
#: What stands around a name and its value, and around a method and an address.
_AROUND, _LINE = len(b": \r\n"), len(b"  HTTP/1.1\r\n")


def read(scope: Message) -> tuple[bytes, bool, list[tuple[bytes, bytes]]]:
    """The one Authorization header, empty where there is none; whether a body follows; and the headers of ``tracing.NAMES``. Raises
    ``Refusal``: HEAD_TOO_LARGE, HEAD_AMBIGUOUS.

    A head of which some comes later than the rest may be read by hyper with up to ``HEAD`` bytes more than it may have; so it is
    counted here. Of Content-Length beside Transfer-Encoding hyper shows the latter alone, and closes the line (RFC 9112, 6.1).
    """
    headers = scope["headers"]
    named: dict[bytes, bytes] = dict(headers)
    if len(named) < len(headers):
        _refuse_twice(name for name, _ in headers)
    coding = named.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise Refusal(Code.HEAD_AMBIGUOUS, "Only chunked is understood.", field="transfer-encoding", value=coding.decode("latin-1"))
    size = _LINE + len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    size += len(headers) * _AROUND + sum(map(len, chain.from_iterable(headers)))
    if size > HEAD:
        raise Refusal(Code.HEAD_TOO_LARGE, f"It has {size} bytes; the limit is {HEAD}.")
    body = coding is not None or named.get(b"content-length", b"0") != b"0"
    traced = [] if tracing.NAMES.isdisjoint(named) else tracing.given(scope)
    return named.get(b"authorization", b""), body, traced


def _refuse_twice(names: Iterable[bytes]) -> None:
    seen = set[bytes]()
    for name in names:
        if name in _ONCE and name in seen:
            raise Refusal(Code.HEAD_AMBIGUOUS, f"The header {name.decode()} stands twice.", field=name.decode())
        seen.add(name)
