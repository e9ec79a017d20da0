"""Partner data from disk: every fault of every file at once, and nothing at all if there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.core.arrangement import Law
from gateway.core.toml import TomlFault, read_toml
from gateway.partners.bundle import Bundle, PartnerDraft, read_law
from gateway.partners.dialects import Files
from gateway.partners.faults import Fault, PartnerFaults
from gateway.partners.pins import pins

#: What belongs to a dialect; its examples, and the questions of its draft, are for tests and people.
_DIALECT_SUFFIXES = frozenset({".xsd", ".xml"})
_DIALECT_TOML = "dialect.toml"


class LoadedPartners(Mapping[str, Bundle]):
    """Every partner's bundle by ISO code, and the law common to all (``law_content`` is what ``open_law`` takes)."""

    def __init__(self, bundles: Mapping[str, Bundle], law: Law, law_content: bytes) -> None:
        self._bundles = bundles
        self.law = law
        self.law_content = law_content

    def __getitem__(self, iso: str) -> Bundle:
        return self._bundles[iso]

    def __iter__(self) -> Iterator[str]:
        return iter(self._bundles)

    def __len__(self) -> int:
        return len(self._bundles)


def load_all(partners: Path, schemas: Path, site: Path | None = None) -> LoadedPartners:
    """Every folder of ``partners`` with an installation's ``site`` laid over; PartnerFaults with every fault of every file.

    A partner is a folder: nothing else says which partners there are.
    """
    faults: list[Fault] = []
    bundles: dict[str, Bundle] = {}
    folders = sorted(path for path in partners.iterdir() if path.is_dir())
    for folder in folders:
        try:
            bundles[folder.name.upper()] = load_one(folder, schemas, site)
        except PartnerFaults as error:
            faults += error.faults
    faults += _strangers(site, {folder.name for folder in folders})
    faults += _claimed_twice(bundles)
    try:
        law, law_content = _law(partners / "common.toml", site / "common.toml" if site else None)
    except PartnerFaults as error:
        faults += error.faults
    if faults:
        raise PartnerFaults(faults)
    return LoadedPartners(bundles, law, law_content)


def load_one(folder: Path, schemas: Path, site: Path | None = None) -> Bundle:
    """One partner; PartnerFaults with everything that is wrong with it."""
    own = site / folder.name if site else None
    site_file = own / "site.toml" if own else None
    raw = _toml(folder / "partner.toml")
    faults: list[Fault] = []
    site_raw = _attempt(site_file, faults) if site_file and site_file.exists() else {}
    draft = PartnerDraft.read(raw, site_raw, _name(folder / "partner.toml"), _name(site_file) if site_file else "site.toml")
    if draft.file.iso != folder.name.upper() and "iso" in raw:
        faults.append(
            Fault(draft.name, "iso", f"The folder is called {folder.name!r}.", "Name the folder by the code, in lower case.")
        )
    certificates = [found for place in (folder, own) if place for found in pins(place / "certs", _name, faults)]
    dialects = {spoken: read_dialect(schemas / spoken) for spoken in draft.dialects}
    try:
        bundle = draft.judge(dialects, certificates)
    except PartnerFaults as error:
        raise PartnerFaults([*error.faults, *faults]) from None
    if faults:
        raise PartnerFaults(faults)
    return bundle


def _attempt(path: Path, faults: list[Fault]) -> dict[str, Any]:
    try:
        return _toml(path)
    except PartnerFaults as error:
        faults += error.faults
        return {}


def _toml(path: Path) -> dict[str, Any]:
    name = _name(path)
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith("\ufeff"):
            raise PartnerFaults([Fault(name, "", "The file begins with a byte order mark.", "Save it as UTF-8 without one.")])
        return read_toml(text)
    except OSError:
        raise PartnerFaults([Fault(name, "", "The file cannot be read.", "Put it there; every partner folder has one.")]) from None
    except UnicodeDecodeError:
        raise PartnerFaults([Fault(name, "", "The file is not UTF-8.", "Save it as UTF-8.")]) from None
    except TomlFault as error:
        raise PartnerFaults([Fault(name, "", f"The file is not TOML: {error}.", "Correct the line named.")]) from None


def read_dialect(folder: Path) -> Files:
    """The files of one version of a dialect, by name; none where there is no such folder. Its examples are not among them."""
    paths = (path for path in sorted(folder.glob("*")) if path.suffix in _DIALECT_SUFFIXES or path.name == _DIALECT_TOML)
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in paths}


def _law(common: Path, own: Path | None) -> tuple[Law, bytes]:
    site_raw = _toml(own) if own and own.exists() else None
    return read_law(_toml(common), _name(common), site_raw, _name(own) if own else "")


#: What an installation's site folder may hold beside a folder for each partner.
_SITE_FILES = frozenset({"common.toml"})


def _strangers(site: Path | None, known: set[str]) -> Iterator[Fault]:
    """Nothing in the site folder is passed over: what somebody put there was meant to take effect."""
    for path in sorted(site.iterdir()) if site and site.is_dir() else ():
        if path.is_dir() and path.name in known:
            yield from (_unused(inside) for inside in sorted(path.iterdir()) if inside.name not in ("site.toml", "certs"))
        elif path.is_dir():
            yield Fault(
                _name(path), "", "No partner has this code.", "Name the folder as the partner's, in lower case, or remove it."
            )
        elif path.name not in _SITE_FILES:
            yield _unused(path)


def _unused(path: Path) -> Fault:
    takes = "common.toml, and for each partner a folder with site.toml and certs/"
    return Fault(_name(path), "", "Nothing reads this file.", f"Remove it or rename it; there may be {takes}.")


def _claimed_twice(bundles: Mapping[str, Bundle]) -> Iterator[Fault]:
    claims: dict[str, str] = {}
    for iso, bundle in bundles.items():
        for prefix in bundle.arrangement.prefixes:
            other = claims.setdefault(prefix, iso)
            if other != iso:
                file = f"partners/{iso.lower()}/partner.toml"
                yield Fault(
                    file, "members", f"{other} claims the codes that begin with {prefix} too.", "Each code has one arrangement."
                )


def _name(path: Path) -> str:
    """As a person would open it from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
