"""The steps that make a partner live, for a terminal: check, rehearse, activate, and taking it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.common import Json, changing, console, escape, print_json, settings
from gateway.cli.who import acting
from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.node.context import utc_now
from gateway.onboarding import activation, ondisk
from gateway.onboarding.finding import Mark
from gateway.onboarding.rehearsal import Rehearsal, report
from gateway.onboarding.rehearsal import rehearse as walk
from gateway.partners import Bundle, load_all
from gateway.settings import Settings
from gateway.store import partners as stored

Reason = Annotated[str, typer.Option(help="Why; it is kept in the journal.")]
_SIGN = {Mark.OK: "[green]✓[/]", Mark.WARN: "[yellow]![/]", Mark.BAD: "[red]✗[/]"}


def check(
    iso: str,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the partner's endpoint: reachable, TLS as pinned, clock.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Everything about one partner's data on one screen: ticks, warnings, crosses, and what to do. Exit code 1 on a cross."""
    checked = ondisk.checked(settings(), iso, utc_now(), online=online)
    if as_json:
        print_json(msgspec.to_builtins(checked) | {"passed": checked.passed})
    else:
        for point in checked.points:
            console.print(f"{_SIGN[point.mark]} {escape(point.what)}", highlight=False)
            if point.mark is not Mark.OK:
                console.print(f"    [dim]{escape(point.remedy)}[/]", highlight=False)
    raise typer.Exit(0 if checked.passed else 1)


