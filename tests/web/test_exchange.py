"""The address that partners send to: what is refused before anybody reads it, and what kind of answer each outcome gets."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from gateway.core.model import Kind, Standing
from gateway.trust.certificates import Pin, Trust
from gateway.wire import envelope
from gateway.wire.envelope import write_empty
from tests.web.world import World

XML = {"Content-Type": "application/xml"}


def ping(world: World, iso: str = "SG") -> bytes:
    box = world.boxes[iso]
    return box.sign(box.header(Kind.PING), write_empty(Kind.PING))


def test_a_message_gets_a_signed_receipt_and_again_the_same(world: World) -> None:
    message = ping(world)
    first, again = (world.client.post("/exchange", content=message, headers=XML) for _ in range(2))
    assert (first.status_code, first.headers["content-type"]) == (200, "application/xml; charset=utf-8")
    assert first.content == again.content
    assert world.boxes["SG"].check(first.content).header.kind is Kind.RECEIPT


def test_a_list_is_known_to_the_very_next_question(world: World) -> None:
    (code, *_) = world.listed()
    said = world.answers.currency(world.node.partners.get("SG").arrangement, code)
    assert said.as_of == world.now


def test_a_changed_message_gets_a_signed_refusal_with_its_status(world: World) -> None:
    (code, *_) = world.listed()
    message = world.boxes["SG"].say(code, Standing.SUSPENDED).replace(b"Made-up", b"Changed")
    answer = world.client.post("/exchange", content=message, headers=XML)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/xml; charset=utf-8")
    assert envelope.read_refusal(world.boxes["SG"].check(answer.content)).code == "signature-digest"
    assert "Retry-After" not in answer.headers
    assert world.service.metrics.refusals["signature-digest"] == 1


def test_a_message_from_the_future_may_be_sent_again(world: World) -> None:
    box = world.boxes["SG"]
    world.pass_time(hours=1)
    message = ping(world)
    world.pass_time(hours=-1)
    answer = world.client.post("/exchange", content=message, headers=XML)
    assert (answer.status_code, answer.headers["Retry-After"]) == (422, "30")
    assert envelope.read_refusal(box.check(answer.content)).code == "created-in-future"


@pytest.mark.parametrize("body", [b"", b"no XML", b"<!DOCTYPE a><a/>", b"<a/>"])
def test_what_names_no_partner_gets_an_unsigned_problem(body: bytes, world: World) -> None:
    answer = world.client.post("/exchange", content=body, headers=XML)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == answer.json()["status"] in (400, 422)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/xml", 200),
        ("Application/XML; charset=UTF-8", 200),
        ('application/xml; charset="utf-8"', 200),
        ("application/xml; charset=utf-16", 415),
        ("text/xml", 415),
        ("application/json", 415),
        ("", 415),
    ],
)
def test_only_xml_in_utf_8_is_taken(kind: str, status: int, world: World) -> None:
    answer = world.client.post("/exchange", content=ping(world), headers={"Content-Type": kind})
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["code"] == "media-type"


def test_a_body_is_counted_while_it_comes(world: World) -> None:
    world.settings.__dict__["body_limit"] = 10_000
    announced = world.client.post("/exchange", content=b"x" * 10_001, headers=XML)

    def pieces() -> Iterator[bytes]:
        for _ in range(11):
            yield b"x" * 1_000

    counted = world.client.post("/exchange", content=pieces(), headers=XML)
    assert [(one.status_code, one.json()["code"]) for one in (announced, counted)] == [(413, "body-too-large")] * 2
    packed = world.client.post("/exchange", content=b"x", headers=XML | {"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (415, "body-encoded")
    assert world.service.room.used == 0


def test_when_too_much_comes_at_once_the_sender_is_asked_to_come_again(world: World) -> None:
    world.service.room.used = world.service.room.limit
    answer = world.client.post("/exchange", content=ping(world), headers=XML)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "busy", "30")
    assert world.service.room.used == world.service.room.limit


@pytest.mark.parametrize("fault", [RuntimeError("a secret of ours"), TimeoutError("a secret of ours")])
def test_a_fault_of_ours_is_no_verdict(fault: Exception, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(world.node.writer, "submit", fails)
    answer = world.client.post("/exchange", content=ping(world), headers=XML)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (500, "internal", "30")
    assert "secret" not in answer.text


def forwarded(certificate: bytes) -> dict[str, str]:
    return XML | {"Client-Cert": f":{base64.b64encode(certificate).decode()}:"}


def test_a_forwarded_certificate_counts_only_from_our_proxy(world: World) -> None:
    trust = world.node.trust
    ((signing, _),) = trust.verdicts("SG", "signing", world.now)
    trust.put("SG", Trust((signing, Pin.of("tls", signing.der))))
    stranger = world.client.post("/exchange", content=ping(world), headers=forwarded(signing.der))
    assert (stranger.status_code, stranger.json()["code"]) == (403, "forwarded-identity")
    world.settings.__dict__["proxy"] = "testclient"
    assert world.client.post("/exchange", content=ping(world), headers=forwarded(signing.der)).status_code == 200
    other = world.client.post("/exchange", content=ping(world, "HK"), headers=forwarded(signing.der))
    assert (other.status_code, other.json()["code"]) == (403, "identity-mismatch")


@pytest.mark.parametrize("given", [":!:", "::", ":AAAA:"])
def test_a_forwarded_certificate_that_is_nobodys_is_refused(given: str, world: World) -> None:
    world.settings.__dict__["proxy"] = "testclient"
    answer = world.client.post("/exchange", content=ping(world), headers=XML | {"Client-Cert": given})
    assert (answer.status_code, answer.json()["code"]) == (403, "identity-mismatch")
