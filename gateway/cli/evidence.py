"""``aeo-gateway evidence``: the proof of one message in one file, for somebody who trusts neither us nor our database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import Json, console, escape, print_json, settings
from gateway.cli.terminal import partner_code
from gateway.journal import evidence, proof
from gateway.store.database import Database

app = typer.Typer(
    no_args_is_help=True, help="The proof of one message in one file, for somebody who trusts neither us nor our database."
)
_MARKS = {True: "[green]holds[/]", False: "[red]does not hold[/]", None: "[yellow]open[/]"}


@app.command()
def export(
    message_id: Annotated[str, typer.Argument(help="The id of a message received, or sent and receipted.")],
    to: Annotated[Path | None, typer.Option("--to", help="The file; default evidence-<id>.zip here.")] = None,
    partner: Annotated[
        str | None, typer.Option(parser=partner_code, metavar="TEXT", help="Whose message, where two partners used one id.")
    ] = None,
) -> None:
    """Write the evidence of one message: message, receipt, certificates, revocation facts, journal proof, and a README."""
    chosen = settings()
    database = Database(chosen.database_url)
    database.migrate()
    try:
        with database.reading() as connection:
            packed = evidence.export(connection, chosen, message_id, partner)
    finally:
        database.close()
    file = to or Path(f"evidence-{message_id.replace(':', '-')}.zip")
    file.write_bytes(packed)
    console.print(f"{file} ({len(packed)} bytes). Its README.txt says how to check it without this gateway.", highlight=False)


@app.command()
def verify(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], json: Json = False) -> None:
    """Check an evidence file; it needs no database and no network. Exit 1 where anything does not hold."""
    checks = proof.verify(file.read_bytes())
    if json:
        print_json(checks)
    else:
        for check in checks:
            console.print(f"{_MARKS[check.holds]}  {check.name}: {escape(check.detail)}", highlight=False, soft_wrap=True)
    sys.exit(any(check.holds is False for check in checks))
