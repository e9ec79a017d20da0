"""The activated partners of a node, opened once by digest and followed without a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from gateway.core.arrangement import Arrangement, Law
from gateway.core.errors import Code, Refusal
from gateway.core.fold import fold
from gateway.core.history import Timeline
from gateway.core.model import PlacedStatement
from gateway.partners import Bundle, PartnerFaults, Registry, open_bundle, open_law
from gateway.store import partners as stored
from gateway.store.problems import Problems
from gateway.store.statements import Fold

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActivePartner:
    """A partner as activated. ``state``: active, suspended, retired; unreadable where this version cannot open what was activated."""

    bundle: Bundle
    state: str

    @property
    def arrangement(self) -> Arrangement:
        return self.bundle.arrangement


def _as_opened(bundle: Bundle, state: str) -> ActivePartner:
    return ActivePartner(bundle, "unreadable" if bundle.faults and state == "active" else state)


class ActivePartners:
    """Activated partners, from the database and never from a node's disk. Readers see a change whole or not at all.

    ``problems`` is what does not work with which of them.
    """

    def __init__(self) -> None:
        self.problems = Problems()
        self._live: Mapping[str, ActivePartner] = {}
        self._opened: dict[str, Bundle] = {}
        self.registry = Registry(())
        self._law: Law | None = None

    def refresh(self, connection: Connection, first: Callable[[Mapping[str, ActivePartner]], None] = lambda _: None) -> None:
        """Follows what has been activated. ``first`` is done with what is about to be known: a partner's certificates must be pinned before
        a message of its own can be judged."""
        law = stored.in_force_now(connection, stored.LAW)
        if law is not None and (self._law is None or self._law.digest != law):
            self._law = open_law(stored.content(connection, law).content)
        live: dict[str, ActivePartner] = {}
        for iso, state, digest in stored.in_force(connection):
            with self.problems.apart(iso, "data"):
                live[iso] = _as_opened(self.opened(connection, digest), state)
                if live[iso].bundle.faults:
                    raise PartnerFaults(live[iso].bundle.faults)
            if iso not in live and iso in self._live:
                live[iso] = replace(self._live[iso], state=state)  # as it was when it could be opened
        first(live)
        self.registry = Registry(one.arrangement for one in live.values())
        self._live = live

    def opened(self, connection: Connection, digest: str) -> Bundle:
        """Any bundle ever activated, for answers as they were known then."""
        found = self._opened.get(digest)
        if found is None:
            found = self._opened[digest] = self._open(connection, digest)
        return found

    @staticmethod
    def _open(connection: Connection, digest: str) -> Bundle:
        kept = stored.content(connection, digest)
        bundle = open_bundle(kept.content, kept.iso, kept.format)
        for fault in bundle.faults:
            log.error("partner data %s of %s cannot be opened: %s", digest[:16], kept.iso, fault)
        return bundle

    @property
    def law(self) -> Law:
        """What is common to all arrangements. Raises ``Refusal`` NOT_FOUND before anything was activated."""
        if self._law is None:
            raise Refusal(Code.NOT_FOUND, "No partner data is activated yet.", remedy="aeo-gateway partner activate --all")
        return self._law

    def get(self, iso: str) -> ActivePartner:
        """Raises ``Refusal`` PARTNER_UNKNOWN."""
        live = self._live.get(iso)
        if live is None:
            raise Refusal(
                Code.PARTNER_UNKNOWN, f"{iso!r} is no partner of this gateway." if iso else "The message names no sender."
            )
        return live

    def members(self) -> frozenset[str]:
        """The codes of every member of every arrangement."""
        return frozenset(member.iso for live in self._live.values() for member in live.arrangement.members)

    def all(self) -> Mapping[str, ActivePartner]:
        return self._live


def folding(arrangement: Arrangement) -> Fold:
    """How this partner's statements are folded: days begin at the issuer's own midnight (the EU: the member's)."""

    def run(tin: str, placed: Sequence[PlacedStatement]) -> Timeline:
        return fold(placed, arrangement.zone_of(tin))

    return run
