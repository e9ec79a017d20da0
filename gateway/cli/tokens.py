"""``aeo-gateway token``: who may call the API, for what, until when. A token is shown once; only its hash is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from gateway.cli.common import Json, changing, console, escape, print_json
from gateway.cli.show import activated
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.node.context import utc_now
from gateway.store import tokens

app = typer.Typer(
    no_args_is_help=True, help="Who may call the API, for what, until when. A token is shown once; only its hash is kept."
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The system that will use it.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; may be repeated.")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is good for.")] = 365,
    as_json: Json = False,
) -> None:
    """Make a token and print it, this once."""
    now = utc_now()
    with changing() as connection:
        by = acting(connection, Scope.PRINCIPAL_ADMIN)
        identity, secret = tokens.create(connection, name, scope, at=now, expires=now + timedelta(days=days), by=by)
    if as_json:
        print_json({"id": identity, "token": secret})
        return
    console.print(f"Token {identity}; it is shown this once:", highlight=False)
    typer.echo(secret)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every token: its holder, scopes, end and last use."""
    with activated() as (connection, _):
        rows = tokens.issued(connection)
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print("No token was ever given out: aeo-gateway token create")
        return
    table = Table("id", "name", "holder", "scopes", "expires", "last used", "state")
    now = utc_now()
    for row in rows:
        state = "[red]revoked[/]" if row.revoked else "[red]expired[/]" if row.expires <= now else "[green]good[/]"
        used = f"{row.last_used:%Y-%m-%d %H:%M}" if row.last_used else "never"
        table.add_row(
            row.id,
            escape(row.name),
            escape(row.holder),
            "\n".join(row.scopes) or "as the person",
            f"{row.expires:%Y-%m-%d}",
            used,
            state,
        )
    console.print(table)


@app.command()
def revoke(identity: Annotated[str, typer.Argument(help="The token's id, as `token list` shows it.")]) -> None:
    """Take a token back; every node refuses it within a second."""
    with changing() as connection:
        tokens.revoke(connection, identity, at=utc_now(), by=acting(connection, Scope.PRINCIPAL_ADMIN))
    console.print(f"Token {identity} is revoked.", highlight=False)
