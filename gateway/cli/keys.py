"""``aeo-gateway key``: the keys this gateway signs with. A private key never leaves the key directory or the token."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from gateway.cli.common import Json, changing, console, escape, moment, print_json, settings
from gateway.cli.domestic import opened
from gateway.cli.show import activated
from gateway.cli.tables import Table
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.exchange.certificates import announce
from gateway.node.context import utc_now
from gateway.operate import keys as ours
from gateway.operate.keys import MAX_DAYS
from gateway.store.proposals import Proposal
from gateway.trust.keys import Key, KeyRing, Purpose, create_file_key, create_token_key
from gateway.trust.pkcs11 import Token
from gateway.trust.selfsigned import Subject

app = typer.Typer(
    no_args_is_help=True, help="The keys this gateway signs with. A private key never leaves the key directory or the token."
)

Identity = Annotated[str, typer.Argument(help="The key's id, as `key list` shows it; or its name, for the one that signs now.")]
Name = Annotated[str, typer.Argument(help="The key's name; AEO_KEY says which one signs.")]
InToken = Annotated[
    tuple[str, str, str] | None,
    typer.Option(
        metavar="MODULE TOKEN KEY",
        help="The key is in a PKCS#11 token: the module's path, both labels. AEO_KEY_PASSPHRASE is the PIN.",
    ),
]


@app.command()
def create(
    name: Name = "gateway",
    algorithm: Annotated[
        str, typer.Option(help="ecdsa-p256-sha256, ecdsa-p384-sha384, rsa-pss-sha256, rsa-sha256 or ed25519.")
    ] = "ecdsa-p256-sha256",
    organisation: Annotated[str, typer.Option(help="O of the certificate.")] = "",
    country: Annotated[str, typer.Option(help="C of the certificate.")] = "",
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="Days for which the certificate is valid.")] = 730,
    purpose: Annotated[Purpose, typer.Option(help="A demo key is refused when AEO_MODE is production.")] = Purpose.PRODUCTION,
    token: InToken = None,
) -> None:
    """Make a key and its self-signed certificate, encrypted with AEO_KEY_PASSPHRASE; or the certificate of a key that a token holds."""
    chosen = settings()
    if KeyRing(chosen.keys).all(name):
        raise Refusal(Code.DATA_INVALID, f"There is a key named {name} already.", remedy=f"aeo-gateway key rotate {name}")
    subject, secret, now = Subject(name, organisation, country), chosen.key_passphrase.get_secret_value(), utc_now()
    if token is None:
        key = create_file_key(chosen.keys, name, algorithm, subject, purpose, secret, days, now=now)
    else:
        key = create_token_key(chosen.keys, name, algorithm, subject, purpose, Token(*token), secret, days, now=now)
    console.print(
        f"Made {key.id} in {key.folder}. Its certificate for the partners: aeo-gateway key export-certificate {key.id}",
        highlight=False,
    )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every key, what it is now, and until when its certificate is valid."""
    ring = KeyRing(settings().keys)
    now = utc_now()
    states = {
        identity: state for name in {key.record.name for key in ring.all()} for identity, state in ring.states(name, now).items()
    }
    rows = [_row(key) | {"state": str(states[key.id])} for key in ring.all()]
    if as_json:
        print_json(rows)
        return
    table = Table("key", "state", "purpose", "algorithm", "signs from (UTC)", "certificate until")
    for row in rows:
        moments = (row[name][:16].replace("T", " ") for name in ("signs_from", "not_after"))
        table.add_row(row["id"], row["state"], row["purpose"], row["algorithm"], *moments)
    console.print(table if rows else "There is no key yet: aeo-gateway key create")


@app.command()
def show(identity: Identity = "gateway", as_json: Json = False) -> None:
    """One key: everything but its secret, and which partners acknowledged its announcement."""
    key = ours.find(settings(), identity, utc_now())
    row = _row(key)
    with activated() as (connection, _):
        told = announce.states_of(connection, key.fingerprint)
    if as_json:
        print_json(row | {"announced": told})
        return
    for name, value in row.items():
        console.print(f"{name.replace('_', ' '):<14}{value}", highlight=False, soft_wrap=True)
    _heard(told)


