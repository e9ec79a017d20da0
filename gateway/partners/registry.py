"""Which arrangement a declared code belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.core.arrangement import Arrangement


class Registry:
    """Arrangements by the leading letters of their codes. A prefix nobody claims, such as XI or TW, belongs to nobody."""

    def __init__(self, arrangements: Iterable[Arrangement]) -> None:
        self.by_iso: Mapping[str, Arrangement] = {arrangement.iso: arrangement for arrangement in arrangements}
        self._by_prefix = {prefix: arrangement for arrangement in self.by_iso.values() for prefix in arrangement.prefixes}
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def arrangement_for(self, code: str) -> Arrangement | None:
        """The arrangement whose prefix ``code`` carries; the longest prefix wins."""
        prefix = self.prefix_of(code)
        return None if prefix is None else self._by_prefix[prefix]

    def prefix_of(self, code: str) -> str | None:
        """That prefix. Codes of one prefix are of one member, in one zone."""
        for length in self._lengths:
            if code[:length] in self._by_prefix:
                return code[:length]
        return None
