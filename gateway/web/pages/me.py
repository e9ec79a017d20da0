"""Who I am here, where I am signed in, and what signs in for me."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy import Connection
from starlette.responses import Response

from gateway.clearance.wording import Language
from gateway.core.errors import Code, Refusal
from gateway.core.names import visible_at_all
from gateway.store import passkeys, principals, sessions, tokens
from gateway.store.sessions import SignedIn
from gateway.web.pages.forms import Typed
from gateway.web.pages.render import go, page
from gateway.web.pages.routes import router as pages
from gateway.web.pages.visit import Person, Visit, Visiting

router = pages()
ME = "/me"
#: For how many days a personal token can be good.
CHOICES = (7, 30, 90, 365)
LONGEST_NAME = 80


@router.get(ME)
async def me(come: Visiting, who: Person) -> Response:
    """Everything about oneself."""
    return await shown(come, who)


@router.post(f"{ME}/language")
async def language(come: Visiting, who: Person, typed: Typed) -> Response:
    """In which language one reads."""
    chosen = typed.get("language", "")
    own = chosen if chosen in set(Language) else None
    await come.service.node.write(partial(principals.read_in, identity=who.actor.principal, language=own))
    return go(ME)


@router.post(f"{ME}/sessions")
async def end_session(come: Visiting, who: Person, typed: Typed) -> Response:
    """Ends a session of one's own, or all but this."""
    at, which, actor = come.service.node.clock(), typed.get("session", ""), who.actor

    def job(connection: Connection) -> None:
        if which == "others":
            sessions.end_all(connection, actor.principal, at=at, by=actor, but=who.session.id)
        else:
            sessions.end(connection, actor.principal, which, at=at, by=actor)

    await come.service.node.write(job)
    return go("/sign-in" if which == who.session.id else f"{ME}#sessions")


@router.post(f"{ME}/tokens")
async def make_token(come: Visiting, who: Person, typed: Typed) -> Response:
    """A personal token, shown this once."""
    at, actor, name = come.service.node.clock(), who.actor, typed.get("token-name", "").strip()
    days = next((days for days in CHOICES if str(days) == typed.get("days")), CHOICES[1])
    if not visible_at_all(name) or len(name) > LONGEST_NAME or not name.isprintable():
        detail, facts = "A token needs a name that tells it from your others.", {"page": "token-name"}
        refused = Refusal(Code.DATA_INVALID, detail, field="token-name", value=name, remedy="Name what it is for.", facts=facts)
        return await shown(come, who, refused)
    make = partial(tokens.personal, holder=actor.principal, name=name, at=at, expires=at + timedelta(days=days), by=actor)
    _, secret = await come.service.node.write(make)
    return page(come, "token.html", secret=secret)


@router.post(f"{ME}/tokens/revoke")
async def revoke_token(come: Visiting, who: Person, typed: Typed) -> Response:
    """Takes a token of one's own back."""
    at, actor, which = come.service.node.clock(), who.actor, typed.get("token", "")

    def job(connection: Connection) -> None:
        if all(one.id != which for one in tokens.issued(connection, actor.principal)):
            which_facts = {"page": "no-token"}
            raise Refusal(
                Code.NOT_FOUND, "No token of yours has this id.", remedy="Look at those that there are.", facts=which_facts
            )
        tokens.revoke(connection, which, at=at, by=actor)

    await come.service.node.write(job)
    return go(f"{ME}#tokens")


async def shown(come: Visit, who: SignedIn, refused: Refusal | None = None) -> Response:
    """The page, with what went wrong on it."""
    now, identity = come.service.node.clock(), who.actor.principal

    def look(connection: Connection) -> dict[str, object]:
        mine = [one for one in tokens.issued(connection, identity) if one.revoked is None and one.expires > now]
        return {
            "person": principals.find(connection, identity),
            "sessions": sessions.listed(connection, identity, now),
            "tokens": mine,
            "passkeys": passkeys.listed(connection, identity),
        }

    facts = await come.look(look)
    status = refused.code.row.status if refused else 200
    return page(come, "me.html", status, refused=refused, mine=who.session.id, choices=CHOICES, **facts)
