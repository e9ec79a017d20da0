"""``aeo-gateway journal``: is the record of what happened still what was sealed, and what does it say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.common import Json, console, escape, print_json, settings
from gateway.cli.tables import Table
from gateway.cli.terminal import partner_code
from gateway.core.errors import Code, Refusal
from gateway.core.protocol import Checkpoint
from gateway.journal import audit
from gateway.operate import long
from gateway.store.database import Database
from gateway.views import entries

app = typer.Typer(no_args_is_help=True, help="Is the record of what happened still what was sealed, and what does it say.")


@app.command()
def verify(
    witness: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="A receipt of ours that a partner kept (XML): the journal must agree with it."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Read the whole journal again. Names the first batch that was changed, cut or added to; exit 1 where there is one."""
    chosen = settings()
    witnesses = [_witness(path) for path in witness or ()]
    database = Database(chosen.database_url)
    database.migrate()
    try:
        found = long.verify(chosen, database, witnesses)
    finally:
        database.close()
    if json:
        print_json(found)
    else:
        console.print(
            f"{found.entries} entries in {found.checkpoints} sealed batches read; {found.witnesses} receipts agree; "
            f"{found.unsealed} entries are not sealed yet.",
            highlight=False,
        )
    fault = found.fault
    if fault is None:
        if not json:
            console.print("[green]The journal is what was sealed.[/]")
        return
    if not json:
        where = f"entry {fault.entry}" if fault.entry is not None else "which entry cannot be told"
        console.print(f"[red]{fault.what}[/]: the batch of entries {fault.first} to {fault.last}, {where}.", highlight=False)
        console.print(f"   {escape(fault.detail)}", highlight=False)
    sys.exit(1)


def _witness(path: Path) -> Checkpoint:
    found = audit.checkpoint_in(path.read_bytes())
    if found is None:
        raise Refusal(
            Code.DATA_INVALID,
            f"{path} carries no checkpoint: it is no receipt of ours, or one given before anything was sealed.",
            remedy="Give a later receipt, as the partner got it.",
        )
    return found


@app.command()
def show(
    kind: Annotated[
        str | None, typer.Option(help="Only entries of this kind: message, refusal, sent, delivered, decision ...")
    ] = None,
    partner: Annotated[str | None, typer.Option(parser=partner_code, metavar="TEXT", help="Only about this partner.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only about this message, list or record.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    json: Json = False,
) -> None:
    """The latest entries, newest first."""
    database = Database(settings().database_url)
    database.migrate()
    try:
        with database.reading() as connection:
            rows = entries.latest(connection, kind=kind, partner=partner, subject=subject, most=most)
    finally:
        database.close()
    if subject is not None and not rows:
        raise Refusal(Code.NOT_FOUND, f"The journal has no entry about {subject}.")
    if json:
        print_json(rows)
        return
    table = Table("position", "at", "kind", "partner", "subject", "says")
    for row in rows:
        said = {name: value for name, value in row.items() if name not in ("position", "at", "kind", "partner", "subject")}
        position = "unsealed" if row["position"] is None else str(row["position"])
        table.add_row(
            position,
            row["at"][:19],
            row["kind"],
            row["partner"] or "",
            escape(row["subject"]),
            escape(msgspec.json.encode(said).decode()),
        )
    console.print(table)
