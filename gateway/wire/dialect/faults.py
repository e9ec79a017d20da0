"""What is wrong with data that describes a partner or its XML: every fault names the file, the place, the problem and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """``file`` is as a person would open it; ``key`` a line of a sample or a dotted path such as ``terms.in_force[1].from``, empty for
    the whole file."""

    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key or 'the file'}: {self.problem} {self.remedy}"


class DialectFaults(Exception):
    """A dialect that cannot be used, with every fault that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__(f"{len(self.faults)} faults in a dialect:\n" + "\n".join(f"  {fault}" for fault in self.faults))
