"""``aeo-gateway``: everything the gateway can do, for a terminal. Every command that shows something has ``--json``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import typer

from gateway import __version__
from gateway.cli.emergency import declare
from gateway.cli.later import LaterGroup, Place
from gateway.cli.terminal import any_terminal, partner_code
from gateway.core.errors import Code, Refusal
from gateway.settings import Settings, from_environment


class _Everything(LaterGroup):
    places: ClassVar[Mapping[str, Place]] = {
        "message": Place("show", "messages", "What came and what was sent."),
        "operator": Place("show", "operators", "What partners said of an operator."),
        "partner": Place("partners", "app", "What each partner is, whether its data holds together, and putting it in force."),
        "domestic": Place(
            "domestic", "app", "Chinese enterprises: the feed of the credit management system, and what follows from it."
        ),
        "key": Place("keys", "app", "The keys this gateway signs with. A private key never leaves the key directory or the token."),
        "token": Place(
            "tokens", "app", "Who may call the API, for what, until when. A token is shown once; only its hash is kept."
        ),
        "principal": Place("principals", "app", "Persons and systems: who is known here, and what each may do."),
        "settings": Place("principals", "chosen_app", "What this installation chose."),
        "disruption": Place("switches", "disruption", "A disruption of trade, and its end: from then on measure R applies."),
        "void": Place(
            "void",
            "app",
            "Annul what should never have been believed: a message, or what a stolen key signed. It takes two people, always.",
        ),
        "list": Place("lists", "app", "Partners' lists that would change too much at once, and so wait for a person."),
        "outbox": Place("outbox", "app", "What is on its way to partners, what failed, and sending it again."),
        "journal": Place("journal", "app", "Is the record of what happened still what was sealed, and what does it say."),
        "evidence": Place(
            "evidence", "app", "The proof of one message in one file, for somebody who trusts neither us nor our database."
        ),
        "retention": Place(
            "retention",
            "app",
            "How long what is kept is kept. Nothing that was exchanged is put away until somebody sets how long: no source states it, so none is shipped. What is kept of staff goes by a default.",
        ),
        "eligible": Place("show", "eligible", "What a declared foreign AEO is entitled to, and why."),
        "declaration": Place("show", "declaration", "Read a declaration and answer for its AEO parties."),
        "told": Place(
            "domestic",
            "told",
            "What each partner was last told of a Chinese enterprise: since when, proven by which receipt, accepted by which result.",
        ),
        "ask": Place(
            "lists",
            "ask",
            "Ask the partner whose code this is about it; what it answers is recorded like any statement of its own.",
        ),
        "stop": Place("switches", "stop", "Stop one operator's or one arrangement's benefits at once. It wins over everything."),
        "lift": Place("switches", "lift", "Lift a stop."),
        "stops": Place("switches", "stops", "Every stop and disruption, the newest first."),
        "warnings": Place(
            "warnings",
            "warnings",
            "Certificates of ours and of partners, authorities, revocation lists and announcements that end within 60 days, soonest first.",
        ),
        "init": Place(
            "principals",
            "init",
            "Make the first administrator of this installation known, and print the link with which that person sets up how to sign in.",
        ),
        "login": Place(
            "principals", "login", "Sign in at this terminal: by a code that is entered at the console, or by a personal token."
        ),
        "logout": Place("principals", "logout", "Take back the token of this terminal."),
        "whoami": Place("principals", "whoami", "Who sits at this terminal, and what that one may do."),
    }


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
        except Exception as failed:
            from gateway.cli.complaints import complained

            if not complained(failed):
                raise
            sys.exit(2)


app = _Command(
    cls=_Everything,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exchange signed AEO status messages with partner customs administrations; tell clearance what a foreign AEO is entitled to, and why.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def settings() -> Settings:
    return from_environment(os.environ)


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
    declare(reason)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Tell the story and exit; 0 when every step came out as said.")] = False,
) -> None:
    """Tell the whole story: the gateway, three partners in a box, signed messages both ways, clearance answers."""
    from rich.console import Console

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
