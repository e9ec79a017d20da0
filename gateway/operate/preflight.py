"""What production asks for before it starts: everything that is missing is named at once, each with its remedy.

What a partner's data must say, freshness among it, the loader has asked for before it could be activated; how fresh our own feed must
be is asked for here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime

from gateway.core.errors import Refusal
from gateway.exchange.certificates import partner
from gateway.node.connecting import client_identity
from gateway.node.context import connected
from gateway.settings import Settings, SettingsFault
from gateway.store.active import ActivePartner, ActivePartners
from gateway.store.database import Database
from gateway.trust.certificates import Trust
from gateway.trust.keys import KeyRing
from gateway.trust.selfsigned import is_demo
from gateway.wire.certificate import from_der


def check(database: Database, settings: Settings, now: datetime) -> None:
    """Raises ``SettingsFault`` naming all that keeps this installation from being a production gateway at ``now``."""
    partners = ActivePartners()
    with database.reading() as connection:
        partners.refresh(connection)
        trusts = partner.trusts(connection, partners.all(), settings.clock_skew, partners.problems)
    active = {iso: live for iso, live in partners.all().items() if live.state == "active"}
    unread = {(one.partner, one.what) for one in partners.problems.now()}
    faults = [*_key(settings, now)]
    if settings.domestic_stop_after is None:
        faults.append(
            "AEO_DOMESTIC_STOP_AFTER is empty: give the age in seconds (172800 is two days) from which on what credit management stated of "
            "domestic parties decides nothing."
        )
    if not settings.two_people:
        faults.append("AEO_TWO_PEOPLE is not set: what grants takes two people (aeo-gateway settings show lists it).")
    if settings.oidc_issuer.startswith("http://"):
        faults.append(
            f"AEO_OIDC_ISSUER is {settings.oidc_issuer}: give an https address, or anybody on the way says who somebody is."
        )
    if not active:
        faults.append("No partner is active: aeo-gateway partner activate --all.")
    for iso, live in active.items():
        # What cannot even be looked at is that partner's problem, and keeps nobody else from being served.
        with partners.problems.apart(iso, "preflight"):
            if (iso, "trust") not in unread:
                faults += [f"{iso}: {fault}" for fault in _partner(live, trusts.get(iso, Trust()), settings, now)]
    partners.problems.note(database)
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


def _partner(live: ActivePartner, trust: Trust, settings: Settings, now: datetime) -> Iterator[str]:
    binding = live.arrangement.binding
    if binding.private_addresses:
        yield "binding.private_addresses is for rehearsals only: name in its site.toml which addresses it may have (binding.addresses)."
    for block in map(ipaddress.ip_network, binding.addresses):
        if block.is_loopback:
            yield f"binding.addresses names {block}, which is this machine itself: name the partner's own addresses."
    if binding.client_key:
        try:
            client_identity(settings, binding.client_key, now)
        except Refusal as refusal:
            yield f"binding.client_key: {refusal.detail} {refusal.remedy}"
    if (binding.endpoint or "https://").startswith("http://"):
        yield f"binding.endpoint is {binding.endpoint}: give an https address."
    if connected(live) and not any(pin.role == "signing" for pin in trust.pins):
        yield "it is connected and no signing certificate of it is pinned: put signing-1.pem into its site folder, certs/."
    for pin in trust.pins:
        if is_demo(from_der(pin.der)):
            yield f"the {pin.role} certificate {pin.fingerprint[:16]} is for demonstrations: pin the partner's own."
