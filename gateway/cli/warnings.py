"""``aeo-gateway warnings``: what ends within 60 days, before it does harm."""

from __future__ import annotations

from datetime import timedelta

from gateway.cli.common import Json, console, escape, print_json
from gateway.cli.domestic import opened
from gateway.cli.tables import Table
from gateway.node.context import utc_now
from gateway.operate import expiry
from gateway.trust import endings


def warnings(as_json: Json = False) -> None:
    """Certificates of ours and of partners, authorities, revocation lists and announcements that end within 60 days, soonest first."""
    now = utc_now()
    with opened() as desk, desk.database.reading() as connection:
        found = endings.alerts(expiry.watched(connection, desk, expiry.evidence_store(desk.settings).all(), now), now)
    if as_json:
        print_json([expiry.shown(one) for one in found])
        return
    table = Table("left", "what", "of", "which", "ends (UTC)")
    for one in found:
        ending = one.ending
        colour = "dim" if ending.succeeded else "red" if one.left < timedelta(days=7) else "yellow"
        note = "; another lasts longer" if ending.succeeded else ""
        left = f"{int(one.left / timedelta(days=1))} days" if one.left > timedelta() else "ended"
        table.add_row(
            f"[{colour}]{left}[/]", ending.kind, escape(ending.owner), escape(ending.name) + note, f"{ending.ends:%Y-%m-%d %H:%M}"
        )
    console.print(table if found else "Nothing ends within 60 days.")
