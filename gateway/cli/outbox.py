"""``aeo-gateway outbox``: what is on its way to partners, what failed, and sending it again."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.common import Json, console, escape, print_json
from gateway.cli.domestic import opened
from gateway.cli.tables import Table
from gateway.cli.terminal import partner_code
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.exchange.deliver import by_word
from gateway.node.context import utc_now
from gateway.store.outbox import FAILED
from gateway.views import outgoing

app = typer.Typer(no_args_is_help=True, help="What is on its way to partners, what failed, and sending it again.")


@app.command("list")
def listed(
    partner: Annotated[str | None, typer.Option(parser=partner_code, metavar="TEXT", help="Only to this partner.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only in these states; default: everything that did not arrive.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    json: Json = False,
) -> None:
    """Messages that did not arrive yet, the latest first, and the lines that rest."""
    with opened() as desk, desk.database.reading() as connection:
        rows, _ = outgoing.outgoing(connection, partner=partner, states=state or outgoing.UNDELIVERED, most=most)
        lines = outgoing.left_alone(connection)
    if json:
        print_json({"messages": rows, "lines": lines})
        return
    shown = Table("id", "to", "kind", "state", "tries", "made", "expires", "problem")
    for row in rows:
        colour = "red" if row.state in FAILED else "yellow"
        made, ends = (f"{moment:%Y-%m-%d %H:%M}" for moment in (row.created, row.expires))
        problem = escape(row.problem or "")
        shown.add_row(row.message_id, row.partner, row.kind, f"[{colour}]{row.state}[/]", str(row.attempt), made, ends, problem)
    if rows:
        console.print(shown)
    elif state:
        console.print("There is no message in such a state.")
    else:
        console.print("Nothing is on its way, and nothing failed.")
    for line in lines:
        console.print(
            f"{line.partner}: {line.failures} tries failed in a row; left alone until {line.until:%H:%M:%S} UTC: "
            f"{escape(line.problem or '')}",
            highlight=False,
        )


@app.command()
def resend(
    message_ids: Annotated[list[str] | None, typer.Argument(help="Ids of messages that ended.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is journalled with your name.")] = "",
    partner: Annotated[
        str | None, typer.Option(parser=partner_code, metavar="TEXT", help="With --failed: only to this partner.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Everything refused or expired.")] = False,
) -> None:
    """Send messages again: the same bytes while the partner takes them, otherwise what stands for them now."""
    if not reason.strip():
        raise Refusal(Code.DATA_INVALID, "A reason must be given.", field="--reason")
    with opened() as desk, desk.database.write.begin() as connection:
        done = by_word.send_again(
            connection,
            desk,
            list(message_ids or ()),
            failed=failed,
            partner=partner,
            who=acting(connection, Scope.EXCHANGE_WRITE),
            reason=reason,
            at=utc_now(),
        )
    if failed and not done.queued and not done.left:
        console.print("Nothing was refused, and nothing has expired.")
        return
    if done.left:
        console.print(f"Not sent again, because they are unknown or have not ended: {', '.join(done.left)}", highlight=False)
    console.print(f"{len(done.queued)} messages are queued again, or what stands for them now.", highlight=False)
    if not done.queued:
        raise typer.Exit(1)
