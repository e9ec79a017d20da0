"""``aeo-gateway outbox``: what is on its way to partners, what failed, and sending it again."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.app import utc_now
from gateway.cli.common import Json, console, escape, print_json, settings
from gateway.cli.domestic import opened
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.exchange.deliver import resend as sending
from gateway.store import circuits, sent
from gateway.store.database import Database
from gateway.views import messages

app = typer.Typer(no_args_is_help=True, help="What is on its way to partners, what failed, and sending it again.")


@app.command("list")
def listed(
    partner: Annotated[str | None, typer.Option(help="Only to this partner.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only in these states; default: everything that did not arrive.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    json: Json = False,
) -> None:
    """Messages that did not arrive yet, the latest first, and the lines that rest."""
    database = Database(settings().database_url)
    database.migrate()
    try:
        with database.reading() as connection:
            rows = messages.undelivered(connection, partner=partner, states=state or messages.UNDELIVERED, most=most)
            lines = circuits.broken(connection)
    finally:
        database.close()
    if json:
        resting = [{"partner": iso, "failures": one[0], "until": one[1], "problem": one[2]} for iso, one in lines.items()]
        print_json({"messages": rows, "lines": resting})
        return
    shown = Table("id", "to", "kind", "state", "tries", "made", "expires", "problem")
    for row in rows:
        colour = "red" if row["state"] in messages.FAILED else "yellow"
        made, ends = (f"{row[name]:%Y-%m-%d %H:%M}" for name in ("created", "expires"))
        problem = escape(row["problem"] or "")
        shown.add_row(
            row["message_id"], row["partner"], row["kind"], f"[{colour}]{row['state']}[/]", str(row["attempt"]), made, ends, problem
        )
    console.print(shown if rows else "There is no such message: what was to go out has arrived.")
    for iso, (failures, until, problem) in lines.items():
        console.print(
            f"{iso}: {failures} tries failed in a row; left alone until {until:%H:%M:%S} UTC: {escape(problem or '')}",
            highlight=False,
        )


@app.command()
def resend(
    message_ids: Annotated[list[str] | None, typer.Argument(help="Ids of messages that ended.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is journalled with your name.")] = "",
    partner: Annotated[str | None, typer.Option(help="With --failed: only to this partner.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Everything refused or expired.")] = False,
) -> None:
    """Send messages again: the same bytes while the partner takes them, otherwise what stands for them now."""
    if not reason.strip():
        raise Refusal(Code.DATA_INVALID, "A reason must be given.", field="--reason")
    chosen = list(message_ids or ())
    with opened() as desk, desk.database.write.begin() as connection:
        if failed:
            chosen += sent.ids_in(connection, messages.FAILED, partner)
        if failed and not chosen:
            console.print("Nothing was refused, and nothing has expired.")
            return
        done = sending.by_hand(connection, desk, chosen, who=acting(connection, Scope.EXCHANGE_WRITE), reason=reason, at=utc_now())
    if missing := [one for one in chosen if one not in done]:
        console.print(f"Not sent again, because they are unknown or have not ended: {', '.join(missing)}", highlight=False)
    console.print(f"{len(done)} messages are queued again, or what stands for them now.", highlight=False)
    if not done:
        raise typer.Exit(1)
