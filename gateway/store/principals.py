"""Principals: the persons and systems that can do anything here, what they may do now, and which two persons hang on each other.

Everything that changes one of them is in the journal, under its id.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from gateway.core import names
from gateway.core.access import Actor, PrincipalKind, Scope, StaffRole, Way, scopes_of
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import TIED_FOR
from gateway.store import journal
from gateway.store.tables import deputy, principal, tie, token

#: Why two persons are tied, as the sentence goes on after "cannot be the two: ".
_WHY = {
    "created": "one of them made the other known here less than {days} days ago.",
    "sign-in": "one of them reset how the other signs in less than {days} days ago.",
    "roles": "one of them changed what the other may do less than {days} days ago.",
    "token": "one of them made a token of the other.",
}
#: What every id looks like, and no name may.
_ID = re.compile(r"[0-9a-f]{16}")
#: Under which number PostgreSQL has whoever lets people in wait for whoever does.
_LETTING_IN = 7_226_284
_UNKNOWN = Refusal(Code.NOT_FOUND, "There is nobody of this id or name.", remedy="aeo-gateway principal list")


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A person or system as an administrator sees it. ``exempt``: the second person of an installation, whom nobody but the first looked at
    yet. ``set_up``: it can sign in. ``account``: which one at the administration's own provider signs it in, as ISSUER SUBJECT."""

    id: str
    kind: PrincipalKind
    name: str
    email: str | None
    language: str | None
    roles: tuple[StaffRole, ...]
    created: datetime
    created_by: str | None
    disabled: datetime | None
    exempt: bool
    set_up: bool
    account: str | None = None


def add_person(
    connection: Connection,
    name: str,
    roles: Iterable[StaffRole],
    *,
    by: Sequence[Actor],
    at: datetime,
    email: str | None = None,
    language: str | None = None,
    exempt: bool = False,
    reason: str = "",
) -> Principal:
    """A person that nothing is known of yet but this. ``by``: who decided it; they are tied to it, unless it is ``exempt``. Raises ``Refusal``
    DATA_INVALID for a name that is empty, holds what is not to be seen, or is somebody's already."""
    chosen = sorted(set(roles))
    _name(connection, name, email)
    if not chosen:
        raise Refusal(Code.DATA_INVALID, "A person needs a role.", field="roles", remedy=f"Name one of: {', '.join(StaffRole)}.")
    one = _add(
        connection,
        PrincipalKind.PERSON,
        name,
        at,
        email=email,
        language=language,
        roles=" ".join(chosen),
        exempt=exempt,
        created_by=by[-1].principal if by else None,
    )
    said: dict[str, object] = {"created": name, "roles": chosen, "reason": reason, "by": [each.noted for each in by]}
    journal.append(connection, "principal", one.id, said, at=at)
    if not exempt:
        tie_to(connection, one.id, by, "created", at)
    return one


def system(connection: Connection, name: str, *, by: Actor, at: datetime) -> Principal:
    """The system of this name; a new one where there is none. Raises ``Refusal`` DATA_INVALID as ``add_person`` does."""
    row = connection.execute(select(principal).where(principal.c.name == name, principal.c.kind == PrincipalKind.SYSTEM)).first()
    if row is not None:
        return read(row)
    _name(connection, name)
    one = _add(connection, PrincipalKind.SYSTEM, name, at, created_by=by.principal)
    journal.append(connection, "principal", one.id, {"created": name, "kind": "system", "by": by.noted}, at=at)
    return one


def set_roles(
    connection: Connection, identity: str, roles: Iterable[StaffRole], *, by: Sequence[Actor], reason: str, at: datetime
) -> Principal:
    """What a person is from now on. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    one, chosen = find(connection, identity), sorted(set(roles))
    if one.kind is not PrincipalKind.PERSON or not chosen:
        raise Refusal(Code.DATA_INVALID, "Only a person has roles, and at least one.", field="roles")
    if StaffRole.ADMINISTRATOR not in chosen:
        _not_the_last(connection, one)
    connection.execute(update(principal).where(principal.c.id == one.id).values(roles=" ".join(chosen)))
    said: dict[str, object] = {"roles": chosen, "before": list(one.roles), "reason": reason, "by": [each.noted for each in by]}
    journal.append(connection, "principal", one.id, said, at=at)
    tie_to(connection, one.id, by, "roles", at)
    return find(connection, one.id)


def read_in(connection: Connection, identity: str, language: str | None) -> None:
    """In which language a person reads; that of its browser where none is named. Nothing hangs on it, so no journal keeps it."""
    connection.execute(update(principal).where(principal.c.id == identity).values(language=language))


def disable(connection: Connection, identity: str, *, by: Actor, reason: str, at: datetime) -> Principal:
    """Somebody may do nothing any more, at once; what it did stays. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    one = find(connection, identity)
    _not_the_last(connection, one)
    connection.execute(update(principal).where(principal.c.id == one.id).values(disabled=at))
    connection.execute(update(token).where(token.c.principal == one.id, token.c.revoked.is_(None)).values(revoked=at))
    journal.append(connection, "principal", one.id, {"disabled": True, "reason": reason, "by": by.noted}, at=at)
    return find(connection, one.id)


