"""The address that partners send to: what kind of answer each outcome gets. What is refused on the way is in tests/vectors/transport."""

from __future__ import annotations

import pytest

from gateway.core.model import Kind, Standing
from gateway.wire import payloads
from gateway.wire.payloads import write_empty
from tests.rig.web import WebFixture

XML = {"Content-Type": "application/xml"}


def ping(web: WebFixture, iso: str = "SG") -> bytes:
    box = web.boxes[iso]
    return box.sign(box.header(Kind.PING), write_empty(Kind.PING))


def test_a_message_gets_a_signed_receipt_and_again_the_same(web: WebFixture) -> None:
    message = ping(web)
    first, again = (web.client.post("/exchange", content=message, headers=XML) for _ in range(2))
    assert (first.status_code, first.headers["content-type"]) == (200, "application/xml; charset=utf-8")
    assert first.content == again.content
    assert web.boxes["SG"].check(first.content).header.kind is Kind.RECEIPT


def test_a_list_is_known_to_the_very_next_question(web: WebFixture) -> None:
    (code, *_) = web.listed()
    said = web.answers.currency(web.node.partners.get("SG").arrangement, code)
    assert said.as_of == web.now


def test_a_changed_message_gets_a_signed_refusal_with_its_status(web: WebFixture) -> None:
    (code, *_) = web.listed()
    message = web.boxes["SG"].status_message(code, Standing.SUSPENDED).replace(b"Made-up", b"Changed")
    answer = web.client.post("/exchange", content=message, headers=XML)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/xml; charset=utf-8")
    assert payloads.read_refusal(web.boxes["SG"].check(answer.content).payload).code == "signature-digest"
    assert "Retry-After" not in answer.headers
    assert web.service.metrics.refusals["signature-digest"] == 1


def test_a_message_from_the_future_may_be_sent_again(web: WebFixture) -> None:
    box = web.boxes["SG"]
    web.later(hours=1)
    message = ping(web)
    web.later(hours=-1)
    answer = web.client.post("/exchange", content=message, headers=XML)
    assert (answer.status_code, answer.headers["Retry-After"]) == (422, "30")
    assert payloads.read_refusal(box.check(answer.content).payload).code == "created-in-future"


@pytest.mark.parametrize("body", [b"", b"no XML", b"<!DOCTYPE a><a/>", b"<a/>"])
def test_what_names_no_partner_gets_an_unsigned_problem(body: bytes, web: WebFixture) -> None:
    answer = web.client.post("/exchange", content=body, headers=XML)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == answer.json()["status"] in (400, 422)


@pytest.mark.parametrize("fault", [RuntimeError("a secret of ours"), TimeoutError("a secret of ours")])
def test_a_fault_of_ours_is_no_verdict(fault: Exception, web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(web.node.writer, "awaited", fails)
    answer = web.client.post("/exchange", content=ping(web), headers=XML)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (500, "internal", "30")
    assert "secret" not in answer.text
