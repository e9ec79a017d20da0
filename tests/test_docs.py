"""Pages can fail: links and paths lead somewhere, rules, tests and vectors that are cited exist, drawings are of the imports."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from string import punctuation

import pytest

from gateway import __version__
from gateway.settings import ROOT as REPO
from tests import house

_FOLDERS = ("docker", "docs", "gateway", "keys", "partners", "schemas", "tests")
PAGES = sorted([*REPO.glob("*.md"), *(page for folder in _FOLDERS for page in (REPO / folder).rglob("*.md"))])
#: What is no page and may cite one.
CITING = sorted(
    file
    for folder, pattern in (
        ("gateway", "*.py"),
        ("gateway", "*.toml"),
        ("tests", "*.py"),
        ("tests", "*.toml"),
        ("partners", "*.json"),
    )
    for file in (REPO / folder).rglob(pattern)
)
TOP = {path.name for path in REPO.iterdir()}

#: Files that a page speaks of and that are not here, because whoever installs the program makes them.
MADE_THERE = {
    "docker/.env",
    "docker/nginx/tls/server.pem",
    "build/bench.json",
}

_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_PATH = re.compile(r"\.?[\w-]+(?:[/.][\w.-]+)*/?")
_SUFFIXES = {".py", ".md", ".toml", ".xml", ".xsd", ".json", ".css", ".yaml", ".conf", ".pem", ".key"}
_IN_A_COMMAND = re.compile(
    r"(?<![\w/<>.*`])((?:gateway|partners|schemas|tests|docker|keys)/[\w./-]+\.(?:py|xml|xsd|toml|md|json))\b"
)
_CITED = re.compile(r"((?:[\w-]+/)*(?:(?:RULES|README|SECURITY|CONTRIBUTING|domain)\.md|hostile\.toml)), (?=([A-Z][^\n\"`]{,90}))")


def of_repo(page: Path) -> str:
    return page.relative_to(REPO).as_posix()


@cache
def prose(page: Path) -> str:
    """A page without what stands between fences: code is no link and no heading."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


