"""``aeo-gateway init``, ``login``, ``whoami`` and ``principal``: who is known here, and who sits at this terminal."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Annotated

import typer

from gateway.cli import who
from gateway.cli.common import Json, changing, console, escape, moment, print_json, settings
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import PrincipalKind, Scope, StaffRole, Way
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import RULES, takes_two
from gateway.node.context import utc_now
from gateway.operate import people
from gateway.settings import Settings
from gateway.store import principals, tokens
from gateway.store.principals import Principal
from gateway.store.proposals import Proposal

chosen_app = typer.Typer(no_args_is_help=True, help="What this installation chose.")
app = typer.Typer(no_args_is_help=True, help="Persons and systems: who is known here, and what each may do.")

Called = Annotated[str, typer.Argument(help="Its name, or its id as `principal list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; the journal keeps it.")]
Roles = Annotated[list[StaffRole], typer.Option("--role", help="What the person may do; may be repeated.")]
#: For how long a terminal stays signed in.
SIGNED_IN = timedelta(days=30)


def init(
    name: Annotated[str, typer.Argument(help="The first administrator's name, as colleagues know it.")],
    email: Annotated[str | None, typer.Option(help="Where that person is reached.")] = None,
) -> None:
    """Make the first administrator of this installation known, and print the link with which that person sets up how to sign in."""
    with changing() as connection:
        one, secret = people.first(connection, name, email, who=who.emergency(), at=utc_now())
    _tell_link(one, secret)


def login(
    token: Annotated[bool, typer.Option("--token", help="Read a personal token from standard input.")] = False,
) -> None:
    """Sign in at this terminal: by a code that is entered at the console, or by a personal token."""
    chosen = settings()
    if token:
        secret = sys.stdin.readline().strip()
    else:
        from gateway.cli.device import ask

        secret = ask(chosen.public_url)
    with changing() as connection:
        try:
            caller = tokens.holder(connection, secret, Way.TERMINAL, utc_now())
        except Refusal as refused:
            remedy = "Make one at the console, under About me; or leave --token out."
            raise refused.but(detail="This is nobody's token (any more).", remedy=remedy) from None
        if caller.kind is not PrincipalKind.PERSON:
            raise Refusal(
                Code.DATA_INVALID, f"{caller.name} is a system: a person signs in at a terminal.", remedy="aeo-gateway login"
            )
    people.keep_token(chosen.terminal_token, secret)
    console.print(f"Signed in as {escape(caller.name)} until {caller.expires:%Y-%m-%d}.", highlight=False)


def logout() -> None:
    """Take back the token of this terminal."""
    file = settings().terminal_token
    if not file.exists():
        console.print("Nobody is signed in at this terminal.")
        return
    with changing() as connection:
        caller = tokens.holder(connection, file.read_text("ascii").strip(), Way.TERMINAL, utc_now())
        tokens.revoke(connection, caller.id, at=utc_now(), by=caller)
    file.unlink()
    console.print(f"{escape(caller.name)} is signed out.", highlight=False)


def whoami(as_json: Json = False) -> None:
    """Who sits at this terminal, and what that one may do."""
    with changing() as connection:
        people.made_up(connection, settings(), utc_now())
        caller = who.signed_in(connection)
    if as_json:
        print_json({"principal": caller.principal, "name": caller.name, "kind": caller.kind, "scopes": sorted(caller.scopes)})
        return
    console.print(f"{escape(caller.name)} ({caller.kind}): {', '.join(sorted(caller.scopes))}", highlight=False)


@chosen_app.command("show")
def show_settings(as_json: Json = False) -> None:
    """What this installation chose, and which decisions take two people."""
    chosen = settings()
    values = {f"AEO_{name.upper()}": str(getattr(chosen, name)) for name in Settings.model_fields}
    two = {decision.value: takes_two(decision, two_people=chosen.two_people) for decision in RULES}
    if as_json:
        print_json({"settings": values, "two_people": two})
        return
    table = Table("setting", "value", "")
    for name, value in values.items():
        table.add_row(name, escape(value), Settings.model_fields[name.removeprefix("AEO_").lower()].description or "")
    console.print(table)
    deciding = Table("decision", "takes two people", "why")
    for decision, rule in RULES.items():
        deciding.add_row(decision.value, "yes" if two[decision.value] else "no", rule.because)
    console.print(deciding)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="As colleagues know the person.")],
    roles: Roles,
    reason: Reason,
    email: Annotated[str | None, typer.Option(help="Where the person is reached.")] = None,
    language: Annotated[str | None, typer.Option(help="en or zh.")] = None,
) -> None:
    """Make a person known. The second person of an installation is made known by the first alone; every other takes two."""
    with changing() as connection:
        by = acting(connection, Scope.PRINCIPAL_ADMIN)
        done = people.add(connection, name, roles, settings(), who=by, reason=reason, at=utc_now(), email=email, language=language)
    if isinstance(done, Proposal):
        console.print(escape(done.sentence), highlight=False)
        return
    _tell_link(*done)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Everybody who is known here."""
    with changing() as connection:
        people.made_up(connection, settings(), utc_now())
        rows = principals.listed(connection)
    if as_json:
        print_json(rows)
        return
    table = Table("id", "name", "what", "since", "state")
    for row in rows:
        table.add_row(row.id, escape(row.name), ", ".join(row.roles) or "system", f"{row.created:%Y-%m-%d}", _state(row))
    console.print(table if rows else "Nobody is known here yet: aeo-gateway init NAME")


