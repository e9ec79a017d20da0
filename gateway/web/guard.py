"""Who may use a route: every route names its scope, and the token must carry it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer

from gateway.core.access import PrincipalKind, Scope
from gateway.store import readings
from gateway.store.tokens import Caller
from gateway.web.http import peer
from gateway.web.service import Service

_bearer = HTTPBearer(auto_error=False, description="aeo-gateway token create")


def service_of(request: Request) -> Service:
    """What the routes serve from."""
    service: Service = request.app.state.service
    return service


class Need:
    """A dependency that lets in only a token with ``scope``, and gives its holder."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, presented: Annotated[object, Depends(_bearer)]) -> Caller:
        # Read from the header itself: what HTTPBearer makes of it is only for the documentation.
        service = service_of(request)
        caller = await service.admit(request.headers.get("authorization", ""), self.scope)
        caller = replace(caller, address=peer.address(request, service.node.settings.proxy))
        request.scope["caller"] = caller
        return caller


async def note_reading(service: Service, caller: Caller, what: Literal["operator", "enterprise", "told"], subject: str) -> None:
    """Whoever reads what is kept of somebody is in the journal before it is shown; of systems the log says that."""
    if caller.kind is not PrincipalKind.SYSTEM:
        await service.node.write(partial(readings.note, who=caller, what=what, subject=subject, at=service.node.clock()))


#: The number of something in a path; there is nothing of any other.
Number = Annotated[int, Path(json_schema_extra={"minimum": 1, "maximum": 2**63 - 1})]
Served = Annotated[Service, Depends(service_of)]
Clearance = Annotated[Caller, Depends(Need(Scope.CLEARANCE_READ))]
Auditor = Annotated[Caller, Depends(Need(Scope.AUDIT_READ))]
Stopper = Annotated[Caller, Depends(Need(Scope.STOP_WRITE))]
Scraper = Annotated[Caller, Depends(Need(Scope.METRICS_READ))]
