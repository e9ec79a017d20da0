"""``aeo-gateway partner``: what each partner is, whether its data holds together, and putting it in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import typer
from rich.text import Text
from sqlalchemy import Connection

from gateway.cli import newpartner, onboard, transcribe
from gateway.cli.common import Json, console, escape, print_json, settings, tell_proposals
from gateway.cli.tables import Table
from gateway.core.arrangement import AnyLevel
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.core.terms import Dated
from gateway.node.context import day_of, utc_now
from gateway.onboarding.terms import TERMS, in_force_by, in_force_since, steps
from gateway.partners import load_all
from gateway.store import proposals, sent
from gateway.store.active import ActivePartner, ActivePartners
from gateway.store.database import Database
from gateway.store.listings import last_complete
from gateway.store.problems import PartnerProblem, Problems, by_partner, recorded
from gateway.store.proposals import Proposal

app = typer.Typer(no_args_is_help=True, help="What each partner is, whether its data holds together, and putting it in force.")

#: Columns from which on a row of the list of partners holds everything.
_WIDE = 110
_COLOURS = {"fact": "green", "unknown": "yellow", "setting": "cyan"}


class _Looked(NamedTuple):
    """What is activated here, how each partner fares, and what is proposed to be activated, or was when the gateway was upgraded."""

    live: dict[str, ActivePartner]
    health: Mapping[str, str] = {}
    proposed: Sequence[Proposal] = ()
    problems: Mapping[str, Sequence[PartnerProblem]] = {}


def _look() -> _Looked:
    """What is activated in this installation; shipped data where nothing is activated yet."""
    chosen = settings()
    if chosen.database or (chosen.home / "gateway.db").exists():
        database = Database(chosen.database_url)
        database.migrate()
        try:
            with database.reading() as connection:
                partners = ActivePartners()
                partners.refresh(connection)
                if partners.all():
                    health = _health(connection, partners)
                    problems = by_partner(partners.problems.merged(recorded(connection)))
                    return _Looked(dict(partners.all()), health, _proposed(connection), problems)
        finally:
            database.close()
    loaded = load_all(chosen.partners, chosen.schemas, chosen.site if chosen.site.is_dir() else None)
    return _Looked({iso: ActivePartner(bundle, "not activated") for iso, bundle in loaded.items()})


def _proposed(connection: Connection) -> list[Proposal]:
    decisions, since = (Decision.LAW, Decision.ACTIVATION), utc_now() - proposals.TOLD_FOR
    return proposals.ended_at_upgrade(connection, since, *decisions) + proposals.open_now(connection, *decisions)


def _health(connection: Connection, partners: ActivePartners) -> dict[str, str]:
    depth = sent.depth(connection)
    lists = last_complete(connection)
    now = utc_now()
    said = {}
    for iso, live in partners.all().items():
        heard = max((as_of for (partner, _), as_of in lists.items() if partner == iso), default=None)
        parts = [f"list of {_ago(now - heard)} ago" if heard else "no list yet"]
        parts += [
            f"{count} {state}"
            for (partner, state), count in sorted(depth.items())
            if partner == iso and state in ("queued", "sending", "dead")
        ]
        with partners.problems.apart(iso, "showing"):
            binding = live.arrangement.binding
            parts += ["not connected"] if binding.endpoint is None and not binding.pull else []
            parts += ["envelope 1: announced keys come without proof"] if binding.envelope == 1 else []
        said[iso] = ", ".join(parts)
    return said


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every arrangement: in force since when, levels, measures, dialect, link, health."""
    live, health, proposed, problems = _look()
    today, rows = day_of(utc_now()), []
    for iso, one in sorted(live.items()):
        with (one_by_one := Problems()).apart(iso, "showing"):
            rows.append(_row(one, today) | {"health": health.get(iso, "not activated"), "problems": problems.get(iso, ())})
        for problem in one_by_one.now():
            problems = {**problems, iso: [*problems.get(iso, ()), problem]}
    if as_json:
        print_json(rows)
        return
    wide = console.width >= _WIDE
    table = Table(
        "",
        "country or region",
        "in force since",
        "levels",
        "measures",
        "directions",
        *(("dialect", "link") if wide else ()),
        "health",
        caption=f"{len(rows)} arrangements, {sum(row['members'] for row in rows)} members. [yellow]?[/] is unknown: nobody has told us."
        + ("" if wide else f"\nDialect and link have room from {_WIDE} columns on; --json has everything."),
    )
    for row in rows:
        unknown = "[yellow]?[/]" if row["in_force"] is None else "yes, since [yellow]?[/]" if row["in_force"] else "not in force"
        since = row["in_force_since"] or unknown
        table.add_row(
            row["iso"],
            row["economy"]["en"] + (f" ({row['members']})" if row["members"] > 1 else ""),
            since,
            *(_shown(row[name]) for name in ("levels", "measures", "directions")),
            *((_shown(row["dialect"]), row["link"]) if wide else ()),
            escape(row["health"]),
        )
    console.print(table)
    _tell_problems(problems)
    tell_proposals(proposed)


