"""Tools and data that a machine may lack: a test that needs one says which, and on the CI machine its absence is a failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

REPO = Path(__file__).resolve().parents[2]
REAL_DATA = Path(os.environ.get("AEO_REAL_DATA", REPO.parent / "shared" / "data"))


def need_tool(name: str) -> str:
    """The path of an executable; without it the test is skipped, or failed where ``CI`` is ``true``."""
    found = shutil.which(name)
    if found is None:
        _lacking(f"the tool {name} is not installed")
    return found


def need_data(name: str) -> Path:
    """A folder of the real data, which is kept outside the repository; without it the test is skipped."""
    path = REAL_DATA / name
    if not path.exists():
        pytest.skip(f"the real data has no {name} (set AEO_REAL_DATA)")
    return path


def _lacking(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
