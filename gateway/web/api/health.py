"""Is it alive, can it answer, and what has it counted."""

from __future__ import annotations

import asyncio
from math import inf

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET, UnsetType
from prometheus_client.core import Metric
from sqlalchemy import select
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Refusal
from gateway.operate import expiry, growth
from gateway.store import feed_claims, opening, retention, retention_classes, sent
from gateway.store.listings import last_complete
from gateway.store.problems import recorded as noted
from gateway.web.documents import describe
from gateway.web.guard import Scraper, Served
from gateway.web.http.metrics import CONTENT_TYPE, exposition, gauge
from gateway.web.service import Service

router = APIRouter(tags=["operation"])
JSON = "application/json"
#: A database that does not answer within this many seconds is not there.
PATIENCE = 2.0


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this node can answer: its index is current, its database reachable, and what keeps both so is at work. Why, and how much it
    holds, is told to whoever has a token for metrics alone.

    ``age`` is the time in seconds since the index last heard that it is complete; no revocation is served later than ``bound``.
    """

    ready: bool
    current: bool | UnsetType = UNSET
    database: bool | UnsetType = UNSET
    operators: int | UnsetType = UNSET
    position: int | UnsetType = UNSET
    age: float | UnsetType | None = UNSET
    bound: float | UnsetType = UNSET


@router.get("/healthz", openapi_extra=describe(gives=Health))
async def healthz() -> Response:
    """The process is alive."""
    return Response(msgspec.json.encode(Health()), media_type=JSON)


@router.get("/readyz", openapi_extra=describe(gives=Readiness))
async def readyz(request: Request, service: Served) -> Response:
    """200 while this node can answer, otherwise 503."""
    index, now = service.index, service.node.clock()
    reachable = await _reachable(service)
    current = index.current(now)
    said = Readiness(
        ready=current and reachable and not any(one.late and one.vital for one in service.background.heartbeats()),
        current=current,
        database=reachable,
        operators=len(index),
        position=index.position,
        age=age.total_seconds() if (age := index.age(now)) is not None else None,
        bound=index.bound.total_seconds(),
    )
    told = said if await _may_know(request, service) else Readiness(ready=said.ready)
    return Response(msgspec.json.encode(told), 200 if said.ready else 503, {"Cache-Control": "no-store"}, JSON)


async def _may_know(request: Request, service: Service) -> bool:
    """Who names himself waits for it no longer than the database may take: where it hangs, nobody can be known."""
    if not (given := request.headers.get("authorization")):
        return False
    try:
        async with asyncio.timeout(PATIENCE):
            await service.admit(given, Scope.METRICS_READ)
    except (Refusal, TimeoutError):
        return False
    return True


async def _reachable(service: Service) -> bool:
    """One look for all who ask meanwhile: where the database hangs, strangers must not have every thread wait for it."""

    def look() -> bool:
        try:
            with service.node.database.reading() as connection:
                connection.execute(select(1))
            return service.node.database.sqlite or opening.can_write(service.node.database.write)
        except Exception:  # noqa: BLE001 - whatever keeps the database from answering, it does not answer
            return False

    if service.look is None or service.look.done():
        service.look = asyncio.create_task(asyncio.to_thread(look))
    done, _ = await asyncio.wait({service.look}, timeout=PATIENCE)
    return any(one.result() for one in done)


@router.get("/metrics", openapi_extra=describe(gives=str, media=(JSON, "text/plain")))
async def metrics(service: Served, caller: Scraper) -> Response:
    """What was counted, for Prometheus, under the names that ``gateway.web.metrics`` documents. It needs a token like everything else: how
    much is exchanged with whom is nobody's business."""
    families = [*service.metrics.families(), *await asyncio.to_thread(_gauges, service)]
    return Response(exposition(families), media_type=CONTENT_TYPE)


def _gauges(service: Service) -> list[Metric]:
    return [*_of_this_node(service), *_of_the_database(service)]


def _of_this_node(service: Service) -> list[Metric]:
    index, now = service.index, service.node.clock()
    age, disk = index.age(now), growth.disk_left(service.node.settings.database_url)
    beats = service.background.heartbeats()
    return [
        gauge("aeo_disk_free_bytes", "What its disk has left, where that is a disk of this node.", [((), disk)] if disk else []),
        gauge(
            "aeo_background_age_seconds",
            "Since a background task last ended a round well.",
            [((one.name,), one.age.total_seconds()) for one in beats],
            ("task",),
        ),
        gauge(
            "aeo_background_failures",
            "Rounds of it that failed since then.",
            [((one.name,), one.failures) for one in beats],
            ("task",),
        ),
        gauge("aeo_index_operators", "Operators in the read index.", [((), len(index))]),
        gauge("aeo_index_position", "Journal entries reflected in the read index.", [((), index.position)]),
        gauge(
            "aeo_index_age_seconds",
            "Since the index last heard that it is complete.",
            [((), age.total_seconds())] if age is not None else [],
        ),
        gauge("aeo_index_bound_seconds", "From this age on the node answers not-current.", [((), index.bound.total_seconds())]),
        gauge("aeo_index_current", "1 if the index can be answered from.", [((), float(index.current(now)))]),
    ]


def _of_the_database(service: Service) -> list[Metric]:
    node, now = service.node, service.node.clock()
    with node.database.reading() as connection:
        depth, lists, feed = sent.depth(connection), last_complete(connection), feed_claims.status(connection)
        size, reusable = growth.size_of(connection)
        gone = {one.shelf: one.bytes for one in retention.rules(connection).values()}
        ends = list(expiry.watched(connection, node, node.revocation.facts() if node.revocation else (), now))
        problems = node.partners.problems.merged(noted(connection))
    return [
        gauge("aeo_database_bytes", "Size of the database.", [((), size)]),
        gauge("aeo_database_reusable_bytes", "Free pages in it, which are used again.", [((), reusable)]),
        gauge(
            "aeo_retention_bytes",
            "What went by the rules.",
            [((name,), gone.get(name, 0)) for name in retention_classes.BY_NAME],
            ("shelf",),
        ),
        gauge(
            "aeo_data_age_seconds",
            "Age of the last complete list.",
            [((partner, scope), (now - as_of).total_seconds()) for (partner, scope), as_of in lists.items()],
            ("partner", "scope"),
        ),
        gauge(
            "aeo_domestic_age_seconds",
            "Since what the domestic feed states was so; +Inf: it never said anything.",
            [((), (now - feed.as_of).total_seconds() if feed.as_of else inf)],
        ),
        gauge(
            "aeo_partner_problem",
            "1 for what does not work with one partner alone.",
            [((one.partner, one.what), 1.0) for one in problems],
            ("partner", "what"),
        ),
        gauge("aeo_outbox_messages", "Messages of ours by what became of them.", depth.items(), ("partner", "state")),
        gauge(
            "aeo_ends_in_seconds",
            "Until a certificate, an authority, a revocation list or an announcement's time ends.",
            {(one.kind, one.owner, one.name): (one.ends - now).total_seconds() for one in ends if not one.succeeded}.items(),
            ("kind", "owner", "name"),
        ),
    ]