@cache
def headings(file: Path) -> frozenset[str]:
    """What can be cited: the headings of a page; of the hostile clauses their classes."""
    if file.suffix == ".toml":
        return frozenset(clause["class"] for clause in tomllib.loads(file.read_text("utf-8"))["clause"])
    return frozenset(_HEADING.findall(prose(file)))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Headings as addresses, the way the usual viewers make them."""
    gone = str.maketrans("", "", punctuation.replace("-", "").replace("_", "") + "·’")
    return frozenset(heading.lower().translate(gone).replace(" ", "-") for heading in headings(page))


def found(token: str, page: Path) -> Path | None:
    """The file or folder that ``token`` names: from the page's own folder, the repository's, or the one that holds the code."""
    return next((path for place in (page.parent, REPO, REPO / "gateway") if (path := place / token).exists()), None)


def paths(page: Path) -> Iterator[str]:
    """Every path of a file or folder of this repository: in backticks, or in what is to be typed."""
    for token in _CODE.findall(prose(page)):
        if "/" not in token.rstrip("/") or not _PATH.fullmatch(token):
            continue
        if token.endswith("/") or Path(token).suffix in _SUFFIXES or token.split("/")[0] in TOP:
            yield token
    yield from _IN_A_COMMAND.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=of_repo)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), f"{of_repo(page)} links to {target}"
        if anchor:
            assert anchor in anchors(there.resolve()), f"{of_repo(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=of_repo)
def test_paths_exist(page: Path) -> None:
    missing = [token for token in paths(page) if token not in MADE_THERE and found(token, page) is None]
    assert not missing, f"{of_repo(page)} names what is not there: {missing}"


def cited(file: Path) -> Iterator[tuple[str, str]]:
    """(page, what stands behind it) of every citation, on one line or, in a page or docstring, broken over two."""
    text = re.sub(r"\n[ #]*(?! *\n)", " ", file.read_text("utf-8")) if file.suffix != ".toml" else file.read_text("utf-8")
    yield from _CITED.findall(text)


def is_heading(text: str, of: Path) -> bool:
    """Whether ``text`` begins with a heading, and goes on, if it does, with what is said of it."""
    return any(re.match(re.escape(heading) + r"(?![\w-])", text) for heading in headings(of))


@pytest.mark.parametrize("file", [file for file in (*PAGES, *CITING) if _CITED.search(file.read_text("utf-8"))], ids=of_repo)
def test_what_is_cited_is_a_heading(file: Path) -> None:
    for page, text in cited(file):
        there = found(page, file)
        assert there is not None, f"{of_repo(file)} cites {page}"
        assert is_heading(text, there), f"{of_repo(file)} cites {page}, {text[:80]}"


def test_a_citation_is_found_and_a_wrong_one_is_wrong(tmp_path: Path) -> None:
    rules = tmp_path / "RULES.md"
    rules.write_text("# Rules\n\n## Two tracks\n\n```\n## No heading\n```\n", "utf-8")
    cases = tmp_path / "case.toml"
    cases.write_text(f'source = "{rules.name}, Two tracks: period"\n', "utf-8")
    assert list(cited(cases)) == [(rules.name, "Two tracks: period")]
    assert is_heading("Two tracks: period", rules)
    assert is_heading("Two tracks; and more", rules)
    assert not is_heading("Two tracksuits", rules)
    assert not is_heading("No heading", rules)


#: Pages that were cited once and are not here.
_ELSEWHERE = re.compile(r"\b(?:SEMANTICS|FACTS|ARCHITECTURE|HOSTILE|MEASURED|STYLE)\b(?!\.md\"|\|)")


def test_nothing_cites_a_page_that_is_not_here() -> None:
    citing = [of_repo(file) for file in (*PAGES, *CITING) if file != Path(__file__) and _ELSEWHERE.search(file.read_text("utf-8"))]
    assert not citing


# ---------------------------------------------------------------- SECURITY.md

SECURITY = REPO / "SECURITY.md"


@cache
def defined() -> frozenset[str]:
    return frozenset(
        name
        for file in (REPO / "tests").rglob("*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    )


@pytest.mark.parametrize("page", [SECURITY, REPO / "CONTRIBUTING.md"], ids=of_repo)
def test_tests_that_prove_something_exist(page: Path) -> None:
    named = {token for token in _CODE.findall(prose(page)) if re.fullmatch(r"test_\w+", token)}
    assert named
    assert named <= defined(), named - defined()


def test_vectors_that_prove_something_exist_and_none_is_forgotten() -> None:
    named = {token for token in _CODE.findall(prose(SECURITY)) if re.fullmatch(r"[a-z]+/[a-z]+", token)} - {"class/file"}
    vectors = REPO / "tests" / "vectors"
    there = {file.relative_to(vectors).with_suffix("").as_posix() for file in vectors.glob("*/*.toml")}
    # What others expect otherwise, and what must be accepted, threatens nobody.
    assert named == there - {"certificates/limbo-deviations", "signature/accepted"}


def test_every_threat_has_a_control_and_a_proof() -> None:
    rows = [row for row in re.findall(r"^\| (.+) \|$", prose(SECURITY), re.MULTILINE) if row.count(" | ") == 2]
    assert len(rows) > 20
    for row in rows:
        threat, control, proof = row.split(" | ")
        assert threat == "threat" or set(threat) == {"-"} or (control and _CODE.search(proof)), row


# ---------------------------------------------------------------- the house


def test_drawings_are_those_of_the_imports() -> None:
    text = house.README.read_text("utf-8")
    assert text == house.renewed(text), "run: python -m tests.house"


def test_a_drawing_shows_every_way_and_no_other() -> None:
    drawn = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset(), "d": frozenset()}
    assert sorted(house.needed(drawn)) == [("a", "b"), ("b", "c")]
    whole = house.arrows("gateway")
    shown: dict[str, frozenset[str]] = dict.fromkeys(whole, frozenset())
    for room, other in house.needed(whole):
        shown[room] |= {other}
    assert all(house.below(room, whole) == house.below(room, shown) for room in whole)


def test_floors_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [re.findall(r"gateway\.(\w+)", layer) for layer in contracts[0]["layers"]]
    expected = [(len(layers) - index, room) for index, floor in enumerate(layers) for room in floor]
    rows = re.findall(r"^\| (\d+) \| `(\w+)(?:/|\.py)` \|", house.README.read_text("utf-8"), re.MULTILINE)
    assert [(int(floor), room) for floor, room in rows] == expected


def test_every_word_stands_once_in_its_order() -> None:
    glossary = house.README.read_text("utf-8").partition("## The words")[2]
    words = [word for word in re.findall(r"^\| ([^|]+) \| [^|]+ \|$", glossary, re.MULTILINE) if word not in ("word", "---")]
    assert len(words) > 60
    assert words == sorted(set(words), key=lambda word: word.casefold().replace("_", " "))


# ---------------------------------------------------------------- versions


def test_the_changelog_names_the_version_and_the_days() -> None:
    sections = re.findall(r"^## (\S+)(?: - (.+))?$", prose(REPO / "CHANGELOG.md"), re.MULTILINE)
    (top, state), *released = sections
    version = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert top == version == __version__
    assert bool(re.search(r"\.dev\d+$", top)) == (state == "not released yet")
    numbers = [tuple(map(int, number.split(".")[:3])) for number, _ in sections]
    assert numbers == sorted(set(numbers), reverse=True)
    days = [date.fromisoformat(day) for _, day in (released if state == "not released yet" else sections)]
    assert days == sorted(days, reverse=True)
