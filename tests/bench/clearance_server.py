"""The server that ``bench_clearance`` asks, in a process of its own: ``python -m tests.bench.clearance_server KIND OPERATORS HOME [URL]``.

``gateway`` is the node itself, with two more addresses that give a constant of the same size from the same server: ``/constant`` is a route,
the first that the router looks at; ``/bare`` is answered before any router is asked.
``postgres`` is what a user would write instead: a FastAPI route that asks PostgreSQL at URL, in one statement, for everything that can
change (the operator, the partner's last list, our own switches), and decides by the same rules.
The first line it prints says on which port it listens, and for the gateway what loading took and what the index weighs.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import uvicorn
import uvloop
from fastapi import FastAPI
from sqlalchemy import insert, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.clearance.answer import Asked, answer_from
from gateway.clearance.render import render
from gateway.clearance.wording import Language
from gateway.core import history
from gateway.core.access import Scope
from gateway.core.arrangement import Arrangement, Direction, Law
from gateway.core.fold import fold
from gateway.core.history import Timeline
from gateway.core.model import PlacedStatement, Standing, Statement
from gateway.core.question import ALWAYS_KNOWN, Currency, Feed, Stop, Switches
from gateway.exchange.receive.worker import Large
from gateway.serving import Message, Receive, Send, Server
from gateway.store import tokens
from gateway.store.tables import listing, operator
from gateway.web.site import settle
from tests.rig.people import person
from tests.rig.web import WebFixture

FIRST = 100_000_000_000
PATH = "/v1/eligibility"


def code(number: int) -> str:
    """The code of one operator."""
    return f"SG{FIRST + number}"


def timelines(count: int, as_of: datetime, arrangement: Arrangement) -> Iterator[tuple[str, bytes]]:
    """As a list of ``count`` operators would leave them: a name, a level, a period, and where that was said."""
    for number in range(count):
        tin = code(number)
        statement = Statement(
            tin=tin,
            standing=Standing.VALID,
            name=f"Made-up Trading {number:06d} Private Limited",
            level="STP-Plus",
            number=f"STP{number:07d}",
            granted=date(2025, 1, 1),
            expires=date(2099, 12, 31),
        )
        told = PlacedStatement(
            statement=statement,
            issued=as_of,
            takes_effect=as_of,
            pictured=True,
            message_id="0f5c5b0e-7a3e-4a52-9a53-3f6f5f6e3c11",
            digest="9f" * 32,
            received=as_of,
        )
        yield tin, history.pack(fold([told], arrangement.zone))


def gateway(count: int, home: Path) -> tuple[Any, dict[str, Any]]:
    """The application, and what loading took."""
    web = WebFixture(home, ("SG",), rate=10_000_000)
    web.now = datetime.now(UTC)
    as_of = web.now - timedelta(days=1)
    arrangement = web.node.partners.get("SG").arrangement
    with web.node.database.write.begin() as connection:
        rows = [
            {"tin": tin, "partner": "SG", "timeline": packed, "entry": 1} for tin, packed in timelines(count, as_of, arrangement)
        ]
        connection.execute(insert(operator), rows)
        applied = {"state": "applied", "baseline": True, "granting": 0, "omitting": 0, "changed": as_of}
        connection.execute(insert(listing).values(partner="SG", scope="*", as_of=as_of, parts=1, **applied))
        _, secret = tokens.create(
            connection, "bench", [Scope.CLEARANCE_READ], at=web.now, expires=web.now + timedelta(days=1), by=person("bench")
        )
    started = time.perf_counter()
    with web.node.database.reading() as connection:
        web.node.partners.refresh(connection)
        web.answers.refresh(connection)
        web.index.load(((row.tin, row.timeline) for row in connection.execute(select(operator.c.tin, operator.c.timeline))), 0)
    loaded = time.perf_counter() - started
    web.node.clock = _now
    web.node.large = Large(web.settings)
    web.service.callers = tokens.Callers(web.node.database, web.node.writer, _now)
    web.answers.now = _now
    web.node.committed.reread()
    web.index.current = lambda now: True  # type: ignore[method-assign] # no journal is followed here
    said = {"token": secret, "load": loaded, "bytes": web.index.memory() / max(1, count)}
    body = msgspec.json.encode(
        render(web.service.answers.answer(Asked(code=code(0), direction=Direction.IMPORT)), web.answers.law, Language.EN)
    )
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def constant(request: Request) -> Response:
        return Response(body, media_type="application/json")

    inner = web.app.app
    assert isinstance(inner, FastAPI)
    inner.router.routes.insert(0, Route("/constant", constant))

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/bare":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        elif scope.get("path") == "/constant":
            await inner(scope, receive, send)
        else:
            await web.app(scope, receive, send)

    return app, said | {"size": len(body)}


def _now() -> datetime:
    return datetime.now(UTC)


class _Fetched:
    """What one request has fetched from PostgreSQL."""

    def __init__(self, arrangement: Arrangement, law: Law, row: tuple[bytes | None, datetime | None, list[Stop]]) -> None:
        self._arrangement, self.law = arrangement, law
        self._packed, self._as_of, stops = row
        self.switches = Switches(arrangements={arrangement.iso: stops})

    def arrangement_for(self, code: str) -> Arrangement | None:
        return self._arrangement if code.startswith("SG") else None

    def known(self, code: str) -> bool:
        return self._packed is not None

    def timeline(self, arrangement: Arrangement, code: str) -> Timeline | None:
        return self._packed and history.unpack(self._packed)  # type: ignore[return-value] # bytes are never empty here

    def currency(self, arrangement: Arrangement, code: str) -> Currency:
        return Currency(self._as_of)

    def feed(self, on: date) -> Feed:
        return ALWAYS_KNOWN


_TABLES = """
CREATE TABLE operators (tin text PRIMARY KEY, timeline bytea NOT NULL);
CREATE TABLE lists (partner text, scope text, as_of timestamptz, PRIMARY KEY (partner, scope, as_of));
CREATE TABLE switches (id serial PRIMARY KEY, subject text, since timestamptz, until timestamptz, who text, reason text);
CREATE INDEX ON switches (subject);
"""
_ASK = """
SELECT (SELECT timeline FROM operators WHERE tin = %(tin)s),
       (SELECT max(as_of) FROM lists WHERE partner = %(partner)s AND scope = '*'),
       (SELECT json_agg(s) FROM switches s WHERE subject IN (%(tin)s, %(partner)s))
