"""A node that speaks to partners without a courier: what is queued for them can be looked at, delivered, or left to expire."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.core.arrangement import Binding
from gateway.core.model import Statement
from gateway.exchange.tell import feed
from gateway.exchange.tell.feed import ConfirmedRecord
from gateway.running import calendar
from gateway.store import disclosures, outbox, partners
from gateway.store.active import ActivePartner
from gateway.store.database import Database
from gateway.store.disclosures import Disclosure
from gateway.store.outbox import Leased
from gateway.store.proposals import Proposal
from gateway.wire.xml import parse
from tests.rig.enterprises import made_uscc
from tests.rig.node import NodeFixture
from tests.rig.people import person
from tests.rig.shipped import chosen, shipped

CONNECTED = Binding(endpoint="https://partner.example/exchange")


class TellingFixture(NodeFixture):
    """The partners named are active and connected."""

    def __init__(self, home: Path, isos: Iterable[str] = ("SG", "HK"), database: Database | None = None, **settings: Any) -> None:
        super().__init__(home, isos, database, **settings)
        for iso in self.boxes:
            self.change(iso, binding=CONNECTED)

    def add(self, iso: str, binding: Binding = CONNECTED) -> None:
        """Activates one more partner, connected unless ``binding`` says otherwise."""
        bundle = shipped(iso)
        with self.database.write.begin() as connection:
            partners.activate(connection, iso, bundle.digest, bundle.content, at=self.now, who=person("a test"), reason="a test")
        self.partners.put(iso, ActivePartner(bundle, "active"))
        self.change(iso, binding=binding)

    def change(self, iso: str, **terms: Any) -> None:
        """Changes a partner's arrangement, and with it the digest of its data."""
        super().change(iso, **terms)
        live = self.live(iso)
        digest = sha256(str(live.arrangement).encode()).hexdigest()
        self.partners.put(iso, replace(live, bundle=replace(live.bundle, digest=digest)))

    def share(self, iso: str, *fields: str) -> None:
        self.change(iso, shared=chosen(frozenset(fields)))

    def set_state(self, iso: str, state: str) -> None:
        self.partners.put(iso, replace(self.live(iso), state=state))

    # What happens at home.

    def let_through(self, record: int, who: str) -> ConfirmedRecord | Proposal:
        with self.database.write.begin() as connection:
            return feed.let_through(connection, self.node, record, who=person(who), at=self.now)

    def confirm(self, record: int) -> ConfirmedRecord:
        """One person does, where that is enough."""
        done = self.let_through(record, "a person")
        assert isinstance(done, ConfirmedRecord)
        return done

    def look(self) -> None:
        """The keeper of the calendar looks at it."""
        for iso in self.partners.all():
            with self.database.write.begin() as connection:
                calendar.look(connection, self.node, iso, self.now)

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
        dialect = self.live(iso).bundle.dialects[leased.header.dialect or "", leased.header.version or ""]
        root = parse(leased.payload.encode())
        dialect.validate(root)
        return dialect.read(leased.header.kind, root).statements

    def told(self, iso: str, number: int) -> list[Disclosure]:
        """Every telling of an enterprise that is still on record."""
        with self.database.reading() as connection:
            return [one for one in disclosures.tellings(connection, iso, [made_uscc(number)]) if one.uscc == made_uscc(number)]