def acknowledge(connection: Connection, identity: str, *, by: Actor, at: datetime) -> Principal:
    """A third person has looked at the second one of this installation. Raises ``Refusal``: NOT_FOUND, DATA_INVALID for one of the two."""
    one = find(connection, identity)
    if not one.exempt:
        raise Refusal(Code.DATA_INVALID, f"{one.name} needs no acknowledgement.")
    if by.kind is not PrincipalKind.PERSON or by.principal in (one.id, one.created_by):
        raise Refusal(Code.DATA_INVALID, f"{one.name} was made known here by one person alone: it takes a third to look at that.")
    connection.execute(update(principal).where(principal.c.id == one.id).values(exempt=False))
    journal.append(connection, "principal", one.id, {"acknowledged": True, "by": by.noted}, at=at)
    return find(connection, one.id)


def lock(connection: Connection) -> None:
    """Has whatever lets people in or shuts them out be done one after the other; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LETTING_IN)))


def tie_to(connection: Connection, identity: str, those: Iterable[Actor], why: str, at: datetime) -> None:
    """These persons did something to another (``created``, ``sign-in``, ``roles``), or made a ``token`` of a system, that keeps them from being
    two with it. An emergency may have been anybody: whoever is let in by one is tied to itself, and so to everybody; but for the first
    person there is."""
    made = list(those)
    others = {one.principal for one in made if one.kind is PrincipalKind.PERSON} - {identity}
    if any(one.kind is PrincipalKind.EMERGENCY for one in made) and persons(connection) > 1:
        others.add(identity)
    known = connection.execute(select(principal.c.id).where(principal.c.id.in_(others)).order_by(principal.c.id)).scalars().all()
    if known:
        connection.execute(insert(tie), [{"principal": identity, "other": other, "since": at, "why": why} for other in known])


def tied(connection: Connection, one: str, other: str, at: datetime) -> str | None:
    """Why these two cannot be the two of a decision now, or None. Two whom the same third made known, or let in anew, hang on him alike:
    he could be both. So could whoever two e-mails lead to."""
    pair = or_(
        and_(tie.c.principal == one, tie.c.other == other),
        and_(tie.c.principal == other, tie.c.other == one),
    )
    recent = tie.c.since > at - TIED_FOR
    lasting = or_(recent, tie.c.why == "token")  # whoever made it may have kept it
    row = connection.execute(select(tie.c.why).where(pair, lasting).order_by(tie.c.since.desc())).first()
    if row is not None:
        return _WHY[row.why].format(days=TIED_FOR.days)
    both = tie.c.principal.in_((one, other))
    if connection.execute(select(tie.c.id).where(both, tie.c.principal == tie.c.other, recent).limit(1)).first() is not None:
        return f"an emergency, which may have been anybody, let one of them in less than {TIED_FOR.days} days ago."
    mails = connection.execute(select(principal.c.email).where(principal.c.id.in_((one, other)))).scalars().all()
    if len(mails) == 2 and all(mails) and len({str(each).strip().casefold() for each in mails}) == 1:
        return "both have one e-mail, so they may be one person."
    hands = [
        set(connection.execute(select(tie.c.other).where(tie.c.principal == each, recent, tie.c.why != "roles")).scalars())
        for each in (one, other)
    ]
    if hands[0] & hands[1]:
        return f"the same person let both in less than {TIED_FOR.days} days ago."
    return None


def find(connection: Connection, called: str) -> Principal:
    """By id or name: what looks like an id is one, and never a name. Raises ``Refusal`` NOT_FOUND."""
    column = principal.c.id if _ID.fullmatch(called) else principal.c.name
    row = connection.execute(select(principal).where(column == called)).first()
    if row is None:
        raise Refusal(_UNKNOWN.code, _UNKNOWN.detail, field="principal", value=called, remedy=_UNKNOWN.remedy)
    return read(row)


def listed(connection: Connection) -> list[Principal]:
    """Everybody there ever was: persons first, then by name."""
    return [read(row) for row in connection.execute(select(principal).order_by(principal.c.kind, principal.c.name))]


def anybody(connection: Connection) -> bool:
    """Whether there is a person: before that nobody can decide anything."""
    return connection.execute(select(principal.c.id).where(principal.c.kind == PrincipalKind.PERSON).limit(1)).first() is not None


def persons(connection: Connection) -> int:
    """How many persons there ever were."""
    query = select(func.count()).select_from(principal).where(principal.c.kind == PrincipalKind.PERSON)
    return int(connection.execute(query).scalar_one())


def person(connection: Connection, identity: str, way: Way, at: datetime, address: str = "") -> Actor:
    """A person as it may act now, with what it may do in another's place. Raises ``Refusal`` UNAUTHENTICATED for one that is there no
    more."""
    row = connection.execute(select(principal).where(principal.c.id == identity, principal.c.disabled.is_(None))).first()
    if row is None or row.kind != PrincipalKind.PERSON:
        raise Refusal(Code.UNAUTHENTICATED, "This person is not known here (any more).")
    scopes = scopes_of(_roles(row.roles)) | stood_in(connection, at).get(identity, frozenset())
    return Actor(principal=row.id, name=row.name, kind=PrincipalKind.PERSON, scopes=scopes, way=way, address=address)


def stood_in(connection: Connection, at: datetime) -> dict[str, frozenset[Scope]]:
    """What deputies may do now in others' places, by deputy."""
    query = (
        select(deputy.c.deputy, principal.c.roles)
        .join(principal, principal.c.id == deputy.c.principal)
        .where(deputy.c.since <= at, deputy.c.until > at, deputy.c.ended.is_(None), principal.c.disabled.is_(None))
    )
    found: dict[str, frozenset[Scope]] = {}
    for row in connection.execute(query):
        found[row.deputy] = found.get(row.deputy, frozenset()) | scopes_of(_roles(row.roles))
    return found


