"""A gateway for rehearsals at a terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager

from gateway import app
from gateway.onboarding.rehearsal import RehearsalHost
from gateway.settings import Settings
from gateway.web import rehearsing


def rehearsal_host(chosen: Settings) -> AbstractContextManager[RehearsalHost]:
    """The gateway of ``chosen``'s code and law, with keys, database and partners of its own."""
    return rehearsing.rehearsal_host(chosen, app.build, app.running)
