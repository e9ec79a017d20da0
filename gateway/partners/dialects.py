"""Dialects from a bundle's own files, so that a node never needs the disk they once lay on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from gateway.partners.canonical import canonical
from gateway.partners.faults import Fault, PartnerFaults
from gateway.wire.dialect import Dialect, DialectFaults, load_dialect

Files = Mapping[str, str]
Codes = Mapping[str, Mapping[str, str]]

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def compile_dialect(spoken: str, files: Files, codes: Codes, partner: str, *, stored: bool = False) -> Dialect:
    """The dialect ``spoken`` (``name/version``) with the partner's ``codes``; PartnerFaults with all that is wrong in it.

    ``partner`` is the file to blame for a code list of the partner's own. ``stored``: it was activated before.
    """
    if not files:
        raise PartnerFaults(
            [Fault(partner, "terms.dialect", f"There is no dialect {spoken}.", f"Add schemas/{spoken}/, or choose another.")]
        )
    if faults := [fault for name, text in files.items() for fault in _unusable(spoken, name, text)]:
        raise PartnerFaults(faults)
    try:
        return compile_cached(spoken, canonical([files, codes]), stored)
    except DialectFaults as error:
        raise PartnerFaults(
            Fault(
                partner if _is_own(fault.key, codes) else f"schemas/{spoken}/{fault.file}", fault.key, fault.problem, fault.remedy
            )
            for fault in error.faults
        ) from None


@lru_cache(128)
def compile_cached(spoken: str, content: bytes, stored: bool) -> Dialect:
    """Compiled once for the same files and codes, whoever speaks it."""
    files, codes = json.loads(content)
    name, _, version = spoken.partition("/")
    return load_dialect(name, version, files, codes, stored=stored)


def _unusable(spoken: str, name: str, text: str) -> Iterator[Fault]:
    # A bundle may come from elsewhere: what can be no file of a dialect's folder could never be looked at on a disk, nor corrected there.
    if not _FILE.fullmatch(name):
        yield Fault(f"schemas/{spoken}", "", f"{name!r} is no name of a file.", "Use letters, digits, dots and hyphens.")
    if "\ufffd" in text:  # what stands where bytes were no UTF-8
        yield Fault(f"schemas/{spoken}/{name}", "", "The file is not UTF-8.", "Save it as UTF-8.")


def _is_own(key: str, codes: Codes) -> bool:
    return any(key.startswith(f"codes.{name}.") for name in codes)
