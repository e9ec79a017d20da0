"""A new partner's folder: what was said is written down, and everything else is stated as unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from gateway.core.errors import Code, Refusal
from gateway.core.toml import TomlFault, read_toml
from gateway.onboarding import draft
from gateway.onboarding.draft import TOLD, Draft
from gateway.onboarding.xsds import gather
from gateway.wire.schema import Schema, compile_schema, survives
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


#: The dialect of whoever has none.
PLAIN = ("canonical", "1")
#: What each answer has to look like, and how that is said.
FORMS = {
    "iso": (r"[A-Z]{2}", "A partner's code is two capital letters."),  # it becomes the name of a folder
    "name": (r".*\S.*", "The partner's country or region needs a name."),
    "name_zh": (r".*[\u4e00-\u9fff].*", "The Chinese name holds no Chinese character."),
    "administration": (r".*\S.*", "The customs administration needs a name."),
    "programme": (r".*\S.*", "The programme needs a name."),
    "signed": (r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", "Signed is a year, a month or a day: 2026-02."),
}


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
    dialect: tuple[str, str] = PLAIN

    def __post_init__(self) -> None:
        for name in (*FORMS, "zone"):
            usable(name, getattr(self, name))
        if not all(re.fullmatch("[a-z0-9][a-z0-9-]*", part) for part in self.dialect):  # they become names of folders
            raise Refusal(
                Code.DATA_INVALID,
                "A dialect is called like flat/1.",
                field="dialect",
                value="/".join(self.dialect),
                remedy="Use small letters, digits and hyphens.",
            )

    @property
    def since(self) -> date:
        """The first day the file speaks of."""
        return first_day(self.signed)


def first_day(signed: str) -> date:
    """The first day of a year, month or day. Raises ValueError."""
    year, month, day = (*signed.split("-"), "01", "01")[:3]
    return date(int(year), int(month), int(day))


def usable(name: str, value: str) -> None:
    """Raises ``Refusal`` where ``value`` cannot be what the profile has under ``name``."""
    pattern, sentence = FORMS.get(name, (".*", ""))
    remedy = f"Correct {name.replace('_', ' ')}."
    if not re.fullmatch(pattern, value):
        raise Refusal(Code.DATA_INVALID, sentence, field=name, value=value, remedy=remedy)
    if name == "zone" and value not in available_timezones():
        raise Refusal(
            Code.DATA_INVALID,
            f"There is no time zone {value!r}.",
            field=name,
            remedy='Use a name of the IANA database, such as "Asia/Singapore".',
        )
    if name == "signed":
        try:
            first_day(value)
        except ValueError:
            raise Refusal(Code.DATA_INVALID, f"There is no day {value}.", field=name, remedy=remedy) from None


def partner_toml(profile: Profile) -> str:
    """``partner.toml`` with every term: a proposal to confirm, or stated as unknown."""
    since = profile.since.isoformat()
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
        _levels_line(profile),
        "",
        "[sources]",
        "",
        "[terms]",
    ]
    unknown = [f"{term} = [{{ from = {since}, unknown = {_text(why)} }}]" for term, why in UNKNOWN.items()]
    chosen = [f"{term} = [{{ from = {since}, value = {value}, setting = {_text(PROPOSED)} }}]" for term, value in CHOSEN.items()]
    tail = [
        _dialect_line(profile, since),
        "",
        "[binding]  # not connected yet",
        'algorithms = ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519", "rsa-pss-sha256"]',
        "envelope = 2  # choice: the newest; in 1 a partner does not prove that it holds the key it announces",
    ]
    return "\n".join([*head, *unknown, *chosen, *tail]) + "\n"


def _dialect_line(profile: Profile, since: str) -> str:
    name, version = map(_text, profile.dialect)
    spoken = f"{{ name = {name}, version = {version}, accepts = [{version}] }}"
    return f"dialect = [{{ from = {since}, value = {spoken}, setting = {_text(PROPOSED)} }}]"


def _levels_line(profile: Profile) -> str:
    return f"level_words = {json.dumps(profile.levels, ensure_ascii=False)}"


def read_profile(partners: Path, iso: str) -> Profile:
    """The profile as ``partner.toml`` has it. Raises ``Refusal``."""
    file = partners / iso.lower() / "partner.toml"
    try:
        said = read_toml(file.read_text("utf-8"))
        spoken = said["terms"]["dialect"][-1]["value"]
        return Profile(
            said["iso"],
            said["economy"]["en"],
            said["economy"]["zh"],
            said["administration"],
            said["programme"],
            said["signed"],
            said["zone"],
            tuple(said["level_words"]),
            (spoken["name"], spoken["version"]),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        problem = f"{file.parent.name}/partner.toml cannot be read: {error}."
        raise Refusal(Code.DATA_INVALID, problem, remedy=f"aeo-gateway partner check {iso.upper()}") from None


def keep_up(profile: Profile, partners: Path, told: frozenset[str]) -> None:
    """What was only proposed in ``partner.toml`` follows the draft: its dialect, its levels, and which fields are shared.

    ``told`` are the fields that our statements are to hold. What somebody confirmed stays as it is.
    """
    file = partners / profile.iso.lower() / "partner.toml"
    lines = file.read_text("utf-8").splitlines()
    since = profile.since.isoformat()
    for at, line in enumerate(lines):
        if line.startswith("dialect = ") and PROPOSED in line:
            lines[at] = _dialect_line(profile, since)
        elif line.startswith("level_words = "):
            lines[at] = _levels_line(profile)
        elif line.startswith("shared = ") and PROPOSED in line:
            shared = json.dumps([name for name in TOLD if name in told])
            lines[at] = f"shared = [{{ from = {since}, value = {shared}, setting = {_text(PROPOSED)} }}]"
    file.write_text("\n".join(lines) + "\n", "utf-8")


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


def new_dialect(profile: Profile, schemas: Path, xsds: Iterable[Path], messages: Mapping[str, bytes]) -> Draft:
    """Writes the dialect's folder: the XSD with what it includes, a sample for each kind that has one, ``dialect.toml``, ``draft.toml``.

    ``messages`` are the partner's own, by the name of their sample (``list``, ``response.not-found``). A ``draft.toml`` that is there
    is read for its answers first. Raises ``Refusal`` where XSD, messages or answers cannot be used; nothing is written then.
    """
    folder = schemas / "/".join(profile.dialect)
    answers = folder / "draft.toml"
    given = _answers(answers) if answers.exists() else None
    if given is None and any(folder.glob("*.xsd")):
        raise Refusal(
            Code.DATA_INVALID,
            f"The dialect {'/'.join(profile.dialect)} is there already, and it was not drafted here.",
            field="dialect",
            remedy="Choose another name: --dialect NAME/VERSION.",
        )
    files = gather(xsds)
    schema = _compiled("/".join(profile.dialect), files)
    made = draft.propose(schema, messages, prefixes=(profile.iso,), levels=profile.levels, answers=given)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text)
    for old in folder.glob("*.xml"):
        old.unlink()
    for name, sample in made.samples.items():
        (folder / f"{name}.xml").write_bytes(sample)
    (folder / "dialect.toml").write_text(draft.dialect_toml(made, f"The form {profile.name} uses, as drafted."), "utf-8")
    answers.write_text(draft.as_toml(made), "utf-8")
    return made


def _answers(file: Path) -> dict[str, Any]:
    """``draft.toml`` as a person left it. Raises ``Refusal``."""
    try:
        data = read_toml(file.read_text("utf-8"))
    except (TomlFault, UnicodeDecodeError) as error:
        raise Refusal(Code.DATA_INVALID, f"{file.name} is no TOML: {error}.", remedy="Correct the line named.") from None
    for table, needed in (("place", ("at", "hole", "sure")), ("kind", ("kind", "like", "sure"))):
        for at, one in enumerate(data.get(table, ()), 1):
            lacking = [key for key in needed if not isinstance(one, dict) or not isinstance(one.get(key), str)]
            if lacking:
                raise Refusal(
                    Code.DATA_INVALID,
                    f"{file.name}: the {table} number {at} has no {lacking[0]}.",
                    remedy=f"Give each [[{table}]] {', '.join(needed)}.",
                )
    return data


def _compiled(name: str, files: Mapping[str, bytes]) -> Schema:
    """The XSD, compiled first where it can do no harm. Raises ``Refusal``."""
    survived = survives(files)
    try:
        schema = compile_schema(name, files)
        _ = schema.words
    except SchemaFault as fault:
        why = str(fault)
    else:
        if survived:
            return schema
        why = "The XSD does not compile within 5 seconds."
    raise Refusal(Code.DATA_INVALID, why, remedy="Correct the XSD; its limits stand in schemas/README.md.")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
