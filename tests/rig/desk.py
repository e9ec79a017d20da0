"""A house that speaks to partners without a network: what is queued for them can be looked at, delivered, or left to expire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.core.arrangement import Arrangement, Binding
from gateway.core.model import Environment, Statement
from gateway.core.terms import Dated, Provenance, Term
from gateway.domestic.record import Faults, Record, decode
from gateway.exchange.tell import feed
from gateway.exchange.tell.feed import ConfirmedRecord, Report
from gateway.partners import load_all
from gateway.partners.load import LoadedPartners as Loaded
from gateway.running import calendar
from gateway.settings import Settings
from gateway.store import disclosures, outbox, partners
from gateway.store.active import ActivePartner, ActivePartners
from gateway.store.database import Database
from gateway.store.disclosures import Disclosure
from gateway.store.outbox import Leased
from gateway.wire.xml import parse
from tests.rig.enterprises import made_uscc
from tests.rig.machine import REPO

START = datetime(2026, 6, 15, 4, tzinfo=UTC)
_CHOSEN = Provenance("setting", note="chosen for a test")


@cache
def loaded() -> Loaded:
    return load_all(REPO / "partners", REPO / "schemas")


def row(number: int, **said: Any) -> dict[str, Any]:
    """Enterprise ``number`` of the made-up ones, Advanced Certified unless said otherwise; None leaves a field out."""
    return {
        "uscc": made_uscc(number),
        "customs_code": f"99{number:08d}",
        "name_zh": f"虚构样例企业第{number:05d}号有限公司",
        "name_en": f"Made-Up Sample Enterprise No. {number:05d} Ltd",
        "tier": "advanced-certified",
        "tier_since": "2026-04-01",
        "measure_status": "active",
        "measure_since": "2026-04-01",
        "certified_on": "2026-04-01",
        **said,
    }


RECTIFYING = {"measure_status": "rectifying", "measure_since": "2026-06-10", "ground": "rectification-start"}
RECTIFIED = {"measure_status": "active", "measure_since": "2026-06-12", "ground": "rectification-success"}
DOWNGRADED = {
    "tier": "general-compliance",
    "tier_since": "2026-06-12",
    "measure_since": "2026-06-12",
    "ground": "downgrade",
    "certified_on": None,
}
UNFORESEEN = {"tier": "advanced-certified", "tier_since": "2026-06-13", "measure_since": "2026-06-13", "ground": "other"}


class _Connected(ActivePartners):
    """Partners as activated, each connected, with terms changed at will."""

    def __init__(self, lives: Mapping[str, ActivePartner]) -> None:
        super().__init__()
        self._live = dict(lives)

    def put(self, iso: str, live: ActivePartner) -> None:
        self._live = {**self._live, iso: live}


class Desk:
    """``now`` is the clock. The partners named are active and connected."""

    environment = Environment.TEST

    def __init__(self, database: Database, home: Path, isos: Iterable[str]) -> None:
        self.database, self.settings, self.now = database, Settings.model_validate({"home": home}), START
        self.partners = _Connected({})
        for iso in isos:
            self.add(iso)

    def add(self, iso: str, binding: Binding = Binding(endpoint="https://partner.example/exchange")) -> None:  # noqa: B008 - frozen
        """Activates a partner, connected unless ``binding`` says otherwise."""
        bundle = loaded()[iso]
        with self.database.write.begin() as connection:
            partners.activate(connection, iso, bundle.digest, bundle.content, at=START, who="test", reason="test")
        self.partners.put(iso, ActivePartner(bundle, "active"))
        self.change(iso, binding=binding)

    def change(self, iso: str, **terms: Any) -> None:
        """Changes a partner's arrangement."""
        live = self.partners.get(iso)
        arrangement = replace(live.arrangement, **terms)
        changed = replace(live.bundle, arrangement=arrangement, digest=sha256(str(arrangement).encode()).hexdigest())
        self.partners.put(iso, replace(live, bundle=changed))

    def share(self, iso: str, *fields: str) -> None:
        self.change(iso, shared=chosen(frozenset(fields)))

    def set_state(self, iso: str, state: str) -> None:
        self.partners.put(iso, replace(self.partners.get(iso), state=state))

    # What happens at home.

    def feed(self, *rows: Mapping[str, Any]) -> Report:
        """The feed says this."""
        decoded = [(line, decode({k: v for k, v in one.items() if v is not None}, line)) for line, one in enumerate(rows, 1)]
        return self.take(decoded)

    def take(self, rows: Iterable[tuple[int, Record | Faults]]) -> Report:
        with self.database.write.begin() as connection:
            return feed.import_rows(connection, self, list(rows), who="a test", at=self.now)

    def confirm(self, record: int) -> ConfirmedRecord:
        with self.database.write.begin() as connection:
            return feed.let_through(connection, self, record, who="a person", at=self.now)

    def look(self) -> None:
        """The keeper looks at the calendar."""
        for iso in self.partners.all():
            with self.database.write.begin() as connection:
                calendar.look(connection, self, iso, self.now)

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    # What becomes of it.

    def take_up(self, iso: str) -> Leased | None:
        """The courier takes the next message up; from then on it counts as sent."""
        with self.database.write.begin() as connection:
            return outbox.lease(connection, iso, now=self.now, until=self.now + timedelta(seconds=30))

    def deliver(self, iso: str, outcome: str | None = None) -> list[tuple[str, list[tuple[str, str]]]]:
        """Everything queued for a partner arrives: (kind, [(standing, ten digits)]) in the order of arrival."""
        said = []
        while leased := self.take_up(iso):
            statements = self.read(iso, leased)
            said.append((leased.header.kind.value, [(one.standing.value, one.tin[-10:]) for one in statements]))
            self.arrive(leased)
            if outcome:
                with self.database.write.begin() as connection:
                    outcomes = {one.tin: outcome for one in statements}
                    disclosures.accepted(connection, leased.id, outcomes, f"result-{leased.id}")
        return said

    def arrive(self, leased: Leased) -> None:
        """Its receipt comes."""
        with self.database.write.begin() as connection:
            outbox.finish(connection, leased, "delivered", at=self.now, answer=b"", problem=None)
            disclosures.arrived(connection, leased.id, self.now)

    def expire(self, iso: str) -> None:
        """Everything queued for a partner was tried, and expires without a receipt."""
        while leased := self.take_up(iso):
            with self.database.write.begin() as connection:
                outbox.finish(connection, leased, "expired", at=self.now, answer=None, problem="no receipt")

    def read(self, iso: str, leased: Leased) -> tuple[Statement, ...]:
        """A message as its partner reads it, its schema checked."""
        dialect = self.partners.get(iso).bundle.dialects[leased.header.dialect or "", leased.header.version or ""]
        root = parse(leased.payload.encode())
        dialect.validate(root)
        return dialect.read(leased.header.kind, root).statements

    def told(self, iso: str, number: int) -> list[Disclosure]:
        """Every telling of an enterprise that is still on record."""
        with self.database.reading() as connection:
            return [one for one in disclosures.tellings(connection, iso, [made_uscc(number)]) if one.uscc == made_uscc(number)]


def chosen(value: Any, since: date = date(2021, 11, 1)) -> Term[Any]:
    """A term that has been so for long."""
    return Term((Dated(since, value, _CHOSEN),))


def open_to_us(arrangement: Arrangement) -> dict[str, Any]:
    """What it takes for any of the 31 to be told: in force, the form of our codes chosen."""
    form = arrangement.chinese_code.on(START.date()).value or "AEOCN+10"
    return {"in_force": chosen(True), "chinese_code": chosen(form)}
