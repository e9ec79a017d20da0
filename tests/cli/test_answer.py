"""An answer as an officer sees it, in eighty columns: what is decided, and in which order the rest is said."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from gateway.clearance.answer import Asked
from gateway.clearance.as_known import AsKnown
from gateway.clearance.wording import Language
from gateway.cli import answer as cli
from gateway.core.model import Standing
from tests.rig.web import WebFixture

COLUMNS = 80


def shown(web: WebFixture, monkeypatch: pytest.MonkeyPatch, language: Language, code: str, **asked: Any) -> str:
    """The lines, with every message id as ID and digest as DIGEST."""
    out = StringIO()
    monkeypatch.setattr(cli, "console", Console(file=out, width=COLUMNS))
    with web.node.database.reading() as connection:
        then = AsKnown(connection, web.node.partners, web.now)
        cli.show(then.answer(Asked(code=code, **asked), web.now), then, language)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert all(cell_len(line) <= COLUMNS for line in lines)
    return re.sub(r"sha256 \w+…", "sha256 DIGEST", re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", "\n".join(lines)))


def test_eligible_one_way(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = web.listed("SG", 1)
    web.later(hours=3)
    assert (
        shown(web, monkeypatch, Language.EN, code)
        == f"""\
╭─ {code}   Singapore   on 2026-06-15 ─╮
│ Eligible for mutual recognition.             │
╰──────────────────────────────────────────────╯
import: eligible
  I  lower inspection rate       for this declaration
  P  priority inspection         for this declaration
  E  priority or fast clearance  for this declaration
  Clearance's own codes for these measures are not set here.
export: not eligible
  The arrangement does not cover this direction: export; it covers import only.
    GACC announcement of 2013 on the China-Singapore arrangement
Rests on
  valid: message ID
    received 2026-06-15 12:00 China time, sha256 DIGEST
The partner's data is of 2026-06-15 12:00 China time, 3 hours old.
Ask again from 2026-07-20 12:00 China time."""
    )


def test_suspended_in_chinese(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = web.listed("HK", 1)
    web.later(hours=3)
    web.send(web.boxes["HK"].status_message(code, Standing.SUSPENDED))
    web.later(hours=1)
    said = shown(web, monkeypatch, Language.ZH, code, direction="import")
    assert (
        re.sub("（.*）", "（等级）", said)
        == f"""\
╭─ {code}   中国香港   日期 2026-06-15 ─╮
│ 不适用AEO互认便利措施，按一般程序办理。     │
╰─────────────────────────────────────────────╯
进口：不适用
  互认方已自北京时间2026-06-15 15:00起暂停该企业的AEO资格（等级）。
    报文 ID
依据
  暂停：报文 ID
    收到时间 北京时间2026-06-15 15:00，sha256 DIGEST
互认方的数据截至北京时间2026-06-15 12:00，距今4小时。
可于北京时间2026-07-20 12:00起重新查询。"""
    )


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("text", ["", "NO", "[bold]x[/]", "SG12", "TW1", "DE AEOF 00025/08", "A" * 5_000, "\x1b[31mSG1"])
def test_whatever_is_typed_is_shown_within_the_screen(
    text: str, language: Language, web: WebFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in shown(web, monkeypatch, language, text)


def test_a_near_miss_is_shown_as_one(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = web.listed("SG", 1)
    assert f"nothing is granted by them\n  {code}" in shown(web, monkeypatch, Language.EN, f"{code}0")
