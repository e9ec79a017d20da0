"""What changes something is asked once, however often it is sent: the one way in which every such route answers.

Who loses an answer sends the request again under the same ``Idempotency-Key``, and is answered as the first time, status included. Kept
for each token, which is of one principal, for as long as ``store.idempotency`` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from fastapi import Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.node.committed import Change
from gateway.store import idempotency
from gateway.store.tokens import Caller
from gateway.web.documents import KEY, KEY_FORM
from gateway.web.service import Service

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}
_encode = msgspec.json.Encoder().encode


class Outcome(msgspec.Struct, frozen=True):
    """What was done: the status and body that say so, what this node's very next answer has to know of it, and where to look for what comes
    of it."""

    status: int
    body: object
    change: Change | None = None
    location: str = ""


async def answer(
    request: Request, service: Service, caller: Caller, asked: object, job: Callable[[Connection], Outcome]
) -> Response:
    """Does ``job`` in one transaction and answers; under a key that the caller gave before, what was answered then. ``asked`` is the body of
    the request, where it has one. Raises what ``job`` raises; ``Refusal`` QUESTION_INVALID for a key of another form, DATA_INVALID for
    one that was another request's."""
    key, at = given_key(request), service.node.clock()
    change: Change | None = None

    def do(connection: Connection) -> bytes:
        nonlocal change
        done = job(connection)
        change = done.change
        return f"{done.status} {done.location}\n".encode() + _encode(done.body)

    def once(connection: Connection) -> bytes:
        if key is None:
            return do(connection)
        whole = request.url.path.encode() + b"\n" + (_encode(asked) if asked is not None else b"")
        return idempotency.once(connection, caller.id, key, whole, at, lambda: do(connection))

    said = await service.node.write(once)
    if change is None and key is not None:
        change = Change(lists_or_switches=True)  # another node may have done it, and this one's next answer knows it nevertheless
    if change is not None:
        await service.node.committed.here(change)
    head, _, body = said.partition(b"\n")
    status, _, location = head.decode().partition(" ")
    if not status.isdigit():  # kept by a release that knew no status: its routes under keys made a switch, or ended one
        status, location, body = ("201" if request.url.path in ("/v1/stops", "/v1/disruptions") else "200"), "", said
    return Response(body, int(status), NO_STORE | ({"Location": location} if location else {}), JSON)


def given_key(request: Request) -> str | None:
    """What the caller calls this request, with or without quotation marks. Raises ``Refusal`` QUESTION_INVALID."""
    given = request.headers.getlist(KEY)
    if not given:
        return None
    key = given[0][1:-1] if len(given[0]) > 1 and given[0][0] == given[0][-1] == '"' else given[0]
    if len(given) > 1 or not re.fullmatch(KEY_FORM, key):
        detail = f"A key is one text of 1 to {idempotency.LONGEST} visible ASCII characters."
        raise Refusal(Code.QUESTION_INVALID, detail, field=KEY, value=", ".join(given))
    return key
