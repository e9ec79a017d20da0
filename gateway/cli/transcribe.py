"""A partner that is not connected yet, for a terminal: its spreadsheet read by one person and confirmed by another, ours written for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.common import Json, console, escape, print_json
from gateway.cli.domestic import SHOWN, opened
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.core.text import visible
from gateway.domestic.readfile import write_report
from gateway.exchange.offline import inbound
from gateway.exchange.offline import outbound as ours
from gateway.exchange.offline.inbound import Effect, Transcription, TranscriptionProposal
from gateway.exchange.offline.read import Mailed, moment, read
from gateway.node.context import utc_now
from gateway.node.workplace import Workplace
from gateway.onboarding.columns import draft
from gateway.store.active import ActivePartner
from gateway.wire.sheet import Unmapped

Reason = Annotated[str, typer.Option(help="Why; the journal keeps it.")]
Number = Annotated[int, typer.Argument(help="The number, as `partner transcribed` shows it.")]


def transcribe(
    iso: Annotated[str, typer.Argument(help="The partner that mailed it, by its code.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The spreadsheet as it came: XLSX or CSV.")],
    as_of: Annotated[
        str,
        typer.Option(help="Of when it speaks: a day (from its midnight at the partner's), or a moment as 2026-06-01T08:00:00Z."),
    ],
    reason: Reason,
    update: Annotated[bool, typer.Option("--update", help="It holds some changes only: nobody is delisted by it.")] = False,
    scope: Annotated[str, typer.Option(help="Of a complete list: the member that it is of; * is the whole arrangement.")] = "*",
    report: Annotated[Path | None, typer.Option(help="Where refused rows are listed; default beside FILE.")] = None,
    as_json: Json = False,
) -> None:
    """The first person: read the spreadsheet that a partner mailed, and propose it. Nothing counts until another person confirms.

    Every row that cannot be taken is named. A complete list with such a row is not taken: leaving it out would delist its operator.
    Exit 1 if any row was refused.
    """
    with opened() as desk:
        live = _live(desk, iso)
        mailed = Mailed(
            file=file.name,
            body=file.read_bytes(),
            kind=Kind.UPDATE if update else Kind.LIST,
            as_of=moment(as_of, live.arrangement, scope),
            scope=scope,
        )
        try:
            found = read(desk, live, mailed, utc_now())
        except Unmapped as unmapped:
            _tell_draft(desk, live, unmapped, quiet=as_json)
            raise
        with desk.database.write.begin() as connection:
            done = inbound.propose(
                connection, live, mailed, found, reason=reason, who=acting(connection, Scope.EXCHANGE_WRITE), at=utc_now()
            )
    refused = done.read.refused
    listed = report or file.with_name(f"{file.stem}.refused.csv")
    if refused:
        write_report(((one.line or 0, (one,)) for one in refused), listed)
    if as_json:
        print_json(_as_json(done))
    else:
        _tell(done, mailed, listed)
    raise typer.Exit(1 if refused else 0)


def transcribed(
    number: Annotated[int | None, typer.Argument(help="One of them: what it would do as things are now.")] = None,
    to: Annotated[Path | None, typer.Option(help="With a number: write the file here, as it came.")] = None,
    as_json: Json = False,
) -> None:
    """Every spreadsheet transcribed, or proposed to be, the newest first; with a number, what confirming it would do."""
    with opened() as desk, desk.database.reading() as connection:
        rows = inbound.recorded(connection) if number is None else [inbound.find(connection, number)]
        waits = number is not None and rows[0].state == "proposed"
        would = inbound.would(connection, desk, rows[0], utc_now()) if waits else None
        if number is not None and to is not None:
            _put(to, inbound.kept(connection, rows[0]))
    if as_json:
        print_json(rows if number is None else {"transcription": rows[0], "would": would})
        return
    if not rows:
        console.print("No spreadsheet was ever transcribed.")
        return
    table = Table("no.", "partner", "file", "as of (UTC)", "rows", "state", "proposed by", "decided by")
    for row in rows:
        table.add_row(
            str(row.id),
            row.partner,
            f"{escape(row.file)} ({row.kind})",
            f"{row.as_of:%Y-%m-%d %H:%M}",
            str(row.statements) + (f", {row.refused} refused" if row.refused else ""),
            f"{row.state}: {row.ended_because}" if row.ended_because else row.state,
            escape(row.proposed_by),
            escape(row.decided_by or "-"),
        )
    console.print(table)
    if number is not None:
        console.print(f"message {rows[0].message_id}", highlight=False, soft_wrap=True)
        console.print(f"sha256  {rows[0].digest}", highlight=False, soft_wrap=True)
        console.print(f"reason  {escape(rows[0].reason)}", highlight=False)
    if would is not None:
        _tell_would(would)


def confirm(number: Number, as_json: Json = False) -> None:
    """The second person: the spreadsheet counts from now on, and every answer that rests on it says that it was transcribed."""
    with opened() as desk:
        with desk.database.reading() as connection:  # a large file takes a while to read, and nobody is to wait for that
            read = inbound.again(connection, desk, inbound.waiting(connection, number))
        with desk.database.write.begin() as connection:
            done = inbound.confirm(connection, number, read, who=acting(connection, Scope.LIST_DECIDE), at=utc_now())
    one = done.transcription
    if as_json:
        print_json({"transcription": one, "outcomes": done.outcomes, "operators": len(done.change.timelines)})
        return
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(done.outcomes.items()))
    console.print(f"Confirmed: message {one.message_id} of {one.partner}: {outcomes}.", highlight=False)
    if "held" in done.outcomes:
        console.print("It changes so much that its grants wait: aeo-gateway list held", highlight=False)
    console.print("Every node follows within a second.", highlight=False)


def discard(number: Number, reason: Reason) -> None:
    """Set a proposed spreadsheet aside: it never counts. (What was confirmed is annulled by `aeo-gateway void`.)"""
    with opened() as desk, desk.database.write.begin() as connection:
        inbound.discard(connection, number, reason=reason, who=acting(connection, Scope.EXCHANGE_WRITE), at=utc_now())
    console.print(f"Number {number} is set aside.", highlight=False)


def transcript(
    iso: Annotated[str, typer.Argument(help="The partner to mail it to, by its code.")],
    to: Annotated[Path, typer.Option(help="The file to write, .xlsx or .csv; never over one that is there.")],
    as_json: Json = False,
) -> None:
    """Write our complete list for a partner that is not connected, in its columns, to be mailed.

    What it says is noted as told (`aeo-gateway told`), without a receipt: nobody can prove that a mail arrived.
    """
    with opened() as desk:
        live = _live(desk, iso)
        with desk.database.write.begin() as connection:
            done = ours.write(connection, desk, live, to.name, who=acting(connection, Scope.EXCHANGE_WRITE), at=utc_now())
            _put(to, done.body)  # within the transaction: what cannot be written was not told
    if as_json:
        print_json({name: value for name, value in msgspec.structs.asdict(done).items() if name != "body"})
        return
    console.print(f"Wrote {to}: {done.named} enterprises. Mail it to {live.bundle.iso}.", highlight=False, soft_wrap=True)
    console.print(f"Noted as told in message {done.message_id}, without a receipt.", highlight=False)
    for field in done.no_place:
        console.print(f"Its columns have no place for {field}, which may be told.", highlight=False)
    for unsaid in done.unsaid:
        console.print(f"{unsaid.uscc} cannot be told: {escape(unsaid.reason)}", highlight=False)


def _live(desk: Workplace, iso: str) -> ActivePartner:
    live = desk.partners.all().get(iso.upper())
    if live is None:
        remedy = f"aeo-gateway partner activate {iso.upper()}"
        raise Refusal(Code.NOT_FOUND, f"No data of {iso.upper()} is in force.", remedy=remedy)
    return live


def _put(to: Path, body: bytes) -> None:
    """Never over a file that is there."""
    try:
        with to.open("xb") as file:
            file.write(body)
    except OSError as error:
        raise Refusal(Code.DATA_INVALID, f"{to} cannot be written: {error.strerror}.", remedy="Name another file.") from None


def _tell(done: TranscriptionProposal, mailed: Mailed, listed: Path) -> None:
    refused = done.read.refused
    rows = len({one.line for one in refused})
    console.print(
        f"{len(done.read.said.placed)} rows read, [red]{rows} refused[/]" if rows else f"{len(done.read.said.placed)} rows read",
        highlight=False,
    )
    if refused:
        _tell_refused(refused, listed)
    for note in done.read.notes:
        console.print(f"[yellow]![/] {escape(note)}", highlight=False)
    if done.made is None:
        if mailed.kind is Kind.LIST:
            console.print(
                "[bold]Nothing is proposed.[/] A complete list must be whole: leaving a row out would delist its operator. "
                "Have the rows corrected and transcribe the file again. If it cannot wait, --update takes the rows that could be read "
                "as changes: they count, and nobody is delisted.",
                highlight=False,
            )
        else:
            console.print("[bold]Nothing is proposed.[/] No row could be taken.")
        return
    _tell_would(done.would)
    console.print(
        f"[bold]Proposed: number {done.made.id}.[/] Nothing counts yet. A second person looks and confirms:", highlight=False
    )
    console.print(
        f"  aeo-gateway partner transcribed {done.made.id}\n  aeo-gateway partner confirm {done.made.id}", highlight=False
    )


def _tell_draft(desk: Workplace, live: ActivePartner, unmapped: Unmapped, *, quiet: bool) -> None:
    """What the site's file could say of these columns, to be looked at by whoever knows the partner."""
    if quiet:
        return
    site = desk.settings.site / live.bundle.iso.lower() / "site.toml"
    console.print(f"A draft for {site}, by the words of the headings alone; look at every line:\n", highlight=False, soft_wrap=True)
    console.print(draft(unmapped.headings, live.arrangement.level_words), highlight=False, soft_wrap=True, markup=False)
    console.print()


