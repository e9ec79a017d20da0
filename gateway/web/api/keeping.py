"""What an administrator keeps: our signing keys, how long what is kept is kept, and the settings of this installation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.exchange.certificates import announce
from gateway.exchange.certificates.announce import AnnouncementState
from gateway.operate import growth, keys
from gateway.operate import retention as putting_away
from gateway.operate.growth import Overview
from gateway.operate.keys import MAX_DAYS, Dropped, Hastened, KeyShown
from gateway.store import retention
from gateway.store.jobs import Job
from gateway.store.proposals import Proposal
from gateway.store.retention import Rule
from gateway.store.tokens import Caller
from gateway.views import chosen
from gateway.views.chosen import SettingShown
from gateway.web.api.doing import JSON, NO_STORE, Done, Reason, asked, decided, done, shown
from gateway.web.api.jobs import JobKind, begun
from gateway.web.api.questions import Moment, encode
from gateway.web.documents import describe
from gateway.web.guard import Auditor, Need, Served

router = APIRouter()
LIMIT = 64 * 1024
KeyKeeper = Annotated[Caller, Depends(Need(Scope.KEY_ADMIN))]
RetentionKeeper = Annotated[Caller, Depends(Need(Scope.RETENTION_ADMIN))]
Days = Annotated[int, msgspec.Meta(ge=1, le=MAX_DAYS)]
KeyName = Annotated[str, Path(description="The key's name; AEO_KEY says which one signs.", max_length=60)]
KeyId = Annotated[str, Path(description="The key's id, or its name for the one that signs now.", max_length=60)]
Shelf = Annotated[str, Path(description="The class of what is kept, as GET /v1/retention names it.", max_length=40)]


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Every key of ours, in the order in which they sign."""

    keys: Sequence[KeyShown]


class KeyWhole(KeyShown, frozen=True, kw_only=True):
    """One key with its certificate (PEM), as partners pin it, and which partners were told of it."""

    certificate: str
    announced: Sequence[AnnouncementState]


