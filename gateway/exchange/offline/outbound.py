"""Our complete list for a partner that is not connected, as a spreadsheet in its own columns, for a person to mail.

It says what a list of ours to a connected partner would say, and nothing more (``news.pictured``). What it says is noted as told, in a
message of the state ``mailed``: no receipt ever proves it, so it never counts as known to the partner. The first thing that a partner
hears once it is connected is the complete list, as if nothing had been mailed.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

import msgspec
from sqlalchemy import Connection

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.domestic.projection import LEARNED, code_prefix, shared_on
from gateway.exchange.tell import complete, recipient
from gateway.exchange.tell.recipient import LeftOut
from gateway.exchange.tell.told import last_told
from gateway.node.context import Context, connected, day_of, new_id
from gateway.store import disclosures, enterprises, journal, outbox, partners
from gateway.store.active import ActivePartner
from gateway.wire.sheet import Sheet


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be mailed: how many enterprises it names, the fields that may be told and have no column, and whom it cannot name."""

    message_id: str
    named: int
    digest: str
    no_place: list[str]
    unsaid: list[LeftOut]
    body: bytes


def write(connection: Connection, node: Context, live: ActivePartner, name: str, *, who: Actor, at: datetime) -> Transcript:
    """Writes the file ``name`` (.xlsx or .csv) and notes what it tells.

    Raises ``Refusal`` DATA_INVALID where nothing may be told, where the partner is connected and so is told by message, or where its
    columns cannot be written.
    """
    arrangement, day = live.arrangement, day_of(at)
    iso, sheet = arrangement.iso, live.bundle.sheet
    partners.lock(connection, iso)
    _may(connection, live, at)
    last, _ = last_told(disclosures.tellings(connection, iso))
    named, omitted = complete.pictured(connection, arrangement, day, last)
    rows, unsaid = _expressible(sheet, iso, named)
    tins = {one.tin for _, one in rows}
    omitted += [
        (one.uscc, Statement(tin=before.tin, standing=Standing.DELISTED))
        for one in unsaid
        if one.uscc in last and (before := last[one.uscc].statement).standing in LEARNED and before.tin not in tins
    ]
    body = sheet.write(name, [statement for _, statement in rows])
    message_id, digest = new_id(), sha256(body).hexdigest()
    row = outbox.note_mailed(
        connection,
        partner=iso,
        sender=node.settings.administration,
        environment=node.environment,
        message_id=message_id,
        file=name,
        body=body,
        digest=digest,
        picture=Picture(as_of=at),
        bundle=live.bundle.digest,
        at=at,
    )
    # A column that is not there was not told.
    told = [(uscc, _as_written(sheet, statement)) for uscc, statement in rows]
    disclosures.tell(connection, iso, [*told, *omitted], row, at)
    said: dict[str, object] = {
        "message": Kind.LIST.value,
        "file": name,
        "digest": digest,
        "who": who.name,
        "by": who.noted,
        "names": len(rows),
    }
    journal.append(connection, "mailed", message_id, said | {"partner_data": live.bundle.digest}, at=at, partner=iso)
    no_place = sorted(shared_on(arrangement, day) - sheet.columns.says)
    return Transcript(message_id=message_id, named=len(rows), digest=digest, no_place=no_place, unsaid=unsaid, body=body)


def _may(connection: Connection, live: ActivePartner, at: datetime) -> None:
    iso, day = live.arrangement.iso, day_of(at)
    against, remedy = None, f"aeo-gateway partner show {iso}"
    if live.state != "active":
        against = f"Exchange with {iso} is {live.state}."
    elif connected(live):
        against = f"{iso} is connected: it is told by signed messages."
    elif live.arrangement.in_force.on(day).value is not True:
        against = f"The arrangement with {iso} is not known to be in force."
    elif code_prefix(live.arrangement, day) is None:
        against = f"The form of Chinese codes for {iso} is not known."
    elif not enterprises.any_known(connection):
        against = "The domestic feed names no enterprise yet; a list of nobody would take everybody's benefits away."
        remedy = "aeo-gateway domestic import"
    if against:
        raise Refusal(Code.DATA_INVALID, against, remedy=remedy)


def _expressible(
    sheet: Sheet, iso: str, named: recipient.StatementsByEnterprise
) -> tuple[list[tuple[str, Statement]], list[LeftOut]]:
    rows: list[tuple[str, Statement]] = []
    unsaid: list[LeftOut] = []
    for uscc, (statement,) in named.items():
        try:
            sheet.columns.write(statement)
        except Refusal as refusal:
            unsaid.append(LeftOut(iso, uscc, str(refusal.code), f"{refusal.detail} {refusal.remedy}"))
        else:
            rows.append((uscc, statement))
    return rows, unsaid


def _as_written(sheet: Sheet, statement: Statement) -> Statement:
    lost = {
        name: None for name in Statement.__struct_fields__ if name not in ("tin", "standing") and name not in sheet.columns.says
    }
    return msgspec.structs.replace(statement, **lost)
