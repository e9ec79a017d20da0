"""A request is found again by the ids that its caller gave, or by ours: on every answer, and in the log."""

from __future__ import annotations

import re

import pytest

from gateway.core.access import Scope
from gateway.web.http import tracing
from tests.rig.logged import logged
from tests.rig.web import WebFixture

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OURS = re.compile(rb"[0-9a-f]{16}-[0-9a-f]+")
#: Each by another way through ``front.py``: the fast ones, refused and not, the router, its refusals, and a head that is not read.
ASKED: tuple[tuple[str, str, dict[str, str], int], ...] = (
    ("GET", "/v1/eligibility?code=SG123456789012", {}, 200),
    ("GET", "/v1/eligibility?code=SG1&on=never", {}, 422),
    ("POST", "/exchange", {"Content-Type": "application/xml"}, 400),
    ("GET", "/v1/voids", {}, 403),
    ("DELETE", "/v1/stops", {}, 405),
    ("GET", "/nowhere", {}, 404),
    ("GET", "/healthz", {}, 200),
    ("POST", "/exchange", {"Transfer-Encoding": "gzip"}, 400),
)


@pytest.mark.parametrize(("method", "address", "headers", "status"), ASKED)
def test_every_answer_gives_back_what_the_caller_gave(
    web: WebFixture, method: str, address: str, headers: dict[str, str], status: int
) -> None:
    given = {"X-Request-Id": "9f/A+b=", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    known = web.token(Scope.CLEARANCE_READ)
    answer = web.client.request(method, address, headers=known | headers | given)
    assert answer.status_code == status
    assert {name: answer.headers.get_list(name) for name in given} == {name: [value] for name, value in given.items()}
    answer = web.client.request(method, address, headers=known | headers)
    assert OURS.fullmatch(answer.headers["x-request-id"].encode())
    assert "traceparent" not in answer.headers


def given(*headers: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    return dict(tracing.trace(list(headers)))


@pytest.mark.parametrize("bad", [b"", b"a b", b"\x1b[31m", b"a\xe9", b"x" * 129, b'"', b"<a>"])
def test_a_bad_id_is_replaced_and_never_repeated(bad: bytes) -> None:
    assert OURS.fullmatch(given((b"x-request-id", bad))[b"x-request-id"])


def test_of_two_ids_neither_is_taken() -> None:
    twice = [(b"x-request-id", b"a"), (b"x-request-id", b"a")]
    found = tracing.trace(twice)
    assert len(found) == 1
    assert OURS.fullmatch(found[0][1])


def test_every_request_has_another_id() -> None:
    assert len({tracing.trace([]) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "bad",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"01-{TRACE}-{SPAN}-01-{'x' * 300}",
    ],
)
def test_a_trace_that_cannot_be_read_is_begun_anew(bad: str) -> None:
    made = given((b"traceparent", bad.encode()))[b"traceparent"]
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-00", made)
    assert TRACE.encode() not in made


def test_a_trace_of_a_version_to_come_goes_on_as_ours() -> None:
    """What version 00 says of higher ones (https://www.w3.org/TR/trace-context/#versioning-of-traceparent)."""
    coming = f"01-{TRACE}-{SPAN}-01-more".encode()
    assert given((b"traceparent", coming))[b"traceparent"] == f"00-{TRACE}-{SPAN}-01".encode()


def test_what_is_logged_of_a_request_carries_its_ids(web: WebFixture) -> None:
    headers = web.token(Scope.CLEARANCE_READ)
    with logged() as lines:
        web.client.get("/v1/voids", headers=headers | {"X-Request-Id": "abc", "traceparent": f"00-{TRACE}-{SPAN}-01"})
        web.client.get("/v1/eligibility?code=a%0ab", headers={"X-Request-Id": "not one"})
    known, stranger = lines
    assert (known["request"], known["traceparent"]) == ("abc", f"00-{TRACE}-{SPAN}-01")
    said = {name: known[name] for name in ("code", "address", "method", "route")}
    assert said == {"code": "forbidden", "address": "testclient", "method": "GET", "route": "/v1/voids"}
    assert OURS.fullmatch(str(stranger["request"]).encode())
    assert (stranger["code"], stranger["route"]) == ("unauthenticated", "/v1/eligibility")
    assert "caller" not in stranger
