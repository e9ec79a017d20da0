"""The judge itself: what fails is told, and nothing outlasts its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import judge
from tests.judge import Result, Row
from tests.rig.waiting import until

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "LOGS", tmp_path)


def test_a_row_that_fails_says_its_last_words() -> None:
    result = judge.judge(Row("no module", 1, "tests.nothing_of_that_name"), 60)
    assert not result.passed
    assert "nothing_of_that_name" in result.said


def test_a_row_that_passes() -> None:
    result = judge.judge(Row("a few histories", 1, "tests.core.histories", ("--count", "3")), 60)
    assert (result.passed, result.said.startswith("3 histories")) == (True, True), result.said


def test_a_row_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    told = tmp_path / "child"
    starts = f"import pathlib, subprocess; child = subprocess.Popen(['sleep', '600']); pathlib.Path({str(told)!r}).write_text(str(child.pid))"
    result = judge.judge(Row("endless", 1, "timeit", ("-n1", "-r1", f"{starts}; child.wait()")), 5)
    assert (result.passed, "not done after" in result.said) == (False, True)
    assert result.seconds < 30
    until(lambda: _gone(int(told.read_text())))


def _gone(pid: int) -> bool:
    """Whether it ended; nobody may have buried it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_table_is_markdown() -> None:
    results = [Result(Row("one", 1, "x"), True, "fine", 1.4), Result(Row("two", 1, "x"), False, "broken", 61.0)]
    assert judge.table(results).splitlines() == [
        "| row |  | result | seconds |",
        "| --- | --- | --- | --- |",
        "| one | ✓ | fine | 1 |",
        "| two | ✗ | broken | 61 |",
    ]
