"""A partner's data as it lies on this installation's disk: read, checked, held against what is in force, tried, and packed for its engineers.

Nodes run what was activated and never their disk; this is what would be activated next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.node.connecting import client_identity
from gateway.onboarding import diff, kit
from gateway.onboarding.check import check
from gateway.onboarding.diff import Affected
from gateway.onboarding.finding import Checked
from gateway.onboarding.rehearsal import Rehearsal, rehearse_against
from gateway.partners import Bundle, load_one, open_bundle, open_law
from gateway.settings import Settings
from gateway.store import partners, statements
from gateway.trust.keys import KeyRing

#: So many operators are looked at before others get their turn.
_TURN = 50


class DataChange(msgspec.Struct, frozen=True, kw_only=True):
    """What activating the data on disk would change: sentences, and the operators who would be answered otherwise today. ``before`` and
    ``after`` are digests."""

    iso: str
    before: str
    after: str
    changes: Sequence[str]
    operators: Sequence[Affected]


def bundle_of(settings: Settings, iso: str) -> Bundle:
    """Raises ``PartnerFaults`` with every fault at once."""
    return load_one(settings.partners / iso.lower(), settings.schemas, _site(settings, iso))


def checked(settings: Settings, iso: str, now: datetime, *, online: bool = False) -> Checked:
    """Everything about it at once; ``online`` also asks its endpoint."""
    real, site = settings.mode == "production", _site(settings, iso)
    identity = partial(client_identity, settings, at=now)
    return check(settings.partners, settings.schemas, site, iso, now=now, production=real, online=online, identity=identity)


def change(connection: Connection, settings: Settings, iso: str, now: datetime) -> DataChange:
    """Raises ``Refusal`` NOT_FOUND where nothing of it is in force, and ``PartnerFaults``."""
    new = bundle_of(settings, iso)
    digest, law = (partners.in_force_now(connection, name) for name in (new.iso, partners.LAW))
    if digest is None or law is None:
        raise Refusal(Code.NOT_FOUND, f"No data of {new.iso} is in force.", remedy=f"aeo-gateway partner activate {new.iso}")
    kept = partners.content(connection, digest)
    old, common = open_bundle(kept.content, kept.iso, kept.format), open_law(partners.content(connection, law).content)
    hit: list[Affected] = []
    for number, timeline in enumerate(statements.timelines_of(connection, new.iso)):
        hit += diff.affected(old.arrangement, new.arrangement, common, [timeline], now)
        if number % _TURN == 0:
            time.sleep(0)
    return DataChange(iso=new.iso, before=digest, after=new.digest, changes=list(diff.differences(old, new)), operators=hit)


def packed(settings: Settings, iso: str, endpoint: str, clock: Callable[[], datetime]) -> bytes:
    """What its engineers need, as a ZIP. ``endpoint`` is our address as they will call it. Raises ``Refusal`` and
    ``PartnerFaults``."""
    ring = KeyRing(settings.keys)
    key = ring.current(settings.key, clock(), production=settings.mode == "production")
    return kit.kit(
        bundle_of(settings, iso),
        administration=settings.administration,
        signer=key.signer(settings.key_passphrase.get_secret_value()),
        certificates={one.id: one.pem for one in ring.all(settings.key)},
        endpoint=endpoint,
        clock=clock,
    )


def tried_against(settings: Settings, bundle: Bundle, url: str, clock: Callable[[], datetime]) -> Rehearsal:
    """A rehearsal with the partner's own test endpoint. Raises ``Refusal``; DATA_INVALID in production."""
    if settings.mode == "production":
        raise Refusal(
            Code.DATA_INVALID,
            "A rehearsal sends test messages, and this installation speaks for production.",
            remedy="Use a test installation.",
        )
    key = KeyRing(settings.keys).current(settings.key, clock(), production=False)
    signer = key.signer(settings.key_passphrase.get_secret_value())
    named = bundle.arrangement.binding.client_key
    identity = client_identity(settings, named, clock()) if named else None
    return rehearse_against(bundle, url, administration=settings.administration, signer=signer, clock=clock, identity=identity)


def _site(settings: Settings, iso: str) -> Path | None:
    return settings.site if (settings.site / iso.lower()).is_dir() else None
