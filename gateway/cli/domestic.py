"""The domestic side from a terminal: read the feed from a file, show what is known, due and held, and what each partner was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.cli.common import Json, console, errors, escape, print_json, settings, tell_proposals
from gateway.cli.tables import Table
from gateway.cli.who import acting, reading
from gateway.core.access import Scope
from gateway.core.four_eyes import Decision
from gateway.domestic import claim
from gateway.domestic.claim import Claim
from gateway.domestic.readfile import Row, read, write_report
from gateway.exchange.tell import feed
from gateway.exchange.tell.feed import Report
from gateway.node.context import day_of, utc_now
from gateway.node.workplace import Workplace, open_workplace
from gateway.store import proposals
from gateway.store.proposals import Proposal
from gateway.views import enterprises

app = typer.Typer(
    no_args_is_help=True, help="Chinese enterprises: the feed of the credit management system, and what follows from it."
)

#: A report is read in a terminal up to here; the file holds all of it.
SHOWN = 20


@contextmanager
def opened() -> Iterator[Workplace]:
    with open_workplace(settings()) as desk:
        yield desk


Identity = Annotated[str, typer.Argument(help="USCC (18 characters) or customs code (10 digits).")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, XLSX, NDJSON (.ndjson, .jsonl) or JSON.")],
    encoding: Annotated[str, typer.Option(help="Of a CSV file; never guessed.")] = "utf-8-sig",
    report: Annotated[Path | None, typer.Option(help="Where refused rows are listed; default: beside FILE.")] = None,
    complete: Annotated[
        str | None, typer.Option(help="Tiers of which the file names every enterprise, joined by commas; all, or none.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DAY|MOMENT", help="When what it says was so; a moment needs its zone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take enterprises in from a file. Good rows hold even where others are refused; exit 1 if any row was refused.

    The same file again does nothing. Refused rows are listed as CSV with line, field, value, reason and remedy. What the feed claims of
    itself may stand in the file too: lines before the headings, # complete: all and # as-of: 2026-11-30, or a first JSON object.
    """
    found = read(file, encoding)
    rows = list(found)
    stated = claim.both(found.claim, claim.read_claim({"complete": complete, "as_of": as_of}), "the command line")
    claim.not_ahead(stated, utc_now(), settings().clock_skew)
    done = _take(rows, stated, quiet=as_json)
    refused = report or file.with_name(f"{file.stem}.refused.csv")
    if done.refused:
        write_report(((one.line, (one,)) for one in done.refused), refused)
    if as_json:
        print_json(done)
    else:
        _print_report(done, refused)
        _print_feed(feed_shown())
    raise typer.Exit(1 if done.refused else 0)


def _take(rows: list[Row], stated: Claim, *, quiet: bool) -> Report:
    done = Report()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with opened() as desk, Progress(*columns, console=errors, disable=quiet) as progress:
        task = progress.add_task("taking rows in", total=len(rows))
        for batch, claimed in feed.in_parts(rows, stated):
            with desk.database.write.begin() as connection:
                done.add(
                    feed.import_rows(
                        connection, desk, batch, who=acting(connection, Scope.DOMESTIC_WRITE), at=utc_now(), claim=claimed
                    )
                )
            progress.advance(task, len(batch))
    return done


def _print_report(done: Report, refused: Path) -> None:
    lines = len({one.line for one in done.refused})
    console.print(
        f"{done.rows} rows: [green]{done.taken} taken[/], {done.repeated} repeated, "
        f"{len(done.flagged)} not foreseen ({done.held} of them held for a person), [red]{lines} refused[/]",
        highlight=False,
    )
    if done.refused:
        table = Table("line", "field", "value", "reason")
        for one in done.refused[:SHOWN]:
            table.add_row(str(one.line), one.field or "-", escape(one.value or "-"), escape(f"{one.detail} {one.remedy}"))
        console.print(table)
        console.print(f"All {len(done.refused)} faults: {escape(str(refused))}", highlight=False, soft_wrap=True)
    for noted in done.flagged[:SHOWN]:
        held = f"; held: aeo-gateway domestic confirm {noted.record}" if noted.record else ""
        console.print(f"line {noted.line}: {noted.uscc} not foreseen: {escape(noted.note)}{held}", highlight=False)
    for unsaid in done.unsaid[:SHOWN]:
        console.print(f"{unsaid.partner} cannot be told of {unsaid.uscc}: {escape(unsaid.reason)}", highlight=False)
    if done.queued:
        console.print("queued: " + ", ".join(f"{iso} {count}" for iso, count in sorted(done.queued.items())), highlight=False)


def feed_shown() -> enterprises.FeedShown:
    with opened() as desk, desk.database.reading() as connection:
        return enterprises.feed(connection, utc_now(), desk.settings.domestic_stop_after)


def _print_feed(shown: enterprises.FeedShown) -> None:
    if shown.as_of is None:
        console.print("The feed has not said anything yet.")
        return
    extent = (
        f"claims to name every enterprise of: {claim.shown(shown.complete)}"
        if shown.complete
        else "claims to be complete of no tier"
    )
    unknown = "an unknown party is warned of" if shown.complete_today else "of an unknown party nothing is said"
    console.print(f"The feed {extent}; {unknown}.", highlight=False)
    whence = "as it stated last" if shown.stated else "when its last record came, for it never stated an as-of"
    limit = (
        "no limit is set (AEO_DOMESTIC_STOP_AFTER)" if shown.limit is None else f"nobody is known by it past {shown.limit} seconds"
    )
    late = "; [red]that is past[/]" if shown.too_old else ""
    console.print(f"It is as of {claim.shown(shown.as_of)}, {whence}; {limit}{late}.", highlight=False)


