"""The box speaks every shipped dialect by asking it: made-up operators survive being written and read in every kind of message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.core.arrangement import Arrangement, CodeForm
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.core.terms import Dated, Provenance, Term
from gateway.partners import Bundle
from gateway.sandbox import made_up
from gateway.sandbox.box import Box
from gateway.sandbox.messages import Capabilities
from gateway.trust import selfsigned
from gateway.wire import envelope, payloads
from gateway.wire.algorithms import KeySigner, Policy, VerifyKey
from gateway.wire.signature import verify
from gateway.wire.xml import parse
from tests.rig.shipped import ISOS, shipped

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
KEY = selfsigned.generate("ecdsa-p256-sha256")
CERTIFICATE = selfsigned.sign(
    selfsigned.builder(KEY.public_key(), selfsigned.Subject("test"), demo=True, begins=NOW, ends=NOW.replace(year=2099)), KEY
)


def box(iso: str) -> Box:
    return Box(shipped(iso), KeySigner(KEY, CERTIFICATE), "CN", [VerifyKey.from_certificate(CERTIFICATE)], lambda: NOW)


def read(partner: Box, body: bytes) -> tuple[Statement, ...]:
    said = envelope.read(verify(parse(body), partner.gateway_keys, Policy(frozenset({"ecdsa-p256-sha256"}))))
    partner.dialect.validate(said.payload)
    return partner.dialect.read(said.header.kind, said.payload).statements


@pytest.mark.parametrize("iso", ISOS)
def test_what_is_made_up_can_be_said(iso: str) -> None:
    partner = box(iso)
    partner.make_up(20)
    operators = tuple(partner.operators.values())
    assert len(operators) == 20
    assert read(partner, partner.full_list()) == operators
    for kind in (Kind.NOTICE, Kind.UPDATE):
        (said,) = read(partner, partner.status_message(operators[0].tin, Standing.SUSPENDED, kind))
        assert (said.tin, said.standing) == (operators[0].tin, Standing.SUSPENDED)
    found = partner.message(Kind.RESPONSE, operators[1:2], query=operators[1].tin, picture=Picture(as_of=NOW))
    assert read(partner, found) == operators[1:2]


@pytest.mark.parametrize("iso", ISOS)
def test_levels_are_recognised_where_any_is(iso: str) -> None:
    bundle = shipped(iso)
    recognised = bundle.arrangement.levels.on(NOW.date()).value
    partner = box(iso)
    partner.make_up(10)
    if isinstance(recognised, frozenset):
        assert {one.level for one in partner.operators.values()} <= recognised | set(bundle.arrangement.level_words)
        assert any(one.level in recognised for one in partner.operators.values())


def test_a_register_says_the_level_inside_its_number() -> None:
    registers = [iso for iso in ISOS if box(iso).dialect.name == "register"]
    for iso in registers:
        partner = box(iso)
        partner.make_up(3)
        for one in partner.operators.values():
            assert one.number is not None
            assert one.level is not None
            assert one.number.endswith(one.level[-1])
    assert registers


def test_the_same_seed_makes_the_same_operators() -> None:
    bundle = shipped("SG")
    capabilities = Capabilities(bundle, box("SG").dialect)
    one, same, other = (made_up.operators(bundle.arrangement, capabilities, 5, date(2026, 11, 2), seed=seed) for seed in (1, 1, 2))
    assert one == same != other


def test_more_operators_than_codes_is_an_error() -> None:
    bundle = shipped("NZ")
    with pytest.raises(ValueError, match="too few forms"):
        made_up.operators(_narrow(bundle), Capabilities(bundle, box("NZ").dialect), 20, date(2026, 11, 2))


def _narrow(bundle: Bundle) -> Arrangement:
    form = Dated(date(2000, 1, 1), CodeForm("^NZ[0-9]$", confirmed=False), Provenance("setting"))
    return replace(bundle.arrangement, code=Term((form,)))


def test_hears_once_and_refuses_what_is_not_for_it() -> None:
    partner = box("SG")
    ping = payloads.write_empty(Kind.PING)
    ours = Box(partner.bundle, partner.signer, partner.iso, partner.gateway_keys, lambda: NOW, acting_as="CN")
    body = ours.protocol_message(Kind.PING, ping, id="11111111-aaaa")
    first, again = partner.receive(body), partner.receive(body)
    assert first[0] == again[0] == 200
    assert first[1] == again[1]
    assert len(partner.received) == 1
    assert partner.receive(ours.protocol_message(Kind.PULL, payloads.write_empty(Kind.PULL), id="11111111-aaaa"))[0] == 409
    assert partner.receive(ours.protocol_message(Kind.PING, ping, receiver="HK"))[0] == 422
    assert partner.receive(b"<a/>")[0] == 401
