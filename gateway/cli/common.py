"""What every command needs: settings, a console, JSON, and how a refusal is said."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich import markup
from rich.console import Console
from sqlalchemy import Connection

from gateway.cli.terminal import has
from gateway.core import moments
from gateway.core.text import visible
from gateway.settings import Settings, from_environment
from gateway.store.database import Database
from gateway.store.proposals import Proposal

console = Console()
errors = Console(stderr=True)


def moment(text: str) -> datetime:
    """A moment as people and our own JSON write it; where it names no zone it is UTC."""
    try:
        return moments.instant(text, UTC)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment; write 2026-06-15T04:00:00Z or 2026-06-15 12:00+08:00.") from None


def day(text: str) -> date:
    """A day as 2026-06-15."""
    try:
        return moments.day(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write 2026-06-15.") from None


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


def escape(text: str) -> str:
    """Text that a stranger may have written, for a terminal: no markup, and nothing that would turn or hide the text around it."""
    return markup.escape(visible(text, "\n"))


def settings() -> Settings:
    return from_environment(os.environ)


@contextmanager
def changing() -> Iterator[Connection]:
    """One transaction on the database, durable when the block ends; a running gateway follows it within a second."""
    database = Database(settings().database_url)
    database.migrate()
    try:
        with database.write.begin() as connection:
            yield connection
    finally:
        database.close()


def tell_proposals(those: Iterable[Proposal]) -> None:
    """What waits for a second person, or why it no longer does; a line each."""
    for one in those:
        of, proposed = f"{one.partner or ''} {one.subject}".strip(), f"{one.proposed:%Y-%m-%d %H:%M} UTC"
        why = f" ({one.reason})" if one.reason else ""
        if one.state == "open":
            console.print(f"{of}: {escape(one.sentence)} {proposed}{escape(why)}", highlight=False)
        else:
            said = f"{of}: proposed by {one.proposed_by}, {proposed}{why}, and ended: {one.because}."
            console.print(f"[yellow]![/] {escape(said)}", highlight=False)


def print_json(value: Any) -> None:
    """JSON as other programs read it: indented, in UTF-8, never wrapped or coloured. What could steer a terminal or turn the text around
    it (DEL, C1, bidirectional marks) is escaped, which JSON reads as the same."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    encoding = sys.stdout.encoding or "utf-8"
    typer.echo("".join(one if (one.isprintable() and has(encoding, one)) or one == "\n" else json.dumps(one)[1:-1] for one in text))
