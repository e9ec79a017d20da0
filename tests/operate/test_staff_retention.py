"""What is kept of staff goes by a default, and what can still be used stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select, update

from gateway.core.access import StaffRole, Way
from gateway.core.errors import Refusal
from gateway.node.workplace import Workplace
from gateway.operate import growth, people
from gateway.operate import retention as putting_away
from gateway.operate.retention import PutAway
from gateway.settings import Settings
from gateway.store import attempts, ceremonies, devices, passkeys, principals, provider_accounts, retention, sessions, tokens
from gateway.store.active import ActivePartners
from gateway.store.database import Database
from gateway.store.passkeys import Passkey
from gateway.store.staff_classes import INQUIRY, STAFF_CLASSES
from gateway.store.tables import attempt, ceremony, device, entry, link, metadata, passkey, principal, session, token
from tests.rig.node import START
from tests.rig.people import person

TABLES = (session, link, token, device, ceremony, attempt, passkey)
ADDRESS, AGENT = "192.0.2.7", "a browser"


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Workplace:
    return Workplace(Settings.model_validate({"home": tmp_path, "database": database.url}), database, ActivePartners())


def _a_person(connection: Connection, name: str) -> str:
    """Somebody with everything that is kept of one; the id."""
    one = principals.add_person(connection, name, [StaffRole.APPROVER], by=(), at=START, email="one@customs.example")
    who = principals.person(connection, one.id, Way.CONSOLE, START, ADDRESS)
    proven = {"password": "a hash", "totp": "a secret", "subject": f"https://provider.example {name}"}
    connection.execute(update(principal).where(principal.c.id == one.id).values(proven))
    people.new_link(connection, one.id, who=person("an administrator"), reason="new", at=START)
    sessions.start(connection, one.id, "password", at=START, address=ADDRESS, agent=AGENT)
    tokens.personal(connection, one.id, f"terminal at {ADDRESS}", at=START, expires=START + timedelta(days=30), by=who)
    devices.ask(connection, at=START, address=ADDRESS)
    for kind in ("half", "passkey"):
        ceremonies.begin(connection, name, kind, {"password": "a hash"}, principal=one.id, at=START, address=ADDRESS)
    attempts.begin(connection, [attempts.account(one.id), attempts.address(ADDRESS)], START)
    key = {"id": name, "principal": one.id, "name": "a device", "public_key": b"a key", "signed": 0}
    passkeys.add(connection, Passkey(**key, created=START, last_used=None), by=who)  # type: ignore[arg-type] # as it says
    return one.id


def _put_away(desk: Workplace, days: float) -> dict[str, int]:
    """What goes, by the class, so long after everything was made."""
    went: dict[str, PutAway] = putting_away.run(desk, None, START + timedelta(days=days), dry_run=False)
    return {name: one.gone for name, one in went.items() if one.gone}


def _counts(desk: Workplace) -> dict[str, int]:
    with desk.database.reading() as connection:
        return {one.name: len(connection.execute(select(one)).all()) for one in TABLES}


def test_each_goes_by_its_default_and_not_sooner(desk: Workplace) -> None:
    with desk.database.write.begin() as connection:
        _a_person(connection, "Zhang Wei")
    assert _put_away(desk, 0.5) == {}, "all of it can still be used"
    assert _put_away(desk, 1.9) == {"terminals": 1, "begun": 2, "attempts": 2}
    assert _put_away(desk, 200) == {}
    assert _put_away(desk, 204) == {"sessions": 1, "links": 1}
    assert _put_away(desk, 231) == {"personal-tokens": 1}
    assert _put_away(desk, 3_000) == {}, "its sign-in and its passkey are in use"
    assert _counts(desk) == {one.name: 0 for one in TABLES} | {"passkey": 1}


def test_of_former_staff_only_what_the_journal_names_stays(desk: Workplace) -> None:
    with desk.database.write.begin() as connection:
        identity = _a_person(connection, "Zhang Wei")
        _a_person(connection, "Li Na")
        people.disable(connection, identity, who=person("an administrator"), reason="left", at=START)
    assert _put_away(desk, 199).get("former-staff") is None
    gone = _put_away(desk, 201)
    assert (gone["former-staff"], gone["former-passkeys"]) == (1, 1)
    with desk.database.reading() as connection:
        rows = {row.name: row for row in connection.execute(select(principal))}
        assert connection.execute(select(passkey.c.id)).scalars().all() == ["Li Na"]
        subject = provider_accounts.whose(connection, "https://provider.example Zhang Wei")
    left = rows["Zhang Wei"]
    assert (left.email, left.password, left.totp, left.id, left.roles) == (None, None, None, identity, "approver")
    assert rows["Li Na"].password == "a hash"
    assert subject is not None, "the provider cannot let in anew who was shut out"
    assert subject.disabled


def test_the_journal_keeps_nothing_of_what_goes_but_how_many(desk: Workplace) -> None:
    with desk.database.write.begin() as connection:
        _a_person(connection, "Zhang Wei")
    before = _journal(desk)
    _put_away(desk, 300)
    said = [one for one in _journal(desk) if one not in before]
    assert {one["subject"]: one["rows"] for one in said} == {
        **{"sessions": 1, "links": 1, "personal-tokens": 1, "terminals": 1, "begun": 2, "attempts": 2}
    }
    assert all(one["pruned"] == [] and one["who"] == "" and "default" in one["because"] for one in said)
    assert ADDRESS not in str(said)


def _journal(desk: Workplace) -> list[dict[str, Any]]:
    with desk.database.reading() as connection:
        return [msgspec.json.decode(body) for body in connection.execute(select(entry.c.body).order_by(entry.c.id)).scalars()]


def test_a_person_sets_another_time_and_takes_it_back(desk: Workplace) -> None:
    with desk.database.write.begin() as connection:
        _a_person(connection, "Zhang Wei")
        act = {"because": "decision 9", "who": person("an administrator"), "at": START}
        retention.set_rule(connection, "sessions", 900, **act)  # type: ignore[arg-type] # as it says
        retention.set_rule(connection, "attempts", 0, **act)  # type: ignore[arg-type]
    assert "attempts" not in _put_away(desk, 0.9), "or nobody would be slowed down any more"
    assert "sessions" not in _put_away(desk, 800)
    with desk.database.write.begin() as connection:
        retention.unset_rule(connection, "sessions", **act)  # type: ignore[arg-type]
        assert retention.rules(connection)["sessions"].days == INQUIRY
        with pytest.raises(Refusal, match=f"it goes after {INQUIRY} days"):
            retention.unset_rule(connection, "sessions", **act)  # type: ignore[arg-type]
    assert _put_away(desk, 800) == {"sessions": 1}


def test_they_are_shown_with_all_that_is_kept(desk: Workplace) -> None:
    with desk.database.write.begin() as connection:
        _a_person(connection, "Zhang Wei")
    with desk.database.reading() as connection:
        found = {one.shelf: one for one in growth.overview(connection, desk, START + timedelta(days=300)).lines}
    shown = {one.name: (found[one.name].rows, found[one.name].due) for one in STAFF_CLASSES}
    assert shown == {
        **{"sessions": (1, 1), "links": (1, 1), "personal-tokens": (1, 1), "terminals": (1, 1), "begun": (2, 2)},
        **{"attempts": (2, 2), "former-staff": (1, 0), "former-passkeys": (1, 0)},
    }


def test_whatever_is_kept_of_people_who_sign_in_has_a_shelf() -> None:
    """A new table that hangs on a person is either put away or said here to stay, and why."""
    stays = {
        "former_account": "keeps who lost it from being let in as somebody new",
        "tie": "who may be two",
        "deputy": "who might do what, and by whom: as the journal",
    }
    of_people = {one.name for one in metadata.tables.values() if any(key.column.table is principal for key in one.foreign_keys)} | {
        attempt.name,
        principal.name,
    }
    assert of_people - stays.keys() == {one.table.name for one in STAFF_CLASSES}
