"""What it takes to speak and to decide: a node has it, and so has a command that works on the database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Protocol
from uuid import uuid4

from gateway.core.home import HOME_ZONE
from gateway.core.model import Environment
from gateway.settings import Settings
from gateway.store.active import ActivePartner, ActivePartners


class Context(Protocol):
    """Settings, activated partners, and whether this is a test or the real thing. The courier signs, later."""

    @property
    def settings(self) -> Settings: ...
    @property
    def partners(self) -> ActivePartners: ...
    @property
    def environment(self) -> Environment: ...


def connected(live: ActivePartner) -> bool:
    """Whether anything can be sent: we call the partner, or it pulls."""
    return live.state == "active" and (live.arrangement.binding.endpoint is not None or live.arrangement.binding.pull)


def utc_now() -> datetime:
    """The clock of this machine (aware UTC)."""
    return datetime.now(UTC)


def day_of(at: datetime) -> date:
    """The day it then is in China."""
    return at.astimezone(HOME_ZONE).date()


def new_id() -> str:
    """A message id: random, so that nobody can guess or reserve one."""
    return str(uuid4())
