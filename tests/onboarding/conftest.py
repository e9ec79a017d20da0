"""One gateway for all rehearsals of a test process; each partner is retired when its rehearsal is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.cli.rehearsal_host import rehearsal_host as open_host
from gateway.onboarding.rehearsal import RehearsalHost
from gateway.settings import from_environment


@pytest.fixture(scope="session")
def rehearsal_host() -> Iterator[RehearsalHost]:
    with open_host(from_environment({})) as opened:
        yield opened
