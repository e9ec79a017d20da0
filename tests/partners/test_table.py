"""Every partner file against the table of arrangements, column by column and both ways.

Each column is read from the table into what a partner file would have to hold for it, then out of the file, and the two must be equal:
a value of the file that the table does not have fails like one that is missing. The column ``corrections`` goes before the older ones:
each correction is known here word by word with what it makes of them, so a new or changed one fails until somebody has read it. So does
any wording that this test has not read before.

The table is not part of the project: it lies with the domain facts, beside the repository (``../shared/domain/arrangements.csv``, or
``domain`` beside the folder that ``AEO_REAL_DATA`` names), and changes on its own. Where it is absent the test is skipped, on the CI
machine too: a checkout alone cannot have it, and what is shipped does not depend on it.

What cannot be compared:

- ``confidence`` is prose on how sure the table is; only what it says of the code's form is read (``confirmed``).
- ``levels`` where it names no word of the partner's ("single level", or nothing): the file's one word is ours then.
- ``scope`` where it is prose (Russia, the Philippines): that the file's sentence says it too is all that is asked.
- ``source`` says for a whole row where it comes from, the file for each value: each fact must cite a source that the row names, and each
  source named must be cited.
- What the files have and the table has no column for: Chinese names, members' names and zones, consent, and every setting of operation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from gateway.core.arrangement import AnyLevel, Arrangement, Mode
from gateway.core.terms import Dated
from gateway.onboarding.terms import in_force_by, in_force_since
from tests.rig.machine import REAL_DATA
from tests.rig.shipped import loaded

TABLE = REAL_DATA.parent / "domain" / "arrangements.csv"
ROWS = {row["iso"]: row for row in csv.DictReader(TABLE.open(encoding="utf-8"))} if TABLE.exists() else {}

pytestmark = pytest.mark.skipif(not ROWS, reason="the table of arrangements is not beside the project (domain/arrangements.csv)")

Row = dict[str, str]

LEADS_TO_THE_IMPORTER = '"what Chinese AEOs give abroad" is given to the importer'
#: Every correction as the table words it, and what it makes of other columns. An empty one is taken up in the reading of a column below.
CORRECTIONS: dict[str, tuple[str, Row]] = {
    "SG": ("the class recognised may be AA as for Hong Kong (text of 2013 not read)", {}),
    "KR": ("R is likely (summary of 2024); the class recognised may be AA as for Hong Kong", {}),
    "HK": (
        "recognised by Hong Kong: 2014/38 and 2014/64 name the AA class; that its successor is Advanced Certified is likely, not stated. "
        "Land stage 2014/38 (land ports; Hong Kong: road); 2014/64: Hong Kong names air and sea; other modes not said",
        {"scope": "land 2014-05-18; land, sea, air 2014-09-01"},
    ),
    "NZ": (
        "chinese_code_form: unknown (2017/23 says only the identity of the AEO); an administrator chooses",
        {"chinese_code_form": ""},
    ),
    "BY": ("measures: D I P E L R (2019/101: fast clearance among them)", {"measures": "D I P E L R"}),
    "AE": ("signed: July 2019 (a report of 2019-07-23), day not known", {"signed": "2019-07"}),
    "GB": ("start of the arrangement unknown: in force by 2024-10-28 at the latest", {"effective": ""}),
    "EC": (LEADS_TO_THE_IMPORTER, {}),
    "TH": (LEADS_TO_THE_IMPORTER, {}),
}

COUNTS = "GACC statements on the count of arrangements"
TABLE_ITSELF = "Table of the 31 arrangements kept with the domain facts (arrangements.csv)"
EVERY_MODE = frozenset(Mode)

#: What China recognises, as the table words it: levels, any, or None for a filter that is not known.
RECOGNISED: dict[str, frozenset[str] | AnyLevel | None] = {
    "whoever the programme certified (stated: any level)": AnyLevel.ANY,
    "STP-Plus only": frozenset({"STP-Plus"}),
    "AEOS, AEOF (not AEOC)": frozenset({"AEOS", "AEOF"}),
    "AEOF, AEOS (inside the code)": frozenset({"AEOS", "AEOF"}),
    "third type only": frozenset({"type 3"}),
    "Level 2 exporters": frozenset({"Level 2"}),
    "A grade only": frozenset({"A"}),
    "AEOS, AEOF (likely)": None,
    "AEO (grade filter unknown)": None,
    "EAEU types 1/2/3 (filter unknown)": None,
    "EAEU AEO (type filter unknown)": None,
    "AEO": None,
    "SES member": None,
    "Trusted Trader": None,
}
#: The partner's words for its levels, as the table writes them; none: it names no word, and the file's one word is ours.
WORDS: dict[str, tuple[str, ...]] = {
    "STP; STP-Plus (only STP-Plus recognised)": ("STP", "STP-Plus"),
    "A;AA;AAA (grade filter in MRA unknown)": ("A", "AA", "AAA"),
    "Tier 1;Tier 2 (tier filter not in announcement)": ("Tier 1", "Tier 2"),
    "AEOC;AEOS;AEOF=AEOC/AEOS (AEOS and AEOF recognised)": ("AEOC", "AEOS", "AEOF"),
    "AEOC;AEOS;AEOF (security level recognised)": ("AEOC", "AEOS", "AEOF"),
    "AEOC;AEOS;AEOF (code only allows AEOF/AEOS)": ("AEOC", "AEOS", "AEOF"),
    "AEO exporter;importer;warehouse;broker;logistics;manufacturer": (
        "exporter",
        "importer",
        "warehouse",
        "broker",
        "logistics",
        "manufacturer",
    ),
    "type 1;2;3 (only type 3 recognised)": ("type 1", "type 2", "type 3"),
    "type 1;2;3": ("type 1", "type 2", "type 3"),
    "Level 1;Level 2 (Level 2 Certified exporters recognised)": ("Level 1", "Level 2"),
    "OEA-S;OEA-C (filter unknown)": ("OEA-S", "OEA-C"),
    "A-grade recognised (other grades exist)": ("A",),
    "member": ("member",),
    "single level": (),
    "": (),
}
#: What the table says of a code's form that is not confirmed.
DOUBTS = ("code length 7 unverified", "code=EORI likely", "code=GB EORI likely", "length range is a guess")
#: Scopes that say something of the modes or of being in force; what the file's sentence on ``in_force`` must say too.
SCOPES = {
    "": "",
    "land 2014-05-18; land, sea, air 2014-09-01": "",
    "in force by 2024-10-28 (date unknown)": "the day it came into force is not known",
    "not confirmed": "no source says that it is in force",
    "not confirmed; as announced at signing: direct deliveries between AEOs of both sides": "direct deliveries between AEOs of both sides",
    "not confirmed (planned +6 months)": "planned for six months after signing",
}


def corrected(iso: str) -> Row:
    """The row with its correction in place of what the older columns say."""
    return ROWS[iso] | CORRECTIONS.get(iso, ("", {}))[1]


def test_every_correction_was_read() -> None:
    assert {iso: row["corrections"] for iso, row in ROWS.items() if row["corrections"]} == {
        iso: words for iso, (words, _) in CORRECTIONS.items()
    }


def test_every_doubt_is_one_of_the_table() -> None:
    said = " ".join(row["confidence"] for row in ROWS.values())
    assert all(doubt in said for doubt in DOUBTS)


def test_the_same_arrangements() -> None:
    assert set(loaded()) == set(ROWS)
    assert len(loaded()) == 31
    assert sum(len(bundle.arrangement.members) for bundle in loaded().values()) == 57


def test_what_was_added_on_2026_11_30() -> None:
    """The counts that the domain facts give, so that a table read wrongly as a whole is seen."""
    tiers = [bundle.arrangement.tiers.steps for bundle in loaded().values()]
    assert sum(steps[0].provenance.kind == "fact" for steps in tiers) == 21
    assert sum(bundle.arrangement.levels.steps[0].value is AnyLevel.ANY for bundle in loaded().values()) == 11


# What a column of the table says, and what the file says for it: a pair that must be equal.

Pair = tuple[Any, Any]


def _profile(row: Row, one: Arrangement) -> Pair:
    names = row["economy"], row["administration"], row["programme"], row["link_on_slide"], int(row["members"])
    return names, (one.economy.en, one.administration, one.programme, one.link, len(one.members))


def _signed(row: Row, one: Arrangement) -> Pair:
    return row["signed"].partition(" ")[0], one.signed


def _effective(row: Row, one: Arrangement) -> Pair:
    """The day, and what holds before and after it: no, then yes, each a fact; or unknown, and then nothing but a latest day."""
    steps = [(step.value, step.provenance.kind) for step in one.in_force.steps]
    since = in_force_since(one)
    if row["effective"]:
        return (row["effective"], [(False, "fact"), (True, "fact")]), (since and since.isoformat(), steps)
    by = re.match(r"in force by (\S+)", row["scope"])
    known = [(True, "fact")] if by else []
    found = in_force_by(one)
    return (None, by and by[1], [(None, "unknown"), *known]), (since, found and found.isoformat(), steps)


def _scope(row: Row, one: Arrangement) -> Pair:
    """The modes, and whether the sentence on being in force says what the table does beside them."""
    words = SCOPES[row["scope"]]
    said = " ".join(step.provenance.note or "" for step in one.in_force.steps)
    modes = [(step.since, step.value, step.provenance.kind) for step in one.modes.steps]
    start = one.modes.steps[0].since
    if row["scope"].startswith("land "):
        stages = [[word.strip(",") for word in stage.split()] for stage in row["scope"].split(";")]
        expected: list[Any] = [(date.fromisoformat(day), frozenset(map(Mode, named)), "fact") for *named, day in stages]
    elif row["scope"].startswith("not confirmed"):
        expected = [(start, None, "unknown")]
    else:
        expected = [(start, EVERY_MODE, "setting")]
    return (expected, True), (modes, words in said)


def _levels(row: Row, one: Arrangement) -> Pair:
    words = WORDS[row["levels"]]
    return words or 1, one.level_words if words else len(one.level_words)


def _recognised_by_china(row: Row, one: Arrangement) -> Pair:
    value = RECOGNISED[row["recognised_by_china"]]
    return [(value, "unknown" if value is None else "fact")], [(step.value, step.provenance.kind) for step in one.levels.steps]


def _partner_recognises(row: Row, one: Arrangement) -> Pair:
    """The tier, how it is known and from where; and whether the class of 2014 may be another is said exactly where the table says so."""
    fact = re.fullmatch(r"Advanced Certified \(fact: (.+)\)", row["partner_recognises"])
    assert fact or row["partner_recognises"] == "unknown (setting: Advanced Certified)"
    older = " AA" in row["corrections"]
    steps = [(set(step.value or ()), step.provenance.kind, step.provenance.source) for step in one.tiers.steps]
    said = any("AA class" in (step.provenance.note or "") for step in one.tiers.steps)
    return ([({"advanced-certified"}, "fact" if fact else "setting", fact and fact[1])], older), (steps, said)


def _measures(row: Row, one: Arrangement) -> Pair:
    """The letters in their order, from every step on. What is only likely is no measure, and the file says so beside the others."""
    steps = {(None if step.value is None else " ".join(step.value), step.provenance.kind) for step in one.measures.steps}
    note = one.measures.steps[-1].provenance.note or ""
    likely = re.match(r"R is likely", row["corrections"])
    assert not likely or "R is likely" in note
    if "likely" in row["measures"]:
        letters = row["measures"].partition(" (")[0]
        return ({(None, "unknown")}, True), (steps, ", ".join(letters.split()) in note)
    known = (row["measures"], "fact") if row["measures"] else (None, "unknown")
    return ({known}, bool(likely)), (steps, "likely" in note)


def _directions(row: Row, one: Arrangement) -> Pair:
    named = None if row["directions"] == "unknown" else (set(row["directions"].split("+")), "fact")
    steps = [(step.value and set(step.value), step.provenance.kind) for step in one.directions.steps]
    return [named or (None, "unknown")], steps


def _code(row: Row, one: Arrangement) -> Pair:
    """Pattern, example and whether it is confirmed. The file names the group that holds the level; the table does not."""
    confirmed = not any(doubt in row["confidence"] for doubt in DOUBTS)
    expected = (row["code_pattern"], row["code_example"], confirmed) if row["code_pattern"] else None
    forms = [step.value for step in one.code.steps]
    found = [form and (re.sub(r"\(\?P<\w+>([^()]*)\)", r"\1", form.pattern), form.example, form.confirmed) for form in forms]
    return [expected], found


def _given_abroad(row: Row, one: Arrangement) -> Pair:
    """Exactly where Chinese exporters owe their importers something, the file says so, and shares what they owe."""
    owed = {
        "": set[str](),
        "registered English name required": {"name"},
        "name and address identical to the registration": {"name", "address"},
    }[row["what_chinese_aeos_give_abroad"]]
    steps = one.shared.steps
    said = any("gives its importer" in (step.provenance.note or "") for step in steps)
    return (bool(owed), owed), (said, owed & steps[-1].value if steps[-1].value else owed)


def _chinese_code(row: Row, one: Arrangement) -> Pair:
    known = row["chinese_code_form"] and "likely" not in row["chinese_code_form"]
    expected = (row["chinese_code_form"], "fact") if known else (None, "unknown")
    return [expected], [(step.value, step.provenance.kind) for step in one.chinese_code.steps]


def _facts(one: Arrangement) -> list[tuple[str, Dated[Any]]]:
    names = ("in_force", "directions", "modes", "levels", "measures", "code", "tiers", "consent", "shared", "chinese_code")
    return [(name, step) for name in names for step in getattr(one, name).steps if step.provenance.kind == "fact"]


def _source(row: Row, one: Arrangement) -> Pair:
    """Nothing is cited that the row does not name, and whatever it names is cited.

    A statement that counts arrangements shows that one is in force and nothing else; what such a row says besides is cited as the table.
    """
    named = set(re.sub(r" \([^)]*\)", "", row["source"]).split("; ")) | set(re.findall(r"fact: ([^)]+)", row["partner_recognises"]))
    named = {f"GACC {text}" if text.startswith("announcement") else text for text in named}
    if row["iso"] == "HK":  # named in its scope and its correction
        named.add("Hong Kong release of 2014-08-28")
    cited = {(name, step.provenance.source) for name, step in _facts(one)}
    if COUNTS in named:
        assert all((source == COUNTS) == (name == "in_force") for name, source in cited)
        named -= {COUNTS}
        cited = {(name, source) for name, source in cited if source not in (COUNTS, TABLE_ITSELF)}
    return named, {source for _, source in cited}


#: By the table's columns; ``confidence`` is read with the code, ``corrections`` with every column it corrects.
COLUMNS: dict[tuple[str, ...], Callable[[Row, Arrangement], Pair]] = {
    ("iso", "economy", "members", "administration", "programme", "link_on_slide"): _profile,
    ("signed",): _signed,
    ("effective",): _effective,
    ("scope",): _scope,
    ("levels",): _levels,
    ("recognised_by_china",): _recognised_by_china,
    ("partner_recognises",): _partner_recognises,
    ("measures",): _measures,
    ("directions",): _directions,
    ("code_pattern", "code_example", "confidence"): _code,
    ("what_chinese_aeos_give_abroad",): _given_abroad,
    ("chinese_code_form",): _chinese_code,
    ("source",): _source,
}


def test_no_column_is_passed_over() -> None:
    compared = {column for columns in COLUMNS for column in columns}
    assert compared | {"corrections"} == set(ROWS["SG"])


@pytest.mark.parametrize("compare", COLUMNS.values(), ids=[columns[0] for columns in COLUMNS])
@pytest.mark.parametrize("iso", ROWS)
def test_the_file_says_what_the_table_says(iso: str, compare: Callable[[Row, Arrangement], Pair]) -> None:
    table, file = compare(corrected(iso), loaded()[iso].arrangement)
    assert file == table
