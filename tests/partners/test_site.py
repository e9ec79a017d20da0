"""What an installation chooses of what is common to all arrangements takes effect like its choices for one partner, or is a fault."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from gateway.core.arrangement import Measure
from gateway.partners import PartnerFaults, load_all, open_law
from tests.rig.machine import need_data
from tests.rig.shipped import law, loaded

CHOSEN = """
[measures.I]
en = "fewer inspections"
clearance_code = [
    { from = 2026-01-01, value = "A01", setting = "Clearance's own code." },
    { from = 2026-09-01, value = "B01", setting = "Clearance's own code." },
]

[[suspended_prevails]]
from = 2026-06-01
value = true
setting = "Until clearance has its own rule."
"""


def test_its_own_words_and_codes_take_effect_from_their_days(base: Path) -> None:
    before = load_all(base / "partners", base / "schemas", base / "site")
    (base / "site" / "common.toml").write_text(CHOSEN, "utf-8")
    after = load_all(base / "partners", base / "schemas", base / "site")
    own = after.law.measures[Measure.I]
    days = (date(2025, 12, 31), date(2026, 1, 1), date(2026, 8, 31), date(2026, 9, 1))
    assert [own.clearance_code.on(day).value for day in days] == [None, "A01", "A01", "B01"]
    assert own.clearance_code.on(days[1]).provenance.note == "Clearance's own code."
    assert (own.name.en, own.name.zh) == ("fewer inspections", before.law.measures[Measure.I].name.zh)
    assert after.law.suspended_prevails.on(date(2026, 6, 1)).value is True
    assert after.law.measures[Measure.P] == before.law.measures[Measure.P], "what it does not speak of stays"
    assert after.law.digest != before.law.digest
    assert open_law(after.law_content) == after.law, "and it opens again from the database alone"


def test_what_is_shipped_is_stored_as_before_where_a_site_chooses_nothing(base: Path) -> None:
    with_site = load_all(base / "partners", base / "schemas", base / "site")
    without = load_all(base / "partners", base / "schemas")
    assert (with_site.law_content, with_site.law) == (without.law_content, without.law)
    assert open_law(loaded().law_content) == law()


def test_the_file_that_was_passed_over(base: Path) -> None:
    shutil.copy(need_data("found") / "09_site_common.toml", base / "site" / "common.toml")
    own = load_all(base / "partners", base / "schemas", base / "site").law.measures[Measure.I]
    assert own.clearance_code.on(date(2026, 6, 15)).value == "A01"


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (
            "[measures.I]\nclearance_code = [{ from = 2026-01-01, value = 'A01', source = 'x' }]",
            "measures.I.clearance_code[0]",
            "settings",
        ),
        ("[measures.I]\nclearance_code = [{ from = 2026-01-01, value = 'A01' }]", "measures.I.clearance_code[0]", "provenance"),
        ("[measures.I]\nclearance_codes = []", "measures.I.clearance_codes", "no such key"),
        ("[measures.X]\nen = 'extra'", "measures.X", ""),
        ("[measures.I]\nscope = 'event'", "measures.I.scope", "no such key"),
        ("[measures.I]\nzh = 'not Chinese'", "measures.I.zh", ""),
        ("[[prevailing]]\nfrom = 2026-01-01\nvalue = ['regular']\nsetting = 'x'", "prevailing", "no such key"),
        ("[[suspended_prevails]]\nfrom = 2026-01-01\nvalue = true\nsource = 'x'", "suspended_prevails[0]", "settings"),
        ("[measures", "", "not TOML"),
    ],
)
def test_what_it_may_not_say_is_a_fault_of_that_file(base: Path, text: str, key: str, problem: str) -> None:
    (base / "site" / "common.toml").write_text(text, "utf-8")
    with pytest.raises(PartnerFaults) as caught:
        load_all(base / "partners", base / "schemas", base / "site")
    (fault,) = caught.value.faults
    assert fault.file.endswith("site/common.toml")
    assert fault.key.startswith(key)
    assert problem.lower() in fault.problem.lower()
    assert fault.remedy


@pytest.mark.parametrize(
    "stray",
    ["Common.toml", "common.tom", "xa/Site.toml", "xa/partner.toml", "xa/certs/signing-1.crt", "zz/site.toml", "notes/readme"],
)
def test_nothing_there_is_passed_over(base: Path, stray: str) -> None:
    path = base / "site" / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", "utf-8")
    with pytest.raises(PartnerFaults) as caught:
        load_all(base / "partners", base / "schemas", base / "site")
    (fault,) = caught.value.faults
    assert str(base / "site") in fault.file
    assert fault.remedy
