"""Commands that ask and show: an answer, a declaration's answers, messages, operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from sqlalchemy import Connection

from gateway.app import utc_now
from gateway.clearance.answer import Asked
from gateway.clearance.declaration import read_declaration
from gateway.clearance.then import Then
from gateway.clearance.wording import Language, say, word
from gateway.cli.common import Json, console, print_json, settings
from gateway.core.arrangement import HOME_ZONE, Direction, Mode, Role
from gateway.core.errors import Code, Refusal
from gateway.core.question import Answer, Verdict
from gateway.store import messages as stored
from gateway.store import statements
from gateway.store.database import Database
from gateway.store.live import Partners
from gateway.web.render import render

messages = typer.Typer(no_args_is_help=True, help="What came and what was sent.")
operators = typer.Typer(no_args_is_help=True, help="What partners said of an operator.")

Lang = Annotated[Language | None, typer.Option("--lang", help="en or zh; default AEO_LANGUAGE.")]
_COLOURS = {Verdict.ELIGIBLE: "green", Verdict.NOT_ELIGIBLE: "red", Verdict.UNDETERMINED: "yellow"}
_DAY = "%Y-%m-%d"

#: What stands around an answer; its sentences come from the wording of reasons and measures.
_LABELS = {
    Language.EN: {
        "measures": "Measures",
        "why": "Why",
        "note": "Please note",
        "evidence": "Rests on",
        "age": "The partner's data is of",
        "again": "Ask again from",
        "clearance": "clearance code",
        "only": "for",
        "near": "Known codes one slip away (nothing is granted by them)",
        "unset": "not set",
        "day": "on",
    },
    Language.ZH: {
        "measures": "便利措施",
        "why": "理由",
        "note": "请注意",
        "evidence": "依据",
        "age": "对方数据截至",
        "again": "可于此时重新查询",
        "clearance": "通关代码",
        "only": "适用于",
        "near": "仅差一处的已知编码(不因此给予任何便利)",
        "unset": "未设置",
        "day": "日期",
    },
}


#: How the state of a message is coloured; any other is red.
_STATES = dict.fromkeys(("accepted", "delivered", "transcribed", "mailed"), "green") | {
    **dict.fromkeys(("queued", "sending"), "cyan"),
    **dict.fromkeys(("superseded", "discarded"), "dim"),
    "proposed": "yellow",
}


@contextmanager
def known() -> Iterator[tuple[Connection, Partners]]:
    """The database as it is, and the activated partners."""
    database = Database(settings().database_url)
    database.migrate()
    try:
        with database.reading() as connection:
            partners = Partners()
            partners.refresh(connection)
            yield connection, partners
    finally:
        database.close()


def eligible(
    code: Annotated[str, typer.Argument(help="The code as declared, however it was typed.")],
    on: Annotated[
        datetime | None, typer.Option(formats=[_DAY], help="The day the declaration is accepted, in China; default today.")
    ] = None,
    direction: Annotated[Direction | None, typer.Option(help="Left out: both are answered.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Mode of transport.")] = None,
    role: Annotated[Role | None, typer.Option(help="The party the code stands for.")] = None,
    name: Annotated[str | None, typer.Option(help="The declared name, where there is one.")] = None,
    party: Annotated[list[str] | None, typer.Option(help="A domestic party, by USCC or customs code; may be repeated.")] = None,
    as_known_at: Annotated[datetime | None, typer.Option(help="What was known at this moment (UTC).")] = None,
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """What a declared foreign AEO is entitled to, and why."""
    asked = Asked(
        code=code, on=on.date() if on else None, direction=direction, mode=mode, role=role, name=name, parties=tuple(party or ())
    )
    language = lang or Language(settings().language)
    now = utc_now()
    with known() as (connection, partners):
        then = Then(connection, partners, as_known_at.replace(tzinfo=UTC) if as_known_at else now)
        answer = then.answer(asked, now)
        if as_json:
            print_json(render(answer, then.law, language))
        else:
            _print_answer(answer, then, language)


def _print_answer(answer: Answer, then: Then, language: Language) -> None:
    labels = _LABELS[language]
    colour = _COLOURS[answer.verdict]
    title = f"{escape(answer.code or answer.declared or '-')}   {labels['day']} {answer.on}"
    console.print(
        Panel(
            f"[bold {colour}]{say(answer.verdict, {}, language)}[/]", title=title, title_align="left", box=box.ROUNDED, expand=False
        )
    )
    if answer.measures:
        console.print(f"[bold]{labels['measures']}[/]")
        for one in answer.measures:
            words = then.law.measures[one.measure].name
            clearance = one.clearance_code or labels["unset"]
            directions = ", ".join(word(direction, language) for direction in one.directions)
            said = words.zh if language is Language.ZH else words.en
            console.print(
                f"  [green]{one.measure}[/] {escape(said)}  [dim]{word(one.scope, language)}; {labels['only']} {directions}; {labels['clearance']}: {clearance}[/]",
                highlight=False,
            )
    _sentences(labels["why"], ((why.code, why.facts, why.source) for why in answer.reasons), language)
    _sentences(labels["note"], ((caution.code, caution.facts, None) for caution in answer.warnings), language)
    if answer.evidence:
        console.print(f"[bold]{labels['evidence']}[/]")
        for used in answer.evidence:
            console.print(
                f"  {word(used.says, language)}  [dim]{used.message_id}  {_home(used.received)}  sha256 {used.digest[:16]}…[/]",
                highlight=False,
            )
    if answer.data_as_of:
        console.print(f"[dim]{labels['age']} {_home(answer.data_as_of)}[/]", highlight=False)
    if answer.ask_again:
        console.print(f"[dim]{labels['again']} {_home(answer.ask_again)}[/]", highlight=False)


def _sentences(label: str, said: Iterable[tuple[str, dict[str, str], str | None]], language: Language) -> None:
    lines = list(said)
    if not lines:
        return
    console.print(f"[bold]{label}[/]")
    for code, facts, source in lines:
        cited = f"  [dim]{escape(source)}[/]" if source else ""
        console.print(f"  {escape(say(code, facts, language))}{cited}", highlight=False)


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
    with known() as (connection, partners):
        then = Then(connection, partners, now)
        answers = [
            then.answer(
                Asked(
                    code=party.code,
                    on=read.accepted_on,
                    direction=read.direction,
                    mode=read.mode,
                    role=party.role,
                    name=party.name,
                    manifest=party.manifest,
                    parties=tuple(one.code for one in read.domestic),
                ),
                now,
            )
            for party in read.parties
        ]
        if as_json:
            notes = [{"code": note.code, "sentence": say(note.code, note.facts, language)} for note in read.notes]
            said = [
                {
                    "role": party.role,
                    "source": party.source,
                    "wco_role": party.wco_role,
                    **msgspec.to_builtins(render(answer, then.law, language)),
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
            console.print(f"  {escape(say(note.code, note.facts, language))}", highlight=False)
        for party, answer in zip(read.parties, answers, strict=True):
            console.print(
                f"\n{word(party.role, language)}  [dim]{escape(party.where[0].path)}:{party.where[0].line}[/]", highlight=False
            )
            _print_answer(answer, then, language)


@messages.command("list")
def list_(
    partner: Annotated[str | None, typer.Option(help="Only this partner's.")] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 30,
    as_json: Json = False,
) -> None:
    """The latest messages both ways, newest first; refused ones are among them."""
    with known() as (connection, _):
        rows = stored.listed(connection, partner=partner.upper() if partner else None, most=most)
    if as_json:
        print_json(rows)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("when (UTC)", "", "partner", "kind", "state", "id", ""):
        table.add_column(heading, overflow="fold")
    for row in rows:
        colour = _STATES.get(row["state"], "red")
        table.add_row(
            f"{row['at']:%m-%d %H:%M:%S}",
            "→" if row["direction"] == "out" else "←",
            row["partner"] or "-",
            row["kind"] or "-",
            f"[{colour}]{row['state']}[/]",
            row["id"],
            escape(row.get("problem") or ""),
        )
    console.print(table)


@messages.command("show")
def show_message(message_id: str, as_json: Json = False) -> None:
    """One message whole: what is known of it, its XML, and the answer that stands for it."""
    with known() as (connection, _):
        found = stored.shown(connection, message_id)
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
    with known() as (connection, partners):
        arrangement = partners.registry.arrangement_for(code)
        told = statements.said_of(connection, arrangement.iso, [code]).get(code, []) if arrangement else []
    if not told:
        raise Refusal(Code.NOT_FOUND, f"No partner has stated {code}.", remedy=f"aeo-gateway eligible {code} says what is known.")
    told.sort(key=lambda one: one.issued)
    if as_json:
        print_json(told)
        return
    table = Table(box=box.SIMPLE_HEAD, title=f"{code}  {told[-1].statement.name or ''}", title_justify="left")
    for heading in ("issued", "takes effect", "standing", "level", "period", "message"):
        table.add_column(heading, overflow="fold")
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
