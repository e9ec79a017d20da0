"""Commands that ask and show: an answer, a declaration's answers, messages, operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from sqlalchemy import Connection

from gateway.clearance.answer import Asked
from gateway.clearance.as_known import AsKnown
from gateway.clearance.declaration import read_declaration
from gateway.clearance.render import render
from gateway.clearance.wording import Language, sentence, word
from gateway.cli.answer import show, suggestions
from gateway.cli.common import Json, console, day, escape, moment, print_json, settings
from gateway.cli.tables import Table
from gateway.cli.terminal import partner_code
from gateway.cli.who import reading
from gateway.core.access import Scope
from gateway.core.arrangement import Direction, Mode, Role
from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE
from gateway.core.model import Kind
from gateway.node.context import utc_now
from gateway.store import statements
from gateway.store.active import ActivePartners
from gateway.store.database import Database
from gateway.views.messages import shown
from gateway.views.search import MessageSearch, MessageState, search

messages = typer.Typer(no_args_is_help=True, help="What came and what was sent.")
operators = typer.Typer(no_args_is_help=True, help="What partners said of an operator.")

Lang = Annotated[Language | None, typer.Option("--lang", help="en or zh; default AEO_LANGUAGE.")]


#: How the state of a message is coloured; any other is red.
_STATES = dict.fromkeys(("accepted", "delivered", "transcribed", "mailed"), "green") | {
    **dict.fromkeys(("queued", "sending"), "cyan"),
    **dict.fromkeys(("superseded", "discarded"), "dim"),
    "proposed": "yellow",
}


@contextmanager
def activated() -> Iterator[tuple[Connection, ActivePartners]]:
    """The database as it is, and the activated partners."""
    database = Database(settings().database_url)
    database.migrate()
    try:
        with database.reading() as connection:
            partners = ActivePartners()
            partners.refresh(connection)
            yield connection, partners
    finally:
        database.close()


def eligible(
    code: Annotated[str, typer.Argument(help="The code as declared, however it was typed.")],
    on: Annotated[
        date | None, typer.Option(parser=day, metavar="DAY", help="The day the declaration is accepted, in China; default today.")
    ] = None,
    direction: Annotated[Direction | None, typer.Option(help="Left out: both are answered.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Mode of transport.")] = None,
    role: Annotated[Role | None, typer.Option(help="The party the code stands for.")] = None,
    name: Annotated[str | None, typer.Option(help="The declared name, where there is one.")] = None,
    manifest: Annotated[str | None, typer.Option(help="What the manifest gives for the same party.")] = None,
    party: Annotated[list[str] | None, typer.Option(help="A domestic party, by USCC or customs code; may be repeated.")] = None,
    as_known_at: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="MOMENT", help="What was known then; UTC where no zone is named.")
    ] = None,
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """What a declared foreign AEO is entitled to, and why."""
    asked = Asked(
        code=code, on=on, direction=direction, mode=mode, role=role, name=name, manifest=manifest, parties=tuple(party or ())
    )
    language = lang or Language(settings().language)
    now = utc_now()
    with activated() as (connection, partners):
        then = AsKnown(connection, partners, as_known_at or now, settings().domestic_stop_after)
        answer = then.answer(asked, now)
        if as_json:
            print_json(render(answer, then.law, language, suggestions(answer, then), domestic=True))
        else:
            show(answer, then, language)


def _home(moment: datetime) -> str:
    return f"{moment.astimezone(HOME_ZONE):%Y-%m-%d %H:%M}"


def declaration(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A WCO Data Model declaration, XML.")],
    direction: Annotated[Direction | None, typer.Option(help="Counts only where the document does not tell.")] = None,
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """Read a declaration and answer for its AEO parties."""
    read = read_declaration(file.read_bytes(), direction)
    language = lang or Language(settings().language)
    now = utc_now()
    domestic = tuple(dict.fromkeys(one.code for one in read.domestic))
    asked = [
        Asked(
            code=party.code,
            on=read.accepted_on,
            direction=read.direction,
            mode=read.mode,
            role=party.role,
            name=party.name,
            manifest=party.manifest,
            parties=domestic,
        )
        for party in read.parties
    ]
    with activated() as (connection, partners):
        then = AsKnown(connection, partners, now, settings().domestic_stop_after)
        answers = list(then.answers(asked, now))
        if as_json:
            notes = [{"code": note.code, "sentence": sentence(note.code, note.facts, language)} for note in read.notes]
            said = [
                {
                    "role": party.role,
                    "source": party.source,
                    "wco_role": party.wco_role,
                    **msgspec.to_builtins(render(answer, then.law, language, suggestions(answer, then), domestic=True)),
                }
                for party, answer in zip(read.parties, answers, strict=True)
            ]
            print_json({"reference": read.reference, "direction": read.direction, "notes": notes, "answers": said})
            return
        console.print(
            f"[bold]{escape(read.reference or str(file))}[/]  {word(read.direction, language) if read.direction else ''}",
            highlight=False,
        )
        for note in read.notes:
            console.print(f"  {escape(sentence(note.code, note.facts, language))}", highlight=False)
        for party, answer in zip(read.parties, answers, strict=True):
            console.print(
                f"\n{word(party.role, language)}  [dim]{escape(party.where[0].path)}:{party.where[0].line}[/]", highlight=False
            )
            show(answer, then, language)


@messages.command("list")
def list_(
    partner: Annotated[str | None, typer.Option(parser=partner_code, metavar="TEXT", help="Only this partner's.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="What it is for. Of what was refused nobody knows it.")] = None,
    state: Annotated[MessageState | None, typer.Option(help="What became of it.")] = None,
    direction: Annotated[Literal["in", "out"] | None, typer.Option(help="in: it came to us; out: it is ours.")] = None,
    operator: Annotated[str | None, typer.Option(help="The code of an operator or enterprise that it speaks of.")] = None,
    code: Annotated[str | None, typer.Option(help="The code with which we refused it.")] = None,
    message_id: Annotated[str | None, typer.Option("--id", help="Its id.")] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="MOMENT", help="That came or was written from then on.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(parser=moment, metavar="MOMENT", help="Before then.")] = None,
    after: Annotated[str | None, typer.Option(help="Where to begin: what the page before ended with.")] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 30,
    as_json: Json = False,
) -> None:
    """The latest messages both ways, newest first; refused ones are among them."""
    wanted = MessageSearch(
        partner=partner,
        kind=kind,
        state=state,
        direction=direction,
        operator=operator,
        code=code,
        id=message_id,
        since=since,
        until=until,
        after=after,
        most=most,
    )
    with activated() as (connection, _):
        found = search(connection, wanted)
    rows = found.messages
    if as_json:
        print_json(rows)
        return
    if not rows:
        given = wanted != MessageSearch(most=most)
        console.print("No message is like that." if given else "No message has come or gone yet.")
        return
    table = Table("when (UTC)", "partner", "kind", "state", "id, and what is wrong")
    for row in rows:
        colour = _STATES.get(row["state"], "red")
        table.add_row(
            f"{row['at']:%m-%d %H:%M}",
            f"{'→' if row['direction'] == 'out' else '←'} {row['partner'] or '-'}",
            row["kind"] or "-",
            f"[{colour}]{row['state']}[/]",
            f"{row['id']} {escape(row.get('problem') or '')}".rstrip(),
        )
    console.print(table)
    if found.next:
        console.print(f"Older ones: --after {found.next}", highlight=False, soft_wrap=True)


@messages.command("show")
def show_message(
    message_id: str,
    partner: Annotated[str | None, typer.Option(help="Whose message it is, where several have this id.")] = None,
    as_json: Json = False,
) -> None:
    """One message whole: what is known of it, its XML, and the answer that stands for it."""
    with activated() as (connection, _):
        found = shown(connection, message_id, partner and partner.upper())
    if found is None:
        raise Refusal(Code.NOT_FOUND, f"There is no message {message_id}.", remedy="aeo-gateway message list")
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name not in ("body", "answer", "facts"):
            console.print(
                f"{name.replace('_', ' '):<13}{value if value is not None else '-'}", highlight=False, soft_wrap=True, markup=False
            )
    for name, value in found.get("facts", {}).items():
        console.print(f"  {name}: {value}", highlight=False, soft_wrap=True, markup=False)
    for name in ("body", "answer"):
        if found[name]:
            console.print(f"\n[bold]{name}[/]")
            console.print(found[name], highlight=False, soft_wrap=True, markup=False)


@operators.command("show")
def show_operator(code: str, lang: Lang = None, as_json: Json = False) -> None:
    """Everything partners said of one operator, in the order in which it was issued."""
    language = lang or Language(settings().language)
    reading(Scope.CLEARANCE_READ, "operator", code)
    with activated() as (connection, partners):
        arrangement = partners.registry.arrangement_for(code)
        told = statements.statements_of(connection, arrangement.iso, [code]).get(code, []) if arrangement else []
    if not told:
        raise Refusal(Code.NOT_FOUND, f"No partner has stated {code}.", remedy=f"aeo-gateway eligible {code} says what is known.")
    told.sort(key=lambda one: one.issued)
    if as_json:
        print_json(told)
        return
    table = Table(
        "issued", "takes effect", "standing", "level", "period", "message", title=escape(f"{code}  {told[-1].statement.name or ''}")
    )
    for one in told:
        said = one.statement
        marks = [
            mark
            for mark, on in (("derived", one.derived), ("held", one.held), ("void", one.voided), ("transcribed", one.transcribed))
            if on
        ]
        table.add_row(
            _home(one.issued),
            _home(one.takes_effect),
            word(said.standing, language) + (f" ({', '.join(marks)})" if marks else ""),
            escape(said.level or "-"),
            f"{said.granted or '…'} – {said.expires or '…'}",
            one.message_id,
        )
    console.print(table)
