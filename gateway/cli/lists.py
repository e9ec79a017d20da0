"""``aeo-gateway list``: complete lists that wait for a person; ``aeo-gateway ask``: our own query to a partner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from gateway.cli.common import Json, console, escape, print_json, tell_proposals
from gateway.cli.domestic import opened
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.exchange.lists import review
from gateway.exchange.tell import asking
from gateway.node.committed import Change
from gateway.node.context import utc_now
from gateway.store import listings, proposals
from gateway.store.proposals import Proposal

app = typer.Typer(no_args_is_help=True, help="Partners' lists that would change too much at once, and so wait for a person.")

Number = Annotated[int, typer.Argument(help="The list's number, as `aeo-gateway list held` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; the journal keeps it.")]


@app.command()
def held(as_json: Json = False) -> None:
    """Every list that waits: what it would grant and omit. The losses it states hold already."""
    with opened() as desk, desk.database.reading() as connection:
        rows, proposed = listings.held_lists(connection), proposals.open_now(connection, *review.DECISIONS)
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print("No list waits for a person.")
        return
    table = Table("no.", "partner", "scope", "as of (UTC)", "would grant", "would omit")
    for row in rows:
        table.add_row(str(row.id), row.partner, row.scope, f"{row.as_of:%Y-%m-%d %H:%M:%S}", str(row.granting), str(row.omitting))
    console.print(table)
    tell_proposals(proposed)


@app.command()
def release(number: Number, reason: Reason) -> None:
    """Let a held list count: its grants grant, and whom it omits is delisted. It may take two people (AEO_TWO_PEOPLE)."""
    _decide(review.release, number, reason, f"List {number} counts. Every node follows within a second.")


@app.command()
def drop(number: Number, reason: Reason) -> None:
    """Set a held list aside: what it would grant or omit never counts; the losses it states stay."""
    _decide(review.drop, number, reason, f"List {number} is set aside.")


def _decide(decide: Callable[..., Change | Proposal], number: int, reason: str, done: str) -> None:
    with opened() as desk, desk.database.write.begin() as connection:
        live, who = desk.partners.get(listings.owner_of_held(connection, number)), acting(connection, Scope.LIST_DECIDE)
        decided = decide(connection, live, number, desk.settings, who=who, reason=reason, at=utc_now())
    console.print(escape(decided.sentence) if isinstance(decided, Proposal) else done, highlight=False)


def ask(code: Annotated[str, typer.Argument(help="A partner's code, as issued.")], as_json: Json = False) -> None:
    """Ask the partner whose code this is about it; what it answers is recorded like any statement of its own."""
    with opened() as desk, desk.database.write.begin() as connection:
        acting(connection, Scope.EXCHANGE_WRITE)
        asked = asking.ask_about(connection, desk, code, utc_now())
    if as_json:
        print_json(asked)
        return
    console.print(
        f"Asked {asked.partner} in message {asked.message}; the answer: aeo-gateway operator show {code}", highlight=False
    )