@app.command("feed")
def show_feed(as_json: Json = False) -> None:
    """What the feed claims of itself: which tiers it names completely, as of when, and whether it is too old to know anybody by."""
    shown = feed_shown()
    if as_json:
        print_json(shown)
    else:
        _print_feed(shown)


@app.command()
def show(identity: Identity, as_json: Json = False) -> None:
    """How an enterprise stands today, and every dated step of its tier, measures and consent."""
    reading(Scope.DOMESTIC_READ, "enterprise", identity)
    with opened() as desk, desk.database.reading() as connection:
        found = enterprises.stands(connection, identity, day_of(utc_now()))
    if as_json:
        print_json(found)
        return
    one = found.enterprise
    listed = "  [red]on the list of the seriously discredited[/]" if found.listed else ""
    console.print(f"[bold]{escape(one.name_zh)}[/]  {escape(one.name_en or '(no registered English name)')}", highlight=False)
    console.print(f"{one.uscc}  customs code {one.customs_code or '(none: never told abroad)'}", highlight=False)
    console.print(
        f"on {found.day}: {found.tier or 'no tier stated'}, measures {found.measures or 'not stated'}{listed}", highlight=False
    )
    table = Table("since", "what", "is", "ground")
    steps = [("tier", step) for step in one.tiers] + [("measures", step) for step in one.measures]
    for what, step in sorted(steps, key=lambda pair: (pair[1].since, pair[0])):
        table.add_row(str(step.since), what, str(step.value), str(step.ground or "-"))
    for consent in one.consents:
        table.add_row(str(consent.since), "consent", " ".join(consent.value) or "none", "-")
    console.print(table)
    console.print(f"certified on {one.certified_on or '-'}, re-certification by {one.recertify_by or '-'}", highlight=False)


@app.command()
def deadlines(
    within: Annotated[int, typer.Option(min=0, max=36_500, help="Days ahead.")] = 90,
    as_json: Json = False,
) -> None:
    """Rectifications that run out, re-certifications that are due; what is overdue first."""
    with opened() as desk, desk.database.reading() as connection:
        found = enterprises.deadlines(connection, day_of(utc_now()), timedelta(days=within))
    if as_json:
        print_json(found)
        return
    if not found:
        console.print(f"Nothing falls due within {within} days.", highlight=False)
        return
    table = Table("by", "days left", "what", "USCC", "name", "why")
    for one in found:
        left = f"[red]{one.days_left}[/]" if one.days_left < 0 else str(one.days_left)
        table.add_row(str(one.day), left, str(one.due), one.uscc, escape(one.name_zh), escape(one.why))
    console.print(table)


@app.command()
def held(as_json: Json = False) -> None:
    """Records that no rule foresaw and whose gains wait for a person."""
    with opened() as desk, desk.database.reading() as connection:
        found, proposed = feed.waiting(connection), proposals.open_now(connection, Decision.GAINS)
    if as_json:
        print_json(found)
        return
    if not found:
        console.print("No record waits for a person.")
        return
    table = Table("no.", "since (UTC)", "USCC", "name", "says", "why it waits")
    for one in found:
        record = one.record
        says = f"{record.tier} since {record.tier_since}, measures {record.measure_status} since {record.measure_since}"
        table.add_row(str(one.id), f"{one.recorded:%Y-%m-%d %H:%M}", record.uscc, escape(record.name_zh), says, escape(one.note))
    console.print(table)
    tell_proposals(proposed)


@app.command()
def confirm(number: Annotated[int, typer.Argument(help="The record's number, as `aeo-gateway domestic held` shows it.")]) -> None:
    """Let a held record's gains through: they hold from now on, and are told. It may take two people (AEO_TWO_PEOPLE)."""
    with opened() as desk, desk.database.write.begin() as connection:
        done = feed.let_through(connection, desk, number, who=acting(connection, Scope.DOMESTIC_CONFIRM), at=utc_now())
    if isinstance(done, Proposal):
        console.print(escape(done.sentence), highlight=False)
        return
    partners = ", ".join(sorted(done.queued)) or "nobody"
    console.print(f"{done.uscc}: its gains hold. News queued for {partners}.", highlight=False)


def told(identity: Identity, as_json: Json = False) -> None:
    """What each partner was last told of a Chinese enterprise: since when, proven by which receipt, accepted by which result."""
    reading(Scope.DOMESTIC_READ, "told", identity)
    with opened() as desk, desk.database.reading() as connection:
        found = enterprises.told(connection, identity)
    if as_json:
        print_json(found)
        return
    if not found.told:
        console.print("No partner was told of it.")
        return
    table = Table("partner, code told", "standing", "since (UTC)", "what proves it")
    for one in found.told:
        receipt = f"{one.received:%Y-%m-%d %H:%M}" if one.received else f"- ({one.state})"
        result = f"{one.outcome}: {one.outcome_message}" if one.outcome else "no result yet"
        statement = one.statement
        table.add_row(
            f"{one.partner} {statement['tin']}",
            statement["standing"],
            f"{one.since:%Y-%m-%d %H:%M}",
            f"message {one.message_id}\nreceipt {receipt}\n{result}",
        )
    console.print(table)
