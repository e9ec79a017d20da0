"""What ends when, and who must know: 60, 30, 14, 7 and 1 days before a certificate, an authority or a revocation list ends.

A partner that lets a certificate run out stops being heard, and a stale revocation list makes every answer "cannot tell now".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import Literal

from gateway.trust.certificates import Pin, Trust
from gateway.trust.keys import Key
from gateway.trust.revocation import RevocationEvidence
from gateway.wire.certificate import from_der, names, validity_of

#: Days before the end at which to warn; 0 is the end itself.
DAYS = (60, 30, 14, 7, 1, 0)


@dataclass(frozen=True, slots=True)
class Ending:
    """One thing that ends. ``owner`` is a partner's code, or the name of a key of ours; ``name`` tells it from others of its owner.

    ``succeeded``: another one for the same use lasts longer, so nothing stops when this one ends.
    ``renewed``: it is fetched anew at half of its life without anybody's doing.
    """

    kind: Literal["our-key", "certificate", "authority", "revocation"]
    owner: str
    name: str
    begins: datetime
    ends: datetime
    succeeded: bool = False
    renewed: bool = False

    def days(self) -> tuple[int, ...]:
        """When to warn. What renews itself at half of its life is worth a word only when it has not: a weekly list is not news
        for being a week from its end."""
        half = (self.ends - self.begins) / 2
        return tuple(days for days in DAYS if not self.renewed or timedelta(days=days) < half)


@dataclass(frozen=True, slots=True)
class Alert:
    """``days`` is the nearest of ``DAYS`` at or above what is ``left``; ``left`` is negative after the end."""

    ending: Ending
    days: int
    left: timedelta


def alerts(endings: Iterable[Ending], moment: datetime) -> tuple[Alert, ...]:
    """Everything within a warning period at ``moment``, the soonest first."""
    found = []
    for ending in endings:
        left = ending.ends - moment
        reached = [days for days in ending.days() if left <= timedelta(days=days)]
        if reached:
            found.append(Alert(ending, reached[-1], left))
    return tuple(sorted(found, key=lambda alert: alert.left))


def alerts_since(endings: Iterable[Ending], since: datetime, moment: datetime) -> tuple[Alert, ...]:
    """The alerts that began after ``since``, so that each is sent once."""
    return tuple(alert for alert in alerts(endings, moment) if alert.ending.ends - timedelta(days=alert.days) > since)


def of_keys(keys: Iterable[Key]) -> Iterator[Ending]:
    """Our own keys, but for those that never sign."""
    every = [key for key in keys if key.record.dropped is None]
    for key in every:
        begins, ends = validity_of(key.certificate)
        later = any(other.record.name == key.record.name and other.ends > ends for other in every)
        yield Ending("our-key", key.record.name, key.id, begins, ends, succeeded=later)


def of_partner(partner: str, trust: Trust) -> Iterator[Ending]:
    """A partner's pins, until the window or the certificate ends, whichever is first, and the authorities above them."""

    def end(pin: Pin) -> datetime:
        return min(pin.not_after, validity_of(pin.der).ends)

    for pin in trust.pins:
        later = any(other.role == pin.role and end(other) > end(pin) for other in trust.pins)
        yield Ending("certificate", partner, f"{pin.role} {pin.fingerprint}", pin.not_before, end(pin), succeeded=later)
    shown = [der for der in (trust.server.certificates if trust.server else ()) if der not in trust.roots]
    for der in shown:
        begins, ends = validity_of(der)
        later = any(validity_of(other).ends > ends for other in shown) or bool(trust.server and trust.server.keys)
        yield Ending("certificate", partner, f"server {sha256(der).hexdigest()}", begins, ends, succeeded=later)
    for der in chain(trust.roots, trust.intermediates):
        name, _ = names(from_der(der))
        yield Ending("authority", partner, name, *validity_of(der))


def of_facts(facts: Iterable[RevocationEvidence]) -> Iterator[Ending]:
    """Revocation lists and responses that are held."""
    for fact in facts:
        yield Ending("revocation", fact.url, fact.kind, fact.issued, fact.stale, renewed=True)
