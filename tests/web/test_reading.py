"""Whoever reads what is kept of somebody is in the journal; what a system asks for is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from gateway.core.access import Scope
from gateway.store.tables import entry
from tests.rig.enterprises import made_uscc, row
from tests.rig.web import WebFixture


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFixture]:
    made = WebFixture(tmp_path)
    yield made
    made.close()


def read(web: WebFixture) -> list[tuple[str, str, str]]:
    """Who read what of whom, from where."""
    with web.database.reading() as connection:
        rows = connection.execute(select(entry.c.subject, entry.c.body).where(entry.c.kind == "read").order_by(entry.c.id)).all()
    said = [(one.subject, msgspec.json.decode(one.body)) for one in rows]
    return [(body["by"]["name"], body["read"], subject) for subject, body in said if body["by"]["address"] and body["who"]]


def test_a_persons_reading_is_audited_and_a_systems_is_not(web: WebFixture) -> None:
    code, *_ = web.listed()
    feeder = web.token(Scope.DOMESTIC_WRITE, Scope.DOMESTIC_READ, Scope.CLEARANCE_READ)
    assert web.client.put("/v1/domestic/enterprises", headers=feeder, json=[row(1)]).status_code == 200
    person = web.person("Zhang")
    paths = (f"/v1/operators/{code}", f"/v1/domestic/enterprises/{made_uscc(1)}", f"/v1/domestic/enterprises/{made_uscc(1)}/told")
    for who in (feeder, person):
        assert [web.client.get(path, headers=who).status_code for path in paths] == [200] * 3
    assert read(web) == [("Zhang", "operator", code), ("Zhang", "enterprise", made_uscc(1)), ("Zhang", "told", made_uscc(1))]


def test_a_person_answers_for_what_is_done_with_any_of_its_tokens(web: WebFixture) -> None:
    one = web.person("Zhang")
    asked = {"what": "arrangement", "subject": "SG", "reason": "a call"}
    assert web.client.post("/v1/stops", headers=one, json=asked).status_code == 201
    with web.database.reading() as connection:
        body = connection.execute(select(entry.c.body).where(entry.c.kind == "switch")).scalar_one()
    by = msgspec.json.decode(body)["by"]
    assert (by["name"], by["kind"], by["way"], bool(by["address"])) == ("Zhang", "person", "token", True)