def rehearse(
    iso: Annotated[str | None, typer.Argument(help="One partner; or say --all.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every partner, one after another.")] = False,
    against: Annotated[str | None, typer.Option(help="Rehearse with a partner's own test endpoint at this URL.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for the reports: HTML, JSON and JUnit.")] = None,
    as_json: Json = False,
) -> None:
    """Try the whole conversation, over real HTTP, with the partner in a box or its own test endpoint. Exit code 1 unless all passed."""
    if (iso is None) == (not everyone):
        raise Refusal(Code.DATA_INVALID, "Name one partner, or say --all.", remedy="aeo-gateway partner rehearse SG")
    chosen = settings()
    site = chosen.site if chosen.site.is_dir() else None
    bundles = list(load_all(chosen.partners, chosen.schemas, site).values()) if iso is None else [ondisk.bundle_of(chosen, iso)]
    with changing() as connection:
        by = acting(connection, Scope.PARTNER_ADMIN)
    done = [_against(chosen, bundles[0], against)] if against else _in_a_box(chosen, bundles, quiet=as_json)
    with changing() as connection:
        for one in done:
            activation.note_rehearsal(connection, one, who=by, at=utc_now())
    folder = out or chosen.home / "rehearsals"
    folder.mkdir(parents=True, exist_ok=True)
    for one in done:
        (folder / f"{one.iso.lower()}.html").write_bytes(report.as_html(one))
        (folder / f"{one.iso.lower()}.json").write_bytes(report.as_json(one))
    (folder / "junit.xml").write_bytes(report.as_junit(done))
    if as_json:
        print_json([msgspec.json.decode(report.as_json(one)) for one in done])
    else:
        console.print(f"Reports: {folder}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if all(one.passed for one in done) else 1)


def _in_a_box(chosen: Settings, bundles: list[Bundle], *, quiet: bool) -> list[Rehearsal]:
    from gateway.cli.rehearsal_host import rehearsal_host

    done = []
    with rehearsal_host(chosen) as place:
        for bundle in bundles:
            done.append(walk(bundle, place))
            if not quiet:
                _tell(done[-1])
    return done


def _against(chosen: Settings, bundle: Bundle, url: str) -> Rehearsal:
    found = ondisk.tried_against(chosen, bundle, url, utc_now)
    _tell(found)
    return found


def _tell(rehearsal: Rehearsal) -> None:
    seconds = sum(step.seconds for step in rehearsal.steps)
    verdict = "[green]passed[/]" if rehearsal.passed else "[red]not passed[/]"
    console.print(f"{rehearsal.iso} {verdict}: {len(rehearsal.steps)} steps in {seconds:.1f} s", highlight=False)
    for step in rehearsal.steps:
        for point in step.points:
            if not point.ok:
                console.print(
                    f"  [red]✗[/] {step.name}: {escape(point.what)}: expected {escape(point.expected)}, found {escape(point.found)}",
                    highlight=False,
                )


def activate(
    iso: Annotated[str | None, typer.Argument(help="One partner; or say --all or --law.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="The law and every partner, or nothing at all.")] = False,
    law: Annotated[bool, typer.Option("--law", help="Only what is common to all arrangements.")] = False,
    reason: Reason = "activated from the terminal",
) -> None:
    """Put partner data in force: every node runs that, never its disk. It must have passed check and rehearsal; all faults are named."""
    if [iso is not None, everyone, law].count(True) != 1:
        raise Refusal(Code.DATA_INVALID, "Name one partner, or say --all or --law.", remedy="aeo-gateway partner activate SG")
    chosen, at = settings(), utc_now()
    loaded = load_all(chosen.partners, chosen.schemas, chosen.site if chosen.site.is_dir() else None) if iso is None else None
    bundles = [ondisk.bundle_of(chosen, iso)] if iso else list(loaded.values()) if loaded and everyone else []
    if everyone and chosen.mode == "demo":
        console.print("Demo mode: no rehearsal is asked for.", highlight=False)
    checks = [(bundle, ondisk.checked(chosen, bundle.iso, at)) for bundle in bundles]
    said, against = [], []
    with changing() as connection:
        who = acting(connection, Scope.PARTNER_ADMIN)
        if loaded is not None:
            common = loaded.law.digest, loaded.law_content
            said.append(activation.put_law_in_force(connection, *common, chosen, who=who, reason=reason, at=at))
        for bundle, checked in checks:
            try:
                said.append(activation.put_in_force(connection, bundle, checked, chosen, who=who, reason=reason, at=at))
            except Refusal as refused:
                against.append(refused.detail)
        if against:  # raised within the transaction: nothing of it is done
            raise Refusal(Code.DATA_INVALID, "\n".join(against), remedy="Do what each sentence says, and activate again.")
    for sentence in said:
        console.print(sentence, highlight=False)


def kit(
    iso: str,
    out: Annotated[Path, typer.Option(help="The ZIP to write.")],
    endpoint: Annotated[str, typer.Option(help="Our address as the partner will call it: https://.../exchange")] = "",
) -> None:
    """Write what the partner's engineers need: XSDs, signed sample messages, our certificates, the profile, the refusals, a verifier."""
    made = ondisk.packed(settings(), iso, endpoint, utc_now)
    try:
        out.write_bytes(made)
    except OSError as error:
        raise Refusal(Code.DATA_INVALID, f"{out} cannot be written: {error.strerror}.", remedy="Name another file.") from None
    console.print(f"Wrote {out}, {len(made)} bytes.", highlight=False, soft_wrap=True)


def diff(iso: str, as_json: Json = False) -> None:
    """Say in words what activating the data on disk would change: terms, messages, and which operators."""
    most = 20
    with changing() as connection:
        found = ondisk.change(connection, settings(), iso, utc_now())
    said, hit = found.changes, found.operators
    if as_json:
        print_json(msgspec.structs.asdict(found) | {"operators": [one._asdict() for one in hit]})
        return
    for sentence in said or ["Nothing changes: that very data is in force."]:
        console.print(sentence, highlight=False, markup=False)
    console.print(f"{len(hit)} operators are answered otherwise today.", highlight=False)
    for one in hit[:most]:
        console.print(f"  {one.code}: {one.before} -> {one.after}", highlight=False, markup=False)
    if len(hit) > most:
        console.print(f"  and {len(hit) - most} more: --json names all of them.", highlight=False)


def suspend(iso: str, reason: Reason) -> None:
    """Stop exchanging messages with a partner. Benefits of its operators are another thing: see `aeo-gateway stop`."""
    _state(iso, "suspended", reason)


def resume(iso: str, reason: Reason) -> None:
    """Exchange messages with a suspended partner again."""
    _state(iso, "active", reason)


def retire(iso: str, reason: Reason) -> None:
    """End the exchange with a partner for good; what it said stays, and answers of then can still be given."""
    _state(iso, "retired", reason)


def _state(iso: str, state: str, reason: str) -> None:
    with changing() as connection:
        who = acting(connection, Scope.PARTNER_ADMIN)
        stored.set_state(connection, iso.upper(), state, at=utc_now(), who=who, reason=reason)
    console.print(f"{iso.upper()} is {state}.", highlight=False)
