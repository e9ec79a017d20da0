"""What a newer release does once with what an older one stored."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import update

from gateway.core.model import Standing
from gateway.operate import upgrade
from gateway.store.tables import entry, operator
from tests.rig.gateway import GatewayFixture


def folded(gateway: GatewayFixture) -> dict[str, bytes]:
    return {row.tin: row.timeline for row in gateway.rows(operator)}


def anew(gateway: GatewayFixture) -> int:
    return gateway.do(lambda connection: upgrade.fold_anew(connection, gateway.partners, gateway.now))


@pytest.fixture
def told(gateway: GatewayFixture) -> GatewayFixture:
    """Two partners have spoken, and the partner data is what is in the database."""
    gateway.listed("SG", 3)
    gateway.listed("HK", 2)
    code = next(iter(gateway.boxes["SG"].operators))
    gateway.later(hours=1)
    gateway.send(gateway.boxes["SG"].status_message(code, Standing.SUSPENDED))
    return gateway


def test_histories_are_folded_anew_once_by_the_rules_of_now(told: GatewayFixture) -> None:
    right = folded(told)
    spoilt = next(iter(right))
    told.do(lambda connection: connection.execute(update(operator).where(operator.c.tin == spoilt).values(timeline=b"\x90")))
    assert anew(told) == 5
    assert folded(told) == right
    noted = [msgspec.json.decode(row.body) for row in told.rows(entry) if row.kind == "refold"]
    assert [(one["partner"], one["rules"], one["operators"]) for one in noted] == [
        ("HK", upgrade.FOLD_RULES, 2),
        ("SG", upgrade.FOLD_RULES, 3),
    ]
    assert anew(told) == 0, "another node, or the next start, finds it done"
    assert len([row for row in told.rows(entry) if row.kind == "refold"]) == 2


def test_other_rules_fold_again(told: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert anew(told) == 5
    monkeypatch.setattr(upgrade, "FOLD_RULES", "2027-01-01")
    assert anew(told) == 5
