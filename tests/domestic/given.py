"""How the case tables are read: records, enterprises and terms in a few words each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.arrangement import Arrangement
from gateway.core.home import Tier
from gateway.core.terms import Dated, Provenance, Term, Words
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.record import Faults, Record, decode
from gateway.domestic.tiers import apply
from tests.rig.machine import REPO

CASES = REPO / "tests" / "cases"

#: Enterprise 0 of the made-up ones.
PLAIN = {
    "uscc": "91999999000000000G",
    "customs_code": "9900000000",
    "name_zh": "虚构样例企业有限公司",
    "name_en": "Made-Up Sample Enterprise Ltd",
    "address": "1 Nowhere Road, Made-Up City",
}

Case = dict[str, Any]


def cases(folder: str, *names: str) -> list[Case]:
    """Every case of the named tables."""
    found = []
    for name in names:
        found += tomllib.loads((CASES / folder / f"{name}.toml").read_text(encoding="utf-8"))["case"]
    return found


def label(case: Case) -> str:
    return str(case["id"])


def record(said: Mapping[str, Any]) -> Record | Faults:
    """A record in the words of the tables: tier, since, measures, from, ground, and any field of the feed."""
    row = {**PLAIN, **{key: value for key, value in said.items() if key not in ("since", "measures", "from")}}
    row |= {
        "tier_since": said["since"],
        "measure_status": said.get("measures", "active"),
        "measure_since": said.get("from", said["since"]),
    }
    return decode({key: value for key, value in row.items() if value != "none" or key == "consent"}, 1)


def enterprise(given: Iterable[Mapping[str, Any]]) -> Enterprise | None:
    """What is known after every record of ``given``, with whatever had to wait confirmed."""
    state = None
    for said in given:
        found = record(said)
        assert isinstance(found, Record), found
        state = apply(state, found, confirmed=True).state
    return state


def arrangement(terms: Mapping[str, Any]) -> Arrangement:
    """An arrangement of which only what governs telling is said; each term a value (a fact since 2021-01-01) or dated steps."""
    said = {
        "in_force": True,
        "tiers": ["advanced-certified"],
        "shared": ["name"],
        "chinese_code": "AEOCN+10",
        "consent": "unknown",
        **terms,
    }
    empty: Term[Any] = Term()
    words = Words("Made-up", "虚构")
    return Arrangement(
        iso="XX",
        economy=words,
        administration="Made-up Customs",
        programme="AEO",
        zone=ZoneInfo("UTC"),
        members=(),
        signed="2020",
        link="not named",
        in_force=_term(said["in_force"]),
        directions=empty,
        modes=empty,
        levels=empty,
        measures=empty,
        code=empty,
        tiers=_term(said["tiers"], lambda names: frozenset(map(Tier, names))),
        consent=_term(said["consent"]),
        shared=_term(said["shared"], frozenset),
        chinese_code=_term(said["chinese_code"]),
        warn_after=empty,
        stop_after=empty,
        threshold=empty,
        list_every=empty,
        dialect=empty,
    )


def _term(said: Any, read: Any = lambda value: value) -> Term[Any]:
    dated = isinstance(said, list) and said and isinstance(said[0], dict)
    steps = said if dated else [{"from": date(2021, 1, 1), "value": said}]
    return Term(tuple(_step(step, read) for step in steps))


def _step(step: Mapping[str, Any], read: Any) -> Dated[Any]:
    if step["value"] == "unknown":
        return Dated(step["from"], None, Provenance("unknown", note="not known"))
    kind = step.get("kind", "fact")
    return Dated(step["from"], read(step["value"]), Provenance(kind, source="made up" if kind == "fact" else None))
