"""The one place that wires it all: settings in, a running node out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gateway.clearance.answer import Answers
from gateway.clearance.index import Index
from gateway.core.access import Actor
from gateway.core.text import visible
from gateway.exchange.certificates import announce
from gateway.exchange.deliver.courier import Courier
from gateway.exchange.receive import receive
from gateway.exchange.receive.worker import Large
from gateway.journal import sealer
from gateway.net import Guard
from gateway.node.context import utc_now
from gateway.node.node import Node
from gateway.node.signing import Signing
from gateway.operate import expiry, long, preflight, retention, upgrade
from gateway.partners import load_all
from gateway.running import calendar, jobs
from gateway.running.background import Task
from gateway.running.follower import Follower
from gateway.settings import Settings
from gateway.store import opening, problems, proposals
from gateway.store import partners as stored
from gateway.store.active import ActivePartners
from gateway.store.database import Database, Writer
from gateway.trust import refresh
from gateway.trust.allowed import CertificateRules
from gateway.trust.certificates import TrustStore
from gateway.trust.keys import KeyRing
from gateway.trust.revocation import Revocation, guarded_fetch
from gateway.web import rehearsing
from gateway.web.http import logs
from gateway.web.site import Service

log = logging.getLogger(__name__)

#: How often what is wrong with a partner is noted for the terminal and the other nodes.
NOTED_EVERY = timedelta(seconds=5)


@dataclass(slots=True)
class Gateway:
    """A node with everything it keeps in memory."""

    node: Node
    index: Index
    answers: Answers
    follower: Follower
    service: Service

    def close(self) -> None:
        if self.node.large is not None:
            self.node.large.close()  # first: it opens the same files, and may just be starting
        self.node.writer.close()
        self.node.database.close()


def build(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Gateway:
    """Opens the database, brings it up to date and loads what is activated. Raises ``Refusal`` or ``SettingsFault`` naming what is
    missing."""
    real = settings.mode == "production"
    opening.folder(settings.home)
    database = Database(settings.database_url)
    database.migrate()
    with database.write.begin() as connection:
        opening.claim(connection, settings.administration, clock())
    if real:
        preflight.check(database, settings, clock())
    signing = Signing(KeyRing(settings.keys), settings.key, settings.key_passphrase.get_secret_value(), clock, production=real)
    index = Index(settings.current_within)
    guard = Guard(private_addresses=settings.private_addresses)
    revocation = Revocation(expiry.evidence_store(settings), guarded_fetch(guard), settings.revocation_every)
    trust = TrustStore({}, revocation, CertificateRules(production=real))
    node = Node(settings, database, Writer(database), ActivePartners(), trust, signing, clock, revocation=revocation)
    answers = Answers(node.partners, index, clock, settings.domestic_stop_after)
    service = Service(node=node, answers=answers, index=index)
    node.committed.on_lists_and_switches = answers.refresh
    node.writer.do(partial(upgrade.fold_anew, partners=node.partners, at=clock()))
    follower = Follower(node, index, service.waiting.wake)
    follower.load()
    _tell_ended(database, clock())
    return Gateway(node, index, answers, follower, service)


def _tell_ended(database: Database, now: datetime) -> None:
    """What people proposed before this gateway was upgraded, and have to propose again."""
    with database.reading() as connection:
        for one in proposals.ended_at_upgrade(connection, now - proposals.TOLD_FOR):
            what, who = f"{one.partner or ''} {one.subject}".strip(), visible(one.proposed_by)
            log.warning("what %s proposed of %s ended: it was %s", who, what, one.because)


@asynccontextmanager
async def running(gateway: Gateway, *, courier: bool = True) -> AsyncIterator[None]:
    """Everything that goes on in the background while a node serves; it ends in order when the block does."""
    node = gateway.node
    if node.large is None:
        node.large = Large(node.settings, logs.set_up)
    resumed = await receive.resume(node)
    if resumed:
        log.info("%d messages whose intake was interrupted were judged again", resumed)
    background = gateway.service.background
    background.start(_tasks(gateway, courier=courier))
    try:
        yield
    finally:
        await background.stop()


def _tasks(gateway: Gateway, *, courier: bool) -> Iterator[Task]:
    node, poll = gateway.node, gateway.node.settings.poll
    soon = max(30 * poll, timedelta(seconds=30))
    yield Task(name="sealer", step=partial(sealer.step, node), every=poll, late=soon, vital=True)
    yield Task(name="follower", step=gateway.follower.step, every=poll, late=soon, vital=True)
    yield Task(name="calendar", step=partial(calendar.keep, node), every=calendar.EVERY, late=10 * calendar.EVERY)
    yield Task(name="announcements", step=partial(announce.announce, node), every=announce.EVERY, late=10 * announce.EVERY)
    yield Task(name="expiry", step=partial(expiry.warn, node), every=expiry.EVERY, late=3 * expiry.EVERY)
    yield Task(name="problems", step=partial(_note_problems, node), every=NOTED_EVERY, late=10 * NOTED_EVERY)
    # One round may put away what came in years.
    yield Task(name="retention", step=partial(retention.put_away, node), every=retention.EVERY, late=timedelta(days=1))
    yield Task(name="jobs", step=jobs.Jobs(node, long_work()).step, every=jobs.EVERY, late=timedelta(days=1))
    if node.revocation is not None:
        ask = partial(refresh.refresh, node.revocation, node.trust, node.clock, node.partners.problems.apart)
        yield Task(name="revocation", step=ask, every=refresh.EVERY, late=30 * refresh.EVERY)
    if courier:
        couriers = Courier(node)
        yield Task(name="courier", step=couriers.look, every=poll, late=soon, end=couriers.stop)


def long_work() -> dict[str, jobs.Handler]:
    """Who does which kind of job."""
    rehearse = partial(rehearsing.rehearse_partner, build=build, running=running)
    return {"rehearsal": rehearse, "journal-verify": long.verify_journal, "retention-run": long.run_retention}


async def _note_problems(node: Node) -> None:
    """Has what does not work with a partner, or works again, noted where the terminal and other nodes see it."""
    found = node.partners.problems
    with node.database.reading() as connection:
        stored = problems.recorded(connection)
    if found.unsaved(stored):
        await node.write(found.save)


def activate_all(settings: Settings, database: Database, *, who: Actor, reason: str) -> list[str]:
    """Loads every partner from disk and puts what changed in force; returns the codes. Raises ``PartnerFaults`` with every fault."""
    loaded = load_all(settings.partners, settings.schemas, settings.site if settings.site.is_dir() else None)
    with database.write.begin() as connection:
        put = partial(stored.activate, connection, at=utc_now(), who=who, reason=reason)
        put(stored.LAW, loaded.law.digest, loaded.law_content)
        return [iso for iso, bundle in loaded.items() if put(iso, bundle.digest, bundle.content)]
