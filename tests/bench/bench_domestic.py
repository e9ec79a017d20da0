"""The domestic side: a feed taken in, a change told to 31 partners, and the complete lists for all of them, on SQLite with every flush.

Beside each stands what one would write with general libraries: rows mapped one by one with SQLAlchemy's ORM, trees built with lxml and
signed by signxml; one shape for every partner, nothing checked against its schema, no law, no journal. Ours does all of that as well.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from sqlalchemy import ColumnElement, create_engine, insert, select, true, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from gateway.core.model import Header
from gateway.domestic.readfile import read
from gateway.domestic.record import decode
from gateway.exchange.tell import feed
from gateway.store import disclosures
from gateway.store.bulk import chunks
from gateway.store.tables import outbox
from gateway.wire import envelope, signature
from tests.bench import general
from tests.rig.enterprises import Row as Enterprise
from tests.rig.enterprises import made, write
from tests.rig.shipped import loaded, open_to_us
from tests.rig.telling import TellingFixture
from tests.wire.kit import certificate, private_key, signer

Row = dict[str, Any]
_header = msgspec.msgpack.Decoder(Header).decode


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: tiny sizes, goals not judged."""
    imported, changed, listed = (60, 20, 40) if smoke else (10_000, 1_000, 6_876)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        found = [_import(home, imported), *_partners(home, changed, listed)]
    return [row | {"pass": None} for row in found] if smoke else found


