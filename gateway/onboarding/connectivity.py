"""Whether a partner can be proven and reached: its certificates, its endpoint, its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway.core.moments import http_date
from gateway.exchange.certificates.partner import der_of
from gateway.net import Guard, Unreachable, UnreachableReason, get
from gateway.onboarding.finding import Finding, Mark
from gateway.partners import Bundle
from gateway.trust import endings
from gateway.trust.certificates import Pin, Trust, TrustStore
from gateway.trust.selfsigned import is_demo
from gateway.wire.certificate import from_pem

#: HTTP statuses that say that the address leads nowhere.
NOTHING_THERE = (404, 410)
#: How far two clocks may stand apart.
APART = timedelta(minutes=2)


def certificates(bundle: Bundle, now: datetime, *, production: bool) -> Iterator[Finding]:
    """Chain, usage, dates and algorithms of everything pinned, judged as the gateway judges them."""
    roles = {role for role, _ in bundle.certificates}
    if "signing" not in roles:
        yield Finding(
            Mark.WARN,
            "no certificate is pinned: nothing of this partner can be verified.",
            f"Put the certificate it signs with at site/{bundle.iso.lower()}/certs/signing-1.pem in AEO_HOME.",
        )
    pins = tuple(Pin.of(use, der_of(pem)) for role, pem in bundle.certificates for use in ("signing", "tls") if use == role)
    roots = tuple(der_of(pem) for role, pem in bundle.certificates if role == "authority")
    trust = Trust(pins, roots, min_rsa_bits=bundle.arrangement.binding.min_rsa_bits)
    store = TrustStore({bundle.iso: trust})
    for role in ("signing", "tls"):
        for pin, verdict in store.verdicts(bundle.iso, role, now):
            label = f"{role} certificate {pin.fingerprint[:16]}"
            if verdict.passed:
                yield Finding(Mark.OK, f"{label}: chain, usage, dates and algorithms hold until {pin.not_after:%Y-%m-%d}")
            elif verdict.cannot_tell:
                yield Finding(Mark.WARN, f"{label}: {verdict.detail}", "It is asked for in the background while the gateway runs.")
            else:
                yield Finding(
                    Mark.BAD, f"{label}: {verdict.detail or verdict.code}", "Ask the partner for its current certificate."
                )
    for alert in endings.alerts(endings.of_partner(bundle.iso, trust), now):
        if alert.left > timedelta() and not alert.ending.succeeded:
            yield Finding(
                Mark.WARN, f"{alert.ending.name[:40]} ends in {alert.left.days} days.", "Ask the partner to announce its next one."
            )
    if production and any(_demo(pem) for _, pem in bundle.certificates):
        yield Finding(Mark.BAD, "a demonstration key is pinned.", "Pin the partner's own certificate.")


def _demo(pem: str) -> bool:
    return is_demo(from_pem(pem.encode()))


def endpoint(bundle: Bundle, *, online: bool) -> Iterator[Finding]:
    """Whether it answers with the TLS certificate that is pinned, and what time it has. Asks nothing unless ``online``."""
    binding = bundle.arrangement.binding
    if binding.endpoint is None:
        if not binding.pull:
            yield Finding(
                Mark.WARN,
                "not connected: no endpoint, and it does not pull.",
                f"Set binding.endpoint in site/{bundle.iso.lower()}/site.toml in AEO_HOME.",
            )
        return
    if not online:
        yield Finding(Mark.WARN, f"{binding.endpoint} was not asked.", "Say --online to try it.")
        return
    pins = tuple(der_of(pem) for role, pem in bundle.certificates if role == "tls")
    guard = Guard(private_addresses=binding.private_addresses, pins=pins)
    try:
        answer = asyncio.run(get(binding.endpoint, guard=guard))
    except Unreachable as problem:
        yield Finding(Mark.BAD, f"{binding.endpoint}: {problem}", remedy_for(problem))
        return
    pinned = "TLS is as pinned" if pins else "no TLS certificate is pinned, so public authorities decided"
    how = pinned if binding.endpoint.startswith("https:") else "plain http, so nothing proves who answers"
    said = f"{binding.endpoint} answers (HTTP {answer.status}); {how}"
    if answer.status in NOTHING_THERE or answer.status >= 500:
        yield Finding(
            Mark.WARN, said, "Ask the partner for the whole address of its exchange, path included, and whether it is up."
        )
    else:
        yield Finding(Mark.OK, said)
    yield _clock(answer.headers.get("date", ""))


def remedy_for(problem: Unreachable) -> str:
    """What an administrator can do where an address that was entered gives no answer."""
    return {
        UnreachableReason.ADDRESS: "Correct the address; or, where the partner is meant to be at a private one, set private_addresses = true under [binding] in its site.toml.",
        UnreachableReason.URL: "Give an address like https://host/exchange; http is for private addresses alone.",
        UnreachableReason.UNRESOLVED: "Correct the host's name, or have it entered in the name service of this machine.",
        UnreachableReason.CONNECTION: "Nothing listens there, or the way to it is closed: ask the partner whether it is up, and the network for the way.",
        UnreachableReason.TLS: "Check with the partner that it speaks TLS at this port and which certificate it presents; pin that as tls-*.pem in its site folder, certs/.",
        UnreachableReason.TIMEOUT: "Ask the partner whether it is up, and the network whether the way is open.",
        UnreachableReason.REDIRECT: "Enter the address that it leads to, if the partner confirms it.",
    }.get(problem.reason, "What answers is no AEO gateway: check the address with the partner.")


def _clock(text: str) -> Finding:
    theirs = http_date(text)
    if theirs is None:
        return Finding(Mark.WARN, "the endpoint does not say what time it is.", "The rehearsal compares the clocks too.")
    apart = abs(datetime.now(UTC) - theirs)
    if apart > APART:
        return Finding(
            Mark.BAD, f"the clocks are {apart.total_seconds():.0f} s apart.", "One of the two hosts needs a time server."
        )
    return Finding(Mark.OK, f"the clocks are {apart.total_seconds():.0f} s apart")
