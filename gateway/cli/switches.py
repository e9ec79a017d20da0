"""Our own hand on the switch: stop benefits and lift the stop, declare a disruption of trade and its end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from gateway.cli.common import Json, changing, console, escape, moment, print_json
from gateway.cli.show import activated
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.node.context import utc_now
from gateway.store import switches
from gateway.store.switches import What

Reason = Annotated[str, typer.Option(help="Why; every answer concerned says it, and the journal keeps it.")]
Lifting = Annotated[str, typer.Option("--reason", help="Why it ends; `aeo-gateway stops` shows it, and the journal keeps it.")]
Until = Annotated[
    datetime | None,
    typer.Option(
        parser=moment, metavar="MOMENT", help="Ends by itself then (UTC where no zone is named); left out: until it is lifted."
    ),
]
Priority = Annotated[
    datetime | None,
    typer.Option(
        "--until",
        parser=moment,
        metavar="MOMENT",
        help="To when goods have priority once trade has resumed (UTC where no zone is named).",
    ),
]


def stop(
    subject: Annotated[str, typer.Argument(help="An operator's code, or an arrangement's two letters.")],
    reason: Reason,
    until: Until = None,
) -> None:
    """Stop one operator's or one arrangement's benefits at once. It wins over everything.

    No partner is told: a person tells its liaison officer, if anybody is to."""
    if len(subject) == 2:
        _turn("arrangement", subject.upper(), reason, until)
    else:
        _turn("operator", subject, reason, until)


def lift(
    identity: Annotated[int, typer.Argument(help="The stop's number, as `aeo-gateway stops` shows it.")], reason: Lifting
) -> None:
    """Lift a stop."""
    _end(identity, ("operator", "arrangement"), reason)


def stops(as_json: Json = False) -> None:
    """Every stop and disruption, the newest first."""
    with activated() as (connection, _):
        rows = switches.recorded(connection, ("operator", "arrangement", "disruption"))
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print("Nothing was ever stopped, and no disruption declared.")
        return
    table = Table("no.", "what of", "from, until (UTC)", "by", "reason")
    for row in rows:
        until = (
            f"lifted {row.lifted:%Y-%m-%d %H:%M}" if row.lifted else f"{row.until:%Y-%m-%d %H:%M}" if row.until else "until lifted"
        )
        by = f"{row.who}\nlifted by {row.lifted_by}" if row.lifted else row.who
        table.add_row(
            str(row.id),
            f"{row.what}\n{escape(row.subject)}",
            f"{row.since:%Y-%m-%d %H:%M}\n{until}",
            escape(by),
            escape(f"{row.reason}\nlifted: {row.lifted_because}" if row.lifted_because else row.reason),
        )
    console.print(table)


disruption = typer.Typer(no_args_is_help=True, help="A disruption of trade, and its end: from then on measure R applies.")


@disruption.command("declare")
def declare(
    where: Annotated[str, typer.Argument(help="An arrangement's two letters, a member's, or * for all of them.")],
    reason: Annotated[str, typer.Option(help="What happened.")],
    until: Priority = None,
) -> None:
    """Declare a disruption of trade from now on. While it lasts nothing moves, and no answer changes."""
    _turn("disruption", where.upper(), reason, until)


@disruption.command("end")
def end(
    identity: Annotated[int, typer.Argument(help="The disruption's number, as `aeo-gateway stops` shows it.")],
    reason: Lifting,
    until: Priority = None,
    resumed: Annotated[
        datetime | None, typer.Option("--from", parser=moment, metavar="MOMENT", help="When trade resumes; left out: now.")
    ] = None,
) -> None:
    """Declare that trade has resumed: from then until its declared end goods have priority (measure R)."""
    with changing() as connection:
        done = switches.resume(
            connection,
            identity,
            resumed=resumed,
            until=until,
            reason=reason,
            who=acting(connection, Scope.STOP_WRITE),
            at=utc_now(),
        )
    ends = f"until {done.priority_until:%Y-%m-%d %H:%M} UTC" if done.priority_until else "not at all: no end of it was declared"
    console.print(f"Number {identity} is ended. Goods have priority {ends}.", highlight=False)


def _turn(what: What, subject: str, reason: str, until: datetime | None) -> None:
    now = utc_now()
    with activated() as (_, known):
        members = known.members()
    with changing() as connection:
        done = switches.turn(
            connection,
            what,
            subject,
            since=now,
            until=until,
            reason=reason,
            who=acting(connection, Scope.STOP_WRITE),
            at=now,
            members=members,
        )
    console.print(f"In force: number {done.id}. Every node follows within a second.", highlight=False)


def _end(identity: int, among: tuple[What, ...], reason: str) -> None:
    with changing() as connection:
        switches.lift(connection, identity, among, reason=reason, who=acting(connection, Scope.STOP_WRITE), at=utc_now())
    console.print(f"Number {identity} is ended. Every node follows within a second.", highlight=False)