def _tell_refused(refused: Sequence[Refusal], listed: Path) -> None:
    table = Table("row", "column", "value", "why, and what to do")
    for one in refused[:SHOWN]:
        cells = (str(one.line), one.field or "-", visible(one.value or "-"), f"{one.detail} {one.remedy}")
        table.add_row(*map(escape, cells))
    console.print(table)
    console.print(f"All {len(refused)} faults: {escape(str(listed))}", highlight=False, soft_wrap=True)


def _tell_would(would: Effect) -> None:
    says = ", ".join(f"{count} {standing}" for standing, count in sorted(would.says.items()))
    console.print(f"It says: {says}.", highlight=False)
    if would.baseline:
        console.print("It is the first complete list of its scope: the one that later ones are measured by.", highlight=False)
    for words, codes in (("would newly be granted", would.granting), ("would be delisted, no longer named", would.omitting)):
        if codes:
            console.print(f"{len(codes)} {words}: {_some(codes)}", highlight=False)
    if would.held:
        console.print(
            "[yellow]That is more than the threshold: once confirmed, its grants and omissions wait (aeo-gateway list held).[/]"
        )


def _some(codes: Iterable[str], most: int = 10) -> str:
    named = list(codes)
    more = f" and {len(named) - most} more (--json names all)" if len(named) > most else ""
    return escape(", ".join(named[:most]) + more)


def _as_json(done: TranscriptionProposal) -> dict[str, Any]:
    made: Transcription | None = done.made
    refused = [
        {
            "row": one.line,
            "column": one.field,
            "value": one.value,
            "code": str(one.code),
            "reason": one.detail,
            "remedy": one.remedy,
        }
        for one in done.read.refused
    ]
    return {
        "transcription": made,
        "rows": len(done.read.said.placed),
        "would": done.would,
        "refused": refused,
        "notes": done.read.notes,
    }
