"""The shipped partners: as many as there are folders. What the table of arrangements says of them is compared in ``test_table.py``."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from datetime import date
from pathlib import Path

import pytest

from gateway.core.arrangement import AnyLevel, Direction, Measure, Mode
from gateway.partners import Registry, dialects, load_all, open_law, read_bundle
from gateway.partners.schema import SCHEMAS as EDITOR_SCHEMAS
from gateway.partners.schema import text, write
from gateway.wire import schema
from tests.partners.conftest import BASE
from tests.rig.bounds import within
from tests.rig.shipped import PARTNERS, SCHEMAS, loaded

TODAY = date(2026, 11, 23)
CONFIRMED = {"SG", "HK", "CH", "AU", "IL", "JP", "RS", "UG", "ZA", "CR", "MO", "EC"}
FOLDERS = sorted(path.name for path in PARTNERS.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS)
def test_partner(folder: str) -> None:
    """Every folder is a partner that survives being stored, and its every value says how it is known."""
    bundle = loaded()[folder.upper()]
    assert read_bundle(bundle.content) == bundle
    arrangement = bundle.arrangement
    assert arrangement.digest == bundle.digest
    for name in ("in_force", "directions", "modes", "levels", "measures", "code", "tiers", "consent", "shared", "chinese_code"):
        for step in getattr(arrangement, name).steps:
            assert (step.provenance.source is not None) == (step.provenance.kind == "fact")
            assert (step.value is None) == (step.provenance.kind == "unknown")
            assert step.provenance.source or step.provenance.note
    text = (PARTNERS / folder / "partner.toml").read_text(encoding="utf-8")
    assert text.startswith("#:schema ../partner.schema.json\n")


def test_where_nothing_is_known_nothing_is_in_force() -> None:
    unknown = {iso for iso, bundle in loaded().items() if bundle.arrangement.in_force.on(TODAY).value is None}
    assert unknown == {"KZ", "IR", "RU", "PH", "UZ", "IS"}
    in_force = sum(len(bundle.arrangement.members) for iso, bundle in loaded().items() if iso not in unknown)
    assert in_force == 51  # of 52: which one of the six it is, no source says


def test_confirmed_patterns() -> None:
    forms = {iso: bundle.arrangement.code.on(TODAY).value for iso, bundle in loaded().items()}
    assert {iso for iso, form in forms.items() if form and form.confirmed} == CONFIRMED
    assert {iso for iso, form in forms.items() if form and not form.confirmed} == {"KR", "NZ", "EU", "GB"}


def test_hong_kong_began_with_land() -> None:
    modes = loaded()["HK"].arrangement.modes
    assert modes.on(date(2014, 8, 31)).value == frozenset({Mode.LAND})
    assert modes.on(date(2014, 9, 1)).value == frozenset({Mode.LAND, Mode.SEA, Mode.AIR}), "no text speaks of another mode"


def test_any_level_is_a_fact_where_a_text_says_so() -> None:
    """It is not the same as a filter that nobody has told us of, though both let every level through."""
    levels = {iso: bundle.arrangement.levels.on(TODAY) for iso, bundle in loaded().items()}
    stated = {iso for iso, step in levels.items() if step.value is AnyLevel.ANY}
    assert stated == {"AE", "BR", "UY", "CL", "ZA", "UG", "CR", "EC", "TH", "BJ", "MN"}
    assert {levels[iso].provenance.kind for iso in stated} == {"fact"}
    assert levels["AE"].provenance.source == "GACC Announcement 2022/16"
    assert levels["KR"].provenance.kind == "unknown"


def test_level_inside_the_code() -> None:
    form = loaded()["RS"].arrangement.code.on(TODAY).value
    assert form
    found = re.fullmatch(form.pattern, "RSAEOS" + "1" * 24)
    assert found
    assert found[form.level_group or ""] == "AEOS"


@pytest.mark.parametrize(
    ("code", "iso"),
    [
        ("SG123456789012", "SG"),
        ("GR123456789", "EU"),
        ("EL123456789", None),
        ("CHE100155212", "CH"),
        ("CL1", "CL"),
        ("XI123456789000", None),
        ("TW12345678", None),
        ("GB717572504502802", "GB"),
        ("A", None),
        ("", None),
    ],
)
def test_whose_code(code: str, iso: str | None) -> None:
    found = Registry(bundle.arrangement for bundle in loaded().values()).arrangement_for(code)
    assert (found.iso if found else None) == iso


def test_each_member_of_the_eu_has_its_own_midnight() -> None:
    arrangement = loaded()["EU"].arrangement
    assert {str(arrangement.zone_of(f"{prefix}1")) for prefix in ("PT", "CY", "FR")} == {
        "Europe/Lisbon",
        "Asia/Nicosia",
        "Europe/Paris",
    }
    assert arrangement.member_of("XI123") is None


def test_the_law() -> None:
    law = loaded().law
    assert open_law(loaded().law_content) == law
    assert set(law.measures) == set(Measure)
    assert all(words.clearance_code.on(TODAY).value is None for words in law.measures.values())
    assert law.prevailing.on(date(2021, 10, 31)).value is None
    assert law.prevailing.on(date(2021, 11, 1)).provenance.kind == "fact"
    assert law.prevailing.on(TODAY).provenance.kind == "setting"


def test_a_32nd_partner_is_a_folder(tmp_path: Path) -> None:
    partners = Path(shutil.copytree(PARTNERS, tmp_path / "partners"))
    shutil.copytree(BASE / "partners" / "xa", partners / "xa")
    loaded = load_all(partners, SCHEMAS)
    assert len(loaded) == len(FOLDERS) + 1
    assert loaded["XA"].arrangement.directions.on(TODAY).value == frozenset({Direction.IMPORT})
    assert Registry(bundle.arrangement for bundle in loaded.values()).arrangement_for("XA123456") is loaded["XA"].arrangement


def test_a_site_lays_its_settings_over(base: Path) -> None:
    bundle = load_all(base / "partners", SCHEMAS, base / "site")["XA"]
    arrangement = bundle.arrangement
    assert arrangement.binding.endpoint == "https://example.test/exchange"
    assert arrangement.binding.algorithms == ("ed25519",)
    assert arrangement.chinese_code.on(date(2024, 12, 31)).value is None
    assert arrangement.chinese_code.on(TODAY).provenance.kind == "setting"
    assert arrangement.shared.on(date(2024, 12, 31)).value == frozenset({"name", "address"})
    assert arrangement.shared.on(TODAY).value == frozenset({"name"})
    assert read_bundle(bundle.content) == bundle
    assert bundle.digest != load_all(base / "partners", SCHEMAS)["XA"].digest


@pytest.mark.parametrize("name", EDITOR_SCHEMAS)
def test_editor_schemas_are_current(name: str, tmp_path: Path) -> None:
    assert (PARTNERS / name).read_text(encoding="utf-8") == text(EDITOR_SCHEMAS[name]), "run python -m gateway.partners.schema"
    write(tmp_path)
    assert json.loads((tmp_path / name).read_text(encoding="utf-8"))["title"]


def test_every_key_of_the_editor_schema_is_used() -> None:
    """What nobody writes anywhere would be dead data."""
    keys = set(json.loads((PARTNERS / "partner.schema.json").read_text(encoding="utf-8"))["properties"])
    written = {key for folder in FOLDERS for key in tomllib.loads((PARTNERS / folder / "partner.toml").read_text(encoding="utf-8"))}
    assert keys - written <= {"contacts", "signatory"}  # empty until known


@pytest.mark.long
def test_loading_never_takes_long() -> None:
    """A guard against something quadratic; the figure itself is a row of ``make bench`` (partners.load)."""
    dialects.compile_cached.cache_clear()
    schema.compile_cached.cache_clear()
    with within(15):
        assert len(load_all(PARTNERS, SCHEMAS)) == 31


def test_a_national_checksum_only_casts_doubt() -> None:
    """docs/domain.md, Codes: the examples in official notices fail the national checksums, so they never refuse."""
    doubts = {
        iso: arrangement.code.on(date(2026, 11, 1)).value
        for iso, arrangement in ((iso, bundle.arrangement) for iso, bundle in loaded().items())
    }
    australia = doubts["AU"]
    assert australia is not None
    assert australia.matches("AU12345678910")
    assert australia.doubtful("AU12345678910")
    assert not australia.doubtful("AU53004085616")
    assert {iso for iso, form in doubts.items() if form is not None and form.checksum} == {"AU", "CH", "EC"}
    assert not any(form.doubtful(form.example) for iso, form in doubts.items() if form and form.example and iso not in ("AU", "EC"))
