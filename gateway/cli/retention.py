"""``aeo-gateway retention``: how long what is kept is kept, how it grows, and putting away what is past its time."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.common import Json, console, escape, print_json
from gateway.cli.domestic import opened
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.node.context import utc_now
from gateway.operate import growth
from gateway.operate import retention as putting_away
from gateway.operate.growth import GrowthLine, Overview
from gateway.store import retention, retention_classes

app = typer.Typer(
    no_args_is_help=True,
    help="How long what is kept is kept. Nothing that was exchanged is put away until somebody sets how long: no source states it, so none "
    "is shipped. What is kept of staff goes by a default.",
)

Shelf = Annotated[str, typer.Argument(help=f"One of: {', '.join(retention_classes.BY_NAME)}.")]
Because = Annotated[str, typer.Option(help="The rule or decision that says so; the journal keeps it.")]


@app.command()
def show(as_json: Json = False) -> None:
    """What is kept, by which rule, what would go now, how it grows, and when the disk is full."""
    with opened() as desk, desk.database.reading() as connection:
        found = growth.overview(connection, desk, utc_now())
        asked = putting_away.asked_for(desk)
    if as_json:
        print_json(found)
        return
    console.print(_kept(found), "", _growing(found), "", sep="\n")
    console.print(_summary(found), highlight=False)
    names = ", ".join(shelf.name for shelf in retention_classes.RETENTION_CLASSES if shelf.asked)
    console.print(
        f"Of {names} nothing goes within {asked.days} days: a partner may still send, or ask, again. What is open never goes.",
        highlight=False,
    )


def _kept(found: Overview) -> Table:
    table = Table(title="What is kept")
    for heading in ("shelf", "rows", "size", "oldest", "would go now", "kept"):
        table.add_column(heading, justify="right" if heading in ("rows", "size") else "left")
    for line in found.lines:
        table.add_row(
            line.shelf,
            f"{line.rows:,}",
            human(line.bytes),
            line.oldest.isoformat() if line.oldest else "-",
            f"{line.due:,} ({human(line.due_bytes)})" if line.rule else "-",
            _why(line),
        )
    return table


def _why(line: GrowthLine) -> str:
    if line.rule is not None:
        return escape(f"{line.rule.days} days: {line.rule.because}")
    return f"always: {line.purpose}" if line.shelf in retention_classes.KEPT else "no rule, so kept"


def _growing(found: Overview) -> Table:
    table = Table(title="How it grows, by the last days, and what it comes to")
    table.add_column("shelf", no_wrap=True)
    for window in growth.WINDOWS:
        table.add_column(f"a day ({window})", justify="right")
    for days in growth.AHEAD:
        table.add_column(f"in {days} d", justify="right")
    for line in found.lines:
        table.add_row(line.shelf, *(human(size) for size in (*line.a_day.values(), *line.ahead.values())))
    return table


def _summary(found: Overview) -> str:
    ahead = ", ".join(f"{human(size)} in {days} days" for days, size in found.ahead.items())
    said = f"The database takes {human(found.database)}, {human(found.reusable)} of it free to be used again; about {ahead}."
    if found.disk is None:
        return f"{said} Its disk is the database server's: compare there."
    full = f"full about {found.full}" if found.full else "not full within ten years"
    return f"{said} The disk has {human(found.disk)} left, and is {full} if it goes on as in the last 30 days."


def human(size: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


@app.command("set")
def set_(
    shelf: Shelf,
    days: Annotated[int, typer.Option(min=0, max=36_500, help="How many days, once nothing open needs it.")],
    because: Because,
) -> None:
    """Say how long a shelf is kept. It counts from a day later on; `retention run` does not wait."""
    with opened() as desk, desk.database.write.begin() as connection:
        who = acting(connection, Scope.RETENTION_ADMIN)
        waits = putting_away.decide_rule(connection, desk.settings, shelf, days, because=because, who=who, at=utc_now())
    if waits is not None:
        console.print(escape(waits.sentence), highlight=False)
        return
    console.print(
        f"{shelf}: {days} days, once nothing open needs it. What goes is gone for good, but for backups.", highlight=False
    )


@app.command()
def unset(shelf: Shelf, because: Because) -> None:
    """Have a shelf kept from now on; one of staff goes by its default again."""
    with opened() as desk, desk.database.write.begin() as connection:
        retention.unset_rule(connection, shelf, because=because, who=acting(connection, Scope.RETENTION_ADMIN), at=utc_now())
        default = retention.rules(connection).get(shelf)
    said = f"{shelf} is kept." if default is None else f"{shelf}: {default.days} days again, {default.because}."
    console.print(said, highlight=False)


@app.command()
def run(
    shelf: Annotated[str | None, typer.Option(help="Only this shelf.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Put away now what is closed and past its rule; a serving gateway does so by itself, every hour."""
    with opened() as desk:
        if not dry_run:
            with desk.database.write.begin() as connection:
                acting(connection, Scope.RETENTION_ADMIN)
        said = putting_away.run(desk, shelf, utc_now(), dry_run=dry_run)
    if as_json:
        print_json(said)
        return
    if all(retention_classes.BY_NAME[name].default is not None for name in said):
        console.print("Nobody set a rule: of what was exchanged everything is kept. `aeo-gateway retention set` gives one.")
    for name, counts in said.items():
        done = "would go" if dry_run else f"due, {counts.gone:,} went"
        console.print(f"{name}: {counts.due:,} ({human(counts.bytes)}) {done}.", highlight=False)
