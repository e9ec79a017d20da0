"""A partner as one piece of content: judged whole, named by its digest, opened again without a disk.

From disk: raw data -> ``PartnerDraft`` (its shape) -> ``judge`` -> ``Bundle`` (everything agrees, by the rules of now). From the database:
the stored bytes -> ``open_bundle`` -> ``Bundle`` as it was activated. Its digest is that of the stored bytes for ever; rules that became
stricter since are not asked for. What cannot be opened at all is that partner's state alone (``Bundle.faults``), and nobody else's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from gateway.core.arrangement import Arrangement, Law
from gateway.core.moments import FIRST
from gateway.partners import build, check, sheets
from gateway.partners.canonical import canonical
from gateway.partners.dialects import Files, compile_dialect
from gateway.partners.faults import Fault, PartnerFaults, from_validation
from gateway.partners.shape import KNOWN_KEYS, LawFile, PartnerFile, SiteFile, SiteLawFile, Terms
from gateway.partners.values import STORED
from gateway.wire.dialect import Dialect
from gateway.wire.sheet import Sheet

Raw = dict[str, Any]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of everything about one partner. ``digest`` is the SHA-256 of ``content`` in hex.

    ``dialects`` are compiled, by name and version. ``certificates`` are pairs of role (``pins.ROLES``; tls is client, as
    it was called before) and PEM, of a certificate or, for a server, of a public key.
    ``signatory`` is who signs documents of ours that name a person, as the samples' holes name it: ``signatory.surname``.
    ``sheet`` is how a spreadsheet that it mails is read. ``faults`` is what could not be opened of a stored one; in its place stands
    *unknown*, so that answers about its operators are never better than they were.
    """

    iso: str
    digest: str
    content: bytes
    arrangement: Arrangement
    dialects: Mapping[tuple[str, str], Dialect] = field(compare=False, repr=False)
    certificates: tuple[tuple[str, str], ...]
    signatory: Mapping[str, str]
    sheet: Sheet = field(compare=False, repr=False)
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class PartnerDraft:
    """A partner whose shape was read. What could not be read is replaced by a stand-in, so that everything else is judged too."""

    raw: Raw
    site_raw: Raw
    shipped: PartnerFile
    site: SiteFile
    file: PartnerFile
    faults: list[Fault]
    name: str
    site_name: str

    @classmethod
    def read(cls, raw: Raw, site_raw: Raw, name: str, site_name: str, *, stored: bool = False) -> PartnerDraft:
        """``name`` and ``site_name`` are the files as faults will call them. ``stored``: it was activated before."""
        faults: list[Fault] = []
        shipped = _recover(raw, name, faults, stored)
        site = _shape(SiteFile, site_raw, site_name, faults, stored) or SiteFile()
        return cls(raw, site_raw, shipped, site, build.overlay(shipped, site), faults, name, site_name)

    @property
    def dialects(self) -> list[str]:
        """Every dialect spoken or accepted on any day, as ``name/version``."""
        choices = [step.value for step in self.file.terms.dialect if step.value]
        return sorted({f"{choice.name}/{version}" for choice in choices for version in choice.accepts})

    def judge(self, dialects: Mapping[str, Files], certificates: Iterable[tuple[str, str]]) -> Bundle:
        """The bundle; PartnerFaults with everything that keeps it from being one. ``dialects`` are files by name, by ``name/version``."""
        faults = self.faults + list(self._disagreements())
        compiled: dict[tuple[str, str], Dialect] = {}
        for spoken in self.dialects:
            try:
                compiled[_key(spoken)] = compile_dialect(spoken, dialects.get(spoken, {}), self.file.codes, self.name)
            except PartnerFaults as error:
                faults += error.faults
        faults += map(self._blame, check.dialects(self.file, compiled))
        sheet, ill = sheets.compiled(self.file, self.site.sheet)
        faults += (Fault(self.site_name, *finding) for finding in ill)
        if faults:
            raise PartnerFaults(faults)
        pinned = tuple(sorted(certificates))
        content = canonical({"partner": self.raw, "site": self.site_raw, "dialects": dialects, "certificates": pinned})
        return self._bundle(content, compiled, pinned, sheet)

    def opened(self, content: bytes, dialects: Mapping[str, Files], certificates: tuple[tuple[str, str], ...]) -> Bundle:
        """The bundle whose stored ``content`` this was read from, with whatever can be opened of it."""
        faults = list(self.faults)
        compiled: dict[tuple[str, str], Dialect] = {}
        for spoken in self.dialects:
            try:
                compiled[_key(spoken)] = compile_dialect(spoken, dialects.get(spoken, {}), self.file.codes, self.name, stored=True)
            except PartnerFaults as error:
                faults += error.faults
        sheet, ill = sheets.compiled(self.file, self.site.sheet, stored=True)
        faults += (Fault(self.site_name, *finding) for finding in ill)
        return self._bundle(content, compiled, certificates, sheet, tuple(faults))

    def _bundle(
        self,
        content: bytes,
        compiled: Mapping[tuple[str, str], Dialect],
        pinned: tuple[tuple[str, str], ...],
        sheet: Sheet,
        faults: tuple[Fault, ...] = (),
    ) -> Bundle:
        digest = sha256(content).hexdigest()
        signatory = {f"signatory.{name}": value for name, value in self.file.signatory.items()}
        arrangement = build.arrangement(self.file, digest)
        return Bundle(self.file.iso, digest, content, arrangement, compiled, pinned, signatory, sheet, faults)

    def _disagreements(self) -> Iterator[Fault]:
        unread = tuple({_place(fault.key) for fault in self.faults})
        for finding in check.partner(self.file):
            # Of a key that could not be read, whatever else is said would only mislead.
            if not finding.key.startswith(unread) and not ("sources" in str(unread) and finding.key.endswith(".source")):
                yield self._blame(finding)
        yield from (Fault(self.name, *finding) for finding in check.shipped(self.shipped))
        for finding in check.site(self.site, self.shipped):
            if not finding.key.startswith(unread):
                yield Fault(self.site_name, *finding)

    def _blame(self, finding: check.Finding) -> Fault:
        """What is wrong with the two laid over each other, in the file that says it and at its place there."""
        place = _place(finding.key)
        section, _, name = place.partition(".")
        said = getattr(getattr(self.site, section, None), name, ())
        step = _STEP.match(finding.key)
        if step is None:
            of_site = section in ("terms", "binding") and name in getattr(self.site, section).model_fields_set
            return Fault(self.site_name if of_site else self.name, *finding)
        at = int(step[1]) - len(getattr(self.file.terms, name)) + len(said)
        if not said or at < 0:
            return Fault(self.name, *finding)
        return Fault(self.site_name, f"{place}[{at}]{finding.key[step.end() :]}", finding.problem, finding.remedy)


