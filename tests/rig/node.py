"""A node in this process: a database, keys and a clock of its own, and partners in boxes that it knows. No network, nothing in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, select

from gateway.core.arrangement import Arrangement, Binding
from gateway.core.history import Timeline, unpack
from gateway.core.model import PlacedStatement, Standing
from gateway.domestic.record import Faults, Record, decode
from gateway.exchange.tell import feed
from gateway.exchange.tell.feed import Report
from gateway.journal import sealer
from gateway.node.node import Node
from gateway.node.signing import Signing
from gateway.sandbox.box import Box
from gateway.settings import Settings
from gateway.store import statements
from gateway.store.active import ActivePartner, ActivePartners
from gateway.store.database import Database, Writer
from gateway.store.tables import entry, outbox
from gateway.trust.certificates import Pin, Trust, TrustStore
from gateway.trust.keys import Key, KeyRing
from tests.rig.boxes import box_of
from tests.rig.databases import blank
from tests.rig.enterprises import row
from tests.rig.keys import demo_key
from tests.rig.people import person
from tests.rig.shipped import activate, chosen, shipped

T = TypeVar("T")
START = datetime(2026, 6, 15, 4, tzinfo=UTC)


class ChangeablePartners(ActivePartners):
    """Partners as activated, with terms changed at will."""

    def put(self, iso: str, live: ActivePartner) -> None:
        self._live = {**self._live, iso: live}


class NodeFixture:
    """``now`` is everybody's clock, the database's too; ``boxes`` are the partners by code. Use it in a ``with``, or close it.

    Without a ``database`` it makes one of its own, SQLite in ``home``.
    """

    def __init__(self, home: Path, isos: Iterable[str] = ("SG", "HK"), database: Database | None = None, **settings: Any) -> None:
        self.now = START
        self.settings = Settings(home=home, database=database.url if database else "", **settings)
        self._owns_database = database is None
        if database is None:
            file = Path(sa.make_url(self.settings.database_url).database or "")
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(blank())
            database = Database(self.settings.database_url)
        self.database = database
        self.keys = self.settings.keys
        self.ours = self.key("gateway")
        self.partners = ChangeablePartners()
        self.trust = TrustStore({})
        self.node = self.another()
        self.boxes = {iso: self._box(iso) for iso in isos}
        with database.write.begin() as connection:
            activate(connection, map(shipped, self.boxes), START - timedelta(days=400))
            self.partners.refresh(connection)

    def another(self) -> Node:
        """One more node on the same database; the first is made so too."""
        signing = Signing(KeyRing(self.keys), "gateway", "", self.clock, production=False)
        node = Node(self.settings, self.database, Writer(self.database), self.partners, self.trust, signing, self.clock)
        node.database_clock = lambda _: self.now
        return node

    def _box(self, iso: str) -> Box:
        key = self.key(iso.lower())
        self.trust.put(iso, Trust((Pin.of("signing", key.certificate),)))
        return box_of(shipped(iso), key, self.ours, self.clock)

    def folder(self, name: str) -> Path:
        """Where a key of this name lies: ours in the installation's, as those of partners and thieves never do."""
        return self.keys if name == "gateway" else self.settings.home / "others"

    def key(self, name: str) -> Key:
        return demo_key(self.folder(name), name, START - timedelta(days=1))

    def close(self) -> None:
        self.node.writer.close()
        if self._owns_database:
            self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def clock(self) -> datetime:
        return self.now

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    # What is agreed with a partner.

    def live(self, iso: str = "SG") -> ActivePartner:
        return self.partners.get(iso)

    def terms(self, iso: str) -> Arrangement:
        return self.live(iso).arrangement

    def change(self, iso: str, **terms: Any) -> None:
        """Changes a partner's arrangement."""
        live = self.live(iso)
        self.partners.put(iso, replace(live, bundle=replace(live.bundle, arrangement=replace(live.arrangement, **terms))))

    def bind(self, iso: str, **binding: Any) -> Binding:
        """Changes how a partner is connected."""
        self.change(iso, binding=replace(self.terms(iso).binding, **binding))
        return self.terms(iso).binding

    def threshold(self, iso: str, most: int) -> None:
        self.change(iso, threshold=chosen(most))

    # What happens at home.

    def feed(self, *enterprises: int | Mapping[str, Any], **said: Any) -> Report:
        """The domestic feed speaks of made-up enterprises, by number or as rows; the first time, every partner is to get its complete list."""
        rows = [row(one, **said) if isinstance(one, int) else {**one, **said} for one in enterprises]
        return self.take((line, decode({k: v for k, v in one.items() if v is not None}, line)) for line, one in enumerate(rows, 1))

    def take(self, rows: Iterable[tuple[int, Record | Faults]]) -> Report:
        with self.database.write.begin() as connection:
            return feed.import_rows(connection, self.node, list(rows), who=person("a test"), at=self.now)

    # What the database holds.

    def do(self, job: Callable[[Connection], T]) -> T:
        """In a transaction of its own."""
        return self.node.writer.do(job)

    def seal(self) -> int:
        return self.do(lambda connection: sealer.seal(connection, self.node))

    def rows(self, table: Any) -> Sequence[Any]:
        with self.database.reading() as connection:
            return connection.execute(select(table).order_by(*table.primary_key)).all()

    def journal(self, kind: str) -> list[str]:
        """Subjects of the journal's entries of one kind."""
        with self.database.reading() as connection:
            query = select(entry.c.subject).where(entry.c.kind == kind).order_by(entry.c.id)
            return list(connection.execute(query).scalars())

    def queue(self, iso: str = "SG") -> list[tuple[str, str]]:
        """(kind, state) of every message to a partner, in order."""
        with self.database.reading() as connection:
            rows = connection.execute(select(outbox.c.kind, outbox.c.state).where(outbox.c.partner == iso).order_by(outbox.c.id))
            return [(row.kind, row.state) for row in rows]

    def of(self, message_id: str) -> Any:
        """The row of one of our messages."""
        with self.database.reading() as connection:
            return connection.execute(select(outbox).where(outbox.c.message_id == message_id)).one()

    def standing(self, tin: str) -> Standing | None:
        """How an operator stands now."""
        timeline = self.timeline(tin)
        now = int(self.now.timestamp())
        stands = [one.standing_at(now, now) for one in timeline.authorisations] if timeline else []
        return stands[0].standing if stands and stands[0] else None

    def timeline(self, tin: str) -> Timeline | None:
        with self.database.reading() as connection:
            packed = statements.timeline(connection, tin)
        return unpack(packed) if packed else None

    def said(self, tin: str, iso: str = "SG") -> list[PlacedStatement]:
        with self.database.reading() as connection:
            return statements.statements_of(connection, iso, [tin]).get(tin, [])
