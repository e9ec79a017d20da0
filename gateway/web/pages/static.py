"""What pages need beside themselves: one stylesheet, one script. Their addresses change with their content, so a browser may keep them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.web.pages.render import STATIC

router = APIRouter(include_in_schema=False)
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


@router.get("/static/{stamp}/{name}")
async def static(stamp: str, name: str) -> Response:
    """A stylesheet or a script, by the newest content whatever ``stamp`` says."""
    if name not in STATIC:
        raise Refusal(Code.NOT_FOUND)
    return Response(STATIC[name], headers=_KEPT, media_type=_TYPES["." + name.rpartition(".")[2]])
