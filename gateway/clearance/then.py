"""Any answer again as it was known then: statements, lists, partner data, law, switches and domestic enterprises of a past moment, by our
own clock. Everything comes from the store, so it takes milliseconds."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection, func, select

from gateway.clearance.answer import Asked, Reach, answer_from
from gateway.clearance.parties import domestic
from gateway.core.arrangement import HOME_ZONE, Arrangement, Law
from gateway.core.errors import Code, Refusal
from gateway.core.history import Timeline
from gateway.core.question import Answer, Currency
from gateway.partners import Registry, open_law
from gateway.store import partners, statements, switches
from gateway.store.live import Partners, folding
from gateway.store.tables import listing, listing_part, message, operator, statement


class Then:
    """What was known at ``moment``."""

    def __init__(self, connection: Connection, opened: Partners, moment: datetime) -> None:
        self._connection, self._moment = connection, moment
        live = ((iso, partners.in_force_at(connection, iso, moment)) for iso, _, _ in partners.in_force(connection))
        registry = Registry(opened.opened(connection, found[1]).arrangement for _, found in live if found)
        self.arrangement_for = registry.arrangement_for
        self.switches = switches.switches(connection, moment)

    @cached_property
    def law(self) -> Law:
        found = partners.in_force_at(self._connection, partners.LAW, self._moment)
        if found is None:
            raise Refusal(Code.NOT_FOUND, f"Nothing was activated yet at {self._moment.isoformat()}.", field="as_known_at")
        return open_law(partners.content(self._connection, found[1]))

    def known(self, code: str) -> bool:
        """Whether a partner had stated exactly this code by then."""
        said = (
            select(statement.c.id)
            .join(operator, (operator.c.tin == statement.c.tin) & (operator.c.partner == statement.c.partner))
            .where(operator.c.tin == code, statement.c.received <= self._moment)
        )
        return self._connection.execute(said.limit(1)).first() is not None

    def timeline(self, arrangement: Arrangement, code: str) -> Timeline | None:
        told = statements.said_by(self._connection, arrangement.iso, [code], self._moment).get(code)
        return folding(arrangement)(code, told) if told else None

    def currency(self, arrangement: Arrangement, code: str) -> Currency:
        return self._reach.of(arrangement, code)

    @cached_property
    def _reach(self) -> Reach:
        """Lists count from when their last part was here, and until a person set them aside."""
        dropped_later = (listing.c.state == "dropped") & (listing.c.changed > self._moment)
        complete = (
            select(listing.c.partner, listing.c.scope, listing.c.as_of)
            .join(listing_part, listing_part.c.listing == listing.c.id)
            .join(message, (message.c.partner == listing.c.partner) & (message.c.message_id == listing_part.c.message_id))
            .where(listing.c.state.in_(("applied", "held", "released")) | dropped_later)
            .group_by(listing.c.id, listing.c.partner, listing.c.scope, listing.c.as_of)
            .having(func.max(message.c.received) <= self._moment)
            .order_by(listing.c.as_of)
        )
        return Reach({(row.partner, row.scope): row.as_of for row in self._connection.execute(complete)})

    def answer(self, asked: Asked, now: datetime) -> Answer:
        """The answer as it would have been given then, had it been asked about the same day."""
        on = asked.on or now.astimezone(HOME_ZONE).date()
        parties = domestic(self._connection, asked.parties, on, self._moment)
        return answer_from(self, asked, now=now, known_at=self._moment, parties=parties)
