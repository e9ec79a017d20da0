"""A new partner's folder: what was said is written down, and everything else is stated as unknown."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gateway.core.errors import Code, Refusal
from gateway.onboarding import draft
from gateway.onboarding.draft import SERVES, Draft
from gateway.wire.schema import compile_schema, survives
from gateway.wire.xsd import SchemaFault

#: Terms that nobody but a source can state.
UNKNOWN = {
    "in_force": "No source was read that says since when it is in force.",
    "directions": "No text was read that says for imports or for exports.",
    "modes": "No text was read that names modes of transport.",
    "levels": "No text was read that names the levels China recognises.",
    "measures": "No text was read that names the measures.",
    "code": "The form of the code is not known: the partner's own list decides.",
    "tiers": "No text was read that names the Chinese tiers recognised.",
    "consent": "No text was read that asks for the consent of a Chinese AEO.",
    "chinese_code": "No text was read that gives the form of the Chinese code.",
}
#: Terms that this installation must choose. What is written is a proposal, and says so until somebody confirms it.
CHOSEN = {
    "shared": '["name"]',
    "warn_after": '"35 days"',
    "stop_after": '"70 days"',
    "threshold": "50",
    "list_every": '"30 days"',
}
PROPOSED = "Proposed when the folder was made; confirm it."


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the partner is, as somebody must say it. ``signed`` is a year, month or day; ``zone`` an IANA time zone."""

    iso: str
    name: str
    name_zh: str
    administration: str
    programme: str
    signed: str
    zone: str
    levels: tuple[str, ...] = ()
    dialect: tuple[str, str] = ("canonical", "1")

    def __post_init__(self) -> None:
        # These become names of folders, so they must not lead anywhere else.
        if not re.fullmatch("[A-Z]{2}", self.iso):
            raise Refusal(Code.DATA_INVALID, "A partner's code is two capital letters.", field="iso", value=self.iso)
        if not all(re.fullmatch("[a-z0-9][a-z0-9-]*", part) for part in self.dialect):
            raise Refusal(Code.DATA_INVALID, "A dialect is called like flat/1.", field="dialect", value="/".join(self.dialect))
        if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", self.signed):
            raise Refusal(Code.DATA_INVALID, "Signed is a year, a month or a day: 2026-02.", field="signed", value=self.signed)

    @property
    def since(self) -> date:
        """The first day the file speaks of."""
        year, month, day = (*self.signed.split("-"), "01", "01")[:3]
        return date(int(year), int(month), int(day))


def partner_toml(profile: Profile) -> str:
    """``partner.toml`` with every term: a proposal to confirm, or stated as unknown."""
    since = profile.since.isoformat()
    name, version = profile.dialect
    head = [
        "#:schema ../partner.schema.json",
        "",
        f"iso = {_text(profile.iso)}",
        f"economy = {{ en = {_text(profile.name)}, zh = {_text(profile.name_zh)} }}",
        f"administration = {_text(profile.administration)}",
        f"programme = {_text(profile.programme)}",
        f"signed = {_text(profile.signed)}",
        'link = "not named"',
        f"zone = {_text(profile.zone)}",
        f"level_words = {json.dumps(profile.levels, ensure_ascii=False)}",
        "",
        "[sources]",
        "",
        "[terms]",
    ]
    unknown = [f"{term} = [{{ from = {since}, unknown = {_text(why)} }}]" for term, why in UNKNOWN.items()]
    chosen = [f"{term} = [{{ from = {since}, value = {value}, setting = {_text(PROPOSED)} }}]" for term, value in CHOSEN.items()]
    spoken = f"{{ name = {_text(name)}, version = {_text(version)}, accepts = [{_text(version)}] }}"
    tail = [
        f"dialect = [{{ from = {since}, value = {spoken}, setting = {_text(PROPOSED)} }}]",
        "",
        "[binding]  # not connected yet",
        'algorithms = ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519", "rsa-pss-sha256"]',
    ]
    return "\n".join([*head, *unknown, *chosen, *tail]) + "\n"


def new(profile: Profile, partners: Path) -> Path:
    """Writes the partner's folder and returns its file; never over one that is there."""
    file = partners / profile.iso.lower() / "partner.toml"
    if file.exists():
        raise Refusal(
            Code.DATA_INVALID, f"{file.parent.name}/partner.toml is there already.", remedy="Edit it, or remove it first."
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(partner_toml(profile), "utf-8")
    return file


def new_dialect(profile: Profile, schemas: Path, xsds: Iterable[Path], message: bytes) -> Draft:
    """Writes the dialect's folder: the XSD, one sample for each kind it serves, ``dialect.toml`` and ``draft.toml``.

    A ``draft.toml`` that is there is read for its answers first. Raises ``Refusal`` where XSD or message cannot be used.
    """
    folder = schemas / "/".join(profile.dialect)
    folder.mkdir(parents=True, exist_ok=True)
    for xsd in xsds:
        shutil.copyfile(xsd, folder / xsd.name)
    if not survives(folder):
        raise Refusal(Code.DATA_INVALID, _why_not(folder), remedy="Correct the XSD; its limits stand in schemas/README.md.")
    answers = folder / "draft.toml"
    given = tomllib.loads(answers.read_text("utf-8")) if answers.exists() else None
    made = draft.propose(compile_schema(folder), message, prefixes=(profile.iso,), levels=profile.levels, answers=given)
    for kind in SERVES:
        (folder / f"{kind}.xml").write_bytes(made.sample)
    (folder / "dialect.toml").write_text(draft.dialect_toml(made, f"The form {profile.name} uses, as drafted."), "utf-8")
    answers.write_text(draft.as_toml(made), "utf-8")
    return made


def _why_not(folder: Path) -> str:
    try:
        compile_schema(folder)
    except SchemaFault as fault:
        return str(fault)
    return "The XSD does not compile within 5 seconds."


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