"""


def postgres(count: int, home: Path, url: str) -> FastAPI:
    """The same question, asked of the database."""
    web = WebFixture(home, ("SG",))
    arrangement, law = web.node.partners.get("SG").arrangement, web.answers.law
    as_of = _now() - timedelta(days=1)
    with psycopg.connect(url) as connection:
        connection.execute(_TABLES)
        connection.execute("INSERT INTO lists VALUES ('SG', '*', %s)", (as_of,))
        with connection.cursor().copy("COPY operators FROM STDIN") as copy:
            for row in timelines(count, as_of, arrangement):
                copy.write_row(row)
        connection.commit()
        connection.execute("ANALYZE operators")
    app = FastAPI()
    pool: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()
    opened = 0

    @app.get(PATH)
    async def eligibility(code: str, direction: Direction | None = None) -> dict[str, Any]:
        nonlocal opened
        if pool.empty() and opened < 8:
            opened += 1
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        else:
            connection = await pool.get()
        try:
            row = await (await connection.execute(_ASK, {"tin": code, "partner": "SG"})).fetchone()
        finally:
            pool.put_nowait(connection)
        assert row is not None, "this SELECT always gives one row"
        fetched = _Fetched(arrangement, law, (row[0], row[1], msgspec.convert(row[2] or [], list[Stop])))
        answer = answer_from(fetched, Asked(code=code, direction=direction), now=_now())
        said: dict[str, Any] = msgspec.to_builtins(render(answer, law, Language.EN))
        return said

    return app


def main() -> None:
    """Serves until it is killed."""
    kind, count, home, *url = sys.argv[1:]
    app: Any
    app, said = gateway(int(count), Path(home)) if kind == "gateway" else (postgres(int(count), Path(home), *url), {})
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        print(json.dumps(said | {"port": listener.getsockname()[1]}), flush=True)
        settle()
        if kind == "gateway":
            uvloop.run(Server(app).serve(listener))
        else:
            uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run([listener])


if __name__ == "__main__":
    main()