@app.command()
def roles(called: Called, role: Roles, reason: Reason) -> None:
    """Say what a person is from now on."""
    with changing() as connection:
        by = acting(connection, Scope.PRINCIPAL_ADMIN)
        done = people.change(connection, called, role, settings(), who=by, reason=reason, at=utc_now())
    said = done.sentence if isinstance(done, Proposal) else f"{done.name} is now {', '.join(done.roles)}."
    console.print(escape(said), highlight=False)


@app.command()
def link(called: Called, reason: Reason) -> None:
    """Print a new one-time link, with which a person sets up anew how to sign in."""
    with changing() as connection:
        by = acting(connection, Scope.PRINCIPAL_ADMIN)
        one, secret = people.new_link(connection, called, who=by, reason=reason, at=utc_now())
    _tell_link(one, secret)


@app.command()
def account(
    called: Called,
    subject: Annotated[str, typer.Argument(help="What the provider calls the person: the claim `sub` of its ID tokens.")],
    reason: Reason,
) -> None:
    """Have a person sign in by its account at the administration's own provider (AEO_OIDC_ISSUER); its groups there say its roles."""
    with changing() as connection:
        by = acting(connection, Scope.PRINCIPAL_ADMIN)
        one = people.give_account(connection, called, subject, settings(), who=by, reason=reason, at=utc_now())
    console.print(f"{escape(one.name)} signs in as {escape(one.account or '')}.", highlight=False)


@app.command("unset-account")
def unset_account(called: Called, reason: Reason) -> None:
    """Have a person sign in by no account at that provider any more."""
    with changing() as connection:
        by = acting(connection, Scope.PRINCIPAL_ADMIN)
        one = people.take_account(connection, called, who=by, reason=reason, at=utc_now())
    left = "" if one.set_up else " It cannot sign in until it sets that up anew: aeo-gateway principal link."
    console.print(f"No account at the provider signs {escape(one.name)} in any more.{left}", highlight=False)


@app.command()
def disable(called: Called, reason: Reason) -> None:
    """Somebody may do nothing any more, at once."""
    with changing() as connection:
        one = people.disable(connection, called, who=acting(connection, Scope.PRINCIPAL_ADMIN), reason=reason, at=utc_now())
    console.print(f"{escape(one.name)} may do nothing here any more; every node follows within a second.", highlight=False)


@app.command("sign-out")
def sign_out(called: Called, reason: Reason) -> None:
    """End every session of a person at the console, at once; it may sign in again."""
    with changing() as connection:
        by = acting(connection, Scope.PRINCIPAL_ADMIN)
        one, ended = people.sign_out(connection, called, who=by, reason=reason, at=utc_now())
    console.print(f"{ended} sessions of {escape(one.name)} are over.", highlight=False)


@app.command()
def acknowledge(called: Called) -> None:
    """A third person has looked at the second one, whom the first made known alone."""
    with changing() as connection:
        by = acting(connection, Scope.CLEARANCE_READ)
        one = principals.acknowledge(connection, called, by=by, at=utc_now())
    console.print(f"{escape(one.name)} is acknowledged by {escape(by.name)}.", highlight=False)


@app.command("stand-in")
def stand_in(
    absent: Annotated[str, typer.Argument(help="Who is away.")],
    instead: Annotated[str, typer.Argument(help="Who may do for that time what the one who is away may.")],
    until: Annotated[datetime, typer.Option(parser=moment, metavar="MOMENT", help="Until when, at most a month.")],
    reason: Reason,
) -> None:
    """Have somebody stand in for another for a while."""
    with changing() as connection:
        by = acting(connection, Scope.CLEARANCE_READ)
        one, other = people.stand_in(connection, absent, instead, until, who=by, reason=reason, at=utc_now())
    said = f"{other.name} may do what {one.name} may, until {until:%Y-%m-%d %H:%M} UTC."
    console.print(escape(said), highlight=False)


def _state(row: Principal) -> str:
    if row.disabled:
        return f"[red]disabled {row.disabled:%Y-%m-%d}[/]"
    if row.exempt:
        return "[yellow]made known by one person alone: a third acknowledges[/]"
    return "[green]known[/]"


def _tell_link(one: Principal, secret: str) -> None:
    console.print(
        f"{escape(one.name)} ({one.id}) sets up how to sign in, once, within {people.LINK_FOR.days} days, at:", highlight=False
    )
    typer.echo(f"{settings().public_url}/sign-in/{secret}")
