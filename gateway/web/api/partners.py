"""Bringing a partner live over HTTP: what its data on disk is worth, what it would change, trying it, putting it in force, taking it back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.onboarding import activation, ondisk
from gateway.onboarding.finding import Checked, Finding
from gateway.onboarding.ondisk import DataChange
from gateway.partners import Bundle, PartnerFaults
from gateway.store import partners as stored
from gateway.store.jobs import Job
from gateway.store.tokens import Caller
from gateway.trust.certificates import ROLES, Pin
from gateway.trust.validate import PathVerdict
from gateway.web.api.doing import JSON, NO_STORE, Done, Reasoned, asked, attached, done, query, shown
from gateway.web.api.jobs import JobKind, begun
from gateway.web.api.questions import encode
from gateway.web.documents import describe
from gateway.web.guard import Need, Served
from gateway.web.service import Service
from gateway.wire.certificate import from_der, names

router = APIRouter(tags=["partners"])
LIMIT = 64 * 1024
Administrator = Annotated[Caller, Depends(Need(Scope.PARTNER_ADMIN))]
Reader = Annotated[Caller, Depends(Need(Scope.EXCHANGE_READ))]
#: A partner's code: it names a folder, so it is nothing but two letters.
Iso = Annotated[str, Path(pattern="^[A-Za-z]{2}$", description="The partner's code.")]


class Checking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far to look."""

    online: Annotated[bool, msgspec.Meta(description="Also ask the partner's endpoint: reachable, TLS as pinned, clock.")] = False


