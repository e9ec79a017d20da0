"""A rehearsal in a gateway of its own, in a home that is thrown away, over real HTTP on loopback; at a terminal, or as long work."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from pydantic import SecretStr

from gateway.core.access import Scope, itself, once_noted
from gateway.core.errors import Code, Refusal
from gateway.node.workplace import Tell, Workplace
from gateway.onboarding import activation, ondisk
from gateway.onboarding.rehearsal import RehearsalHost, rehearse, report
from gateway.partners import PartnerFaults
from gateway.partners.bundle import read_law
from gateway.sandbox.listen import listening
from gateway.settings import Settings
from gateway.store import partners as stored
from gateway.store import tokens
from gateway.store.database import Database
from gateway.trust.keys import Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.web.service import Service
from gateway.web.site import create_app

WHO = itself("a rehearsal")
#: Long enough that nobody is warned of its end.
KEY_DAYS = 90


class BuiltGateway(Protocol):
    """A node with everything it keeps in memory, as ``app.build`` gives it."""

    @property
    def service(self) -> Service: ...
    def close(self) -> None: ...


G = TypeVar("G", bound=BuiltGateway)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def rehearsal_host(
    chosen: Settings, build: Callable[[Settings], G], running: Callable[[G], AbstractAsyncContextManager[None]]
) -> Iterator[RehearsalHost]:
    """The gateway of ``chosen``'s code and law, with keys, database and partners of its own; ``build`` and ``running`` are ``app``'s."""
    with TemporaryDirectory(prefix="aeo-rehearsal-", ignore_cleanup_errors=True) as place:
        settings = chosen.model_copy(
            update={
                "mode": "demo",
                "home": Path(place),
                "database": "",
                "key_passphrase": SecretStr(""),
                "poll": timedelta(milliseconds=50),
            }
        )
        token = _prepare(settings)
        gateway = build(settings)
        try:
            with listening(create_app(gateway.service), partial(running, gateway)) as url:
                yield RehearsalHost(url, token, gateway.service.node)
        finally:
            gateway.close()


def rehearse_partner(
    desk: Workplace,
    given: dict[str, Any],
    who: str,
    tell: Tell,
    *,
    build: Callable[[Settings], Any],
    running: Callable[[Any], AbstractAsyncContextManager[None]],
) -> tuple[str, bytes]:
    """Long work. ``given``: ``partner``, whose data on disk is tried, and ``against``, its own test endpoint or None for the partner in a
    box. How it ended is journalled as for a terminal."""
    try:
        bundle = ondisk.bundle_of(desk.settings, given["partner"])
    except PartnerFaults as found:
        raise Refusal(Code.DATA_INVALID, "\n".join(map(str, found.faults))) from None
    if given["against"]:
        done = ondisk.tried_against(desk.settings, bundle, given["against"], _utc_now)
    else:
        with rehearsal_host(desk.settings, build, running) as place:
            done = rehearse(bundle, place, tell)
    with desk.database.write.begin() as connection:
        activation.note_rehearsal(connection, done, who=once_noted(given["by"]), at=_utc_now())
    failed = [step.name for step in done.steps if not step.passed]
    said = (
        f"{len(done.steps)} steps passed."
        if done.passed
        else f"{len(failed)} of {len(done.steps)} steps did not pass: {', '.join(failed)}."
    )
    return said, report.as_json(done)


def _prepare(settings: Settings) -> str:
    """A key, the law common to all arrangements, and a token for every scope."""
    now = _utc_now()
    subject = Subject("Rehearsal gateway")
    create_file_key(settings.keys, settings.key, "ecdsa-p256-sha256", subject, Purpose.DEMO, "", KEY_DAYS, now=now)
    common = settings.partners / "common.toml"
    law, content = read_law(tomllib.loads(common.read_text("utf-8")), common.name)
    database = Database(settings.database_url)
    database.migrate()
    try:
        with database.write.begin() as connection:
            stored.activate(connection, stored.LAW, law.digest, content, at=now, who=WHO, reason="rehearsal")
            _, token = tokens.create(connection, WHO.name, Scope, at=now, expires=now + timedelta(days=1), by=WHO)
    finally:
        database.close()
    return token
