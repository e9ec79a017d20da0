"""The same from a terminal: journal, evidence and outbox, on a home of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update
from typer.testing import CliRunner, Result

from gateway.cli import evidence, journal, outbox, retention
from gateway.cli.main import app
from gateway.core.errors import Refusal
from gateway.core.model import Kind
from gateway.journal.sealer import checkpoint_of
from gateway.store.database import Database
from gateway.store.journal import latest
from gateway.store.tables import checkpoint, entry, message
from gateway.wire import payloads
from tests.journal.test_evidence import activate_box
from tests.rig.gateway import GatewayFixture, down

pytestmark = pytest.mark.long

CODE = "SG123456789012"


@pytest.fixture
def gateway(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayFixture]:
    """Its database and keys lie where the commands look."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sqlite_template, home / "gateway.db")
    monkeypatch.setenv("AEO_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    with closing(Database(f"sqlite:///{home / 'gateway.db'}")) as database, GatewayFixture(home, database=database) as made:
        made.over_links(monkeypatch)
        yield made


def run(app: Any, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, env=dict(os.environ))


def test_the_journal_is_verified_and_what_changed_is_named(gateway: GatewayFixture) -> None:
    gateway.listed()
    gateway.seal()
    good = run(journal.app, "verify", "--json")
    assert (good.exit_code, json.loads(good.stdout)["fault"]) == (0, None)
    assert "is what was sealed" in run(journal.app, "verify").stdout
    gateway.do(lambda connection: connection.execute(update(entry).where(entry.c.position == 1).values(body=b"{}")).rowcount)
    bad = run(journal.app, "verify", "--json")
    assert (bad.exit_code, json.loads(bad.stdout)["fault"]["entry"]) == (1, 1)
    assert "changed" in run(journal.app, "verify").stdout


def test_what_is_no_receipt_of_ours_is_no_witness(gateway: GatewayFixture, tmp_path: Path) -> None:
    for content, says in ((b"\x00 rubbish", "no receipt"), (b"<a/>", "no checkpoint")):
        (tmp_path / "witness.xml").write_bytes(content)
        with pytest.raises(Refusal, match=says):
            run(journal.app, "verify", "--witness", "witness.xml")
    assert run(journal.app, "verify", "--witness", "nowhere.xml").exit_code == 2


@pytest.mark.parametrize("words", ["journal verify", "journal show", "outbox list", "evidence export nothing", "message list"])
@pytest.mark.parametrize("left", [None, 0, 50, 5_000, 100_000])
def test_a_home_without_a_whole_database_is_said_and_no_traceback(
    sqlite_template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    left: int | None,
) -> None:
    if left is not None:
        (tmp_path / "gateway.db").write_bytes(sqlite_template.read_bytes()[:left])
    monkeypatch.setenv("AEO_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        app(words.split())
    said = "".join(capsys.readouterr())
    cut = bool(left)
    assert ended.value.code == (2 if cut or "export" in words else 0)
    assert ("The database failed" in said, "comes back from a backup" in " ".join(said.split())) == (cut, cut)


def test_a_witness_is_a_receipt_that_a_partner_kept(gateway: GatewayFixture, tmp_path: Path) -> None:
    gateway.listed()
    gateway.seal()
    with gateway.database.reading() as connection:
        gateway.node.checkpoint = checkpoint_of(latest(connection))
    kept = tmp_path / "receipt.xml"
    answer = gateway.receive(gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
    kept.write_bytes(answer.signed or b"")
    gateway.seal()
    assert run(journal.app, "verify", "--witness", str(kept)).exit_code == 0
    gateway.do(lambda connection: connection.execute(delete(entry)).rowcount)
    gateway.do(lambda connection: connection.execute(delete(checkpoint)).rowcount)
    gateway.do(lambda connection: connection.execute(delete(message)).rowcount)
    assert run(journal.app, "verify").exit_code == 0, "by itself it cannot show"
    assert run(journal.app, "verify", "--witness", str(kept)).exit_code == 1


def test_the_journal_is_shown(gateway: GatewayFixture) -> None:
    gateway.listed()
    rows = json.loads(run(journal.app, "show", "--kind", "message", "--partner", "SG", "--json").stdout)
    assert [row["message"] for row in rows] == ["list"]
    assert "unsealed" in run(journal.app, "show").stdout
    with pytest.raises(Refusal):
        run(journal.app, "show", "--subject", "unknown")


def test_evidence_is_written_and_verified(gateway: GatewayFixture, tmp_path: Path) -> None:
    message_id = gateway.ask(CODE)
    gateway.deliver()
    gateway.seal()
    activate_box(gateway)
    assert run(evidence.app, "export", message_id, "--to", str(tmp_path / "e.zip")).exit_code == 0
    said = run(evidence.app, "verify", str(tmp_path / "e.zip"))
    assert (said.exit_code, said.stdout.count("holds"), "does not hold" in said.stdout) == (0, 8, False)
    spoilt = (tmp_path / "e.zip").read_bytes().replace(b"evidence.json", b"evidence.jsom")
    (tmp_path / "e.zip").write_bytes(spoilt)
    with pytest.raises(Refusal):
        run(evidence.app, "verify", str(tmp_path / "e.zip"))


def test_what_failed_is_listed_and_sent_again_with_a_reason(gateway: GatewayFixture) -> None:
    first, second = gateway.ask(CODE), gateway.ask(CODE)
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.later(days=2, seconds=1)
    gateway.deliver()
    rows = json.loads(run(outbox.app, "list", "--json").stdout)["messages"]
    assert [(row["message_id"], row["state"]) for row in rows] == [(second, "expired"), (first, "expired")]
    assert "nobody answers" in run(outbox.app, "list", "--partner", "SG").stdout
    assert "expired" in run(outbox.app, "list", "--partner", "sg").stdout
    for state in ("queued", "delivered"):
        assert run(outbox.app, "list", "--partner", "sg", "--state", state).stdout.startswith(
            "There is no message in such a state."
        )
    shown = CliRunner().invoke(journal.app, ["show", "--partner", "sg", "--json"], env=dict(os.environ))
    assert {row["partner"] for row in json.loads(shown.stdout)} == {"SG"}
    with pytest.raises(Refusal):
        run(outbox.app, "resend", first)
    assert run(outbox.app, "resend", "unknown", "--reason", "x").exit_code == 1
    done = run(outbox.app, "resend", "--failed", "--reason", "the line is back")
    assert (done.exit_code, done.stdout.startswith("2 messages")) == (0, True)
    assert gateway.journal("decision") == [first, second]
    nothing = run(outbox.app, "resend", "--failed", "--reason", "once more")
    assert (nothing.exit_code, nothing.stdout) == (0, "Nothing was refused, and nothing has expired.\n")


def test_how_long_what_is_kept_is_kept(gateway: GatewayFixture) -> None:
    gateway.send(gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
    nothing = run(retention.app, "run")
    assert "everything is kept" in nothing.stdout
    with pytest.raises(Refusal) as refused:
        run(retention.app, "run", "--shelf", "messages")
    assert "no rule" in refused.value.detail
    assert run(retention.app, "set", "messages", "--days", "0", "--because", "a test's [rule]").exit_code == 0
    dry = json.loads(run(retention.app, "run", "--dry-run", "--json").stdout)
    assert dry["messages"]["due"] == 1
    assert dry["messages"]["gone"] == 0
    shown = run(retention.app, "show").stdout
    assert "[rule]" in shown
    assert "What is open never goes" in shown
    assert "due, 1 went" in run(retention.app, "run").stdout
    assert json.loads(run(retention.app, "run", "--json").stdout)["messages"]["due"] == 0
    said = {line["shelf"]: line for line in json.loads(run(retention.app, "show", "--json").stdout)["lines"]}
    assert said["messages"]["rule"]["rows"] == 1
    assert run(retention.app, "unset", "messages", "--because", "kept after all").exit_code == 0
    assert "no rule" in run(retention.app, "show").stdout
