"""A gateway for rehearsals: a node of its own in a home that is thrown away, over real HTTP on loopback."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from gateway import app
from gateway.core.access import Scope, itself
from gateway.onboarding.rehearsal import RehearsalHost
from gateway.partners.bundle import read_law
from gateway.sandbox.listen import listening
from gateway.settings import Settings
from gateway.store import partners as stored
from gateway.store import tokens
from gateway.store.database import Database
from gateway.trust.keys import Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.web.site import create_app

WHO = itself("a rehearsal")
#: Long enough that nobody is warned of its end.
KEY_DAYS = 90


@contextmanager
def rehearsal_host(chosen: Settings) -> Iterator[RehearsalHost]:
    """The gateway of ``chosen``'s code and law, with keys, database and partners of its own."""
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
        gateway = app.build(settings)
        try:
            with listening(create_app(gateway.service), partial(app.running, gateway)) as url:
                yield RehearsalHost(url, token, gateway.node)
        finally:
            gateway.close()


def _prepare(settings: Settings) -> str:
    """A key, the law common to all arrangements, and a token for every scope."""
    now = app.utc_now()
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
