"""Partner data as the repository has it: read once in a process, however many tests ask for it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from gateway.core.arrangement import Arrangement, Law
from gateway.core.terms import Dated, Provenance, Term
from gateway.partners import Bundle, LoadedPartners, load_all, load_one
from gateway.partners.bundle import read_law
from gateway.store import partners
from tests.rig.machine import REPO
from tests.rig.people import person

PARTNERS, SCHEMAS = REPO / "partners", REPO / "schemas"
#: The code of every partner there is.
ISOS = tuple(sorted(file.parent.name.upper() for file in PARTNERS.glob("*/partner.toml")))
_CHOSEN = Provenance("setting", note="chosen for a test")


@cache
def loaded() -> LoadedPartners:
    """All of them. Who needs one or two asks for ``shipped``: it takes a tenth of the time."""
    return load_all(PARTNERS, SCHEMAS)


@cache
def shipped(iso: str) -> Bundle:
    """One partner."""
    return load_one(PARTNERS / iso.lower(), SCHEMAS)


def installed(iso: str, site: Path) -> Bundle:
    """One partner with an installation's own settings laid over it: read anew each time."""
    return load_one(PARTNERS / iso.lower(), SCHEMAS, site)


@cache
def arrangements() -> Mapping[str, Arrangement]:
    """What is agreed with every partner there is."""
    return {iso: bundle.arrangement for iso, bundle in loaded().items()}


def law() -> Law:
    """What is common to all arrangements."""
    return _law()[0]


@cache
def _law() -> tuple[Law, bytes]:
    return read_law(tomllib.loads((PARTNERS / "common.toml").read_text("utf-8")), "common.toml")


def activate(connection: Connection, bundles: Iterable[Bundle], at: datetime) -> None:
    """Has the law and these partners come in force."""
    common, content = _law()
    for name, digest, data in [(partners.LAW, common.digest, content), *((one.iso, one.digest, one.content) for one in bundles)]:
        partners.activate(connection, name, digest, data, at=at, who=person("a test"), reason="a test")


def chosen(value: Any, since: date = date(2021, 11, 1)) -> Term[Any]:
    """A term that has been so for long."""
    return Term((Dated(since, value, _CHOSEN),))


def open_to_us(arrangement: Arrangement, on: date = date(2026, 6, 15)) -> dict[str, Any]:
    """What it takes for any of them to be told: in force, the form of our codes chosen."""
    form = arrangement.chinese_code.on(on).value or "AEOCN+10"
    return {"in_force": chosen(True), "chinese_code": chosen(form)}
