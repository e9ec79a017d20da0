"""One partner's rehearsal from beginning to end, in a gateway that holds nothing else."""

from __future__ import annotations

import json
from functools import partial

import httpx
from sqlalchemy import Connection

from gateway.core.access import itself
from gateway.node.workplace import Tell, nobody
from gateway.onboarding.rehearsal import inbound, keys, outbound
from gateway.onboarding.rehearsal.results import Rehearsal, RehearsalStep, walk
from gateway.onboarding.rehearsal.session import RehearsalHost, Session
from gateway.partners import Bundle, read_bundle
from gateway.partners.canonical import canonical
from gateway.sandbox import server
from gateway.sandbox.box import Box
from gateway.sandbox.listen import NOBODY, listening
from gateway.store import partners as stored
from gateway.wire.algorithms import VerifyKey

#: Valid operators in the first list: as many as all steps use up, and some that nobody touches.
OPERATORS = 30
WHO = itself("a rehearsal")


def rehearse(bundle: Bundle, host: RehearsalHost, tell: Tell = nobody) -> Rehearsal:
    """Walks every step with ``bundle``'s own data and keys made for it. ``host`` may have rehearsed other partners before. ``tell`` hears
    before each step how many are done, of how many, and its name.

    A step that fails does not end the rehearsal. Raises ``Refusal`` where it cannot even begin.
    """
    node = host.node
    began = node.clock()
    made = keys.make(bundle.iso, bundle.arrangement.binding, began)
    certificate = node.signer.certificate
    assert certificate is not None, "a key ring's keys have certificates"
    box = Box(bundle, made.current, node.settings.administration, [VerifyKey.from_certificate(certificate)], node.clock)
    box.make_up(OPERATORS)
    with listening(server.create_app(box, f"{host.url}/exchange")) as url, httpx.Client(timeout=60, verify=NOBODY) as http:
        session = Session(host, box, made, http, spare=list(box.operators))
        _admit(session, under_test(bundle, f"{url}/exchange", made))
        try:
            every = (*inbound.STEPS, *outbound.STEPS, *inbound.LAST)
            steps: tuple[RehearsalStep, ...] = ()
            for number, step in enumerate(every):
                tell(number, len(every), step.__name__.replace("_", " "))
                steps += (walk(step, session, session.messages),)
        finally:
            node.writer.do(
                partial(stored.set_state, iso=bundle.iso, state="retired", at=node.clock(), who=WHO, reason="the rehearsal is over")
            )
    dialect = box.dialect
    name = bundle.arrangement.economy.en
    return Rehearsal(bundle.iso, name, bundle.digest, f"{dialect.name} {dialect.version}", "the partner in a box", began, steps)


def under_test(bundle: Bundle, endpoint: str, made: keys.Keys) -> Bundle:
    """The same data with the box's address and test keys in place of the partner's own."""
    raw = json.loads(bundle.content)
    binding = raw["site"].get("binding", {}) | {"endpoint": endpoint, "private_addresses": True, "pull": False}
    raw["site"] |= {"binding": binding}
    raw["certificates"] = [("signing", keys.pem(made.current)), ("signing", keys.pem(made.expired))]
    return read_bundle(canonical(raw))


def _admit(session: Session, bundle: Bundle) -> None:
    node = session.host.node

    def put(connection: Connection) -> None:
        stored.activate(connection, bundle.iso, bundle.digest, bundle.content, at=node.clock(), who=WHO, reason="rehearsal")

    node.writer.do(put)

    def known() -> bool:
        live = node.partners.all().get(bundle.iso)
        return live is not None and live.bundle.digest == bundle.digest and live.state == "active"

    session.until("the partner in force", known)
    session.until("readiness", lambda: session.http.get(f"{session.host.url}/readyz").status_code == 200)