def _add(connection: Connection, kind: PrincipalKind, name: str, at: datetime, **more: object) -> Principal:
    values = {"id": secrets.token_hex(8), "kind": kind.value, "name": name.strip(), "created": at} | more
    return read(connection.execute(insert(principal).values(values).returning(*principal.c)).one())


def _name(connection: Connection, name: str, email: str | None = None) -> None:
    """What people see of somebody must tell him from everybody else, and what they type must not mean another."""
    if not names.visible_at_all(name) or not name.isprintable():
        raise Refusal(
            Code.DATA_INVALID, "A name needs letters that can be seen, and nothing that cannot.", field="name", value=name
        )
    if _ID.fullmatch(names.folded(name)):
        raise Refusal(
            Code.DATA_INVALID, "A name must not look like an id.", field="name", value=name, remedy="Choose another name."
        )
    for other in connection.execute(select(principal.c.name, principal.c.email)):
        if names.same(name, other.name):
            raise Refusal(
                Code.DATA_INVALID,
                f"Somebody goes by the name {other.name} already.",
                field="name",
                value=name,
                remedy="Choose a name that nobody takes for the other.",
            )
        if names.same(name, other.email or "") or names.same(email or "", other.name):
            raise Refusal(
                Code.DATA_INVALID,
                f"A name is the e-mail of another: people sign in with either, so {other.name} could be taken for {name}.",
                field="name" if names.same(name, other.email or "") else "email",
                remedy="Choose a name that is no e-mail.",
            )


def _not_the_last(connection: Connection, one: Principal) -> None:
    """Refuses to leave nobody who could let people in."""
    if StaffRole.ADMINISTRATOR not in one.roles or one.disabled:
        return
    others = (
        each for each in listed(connection) if each.id != one.id and not each.disabled and StaffRole.ADMINISTRATOR in each.roles
    )
    if next(others, None) is None:
        raise Refusal(Code.DATA_INVALID, f"{one.name} is the last administrator.", remedy="Make another one first.")


def _roles(stored: str) -> tuple[StaffRole, ...]:
    return tuple(map(StaffRole, stored.split()))


def read(row: Row[Any]) -> Principal:
    """A whole row of the table."""
    same = ("id", "name", "email", "language", "created", "created_by", "disabled", "exempt")
    return Principal(
        **{name: getattr(row, name) for name in same},
        kind=PrincipalKind(row.kind),
        roles=_roles(row.roles),
        set_up=row.password is not None or row.subject is not None,
        account=row.subject,
    )
