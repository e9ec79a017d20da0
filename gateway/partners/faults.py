"""What is wrong with partner data: one fault names the file, the key, the problem and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.wire.dialect.faults import Fault

__all__ = ["Fault", "PartnerFaults", "dotted", "from_validation", "wrong"]


class PartnerFaults(Exception):
    """Partner data that cannot be used, with every fault of every file that was looked at."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__(f"{len(self.faults)} faults in partner data:\n" + "\n".join(f"  {fault}" for fault in self.faults))


def wrong(problem: str, remedy: str) -> PydanticCustomError:
    """What a validator raises: the problem in one sentence, and the remedy in another."""
    return PydanticCustomError("partner_data", "{problem}", {"problem": problem, "remedy": remedy})


def from_validation(error: ValidationError, file: str, known: Iterable[str]) -> list[Fault]:
    """Every fault of a validation. ``known`` are the keys to suggest from when one is misspelt."""
    details = error.errors(include_url=False)
    # A list whose every item is faulty is also reported as too short, which would only mislead.
    return [_fault(detail, file, known) for detail in details if not (detail["type"] == "too_short" and detail["input"])]


def _fault(detail: ErrorDetails, file: str, known: Iterable[str]) -> Fault:
    key = dotted(detail["loc"])
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        near = difflib.get_close_matches(str(detail["loc"][-1]), list(known), n=1)
        return Fault(file, key, "There is no such key.", f"Did you mean {near[0]}?" if near else "Remove it.")
    if detail["type"] in ("missing", "missing_argument"):
        return Fault(file, key, "The key is missing.", "Add it; partners/README.md says what it means.")
    remedy = detail.get("ctx", {}).get("remedy", "Correct the value; partners/README.md says what it means.")
    return Fault(file, key, detail["msg"].removesuffix(".") + ".", remedy)


def dotted(path: Iterable[Any]) -> str:
    """``("terms", "in_force", 1, "from")`` as ``terms.in_force[1].from``."""
    key = ""
    for part in path:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    return key
