"""``aeo-gateway partner new``: a partner's folder from a few answers, and its dialect drafted from its XSD and messages."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.common import console, escape, settings
from gateway.core.errors import Code, Refusal
from gateway.onboarding import examples, scaffold
from gateway.onboarding.draft import Draft, Sure
from gateway.onboarding.scaffold import Profile
from gateway.settings import Settings

#: Statements of a message that are shown.
SHOWN = 5


def new(
    iso: Annotated[str, typer.Argument(help="The partner's code, two letters.")],
    name: Annotated[str | None, typer.Option(help="Country or region, in English.")] = None,
    name_zh: Annotated[str | None, typer.Option(help="Country or region, in Chinese.")] = None,
    administration: Annotated[str | None, typer.Option(help="Its customs administration.")] = None,
    programme: Annotated[str | None, typer.Option(help="Its programme.")] = None,
    signed: Annotated[str | None, typer.Option(help="When it was signed: a year, month or day, such as 2026-02.")] = None,
    zone: Annotated[str | None, typer.Option(help="Its time zone (IANA name).")] = None,
    level: Annotated[
        list[str] | None, typer.Option(help="A level of its programme, in its own word; may be given several times.")
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(help="The dialect's name and version; drafted ones are called after the partner.")
    ] = None,
    xsd: Annotated[
        list[Path] | None,
        typer.Option(help="The partner's XSD to draft a dialect from; what it includes from beside it comes along."),
    ] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KIND=]FILE",
            help="A message of the partner's, best about two operators; one for each kind it shows: list=a.xml, query=q.xml, response=r.xml, "
            "response.not-found=n.xml. Without a kind it is a list.",
        ),
    ] = None,
) -> None:
    """Make a partner's folder, with everything unknown stated as unknown; with --xsd and --sample, draft its dialect too.

    What no option says is asked. Run again after answering what draft.toml asks: the folder stays, and the dialect is drafted anew.
    """
    if bool(xsd) != bool(sample):
        raise Refusal(
            Code.DATA_INVALID, "A dialect is drafted from an XSD and a sample together.", remedy="Give --xsd and --sample."
        )
    chosen, code = settings(), iso.upper()
    messages = _messages(sample or [])
    there = re.fullmatch("[A-Z]{2}", code) and (chosen.partners / code.lower() / "partner.toml").exists()
    if there and not xsd:
        raise Refusal(Code.DATA_INVALID, f"{code.lower()}/partner.toml is there already.", remedy="Edit it, or remove it first.")
    given = {
        "name": name,
        "name_zh": name_zh,
        "administration": administration,
        "programme": programme,
        "signed": signed,
        "zone": zone,
    }
    profile = scaffold.read_profile(chosen.partners, code) if there else _ask(code, given, level)
    levels = tuple(level) if level else profile.levels
    profile = replace(profile, levels=levels, dialect=_spoken(dialect, profile, drafted=bool(xsd)))
    made = scaffold.new_dialect(profile, chosen.schemas, xsd, messages) if xsd else None
    if not there:
        console.print(f"Made {scaffold.new(profile, chosen.partners)}.", highlight=False, soft_wrap=True)
    if made:
        _follow_up(made, profile, chosen)
    console.print(f"Next: aeo-gateway partner check {profile.iso}", highlight=False)


def _follow_up(made: Draft, profile: Profile, chosen: Settings) -> None:
    """Has the partner's file and examples follow the draft, and tells what it asks and how it reads the messages given."""
    folder = chosen.schemas / "/".join(profile.dialect)
    words = profile.levels or tuple(dict.fromkeys(made.codes.get("level", {}).values()))
    scaffold.keep_up(replace(profile, levels=words), chosen.partners, made.told)
    _tell_draft(made, folder)
    for one in examples.keep(folder, made.messages):
        _tell_understood(one)


_QUESTIONS = {
    "name": "Country or region, in English",
    "name_zh": "Country or region, in Chinese",
    "administration": "Its customs administration",
    "programme": "Its programme",
    "signed": "Signed (year, month or day: 2026-02)",
    "zone": "Time zone (IANA name, such as Asia/Singapore)",
}


