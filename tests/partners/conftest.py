"""A copy of one made-up partner to change, and the partners that are shipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.rig.shipped import SCHEMAS

BASE = Path(__file__).parent / "base"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """``partners/`` with XA and the common file, ``site/`` with settings for XA, and ``schemas/`` with three dialects."""
    for dialect in ("canonical", "certificate", "party"):
        shutil.copytree(SCHEMAS / dialect / "1", tmp_path / "base" / "schemas" / dialect / "1")
    return Path(shutil.copytree(BASE, tmp_path / "base", dirs_exist_ok=True))