def _import(home: Path, count: int) -> Row:
    enterprises, _ = made(count, faulty=count // 300)
    file = home / "feed.csv"
    write(enterprises, file)
    with TellingFixture(home / "import", ()) as telling:
        ours = _seconds(lambda: _take(telling, read(file)))
    return _row("domestic.import", ours, _seconds(partial(_orm_import, file, home / "orm.db")), 5)


def _partners(home: Path, changed: int, listed: int) -> Iterator[Row]:
    """31 partners that have heard their first list; then a change of some, and all the lists again."""
    enterprises = [_advanced(one) for one in made(listed)[0]]
    news = [{**one, **_RECTIFYING} for one in enterprises[:changed]]
    with TellingFixture(home / "partners", loaded()) as telling, _Plain(home / "plain.db", enterprises) as plain:
        for iso in loaded():
            telling.change(iso, **open_to_us(loaded()[iso].arrangement))
        _take(telling, _decoded(enterprises))
        _sign(telling)
        _arrive(telling)
        ours = _seconds(partial(_tell, telling, news))
        yield _row(f"domestic.change.{changed} enterprises, 31 partners", ours, _seconds(partial(plain.change, news)), 20)
        _arrive(telling)
        ours = _seconds(partial(_lists, telling))
        yield _row(f"domestic.lists.{listed} enterprises, 31 partners", ours, _seconds(plain.lists), 30)


def _row(name: str, ours: float, beside: float, goal: float) -> Row:
    return {
        "id": name,
        "value": ours,
        "unit": "s",
        "beside": beside,
        "ratio": beside / ours,
        "goal": f"< {goal:g} s",
        "pass": ours < goal,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ---------------------------------------------------------------- ours

_RECTIFYING = {"measure_status": "rectifying", "measure_since": "2026-06-10", "ground": "rectification-start"}


def _advanced(one: Enterprise) -> Enterprise:
    since = {"tier_since": "2026-04-01", "measure_since": "2026-04-01", "certified_on": "2026-04-01"}
    return {**one, **since, "tier": "advanced-certified", "measure_status": "active", "recertify_by": "2031-04-01"}


def _decoded(enterprises: Iterable[Enterprise]) -> Iterator[Any]:
    return ((line, decode(one, line)) for line, one in enumerate(enterprises, 1))


def _take(telling: TellingFixture, found: Iterable[Any]) -> None:
    for batch in chunks(found, feed.AT_ONCE):
        telling.take(batch)


def _tell(telling: TellingFixture, news: Iterable[Enterprise]) -> None:
    _take(telling, _decoded(news))
    _sign(telling)


def _lists(telling: TellingFixture) -> None:
    for live in telling.partners.all().values():
        with telling.database.write.begin() as connection:
            feed.full_list(connection, telling.node, live, telling.now)
    _sign(telling)


def _sign(telling: TellingFixture) -> None:
    """What the courier does at its first try, for everything queued; one transaction a message."""
    by = signer()
    with telling.database.reading() as connection:
        queued = connection.execute(select(outbox.c.id, outbox.c.header, outbox.c.payload).where(outbox.c.body.is_(None))).all()
    for one in queued:
        body = signature.sign(envelope.write(_header(one.header), one.payload), by)
        with telling.database.write.begin() as connection:
            connection.execute(update(outbox).where(outbox.c.id == one.id).values(body=body, attempt=1))


def _arrive(telling: TellingFixture) -> None:
    """Every partner's receipt comes."""
    with telling.database.write.begin() as connection:
        for row in connection.execute(select(outbox.c.id).where(outbox.c.state == "queued")).scalars().all():
            disclosures.arrived(connection, row, telling.now)
        connection.execute(update(outbox).values(state="delivered"))


# ---------------------------------------------------------------- beside


class _Base(DeclarativeBase):
    pass


class _Enterprise(_Base):
    __tablename__ = "enterprise"
    uscc: Mapped[str] = mapped_column(primary_key=True)
    customs_code: Mapped[str]
    name: Mapped[str]
    tier: Mapped[str]
    measures: Mapped[str]


class _Told(_Base):
    __tablename__ = "told"
    partner: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    standing: Mapped[str]


class _Message(_Base):
    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    partner: Mapped[str]
    body: Mapped[bytes]


def _mapped(one: Enterprise) -> _Enterprise:
    return _Enterprise(
        uscc=one["uscc"], customs_code=one["customs_code"], name=one["name_en"], tier=one["tier"], measures=one["measure_status"]
    )


def _orm_import(file: Path, database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}")
    _Base.metadata.create_all(engine)
    with file.open(encoding="utf-8-sig", newline="") as lines, Session(engine) as session:
        for one in csv.DictReader(lines):
            session.merge(_mapped(one))
        session.commit()
    engine.dispose()


class _Plain:
    """A small application that tells partners: what each was told is looked up at once, and noted row by row."""

    def __init__(self, database: Path, enterprises: Iterable[Enterprise]) -> None:
        self._engine = create_engine(f"sqlite:///{database}")
        key = private_key("p256")
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._certificate = x509.load_der_x509_certificate(certificate("p256"))
        _Base.metadata.create_all(self._engine)
        with Session(self._engine) as session:
            session.add_all(map(_mapped, enterprises))
            session.execute(
                insert(_Told),
                [{"partner": iso, "code": one["customs_code"], "standing": "valid"} for iso in loaded() for one in enterprises],
            )
            session.commit()

    def __enter__(self) -> _Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def change(self, news: Iterable[Enterprise]) -> None:
        with Session(self._engine) as session:
            changed = [session.merge(_mapped(one)) for one in news]
            for iso in loaded():
                self._say(session, iso, changed, _Told.code.in_([one.customs_code for one in changed]))
            session.commit()

    def lists(self) -> None:
        with Session(self._engine) as session:
            enterprises = session.scalars(select(_Enterprise)).all()
            for iso in loaded():
                self._say(session, iso, enterprises, true())
            session.commit()

    def _say(self, session: Session, iso: str, enterprises: Iterable[_Enterprise], which: ColumnElement[bool]) -> None:
        told = {one.code: one for one in session.scalars(select(_Told).where(_Told.partner == iso, which))}
        root = etree.Element("Statements", partner=iso)
        for one in enterprises:
            standing = "valid" if one.measures == "active" else "suspended"
            told[one.customs_code].standing = standing
            statement = etree.SubElement(root, "Statement")
            for name, text in (("Code", f"AEOCN{one.customs_code}"), ("Standing", standing), ("Name", one.name)):
                etree.SubElement(statement, name).text = text
        body = general.sign(etree.tostring(root), self._key, self._certificate)
        session.add(_Message(partner=iso, body=body))