def _ask(iso: str, given: dict[str, str | None], levels: list[str] | None) -> Profile:
    """The profile: what no option said is asked, and asked again until it can be used."""
    if not re.fullmatch(scaffold.FORMS["iso"][0], iso):
        raise Refusal(Code.DATA_INVALID, scaffold.FORMS["iso"][1], field="iso", value=iso, remedy="aeo-gateway partner new QZ")
    asked = [name for name, value in given.items() if value is None]
    said: dict[str, Any] = {
        name: value if value is not None else typer.prompt(_QUESTIONS[name], value_proc=partial(_usable, name))
        for name, value in given.items()
    }
    if asked and levels is None:
        words = typer.prompt(
            "Its levels, in its own words, with commas between (empty: it has none)", default="", show_default=False
        )
        levels = [word.strip() for word in words.split(",") if word.strip()]
    return Profile(iso, **said, levels=tuple(levels or ()))


def _usable(name: str, value: str) -> str:
    try:
        scaffold.usable(name, value.strip())
    except Refusal as refused:
        raise typer.BadParameter(refused.detail) from None
    return value.strip()


def _spoken(dialect: str | None, profile: Profile, *, drafted: bool) -> tuple[str, str]:
    """Which dialect: the one named, the one the partner's file names, or a new one called after the partner."""
    if dialect is None:
        return (profile.iso.lower(), "1") if drafted and profile.dialect == scaffold.PLAIN else profile.dialect
    name, _, version = dialect.partition("/")
    return name, version or "1"


def _messages(given: list[str]) -> dict[str, bytes]:
    """The samples by name; one without a kind is a list."""
    found: dict[str, bytes] = {}
    for one in given:
        name, sign, file = one.partition("=")
        if not sign or not re.fullmatch(r"[a-z]+(\.[a-z0-9-]+)*", name):
            name, file = "list", one
        if name in found:
            raise Refusal(
                Code.DATA_INVALID,
                f"Two samples are given for {name}.",
                field="sample",
                value=file,
                remedy="Name the kind of each: --sample query=FILE.",
            )
        try:
            found[name] = Path(file).read_bytes()
        except OSError as error:
            raise Refusal(
                Code.DATA_INVALID, f"{file} cannot be read: {error.strerror}.", field="sample", remedy="Name a file that is there."
            ) from None
    return found


def _tell_draft(made: Draft, folder: Path) -> None:
    colours = {Sure.SURE: "green", Sure.ANSWERED: "green", Sure.LIKELY: "yellow", Sure.QUESTION: "red"}
    for served in made.served:
        from_where = {"": "no sample", "sample": "from the message given"}.get(served.like, f"as {served.like}")
        console.print(
            f"[{colours[served.sure]}]{served.sure:9}[/] {served.kind}: {from_where} [dim]({escape(served.why)})[/]",
            highlight=False,
        )
    for one in made.proposals:
        if one.sure is not Sure.LEFT_OUT:
            said = escape(one.hole or (f"fixed text {one.seen!r}" if one.seen else "nothing yet"))
            console.print(
                f"[{colours[one.sure]}]{one.sure:9}[/] {escape(one.at)}: {said} [dim]({escape(one.why)})[/]", highlight=False
            )
    for name, codes in made.open_codes.items():
        for code in codes:
            says = made.documented.get(name, {}).get(code, "")
            text = f" [dim](the XSD says: {escape(says)})[/]" if says else ""
            console.print(f"[red]question [/] what does the code {escape(code)} of {name} mean?{text}", highlight=False)
    left = [one.at for one in made.proposals if one.sure is Sure.LEFT_OUT]
    for note in [
        *made.notes,
        *(
            [f"{len(left)} places that the XSD allows and no message shows are left out, and refused: see left-out."]
            if left
            else []
        ),
    ]:
        console.print(f"[dim]note      {escape(note)}[/]", highlight=False)
    asked = f"{made.questions} questions; answer them in" if made.questions else "No question is left; what was said stands in"
    console.print(f"{asked} {folder / 'draft.toml'}.", highlight=False, soft_wrap=True)


def _tell_understood(one: examples.Understood) -> None:
    """How the partner's own message is read: for a person to compare with what the partner meant."""
    if one.refused:
        console.print(
            f"[red]refused  [/] {one.name}: the message given is refused by its own draft: {escape(one.refused)}", highlight=False
        )
    elif one.query and not one.statements:
        console.print(f"[green]read as  [/] {one.name}: about {escape(one.query)}", highlight=False)
    for statement in one.statements[:SHOWN]:
        said = {name: value for name, value in msgspec.structs.asdict(statement).items() if value is not None}
        console.print(
            f"[green]read as  [/] {one.name}: {escape(', '.join(f'{name} {value}' for name, value in said.items()))}",
            highlight=False,
        )
