"""Any answer again as it was known then: statements, lists, partner data, law, switches and domestic enterprises of a past moment, by our
own clock. Everything comes from the store, for a hundred codes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property

from sqlalchemy import Connection, func, select

from gateway.clearance.answer import Asked, ListCoverage, answer_from
from gateway.clearance.parties import Named, domestic_of
from gateway.core.arrangement import Arrangement, Law
from gateway.core.declared import near, one_slip_away, spellings, storable
from gateway.core.errors import Code, Refusal
from gateway.core.history import Timeline
from gateway.core.home import HOME_ZONE
from gateway.core.model import PlacedStatement
from gateway.core.question import Answer, Currency, Feed, Party
from gateway.domestic.claim import FeedStatus
from gateway.partners import Registry, open_law
from gateway.store import bulk, feed_claims, partners, statements, switches
from gateway.store.active import ActivePartners, folding
from gateway.store.listings import UPDATE
from gateway.store.tables import listing, listing_part, message, operator

#: So many questions are looked up together: more hold the interpreter for longer than others should wait.
TOGETHER = 100


class AsKnown:
    """What was known at ``moment``. For one thread, and for as long as ``connection`` is open. ``domestic_stop_after`` as for ``Answers``:
    a setting, which is not kept with its time."""

    def __init__(
        self, connection: Connection, opened: ActivePartners, moment: datetime, domestic_stop_after: timedelta | None = None
    ) -> None:
        self._connection, self._moment, self._domestic_stop_after = connection, moment, domestic_stop_after
        self._told: dict[str, list[PlacedStatement]] = {}
        self._parties: dict[Named, tuple[Party, ...]] = {}
        live = ((iso, partners.in_force_at(connection, iso, moment)) for iso, _, _ in partners.in_force(connection))
        registry = Registry(opened.opened(connection, found[1]).arrangement for _, found in live if found)
        self.arrangement_for = registry.arrangement_for
        self.switches = switches.switches(connection, moment)

    @cached_property
    def law(self) -> Law:
        found = partners.in_force_at(self._connection, partners.LAW, self._moment)
        if found is None:
            raise Refusal(
                Code.NOT_FOUND,
                f"Nothing was activated yet at {self._moment.isoformat()}.",
                field="as_known_at",
                remedy="Ask for a later moment; where nothing is activated at all: aeo-gateway partner activate --all",
            )
        return open_law(partners.content(self._connection, found[1]).content)

    def known(self, code: str) -> bool:
        """Whether a partner had stated exactly this code by then."""
        if code not in self._told:
            self._look_up([code])
        return bool(self._told.get(code))

    def timeline(self, arrangement: Arrangement, code: str) -> Timeline | None:
        return folding(arrangement)(code, self._told[code]) if self.known(code) else None

    def near(self, code: str) -> list[str]:
        """Codes known then that are one slip away, for a person to look at; nothing is ever granted by them."""
        if not storable(code):
            return []
        self._look_up(one_slip_away(code))
        return near(code, self)

    def _look_up(self, codes: Iterable[str]) -> None:
        """Keeps what was said of these codes, nothing of most."""
        wanted = {code for code in codes if storable(code)} - self._told.keys()
        self._told.update((code, []) for code in wanted)
        owners: dict[str, list[str]] = {}
        for batch in bulk.chunks(wanted):
            owned = select(operator.c.partner, operator.c.tin).where(operator.c.tin.in_(batch))
            for row in self._connection.execute(owned):
                owners.setdefault(row.partner, []).append(row.tin)
        for partner, tins in owners.items():
            self._told.update(statements.statements_known_at(self._connection, partner, tins, self._moment))

    def currency(self, arrangement: Arrangement, code: str) -> Currency:
        return self._reach.of(arrangement, code)

    def feed(self, on: date) -> Feed:
        return self._feed.on(on, self._domestic_stop_after)

    @cached_property
    def _feed(self) -> FeedStatus:
        return feed_claims.status(self._connection, self._moment)

    @cached_property
    def _reach(self) -> ListCoverage:
        """Lists count from when their last part was here, and until a person set them aside."""
        dropped_later = (listing.c.state == "dropped") & (listing.c.changed > self._moment)
        complete = (
            select(listing.c.partner, listing.c.scope, listing.c.as_of)
            .join(listing_part, listing_part.c.listing == listing.c.id)
            .join(message, (message.c.partner == listing.c.partner) & (message.c.message_id == listing_part.c.message_id))
            .where(listing.c.state.in_(("applied", "held", "released")) | dropped_later, listing.c.scope != UPDATE)
            .group_by(listing.c.id, listing.c.partner, listing.c.scope, listing.c.as_of)
            .having(func.max(message.c.received) <= self._moment)
            .order_by(listing.c.as_of)
        )
        return ListCoverage({(row.partner, row.scope): row.as_of for row in self._connection.execute(complete)})

    def answers(self, asked: Sequence[Asked], now: datetime) -> Iterator[Answer]:
        """The answers as they would have been given then, had they been asked about the same day, in the order of the questions. Raises
        ``Refusal`` QUESTION_INVALID for a moment that is still to come, NOT_FOUND for one before anything was activated."""
        if self._moment > now:
            detail = "What will be known then nobody can tell yet."
            raise Refusal(Code.QUESTION_INVALID, detail, field="as_known_at", value=self._moment.isoformat())
        today, known_at = now.astimezone(HOME_ZONE).date(), self._moment if self._moment < now else None
        for start in range(0, len(asked), TOGETHER):
            some = asked[start : start + TOGETHER]
            self._look_up(spelling for one in some for spelling in spellings(one.code))
            named = [(one.parties, one.on or today) for one in some]
            self._parties |= domestic_of(self._connection, {one for one in named if one[0]} - self._parties.keys(), self._moment)
            for one, whom in zip(some, named, strict=True):
                yield answer_from(self, one, now=now, known_at=known_at, parties=self._parties.get(whom, ()))
            self._told.clear()

    def answer(self, asked: Asked, now: datetime) -> Answer:
        """The same of one question."""
        (answer,) = self.answers([asked], now)
        return answer