class CheckedData(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was looked at. ``passed``: nothing keeps it from being activated. ``digest`` is empty where it could not even be loaded."""

    iso: str
    digest: str
    passed: bool
    points: Sequence[Finding]


class Rehearsing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With whom."""

    against: Annotated[str | None, msgspec.Meta(description="The partner's own test endpoint; left out: the partner in a box.")] = (
        None
    )


class DataDecided(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the data on disk, in a sentence too. ``state``: active, or proposed, where a second person must activate the very same."""

    iso: str
    digest: str
    state: Literal["active", "proposed"]
    detail: str


class ExchangeState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether messages are exchanged with a partner: active, suspended or retired."""

    iso: str
    state: str


class KitWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the kit is to say."""

    endpoint: Annotated[str, msgspec.Meta(description="Our address as the partner will call it: https://.../exchange")] = ""


class CertificateShown(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate by which a partner proves itself: for what, from and until when we take it, and whether it may be relied on now (null: that
    cannot be told now), else why not. ``proven``: its holder showed that it holds the key."""

    role: str
    fingerprint: str
    subject: str
    since: datetime
    until: datetime
    proven: bool
    relied_on: bool | None
    detail: str


class CertificatesOf(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates of one partner, pinned or announced. What a stolen key signed is annulled by ``POST /v1/voids``."""

    iso: str
    certificates: Sequence[CertificateShown]


@router.get("/v1/partners/{iso}/check", openapi_extra=describe(query=Checking, gives=CheckedData))
async def check(iso: Iso, request: Request, service: Served, caller: Administrator) -> Response:
    """Everything about one partner's data on this installation's disk: what is right, what warns, what is wrong, and what to do."""
    wanted, node = query(request, Checking), service.node

    def look() -> bytes:
        found: Checked = ondisk.checked(node.settings, iso, node.clock(), online=wanted.online)
        return encode(CheckedData(iso=found.iso, digest=found.digest, passed=found.passed, points=found.points))

    return Response(await asyncio.to_thread(look), headers=NO_STORE, media_type=JSON)


@router.post("/v1/partners/{iso}/rehearse", openapi_extra=describe(takes=Rehearsing, accepts=Job, limit=LIMIT, again=True))
async def rehearse(iso: Iso, request: Request, service: Served, caller: Administrator) -> Response:
    """Has the whole conversation tried with the data on disk, over real HTTP, as a job; its result is the report. With the partner's own test
    endpoint it is begun once and never again."""
    given = await asked(request, service, Rehearsing)

    def load() -> None:
        """What cannot be loaded is refused at once."""
        with _faults(iso):
            ondisk.bundle_of(service.node.settings, iso)

    await asyncio.to_thread(load)
    wanted = {"partner": iso.upper(), "against": given.against}
    return await begun(request, service, caller, JobKind.REHEARSAL, wanted, again=given.against is None, partner=iso.upper())


@router.get("/v1/partners/{iso}/diff", openapi_extra=describe(gives=DataChange))
async def diff(iso: Iso, service: Served, caller: Administrator) -> Response:
    """What activating the data on disk would change: terms, messages, and which operators would be answered otherwise today."""

    def look(connection: Connection) -> DataChange:
        with _faults(iso):
            return ondisk.change(connection, service.node.settings, iso, service.node.clock())

    return await shown(service, look)


@router.post(
    "/v1/partners/{iso}/activate",
    openapi_extra=describe(takes=Reasoned, gives=DataDecided, accepts=DataDecided, limit=LIMIT, again=True),
)
async def activate(iso: Iso, request: Request, service: Served, caller: Administrator) -> Response:
    """Puts the data on disk in force: every node runs that, never its disk. It must have passed check and, in production, rehearsal; all that
    stands against it is named at once. Where it takes two people, the first one's call proposes it, with status 202, and the same call of
    a second person does it."""
    given, node, at = await asked(request, service, Reasoned), service.node, service.node.clock()

    def load() -> tuple[Bundle, Checked]:
        with _faults(iso):
            return ondisk.bundle_of(node.settings, iso), ondisk.checked(node.settings, iso, at)

    bundle, checked = await asyncio.to_thread(load)

    def job(connection: Connection) -> Done:
        said = activation.put_in_force(connection, bundle, checked, node.settings, who=caller, reason=given.reason, at=at)
        active = stored.locked(connection, bundle.iso) == ("active", bundle.digest)
        state: Literal["active", "proposed"] = "active" if active else "proposed"
        return Done(DataDecided(iso=bundle.iso, digest=bundle.digest, state=state, detail=said), 200 if active else 202)

    return await done(request, service, caller, given, job)


@router.post("/v1/partners/{iso}/suspend", openapi_extra=describe(takes=Reasoned, gives=ExchangeState, limit=LIMIT, again=True))
async def suspend(iso: Iso, request: Request, service: Served, caller: Administrator) -> Response:
    """Stops exchanging messages with a partner. Benefits of its operators are another thing: ``POST /v1/stops``."""
    return await _state(iso, "suspended", request, service, caller)


@router.post("/v1/partners/{iso}/resume", openapi_extra=describe(takes=Reasoned, gives=ExchangeState, limit=LIMIT, again=True))
async def resume(iso: Iso, request: Request, service: Served, caller: Administrator) -> Response:
    """Exchanges messages with a suspended partner again."""
    return await _state(iso, "active", request, service, caller)


@router.post("/v1/partners/{iso}/retire", openapi_extra=describe(takes=Reasoned, gives=ExchangeState, limit=LIMIT, again=True))
async def retire(iso: Iso, request: Request, service: Served, caller: Administrator) -> Response:
    """Ends the exchange with a partner for good; what it said stays, and answers of then can still be given."""
    return await _state(iso, "retired", request, service, caller)


@router.get("/v1/partners/{iso}/kit", openapi_extra=describe(query=KitWanted, gives=bytes, media=(JSON, "application/zip")))
async def kit(iso: Iso, request: Request, service: Served, caller: Administrator) -> Response:
    """What the partner's engineers need, as a ZIP: XSDs, signed sample messages, our certificates, the profile, the refusals, a verifier."""
    wanted, node = query(request, KitWanted), service.node

    def pack() -> bytes:
        with _faults(iso):
            return ondisk.packed(node.settings, iso, wanted.endpoint, node.clock)

    return attached(await asyncio.to_thread(pack), "application/zip", f"aeo-kit-{iso.lower()}.zip")


@router.get("/v1/partners/{iso}/certificates", openapi_extra=describe(gives=CertificatesOf))
async def certificates(iso: Iso, service: Served, caller: Reader) -> Response:
    """By what a partner proves itself: the certificates pinned in its data, and those it announced."""
    node, at = service.node, service.node.clock()
    if iso.upper() not in node.partners.all():
        raise Refusal(Code.NOT_FOUND, "There is no partner of this code.", field="iso", value=iso)

    def look() -> bytes:
        trust = node.trust.trust_of(iso.upper())
        judged = {pin: verdict for role in ROLES for pin, verdict in node.trust.verdicts(iso.upper(), role, at)}
        shown = [_certificate(pin, judged.get(pin)) for pin in trust.pins]
        return encode(CertificatesOf(iso=iso.upper(), certificates=shown))

    return Response(await asyncio.to_thread(look), headers=NO_STORE, media_type=JSON)


def _certificate(pin: Pin, verdict: PathVerdict | None) -> CertificateShown:
    subject, _ = names(from_der(pin.der))
    return CertificateShown(
        role=pin.role,
        fingerprint=pin.fingerprint,
        subject=subject,
        since=pin.not_before,
        until=pin.not_after,
        proven=pin.proven,
        relied_on=None if verdict is None or verdict.cannot_tell else verdict.passed,
        detail=verdict.detail if verdict else "",
    )


async def _state(iso: str, state: str, request: Request, service: Service, caller: Caller) -> Response:
    given, at = await asked(request, service, Reasoned), service.node.clock()

    def job(connection: Connection) -> Done:
        stored.set_state(connection, iso.upper(), state, at=at, who=caller, reason=given.reason)
        return Done(ExchangeState(iso=iso.upper(), state=state))

    return await done(request, service, caller, given, job)


@contextmanager
def _faults(iso: str) -> Iterator[None]:
    """Every fault of the data on disk as one refusal."""
    try:
        yield
    except PartnerFaults as found:
        remedy = f"GET /v1/partners/{iso.upper()}/check names each with its remedy."
        raise Refusal(Code.DATA_INVALID, "\n".join(map(str, found.faults)), field="iso", value=iso, remedy=remedy) from None
