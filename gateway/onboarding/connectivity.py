"""Whether a partner can be proven and reached: its certificates, its endpoint, its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from gateway.core.arrangement import Binding
from gateway.core.errors import Refusal
from gateway.core.moments import http_date
from gateway.exchange.certificates.partner import pinned
from gateway.exchange.line import guard_for
from gateway.net import Identity, ServerTrust, Unreachable, UnreachableReason, get
from gateway.onboarding.finding import Finding, Mark
from gateway.partners import Bundle
from gateway.trust import endings
from gateway.trust.certificates import ROLES, TrustStore
from gateway.trust.selfsigned import is_demo
from gateway.wire.certificate import from_pem, validity_of

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
    trust = pinned(bundle)
    store = TrustStore({bundle.iso: trust})
    for role in ROLES:
        for pin, verdict in store.verdicts(bundle.iso, role, now):
            label = f"{_CALLED[role]} certificate {pin.fingerprint[:16]}"
            if verdict.passed:
                yield Finding(Mark.OK, f"{label}: chain, usage, dates and algorithms hold until {pin.not_after:%Y-%m-%d}")
            elif verdict.cannot_tell:
                yield Finding(Mark.WARN, f"{label}: {verdict.detail}", "It is asked for in the background while the gateway runs.")
            else:
                yield Finding(
                    Mark.BAD, f"{label}: {verdict.detail or verdict.code}", "Ask the partner for its current certificate."
                )
    yield from _server(trust.server, now)
    for alert in endings.alerts(endings.of_partner(bundle.iso, trust), now):
        if alert.left > timedelta() and not alert.ending.succeeded:
            yield Finding(
                Mark.WARN, f"{alert.ending.name[:40]} ends in {alert.left.days} days.", "Ask the partner to announce its next one."
            )
    if production and any(_demo(pem) for _, pem in bundle.certificates):
        yield Finding(Mark.BAD, "a demonstration key is pinned.", "Pin the partner's own certificate.")


#: Uses of certificates, as their files call them.
_CALLED = {"signing": "signing", "tls": "client"}


def _server(server: ServerTrust | None, now: datetime) -> Iterator[Finding]:
    """By what its server proves itself: TLS judges it at each connection; its end is told before."""
    for der in server.certificates if server else ():
        label, (begins, ends) = f"server's certificate or authority {sha256(der).hexdigest()[:16]}", validity_of(der)
        if begins <= now <= ends:
            yield Finding(Mark.OK, f"{label}: accepted until {ends:%Y-%m-%d}")
        else:
            yield Finding(
                Mark.BAD, f"{label}: valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}", "Ask the partner for its current one."
            )
    for key in server.keys if server else ():
        yield Finding(Mark.OK, f"server's key {sha256(key).hexdigest()[:16]}: accepted, whatever certificate is around it")


def _demo(pem: str) -> bool:
    return "BEGIN CERTIFICATE" in pem and is_demo(from_pem(pem.encode()))


def endpoint(bundle: Bundle, *, online: bool, identity: Callable[[str], Identity] | None = None) -> Iterator[Finding]:
    """Whether it answers as delivery would have it, and what time it has. Asks nothing unless ``online``. ``identity`` gives our
    certificates for connections, by the name of the key; raises ``Refusal``."""
    binding = bundle.arrangement.binding
    yield from _way(binding)
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
    server = pinned(bundle).server
    try:
        ours = identity(binding.client_key) if binding.client_key and identity else None
        answer = asyncio.run(get(binding.endpoint, guard=guard_for(binding, server, ours)))
    except Refusal as refusal:
        yield Finding(Mark.BAD, f"our key {binding.client_key} cannot be presented: {refusal.detail}", refusal.remedy)
        return
    except Unreachable as problem:
        yield Finding(Mark.BAD, f"{binding.endpoint}: {problem}", remedy_for(problem))
        return
    proven = "TLS is as pinned" if server else "nothing is pinned for its server, so public authorities decided"
    how = proven if binding.endpoint.startswith("https:") else "plain http, so nothing proves who answers"
    said = f"{binding.endpoint} answers (HTTP {answer.status}); {how}"
    if answer.status in NOTHING_THERE or answer.status >= 500:
        yield Finding(
            Mark.WARN, said, "Ask the partner for the whole address of its exchange, path included, and whether it is up."
        )
    else:
        yield Finding(Mark.OK, said)
    yield _clock(answer.headers.get("date", ""))


def _way(binding: Binding) -> Iterator[Finding]:
    """Which addresses its endpoint may have, and who looks at that."""
    if binding.resolve == "proxy":
        yield Finding(
            Mark.WARN,
            f"{binding.proxy} looks the endpoint's name up: which addresses it connects to is the proxy's to guard, and no longer ours.",
            'See that it connects to partners alone; or remove resolve = "proxy", and it is told the address that was looked at here.',
        )
    elif binding.addresses:
        yield Finding(Mark.OK, f"its endpoint may be at {', '.join(binding.addresses)} and nowhere else")


def remedy_for(problem: Unreachable) -> str:
    """What an administrator can do where an address that was entered gives no answer."""
    return {
        UnreachableReason.ADDRESS: 'Correct the address; or, where the partner is meant to be at a private one, say in its site.toml, under [binding], which it may have: addresses = ["10.20.0.7/32"]. In a rehearsal private_addresses = true allows any.',
        UnreachableReason.URL: "Give an address like https://host/exchange; http is for private addresses alone.",
        UnreachableReason.UNRESOLVED: "Correct the host's name, or have it entered in the name service of this machine.",
        UnreachableReason.CONNECTION: "Nothing listens there, or the way to it is closed: ask the partner whether it is up, and the network for the way.",
        UnreachableReason.TLS: "Check with the partner that it speaks TLS at this port and which certificate it presents; pin that, its key or its authority as server-1.pem in its site folder, certs/; and whether it asks for a certificate of ours, which client_key under [binding] names.",
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
