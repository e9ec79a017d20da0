"""``aeo-gateway void``: two people annul a message, or everything that a stolen key of a partner signed since a moment."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import Connection

from gateway.cli.common import Json, changing, console, escape, moment, print_json
from gateway.cli.show import activated
from gateway.cli.tables import Table
from gateway.cli.terminal import partner_code
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.exchange import void
from gateway.exchange.void import Voiding, VoidScope
from gateway.node.context import utc_now
from gateway.store.active import ActivePartners

app = typer.Typer(
    no_args_is_help=True,
    help="Annul what should never have been believed: a message, or what a stolen key signed. It takes two people, always.",
)


@app.command()
def propose(
    reason: Annotated[str, typer.Option(help="Why; the journal keeps it.")],
    message: Annotated[str | None, typer.Option(help="The id of a message that came in.")] = None,
    certificate: Annotated[str | None, typer.Option(help="SHA-256 of a partner's certificate whose key was stolen.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment, metavar="MOMENT", help="Since when (UTC where no zone is named) nothing of that key is to be believed."
        ),
    ] = None,
    partner: Annotated[
        str | None, typer.Option(parser=partner_code, metavar="TEXT", help="Whose it is, where two partners used one message id.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The first person: say what is to be annulled, and see what would go with it. Nothing changes yet."""
    if (message is None) == (certificate is None) or (certificate is None) != (since is None):
        raise Refusal(Code.DATA_INVALID, "Give either --message, or --certificate and --since.")
    at, owner = utc_now(), partner
    with changing() as connection:
        who = acting(connection, Scope.PARTNER_ADMIN)
        partners = _partners(connection)
        if certificate is not None and since is not None:
            one = void.propose_certificate(connection, partners, certificate, since, partner=owner, reason=reason, who=who, at=at)
        else:
            one = void.propose_message(connection, message or "", partner=owner, reason=reason, who=who, at=at)
        would = void.scope_of(connection, partners.get(one.partner), one)
    if as_json:
        print_json({"void": one, "reach": would})
        return
    console.print(f"Proposed: number {one.id}. It would annul, as things are now:", highlight=False)
    _show(would)
    console.print(f"A second person confirms it: aeo-gateway void confirm {one.id}", highlight=False)


@app.command()
def confirm(identity: Annotated[int, typer.Argument(help="The number, as `void list` shows it.")], as_json: Json = False) -> None:
    """The second person: it is done, at once and on every node."""
    with changing() as connection:
        done = void.confirm(connection, _partners(connection), identity, who=acting(connection, Scope.PARTNER_ADMIN), at=utc_now())
    if as_json:
        print_json({"void": done.voiding, "reach": done.scope})
        return
    console.print(
        f"Annulled: {done.voiding.operators} operators stand as if it had not been said. Every node follows within a second.",
        highlight=False,
    )
    _show(done.scope)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Everything annulled, or proposed to be, the newest first."""
    with activated() as (connection, _):
        rows = void.recorded(connection)
    if as_json:
        print_json(rows)
        return
    table = Table("no.", "partner", "what", "since (UTC)", "proposed by", "confirmed by", "operators", "reason")
    for row in rows:
        table.add_row(
            str(row.id),
            row.partner,
            f"{row.what} {escape(row.subject)}",
            f"{row.since:%Y-%m-%d %H:%M}" if row.since else "-",
            f"{escape(row.proposed_by)}, {row.proposed:%Y-%m-%d %H:%M}",
            _confirmed(row),
            str(row.operators) if row.confirmed else "-",
            escape(row.reason),
        )
    console.print(table if rows else "Nothing was ever annulled.")


def _confirmed(row: Voiding) -> str:
    if row.confirmed:
        return f"{escape(row.confirmed_by or '')}, {row.confirmed:%Y-%m-%d %H:%M}"
    if row.ended:
        return f"[yellow]ended[/] {row.ended:%Y-%m-%d %H:%M}: {row.ended_because}"
    return "[yellow]not yet[/]"


def _partners(connection: Connection) -> ActivePartners:
    partners = ActivePartners()
    partners.refresh(connection)
    return partners


def _show(scope: VoidScope) -> None:
    for label, names in (("message", scope.messages), ("certificate", scope.certificates)):
        for name in names:
            console.print(f"  {label} {name}", highlight=False, soft_wrap=True, markup=False)
