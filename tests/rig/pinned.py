"""Partners whose certificates are pinned in their data, as in an installation, and the follower's part without a follower."""

from __future__ import annotations

from dataclasses import replace

from gateway.exchange.certificates import partner
from gateway.trust.keys import KeyRing
from tests.rig.gateway import House


def pin(house: House) -> None:
    """Every box's certificate into its partner's data."""
    for iso in house.boxes:
        live, (key,) = house.live(iso), KeyRing(house.keys).all(iso.lower())
        house.partners.put(iso, replace(live, bundle=replace(live.bundle, certificates=(("signing", key.pem),))))
    follow(house)


def follow(house: House) -> None:
    """What the follower does when the journal speaks of certificates."""
    with house.database.reading() as connection:
        for iso, trust in partner.trusts(connection, house.partners.all(), house.settings.clock_skew).items():
            house.node.trust.put(iso, trust)
