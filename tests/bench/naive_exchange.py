"""The same message taken the plain way: a thread for each, a commit to keep it, another to record it. ``python -m ... PORT``.

Everything else is the gateway's own: the same parsing, verifying, translating, the same tables, the same receipt.
"""

from __future__ import annotations

import asyncio
import os
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import app
from gateway.exchange.receive.steps import Outcome, check, finish
from gateway.node.node import Node
from gateway.settings import from_environment
from gateway.store import messages
from gateway.store.messages import Kept


def take(node: Node, body: bytes) -> bytes:
    received = node.clock()
    with node.database.write.begin() as connection:
        kept = messages.keep(connection, body, remote="", identity=None, received=received)
    whole = Kept(kept, received, "", None, "https", body)
    judged, receipt = check(node, whole, Outcome())
    with node.database.write.begin() as connection:
        return finish(connection, node, judged, whole, receipt).answer


def create(node: Node) -> Starlette:
    async def exchange(request: Request) -> Response:
        return Response(await asyncio.to_thread(take, node, await request.body()), media_type="application/xml")

    async def ready(_: Request) -> Response:
        return Response("ready")

    return Starlette(routes=[Route("/exchange", exchange, methods=["POST"]), Route("/readyz", ready)])


if __name__ == "__main__":
    gateway = app.build(from_environment(os.environ))
    uvicorn.run(create(gateway.node), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning")
