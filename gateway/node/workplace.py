"""The gateway's database, open for work beside a serving gateway: a command, or long work in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.core.model import Environment
from gateway.settings import Settings
from gateway.store.active import ActivePartners
from gateway.store.database import Database

#: Hears how far long work has come: done, of how many (0: that cannot be told), and a sentence.
Tell = Callable[[int, int, str], None]


def nobody(done: int, of: int, sentence: str) -> None:
    """Where nobody wants to hear."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What is queued here is delivered by the couriers of a serving gateway."""

    settings: Settings
    database: Database
    partners: ActivePartners

    @property
    def environment(self) -> Environment:
        return Environment.PRODUCTION if self.settings.mode == "production" else Environment.TEST


@contextmanager
def open_workplace(settings: Settings, *, migrate: bool = True) -> Iterator[Workplace]:
    """Brings the database up to date, unless a node did, and opens what is activated."""
    database = Database(settings.database_url)
    if migrate:
        database.migrate()
    partners = ActivePartners()
    try:
        with database.reading() as connection:
            partners.refresh(connection)
        yield Workplace(settings, database, partners)
    finally:
        try:
            partners.problems.note(database)  # what did not work with one partner is to be seen afterwards, too
        finally:
            database.close()