def _tell_problems(problems: Mapping[str, Sequence[PartnerProblem]]) -> None:
    """What does not work with a partner, a line each; nobody else is concerned."""
    for iso, found in sorted(problems.items()):
        for one in found:
            console.print(
                f"[red]![/] {iso}: {one.what} does not work since {one.since:%Y-%m-%d %H:%M} UTC: {escape(one.problem)}",
                highlight=False,
            )


def _row(live: ActivePartner, today: date) -> dict[str, Any]:
    one = live.arrangement
    dialect = one.dialect.on(today).value
    return {
        "iso": one.iso,
        "economy": {"en": one.economy.en, "zh": one.economy.zh},
        "members": len(one.members),
        "state": live.state,
        "in_force": one.in_force.on(today).value,
        "in_force_since": _iso(in_force_since(one)),
        "in_force_by": _iso(in_force_by(one)),
        "levels": _words(one.levels.on(today)),
        "measures": _words(one.measures.on(today)),
        "directions": _words(one.directions.on(today)),
        "dialect": f"{dialect.name} {dialect.version}" if dialect else None,
        "link": one.link,
        "envelope": one.binding.envelope,
        "digest": one.digest,
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _words(step: Dated[Any]) -> list[str] | str | None:
    if step.value is None:
        return None
    if step.value is AnyLevel.ANY:
        return AnyLevel.ANY.value
    return [str(word) for word in (step.value if isinstance(step.value, tuple) else sorted(step.value))]


def _shown(value: list[str] | str | None) -> str:
    if value is None:
        return "[yellow]?[/]"
    return escape(value if isinstance(value, str) else ", ".join(value))


@app.command()
def show(iso: str, as_json: Json = False) -> None:
    """One arrangement's terms as a timeline: every value with its source, what is unknown, what is a setting."""
    live, health, _, problems = _look()
    one = _chosen(live, iso)
    arrangement = one.arrangement
    terms = {name: [step._asdict() for step in steps(arrangement, name)] for name in TERMS}
    if as_json:
        print_json(_row(one, day_of(utc_now())) | {"administration": arrangement.administration, "terms": terms})
        return
    console.print(f"\n[bold]{escape(arrangement.economy.en)}[/] {arrangement.economy.zh} ({arrangement.iso})", highlight=False)
    console.print(
        f"{escape(arrangement.administration)}; {escape(arrangement.programme)}; signed {arrangement.signed}; link: {arrangement.link}",
        highlight=False,
    )
    if len(arrangement.members) > 1:
        console.print("members: " + ", ".join(f"{member.iso} {member.name.en}" for member in arrangement.members), highlight=False)
    contacts = "; ".join(f"{contact.role}: {contact.reach} ({contact.hours})" for contact in arrangement.contacts)
    console.print(f"contact points: {escape(contacts) or 'none known yet'}", highlight=False)
    console.print(
        f"health: {escape(health.get(arrangement.iso, 'not activated'))}; data {arrangement.digest[:16]}", highlight=False
    )
    _tell_problems({arrangement.iso: problems.get(arrangement.iso, ())})
    table = Table("term", "from", "value", "how we know")
    for name, label in TERMS.items():
        for number, step in enumerate(terms[name]):
            note = getattr(arrangement, name).steps[number].provenance.note
            colour = _COLOURS[str(step["kind"])]
            value = Text("unknown", "yellow") if step["value"] is None else Text(step["value"])
            by = "by " if name == "in_force" and step["since"] == _iso(in_force_by(arrangement)) else ""
            why = f"[{colour}]{step['kind']}[/] {escape(step['why'] or '')}"
            if step["kind"] == "fact" and note:
                why += f". {escape(note)}"
            table.add_row(label if number == 0 else "", by + step["since"], value, why)
    console.print(table)


def _chosen(live: dict[str, ActivePartner], iso: str) -> ActivePartner:
    found = live.get(iso.upper())
    if found is None:
        raise Refusal(Code.NOT_FOUND, f"There is no arrangement {iso.upper()}.", remedy=f"One of: {', '.join(sorted(live))}.")
    return found


for command in (
    newpartner.new,
    onboard.check,
    onboard.rehearse,
    onboard.activate,
    onboard.suspend,
    onboard.resume,
    onboard.retire,
    onboard.kit,
    onboard.diff,
    transcribe.transcribe,
    transcribe.transcribed,
    transcribe.confirm,
    transcribe.discard,
    transcribe.transcript,
):
    app.command()(command)
