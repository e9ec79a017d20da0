"""``aeo-gateway``: everything the gateway can do, for a terminal. Every command that shows something has ``--json``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from gateway import __version__
from gateway.cli import (
    domestic,
    evidence,
    journal,
    keys,
    lists,
    outbox,
    partners,
    principals,
    retention,
    show,
    switches,
    tokens,
    void,
    warnings,
    who,
)
from gateway.cli.common import any_terminal, complain, partner_code, settings
from gateway.core.errors import Code, Refusal
from gateway.partners import PartnerFaults
from gateway.settings import SettingsFault


class _Command(typer.Typer):
    """What is refused is said in a sentence with its remedy, never as a traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        any_terminal()
        try:
            for argument in sys.argv:
                if not argument.isascii() and argument != argument.encode(errors="ignore").decode():
                    raise Refusal(
                        Code.DATA_INVALID, "An argument is not UTF-8.", remedy="Check the language settings of the terminal."
                    )
            return super().__call__(*args, **kwargs)
        except (Refusal, PartnerFaults, SettingsFault) as refused:
            complain(refused)
            sys.exit(2)
        except DBAPIError as failed:
            complain(_database(failed))
            sys.exit(2)
        except (PermissionError, NotADirectoryError, FileExistsError) as failed:
            remedy = "Let AEO_HOME, and whatever files the command names, be where this user may read and write."
            complain(Refusal(Code.DATA_INVALID, f"{failed.filename}: {failed.strerror}.", remedy=remedy))
            sys.exit(2)


def _database(failed: DBAPIError) -> Refusal:
    """What is wrong with a database that cannot be had, in its driver's own words."""
    said = " ".join(str(failed.orig).split())
    return Refusal(
        Code.INTERNAL,
        f"The database failed: {said}.",
        remedy="Check AEO_HOME and AEO_DATABASE, that the database runs, and that its disk has room; a file that is cut or broken comes back from a backup.",
    )


app = _Command(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exchange signed AEO status messages with partner customs administrations; tell clearance what a foreign AEO is entitled to, and why.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(show.messages, name="message")
app.add_typer(show.operators, name="operator")
app.add_typer(partners.app, name="partner")
app.add_typer(domestic.app, name="domestic")
app.add_typer(keys.app, name="key")
app.add_typer(tokens.app, name="token")
app.add_typer(principals.app, name="principal")
app.add_typer(principals.chosen_app, name="settings")
app.add_typer(switches.disruption, name="disruption")
app.add_typer(void.app, name="void")
app.add_typer(lists.app, name="list")
app.add_typer(outbox.app, name="outbox")
app.add_typer(journal.app, name="journal")
app.add_typer(evidence.app, name="evidence")
app.add_typer(retention.app, name="retention")
app.command()(show.eligible)
app.command()(show.declaration)
app.command()(domestic.told)
app.command()(lists.ask)
app.command()(switches.stop)
app.command()(switches.lift)
app.command()(switches.stops)
app.command()(warnings.warnings)
app.command()(principals.init)
app.command()(principals.login)
app.command()(principals.logout)
app.command()(principals.whoami)


@app.callback()
def emergency(
    reason: Annotated[
        str | None,
        typer.Option(
            "--emergency",
            metavar="REASON",
            help="Act as nobody in particular, at the machine of the database; it is told everywhere.",
        ),
    ] = None,
) -> None:
    """What goes before every command."""
    who.declare_emergency(reason)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Tell the story and exit; 0 when every step came out as said.")] = False,
) -> None:
    """Tell the whole story: the gateway, three partners in a box, signed messages both ways, clearance answers."""
    from gateway.cli.demo import tell_story

    raise typer.Exit(tell_story(settings(), once=once, console=Console()))


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Port; default AEO_PORT.")] = None,
    courier: Annotated[bool, typer.Option(help="Also deliver messages; --no-courier leaves that to `aeo-gateway courier`.")] = True,
) -> None:
    """Run the gateway: partner endpoint, clearance API, sealer, courier."""
    from gateway.cli.run import serve as run

    run(settings(), port, courier=courier)


@app.command()
def courier() -> None:
    """Deliver messages and do everything else that goes on in the background, without listening to anybody."""
    from gateway.cli.run import courier as run

    run(settings())


@app.command()
def sandbox(
    iso: Annotated[str, typer.Argument(parser=partner_code, metavar="ISO", help="The partner to play, by its code.")],
    gateway: Annotated[str, typer.Option(help="The gateway's /exchange address.")],
    gateway_certificate: Annotated[str, typer.Option(help="The gateway's signing certificate (PEM), as the partner pins it.")],
    home: Annotated[str, typer.Option(help="Where the box keeps its key.")],
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
) -> None:
    """Run a partner's gateway in a box, to develop against. Prints one line of JSON when it listens."""
    from gateway.cli.run import sandbox as run

    run(settings(), iso, gateway, gateway_certificate, home, port)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


if __name__ == "__main__":
    app()