@app.command()
def rotate(
    name: Name = "gateway",
    switch: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="Days from now at which the next key takes over.")] = 14,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="Days for which its certificate is valid.")] = 730,
    token: InToken = None,
) -> None:
    """Make the next key. Partners hear of its certificate first; it signs only from the day of the switch on."""
    with changing() as connection:
        key = ours.rotate(
            connection,
            settings(),
            name,
            switch=switch,
            days=days,
            who=acting(connection, Scope.KEY_ADMIN),
            at=utc_now(),
            token=Token(*token) if token else None,
        )
    if isinstance(key, Proposal):
        console.print(escape(key.sentence), highlight=False)
        return
    console.print(f"Made {key.id}; it signs from {key.signs_from:%Y-%m-%d %H:%M} UTC on.", highlight=False)
    console.print(
        "A running gateway announces its certificate to every connected partner (kind keys) within a minute.", highlight=False
    )


@app.command()
def hasten(
    name: Name = "gateway",
    at: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="MOMENT", help="When it takes over (UTC where no zone is named); default at once."),
    ] = None,
) -> None:
    """Bring the announced switch forward, because the key that signs now was stolen. Whoever has not acknowledged the next certificate
    is told of it again until then. Where nodes keep keys of their own, run it on each with one --at."""
    with opened() as desk, desk.database.write.begin() as connection:
        done = ours.hasten(connection, desk, name, signs_from=at, who=acting(connection, Scope.KEY_ADMIN), at=utc_now())
    if isinstance(done, Proposal):
        console.print(escape(done.sentence), highlight=False)
        return
    console.print(f"{done.key.id} signs from {done.key.signs_from:%Y-%m-%d %H:%M:%S} UTC on.", highlight=False)
    if done.deaf:
        console.print(
            f"Not acknowledged by {', '.join(done.deaf)}: from then on they do not understand us, until they pin it by hand:\n"
            f"aeo-gateway key export-certificate {done.key.id}",
            highlight=False,
        )
    console.print("Tell every partner by telephone to remove the stolen certificate.", highlight=False)


@app.command()
def drop(name: Name = "gateway") -> None:
    """Drop the next key before it takes over, because it was stolen; `key rotate` then makes and announces another. Where nodes keep
    keys of their own, run it on each."""
    with changing() as connection:
        done = ours.drop(connection, settings(), name, who=acting(connection, Scope.KEY_ADMIN), at=utc_now())
    if isinstance(done, Proposal):
        console.print(escape(done.sentence), highlight=False)
        return
    console.print(f"{done.key.id} never signs. Make another: aeo-gateway key rotate {name}", highlight=False)
    _heard(done.announced)
    if done.announced:
        console.print("They accept it until they remove it: tell them by telephone.", highlight=False)


@app.command("export-certificate")
def export_certificate(identity: Identity = "gateway") -> None:
    """Print the certificate (PEM) that partners pin."""
    typer.echo(ours.find(settings(), identity, utc_now()).pem, nl=False)


def _heard(told: list[announce.AnnouncementState]) -> None:
    for one in told:
        acknowledged = f"acknowledged {one.finished:%Y-%m-%d %H:%M} UTC" if one.state == "delivered" else one.state
        console.print(f"announced to {one.partner}: {acknowledged}", highlight=False)


def _row(key: Key) -> dict[str, str]:
    return {
        "id": key.id,
        "purpose": str(key.record.purpose),
        "algorithm": key.record.algorithm,
        "created": key.record.created.isoformat(),
        "signs_from": key.record.signs_from.isoformat(),
        "not_after": key.ends.isoformat(),
        "fingerprint": key.fingerprint,
        "subject": key.x509.subject.rfc4514_string(),
        "held_by": "token" if key.record.token else "file",
    }
