"""What was activated is opened as it was, by its digest; what cannot be opened is that partner's state alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from gateway.core.model import PlacedStatement, Standing, Statement
from gateway.partners import Bundle, open_bundle, read_bundle, values
from gateway.partners.canonical import canonical
from gateway.partners.faults import PartnerFaults, wrong
from gateway.store import packing
from gateway.store import partners as stored
from gateway.store.active import ActivePartners
from gateway.store.database import Database
from gateway.store.tables import metadata
from tests.rig.people import person
from tests.rig.shipped import shipped

AT = datetime(2026, 6, 1, tzinfo=UTC)


def changed(iso: str, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The stored content of a partner, as some other release may have written it."""
    raw = json.loads(shipped(iso).content)
    change(raw)
    return canonical(raw)


def activated(tmp_path: Path, contents: dict[str, bytes]) -> tuple[Database, ActivePartners]:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    metadata.create_all(database.write)
    known = ActivePartners()
    with database.write.begin() as connection:
        for iso, content in contents.items():
            _activate(connection, iso, content)
        known.refresh(connection)
    return database, known


def _activate(connection: Connection, iso: str, content: bytes) -> None:
    stored.activate(connection, iso, sha256(content).hexdigest(), content, at=AT, who=person("a test"), reason="a test")


def test_a_digest_is_of_the_stored_bytes_whatever_is_read_of_them() -> None:
    """A key that this version does not know (another release wrote it) neither changes the digest nor keeps the rest from being opened."""
    content = changed("SG", lambda raw: raw["partner"].update(motto="nobody reads this"))
    with pytest.raises(PartnerFaults):
        read_bundle(content)
    opened = open_bundle(content, "SG")
    assert opened.faults == ()
    assert opened.digest == opened.arrangement.digest == sha256(content).hexdigest()
    assert opened.arrangement.in_force == shipped("SG").arrangement.in_force


def test_a_rule_that_became_stricter_is_not_asked_of_what_was_activated(monkeypatch: pytest.MonkeyPatch) -> None:
    def stricter(pattern: str) -> int:
        raise wrong("no pattern pleases the new rule", "Write another.")

    content = shipped("SG").content
    monkeypatch.setattr(values, "width_of", stricter)
    with pytest.raises(PartnerFaults):
        read_bundle(content)
    opened = open_bundle(content, "SG")
    assert opened.faults == ()
    assert opened.arrangement == shipped("SG").arrangement


def test_what_does_not_agree_by_the_rules_of_now_is_opened_all_the_same() -> None:
    """Two steps that no check would let through today: levels that no level word names."""

    def other(raw: dict[str, Any]) -> None:
        raw["partner"]["terms"]["levels"][0]["value"] = ["a level that was renamed since"]

    content = changed("SG", other)
    with pytest.raises(PartnerFaults):
        read_bundle(content)
    assert open_bundle(content, "SG").arrangement.levels.on(date(2026, 6, 1)).value == frozenset({"a level that was renamed since"})


def _no_json(raw: bytes) -> bytes:
    return b"\xff" + raw


def _other_shape(raw: bytes) -> bytes:
    return canonical({"partner": [], "site": {}})


def _no_zone(raw: bytes) -> bytes:
    return canonical(json.loads(raw) | {"partner": json.loads(raw)["partner"] | {"zone": "Nowhere/At all"}})


def _no_dialect(raw: bytes) -> bytes:
    return canonical(json.loads(raw) | {"dialects": {}})


def _broken_sample(raw: bytes) -> bytes:
    content = json.loads(raw)
    for files in content["dialects"].values():
        files["list.xml"] = "<a"
    return canonical(content)


@pytest.mark.parametrize("spoil", [_no_json, _other_shape, _no_zone, _no_dialect, _broken_sample])
def test_what_cannot_be_opened_is_that_partner_s_state_alone(
    tmp_path: Path, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    whole = {iso: shipped(iso).content for iso in ("HK", "JP")}
    database, known = activated(tmp_path, {"SG": spoil(shipped("SG").content), **whole})
    states = {iso: live.state for iso, live in known.all().items()}
    assert states == {"HK": "active", "JP": "active", "SG": "unreadable"}
    assert "of SG cannot be opened" in caplog.text
    sg = known.get("SG").bundle
    assert sg.faults
    assert sg.digest == sha256(spoil(shipped("SG").content)).hexdigest()
    # Its codes stay its own, and what could not be read is unknown: nothing is granted by it, nothing is said to be nobody's.
    arrangement = known.registry.arrangement_for("SG123456789012")
    assert arrangement is not None
    assert arrangement.iso == "SG"
    assert known.registry.arrangement_for("HK1234567890") == shipped("HK").arrangement
    database.close()


def test_a_format_of_a_later_gateway_is_named() -> None:
    opened: Bundle = open_bundle(shipped("SG").content, "SG", 99)
    (fault,) = opened.faults
    assert "format 99" in str(fault)
    assert opened.arrangement.in_force.on(date(2026, 6, 1)).value is not True


def test_a_stored_statement_is_read_by_a_release_that_says_more() -> None:
    """Fields are added with a default; what was written before has them not."""
    placed = PlacedStatement(
        statement=Statement(tin="SG123456789012", standing=Standing.VALID, effective=date(2026, 6, 1)),
        issued=AT,
        takes_effect=AT,
        pictured=False,
        message_id="m",
        digest="00",
        received=AT,
    )
    kept = msgspec.msgpack.decode(packing.pack(placed))
    optional = ("derived", "held", "voided", "transcribed")
    for name in optional:
        del kept[name]
    for name in ("name", "effective", "role"):
        del kept["statement"][name]
    before = packing.placed(msgspec.msgpack.encode(kept))
    assert before == msgspec.structs.replace(placed, statement=msgspec.structs.replace(placed.statement, effective=None))