_STEP = re.compile(r"terms\.\w+\[(\d+)\]")


def _place(key: str) -> str:
    """``terms.in_force[1].from`` as ``terms.in_force``: what is read as a whole or not at all."""
    return ".".join(key.split(".")[:2]).split("[")[0]


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a bundle."""

    partner: Raw
    site: Raw
    dialects: dict[str, dict[str, str]]
    certificates: tuple[tuple[str, str], ...]


def _key(spoken: str) -> tuple[str, str]:
    name, version = spoken.split("/")
    return name, version


#: The form in which bundles are stored now. A form of before is read by what it was written by, and never written over.
FORMAT = 1
_NAMES = "the bundle's partner.toml", "the bundle's site.toml"
_AGAIN = "Activate the partner again."


def open_bundle(content: bytes, iso: str, form: int = FORMAT) -> Bundle:
    """What was activated for the partner ``iso``, as it was activated; ``content`` is as stored, in the format ``form``.

    Never raises: what this version of the gateway cannot open of it stands in ``faults``.
    """
    if form != FORMAT:
        newer = Fault("the bundle", "", f"It is stored in the format {form}; this gateway reads {FORMAT}.", _AGAIN)
        return _unread(content, iso, newer)
    try:
        stored = msgspec.json.decode(content, type=_Stored)
        draft = PartnerDraft.read(stored.partner | {"iso": iso}, stored.site, *_NAMES, stored=True)
        return draft.opened(content, stored.dialects, stored.certificates)
    except Exception as error:  # noqa: BLE001 - whatever one partner's data fails by, no other partner is to be unknown for it
        return _unread(content, iso, Fault("the bundle", "", f"It cannot be opened: {error}.", _AGAIN))


def _unread(content: bytes, iso: str, fault: Fault) -> Bundle:
    """A partner of which nothing is known but its code."""
    return replace(PartnerDraft.read({"iso": iso}, {}, *_NAMES, stored=True).opened(content, {}, ()), faults=(fault,))


def read_bundle(content: bytes) -> Bundle:
    """A bundle from such content by the rules of now, as if it were to be activated; PartnerFaults with everything against it."""
    try:
        stored = msgspec.json.decode(content, type=_Stored)
    except msgspec.MsgspecError as error:
        raise PartnerFaults([Fault("the bundle", "", f"It is no bundle: {error}.", _AGAIN)]) from None
    return PartnerDraft.read(stored.partner, stored.site, *_NAMES).judge(stored.dialects, stored.certificates)


def open_law(content: bytes) -> Law:
    """The law from its content, as stored in the database, as it was activated; PartnerFaults if this version cannot open it."""
    faults: list[Fault] = []
    raw = json.loads(content)
    common, site = (raw["common"], raw["site"]) if raw.keys() == {"common", "site"} else (raw, {})
    file = _shape(LawFile, common, "the stored common.toml", faults, stored=True)
    own = _shape(SiteLawFile, site, "the stored site/common.toml", faults, stored=True)
    if file is None or own is None:
        raise PartnerFaults(faults)
    return build.law(build.law_overlay(file, own), sha256(content).hexdigest())


def read_law(raw: Raw, name: str, site_raw: Raw | None = None, site_name: str = "") -> tuple[Law, bytes]:
    """The law, with an installation's own ``site_raw`` laid over where there is one, and its canonical content; PartnerFaults if it does
    not agree with itself."""
    faults: list[Fault] = []
    file = _shape(LawFile, raw, name, faults)
    own = SiteLawFile() if site_raw is None else _shape(SiteLawFile, site_raw, site_name, faults)
    if file:
        faults += (Fault(name, *finding) for finding in check.law(file))
    if own:
        faults += (Fault(site_name, *finding) for finding in check.site_law(own))
    if faults or not file or not own:
        raise PartnerFaults(faults)
    content = canonical(raw if site_raw is None else {"common": raw, "site": site_raw})
    return build.law(build.law_overlay(file, own), sha256(content).hexdigest()), content


def _shape(model: type[M], raw: Raw, name: str, faults: list[Fault], stored: bool = False) -> M | None:
    try:
        if stored:
            return model.model_validate_json(canonical(raw), context=STORED, extra="ignore")
        return model.model_validate_json(canonical(raw))
    except ValidationError as error:
        faults += from_validation(error, name, KNOWN_KEYS)
        return None


_UNREAD = "could not be read"
_BEGINNING = FIRST.date().isoformat()
_NOTHING = [{"from": _BEGINNING, "unknown": _UNREAD}]
_NOT_IN_FORCE = [{"from": _BEGINNING, "value": False, "setting": _UNREAD}]
_STAND_INS: Raw = {
    "iso": "XX",
    "economy": {"en": "-", "zh": "无"},
    "administration": "-",
    "programme": "-",
    "signed": "0001",
    "link": "not named",
    "zone": "UTC",
    "sources": {},
}


def _recover(raw: Raw, name: str, faults: list[Fault], stored: bool) -> PartnerFile:
    """``raw`` as a PartnerFile; faulty keys are noted and then stood in for."""
    file = _shape(PartnerFile, raw, name, faults, stored)
    if file:
        return file
    unread = {_place(fault.key) for fault in faults}
    whole = {place.partition(".")[0] for place in unread}
    terms = raw["terms"] if isinstance(raw.get("terms"), dict) else {}
    # Only keys that there are: a fault about one with a dot in it reads like a fault below another.
    read = {key: value for key, value in terms.items() if key in Terms.model_fields and f"terms.{key}" not in unread}
    mended = _STAND_INS | {key: value for key, value in raw.items() if key in PartnerFile.model_fields and key not in whole}
    needed = [name for name, field in Terms.model_fields.items() if field.is_required() or name in terms]
    mended["terms"] = dict.fromkeys(needed, _NOTHING) | {"in_force": _NOT_IN_FORCE} | read
    return PartnerFile.model_validate_json(canonical(mended), context=STORED if stored else None)
