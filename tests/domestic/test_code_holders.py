"""Who had a customs code: noted as records are taken in, and made of the records of before when an installation is upgraded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.clearance.parties import domestic
from gateway.domestic.record import decode
from gateway.store.database import Database
from gateway.store.tables import code_holder, enterprise_record, feed_claim, metadata, microseconds
from tests.rig.enterprises import made_uscc, row
from tests.rig.node import START
from tests.rig.telling import TellingFixture
from tests.rig.volume import times

Held = Sequence[tuple[str, str, datetime, datetime | None]]


def held(database: Database) -> Held:
    with database.reading() as connection:
        rows = connection.execute(sa.select(code_holder).order_by(code_holder.c.id)).all()
    return [(one.code, one.uscc, one.since, one.until) for one in rows]


def of(number: int, code: str | None, **said: Any) -> dict[str, Any]:
    return row(number, customs_code=code, tier="general-compliance", certified_on=None, **said)


#: Enterprises 1 to 4 over five days: codes are taken, given up, exchanged and taken again, several times in one feed.
STORY: Sequence[Sequence[dict[str, Any]]] = (
    (of(1, "9900000001"), of(2, "9900000002"), of(3, None)),
    (of(1, None), of(3, "9900000001"), of(3, "9900000001", name_zh="虚构更名企业有限公司")),
    (of(2, None), of(3, "9900000002"), of(2, "9900000001"), of(4, "9900000004")),
    (of(4, None), of(1, "9900000004"), of(1, None), of(4, "9900000004")),
    (of(2, "9900000001", tier_since="2026-05-01", ground="correction"),),
)


def test_records_note_who_has_which_code(database: Database, tmp_path: Path) -> None:
    telling = TellingFixture(tmp_path, [], database)
    moments = []
    for rows in STORY:
        assert telling.feed(*rows).refused == []
        moments.append(telling.now)
        telling.later(days=1)
    one, two, three, four = (made_uscc(number) for number in (1, 2, 3, 4))
    at, after, then, last = moments[:4]
    assert held(database) == [
        ("9900000001", one, at, after),
        ("9900000002", two, at, then),
        ("9900000001", three, after, then),
        ("9900000002", three, then, None),
        ("9900000001", two, then, None),
        ("9900000004", four, then, last),
        ("9900000004", one, last, last),
        ("9900000004", four, last, None),
    ]


def test_what_is_refused_or_repeated_notes_nothing(database: Database, tmp_path: Path) -> None:
    telling = TellingFixture(tmp_path, [], database)
    telling.feed(of(1, "9900000001"))
    before = held(database)
    telling.later(days=1)
    report = telling.feed(of(1, "9900000001"), of(2, "9900000001"), of(3, "12345"))
    assert (report.repeated, [(one.line, one.field) for one in report.refused]) == (1, [(2, "customs_code"), (3, "customs_code")])
    assert held(database) == before


# ---------------------------------------------------------------- what an upgrade makes of the records of before


def at_0007(url: str, records: Sequence[tuple[datetime, dict[str, Any]]]) -> None:
    """An installation that has these records and does not yet note who had a code."""
    before = Database(url)
    before.migrate("0007")
    encode = msgspec.json.Encoder(order="sorted").encode
    with before.write.begin() as connection:
        table = sa.Table("enterprise_record", sa.MetaData(), autoload_with=connection)
        for at, said in records:
            body = encode(decode({name: value for name, value in said.items() if value is not None}, 1))
            values = {"uscc": said["uscc"], "recorded": microseconds(at), "digest": "0" * 64, "body": body}
            connection.execute(table.insert().values(**values, foreseen=True, held=False, note=""))
    before.close()


def migrated(url: str) -> tuple[Held, list[Any]]:
    """Who had which code once it is upgraded, and in what its schema is not that of the tables."""
    now = Database(url)
    now.migrate()
    now.migrate()
    with now.write.connect() as connection:
        unlike = compare_metadata(MigrationContext.configure(connection), metadata)
        assert connection.execute(sa.select(feed_claim)).all() == []
    found = held(now)
    now.close()
    return found, unlike


def test_an_upgrade_makes_the_table_that_would_have_been_kept(empty_database_url: str, tmp_path: Path) -> None:
    records = [(START + timedelta(days=day), one) for day, rows in enumerate(STORY) for one in rows]
    at_0007(empty_database_url, records)
    upgraded, unlike = migrated(empty_database_url)
    assert unlike == []

    kept = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    kept.migrate()
    telling = TellingFixture(tmp_path, [], kept)
    for rows in STORY:
        telling.feed(*rows)
        telling.later(days=1)
    assert upgraded == held(kept)
    kept.close()


def test_after_an_upgrade_a_party_is_who_it_was_then(empty_database_url: str) -> None:
    """The code passed on long before there was a table of it."""
    first = [(START, row(1, tier="discredited", certified_on=None)), (START, of(2, None))]
    then = START + timedelta(days=30)
    at_0007(
        empty_database_url,
        [*first, (then, row(1, customs_code=None, tier="discredited", certified_on=None)), (then, of(2, "9900000001"))],
    )
    migrated(empty_database_url)
    now = Database(empty_database_url)
    with now.reading() as connection:
        known = then + timedelta(days=1)
        before, after = (domestic(connection, ("CN9900000001",), on, known)[0] for on in (date(2026, 7, 14), date(2026, 7, 15)))
    now.close()
    assert [(one.tier, one.passed_on) for one in (before, after)] == [
        ("discredited", date(2026, 7, 15)),
        ("general-compliance", date(2026, 7, 15)),
    ]


def test_an_installation_without_enterprises(empty_database_url: str) -> None:
    at_0007(empty_database_url, [])
    assert migrated(empty_database_url) == ([], [])


def test_more_records_than_are_read_at_a_time(tmp_path: Path) -> None:
    """The first code changes its holder only on the second page."""
    many = [(START, of(number, f"99{number:08d}")) for number in range(5_100)]
    later = START + timedelta(days=1)
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    at_0007(url, [*many, (later, of(0, None)), (later, of(1, "9900000000"))])
    found, _ = migrated(url)
    assert len(found) == 5_101
    assert [one for one in found if one[0] == "9900000000"] == [
        ("9900000000", made_uscc(0), START, later),
        ("9900000000", made_uscc(1), later, None),
    ]
    assert next(one for one in found if one[1] == made_uscc(1)) == ("9900000001", made_uscc(1), START, later)


CODES = ("9900000001", "9900000002", None)


@pytest.mark.long
@settings(max_examples=times(24), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(feeds=st.lists(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(CODES)), max_size=4), max_size=6))
def test_whatever_came_the_upgrade_and_the_feed_agree(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, feeds: list[list[tuple[int, str | None]]]
) -> None:
    """Records in any order, those refused that take another's code."""
    folder = tmp_path_factory.mktemp("feeds")
    kept = Database(f"sqlite:///{shutil.copy(sqlite_template, folder / 'kept.db')}")
    telling = TellingFixture(folder, [], kept)
    for feed in feeds:
        telling.feed(*(of(number, code) for number, code in feed))
        telling.later(hours=20)
    with kept.reading() as connection:
        rows = connection.execute(sa.select(enterprise_record).order_by(enterprise_record.c.id)).all()
    now_held = {one.code: one.uscc for one in _open(kept)}
    at_0007(f"sqlite:///{folder / 'before.db'}", [(one.recorded, msgspec.json.decode(one.body)) for one in rows])
    assert migrated(f"sqlite:///{folder / 'before.db'}")[0] == held(kept)
    with kept.reading() as connection:
        enterprises = connection.execute(sa.text("SELECT customs_code, uscc FROM enterprise WHERE customs_code IS NOT NULL")).all()
    assert now_held == {one.customs_code: one.uscc for one in enterprises}
    kept.close()


def _open(database: Database) -> Sequence[Any]:
    with database.reading() as connection:
        return connection.execute(sa.select(code_holder).where(code_holder.c.until.is_(None))).all()
