"""What production asks for before it starts: everything that is missing is named at once, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509

from gateway.core.errors import Refusal
from gateway.exchange import keys
from gateway.exchange.say import connected, day_of
from gateway.settings import Settings, SettingsFault
from gateway.store.database import Database
from gateway.store.live import Live, Partners
from gateway.trust.certificates import Trust
from gateway.trust.keys import KeyRing
from gateway.trust.selfsigned import is_demo


def check(database: Database, settings: Settings, now: datetime) -> None:
    """Raises ``SettingsFault`` naming all that keeps this installation from being a production gateway at ``now``."""
    partners = Partners()
    with database.reading() as connection:
        partners.refresh(connection)
        trusts = keys.trusts(connection, partners, settings.clock_skew)
    active = {iso: live for iso, live in partners.all().items() if live.state == "active"}
    faults = [*_key(settings, now)]
    if not active:
        faults.append("No partner is active: aeo-gateway partner activate --all.")
    for iso, live in active.items():
        faults += (f"{iso}: {fault}" for fault in _partner(live, trusts[iso], now))
    if faults:
        raise SettingsFault(("AEO_MODE is production, and this is missing or must not be:", *faults))


def _key(settings: Settings, now: datetime) -> Iterator[str]:
    passphrase = settings.key_passphrase.get_secret_value()
    if not passphrase:
        yield "AEO_KEY_PASSPHRASE is empty: it opens the key, and no production key is without one."
    try:
        key = KeyRing(settings.keys).current(settings.key, now, production=True)
        if passphrase:
            key.signer(passphrase)
    except Refusal as refusal:
        yield f"{refusal.detail} {refusal.remedy}"


def _partner(live: Live, trust: Trust, now: datetime) -> Iterator[str]:
    arrangement, binding = live.arrangement, live.arrangement.binding
    if binding.private_addresses:
        yield "binding.private_addresses is for rehearsals only: take it out of its site.toml."
    if (binding.endpoint or "https://").startswith("http://"):
        yield f"binding.endpoint is {binding.endpoint}: give an https address."
    for name in ("warn_after", "stop_after"):
        if getattr(arrangement, name).on(day_of(now)).value is None:
            yield f"terms.{name} says nothing for today: choose in its site.toml how old its data may be."
    if connected(live) and not any(pin.role == "signing" for pin in trust.pins):
        yield "it is connected and no signing certificate of it is pinned: put signing-1.pem into its site folder, certs/."
    for pin in trust.pins:
        if is_demo(x509.load_der_x509_certificate(pin.der)):
            yield f"the {pin.role} certificate {pin.fingerprint[:16]} is for demonstrations: pin the partner's own."