class Rotating(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In how many days the next key takes over, and for how many its certificate is valid."""

    switch: Annotated[Days, msgspec.Meta(description="Days from now at which the next key takes over.")] = 14
    days: Annotated[Days, msgspec.Meta(description="Days for which its certificate is valid.")] = 730


class Hastening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the next key takes over."""

    at: Annotated[Moment | None, msgspec.Meta(description="When it takes over; left out: at once.")] = None


class Keeping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many days a class is kept, once nothing open needs it, and by which rule or decision."""

    days: Annotated[int, msgspec.Meta(ge=0, le=MAX_DAYS, description="How many days.")]
    because: Reason


class Unsetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which rule or decision a class is kept from now on."""

    because: Reason


class ShelfKept(msgspec.Struct, frozen=True, kw_only=True):
    """What now holds of a class; without a rule it is kept."""

    shelf: str
    rule: Rule | None


class PuttingAway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be put away now."""

    shelf: Annotated[str | None, msgspec.Meta(description="Only this class.")] = None
    dry_run: Annotated[bool, msgspec.Meta(description="Only say what would go.")] = False


class SettingList(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting. A secret's value is never shown, only whether there is one."""

    mode: Literal["demo", "production"]
    settings: Sequence[SettingShown]


@router.get("/v1/keys", tags=["keys"], openapi_extra=describe(gives=Keys))
async def every_key(service: Served, caller: KeyKeeper) -> Response:
    """The keys this gateway signs with, and what each is now. No secret is among what is told of them."""
    node = service.node
    found = await asyncio.to_thread(keys.every, node.settings, node.clock())
    return Response(encode(Keys(keys=found)), headers=NO_STORE, media_type=JSON)


@router.get("/v1/keys/{identity}", tags=["keys"], openapi_extra=describe(gives=KeyWhole))
async def one_key(identity: KeyId, service: Served, caller: KeyKeeper) -> Response:
    """One key by its id, or by its name the one that signs now: everything but its secret, and which partners acknowledged it."""
    node, at = service.node, service.node.clock()

    def look(connection: Connection) -> KeyWhole:
        key = keys.find(node.settings, identity, at)
        told = announce.states_of(connection, key.fingerprint)
        return KeyWhole(**msgspec.structs.asdict(keys.shown(node.settings, key, at)), certificate=key.pem, announced=told)

    return await shown(service, look)


@router.post(
    "/v1/keys/{name}/rotate",
    tags=["keys"],
    openapi_extra=describe(takes=Rotating, gives=KeyShown, accepts=Proposal, status=201, limit=LIMIT, again=True),
)
async def rotate(name: KeyName, request: Request, service: Served, caller: KeyKeeper) -> Response:
    """Makes the next key of this name on this node. Partners hear of its certificate first, within a minute; it signs only from the switch on. A
    key that a token holds is rotated at a terminal."""
    given, node, at = await asked(request, service, Rotating), service.node, service.node.clock()
    made: list[KeyShown | Proposal] = []

    def job(connection: Connection) -> Done:
        if not made:  # the writer may try again, and there is one next key at a time
            made.append(keys.rotate(connection, node.settings, name, switch=given.switch, days=given.days, who=caller, at=at))
        one = made[0]
        return Done(one, 202) if isinstance(one, Proposal) else Done(one, 201, f"/v1/keys/{one.id}")

    return await done(request, service, caller, given, job)


@router.post(
    "/v1/keys/{name}/hasten",
    tags=["keys"],
    openapi_extra=describe(takes=Hastening, gives=Hastened, accepts=Proposal, limit=LIMIT, again=True),
)
async def hasten(name: KeyName, request: Request, service: Served, caller: KeyKeeper) -> Response:
    """Brings the announced switch forward, because the key that signs now was stolen. Where nodes keep keys of their own, it is asked of each with
    one moment."""
    given, node, at = await asked(request, service, Hastening), service.node, service.node.clock()

    def job(connection: Connection) -> Done:
        return decided(keys.hasten(connection, node, name, signs_from=given.at, who=caller, at=at))

    return await done(request, service, caller, given, job)


@router.post("/v1/keys/{name}/drop", tags=["keys"], openapi_extra=describe(gives=Dropped, accepts=Proposal, again=True))
async def drop(name: KeyName, request: Request, service: Served, caller: KeyKeeper) -> Response:
    """Drops the next key before it takes over, because it was stolen. Where nodes keep keys of their own, it is asked of each."""
    node, at = service.node, service.node.clock()

    def job(connection: Connection) -> Done:
        return decided(keys.drop(connection, node.settings, name, who=caller, at=at))

    return await done(request, service, caller, None, job)


@router.get("/v1/retention", tags=["retention"], openapi_extra=describe(gives=Overview))
async def overview(service: Served, caller: RetentionKeeper) -> Response:
    """What is kept, by which rule, what would go now, how it grows, and when the disk is full. It looks at every row there is."""
    return await shown(service, lambda connection: growth.overview(connection, service.node, service.node.clock()))


@router.post(
    "/v1/retention/{shelf}/set",
    tags=["retention"],
    openapi_extra=describe(takes=Keeping, gives=ShelfKept, accepts=Proposal, limit=LIMIT, again=True),
)
async def keep_for(shelf: Shelf, request: Request, service: Served, caller: RetentionKeeper) -> Response:
    """Says how long a class is kept. It counts from a day later on; what is put away at a person's word does not wait."""
    given, at = await asked(request, service, Keeping), service.node.clock()

    def job(connection: Connection) -> Done:
        waits = putting_away.decide_rule(
            connection, service.node.settings, shelf, given.days, because=given.because, who=caller, at=at
        )
        if waits is not None:
            return Done(waits, 202)
        return Done(ShelfKept(shelf=shelf, rule=retention.rules(connection)[shelf]))

    return await done(request, service, caller, given, job)


@router.post(
    "/v1/retention/{shelf}/unset",
    tags=["retention"],
    openapi_extra=describe(takes=Unsetting, gives=ShelfKept, limit=LIMIT, again=True),
)
async def keep(shelf: Shelf, request: Request, service: Served, caller: RetentionKeeper) -> Response:
    """Has a class kept from now on; one of staff goes by its default again."""
    given, at = await asked(request, service, Unsetting), service.node.clock()

    def job(connection: Connection) -> Done:
        retention.unset_rule(connection, shelf, because=given.because, who=caller, at=at)
        return Done(ShelfKept(shelf=shelf, rule=retention.rules(connection).get(shelf)))

    return await done(request, service, caller, given, job)


@router.post(
    "/v1/retention/run", tags=["retention"], openapi_extra=describe(takes=PuttingAway, accepts=Job, limit=LIMIT, again=True)
)
async def put_away(request: Request, service: Served, caller: RetentionKeeper) -> Response:
    """Puts away now what is closed and past its rule, as a job, or only counts it. A serving gateway does so by itself, every hour."""
    given = await asked(request, service, PuttingAway)
    if given.shelf is not None:
        retention.class_of(given.shelf)
    wanted: dict[str, Any] = {"shelf": given.shelf, "dry_run": given.dry_run}
    return await begun(request, service, caller, JobKind.RETENTION_RUN, wanted)


@router.get("/v1/settings", tags=["settings"], openapi_extra=describe(gives=SettingList))
async def settings(service: Served, caller: Auditor) -> Response:
    """The settings of this node, and where each is from."""
    mine = service.node.settings
    said = SettingList(mode=mine.mode, settings=chosen.settings(mine))
    return Response(encode(said), headers=NO_STORE, media_type=JSON)
