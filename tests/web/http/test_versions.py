"""What a caller has already is not sent again; what changed is."""

from __future__ import annotations

import pytest

from gateway.core.access import Scope
from tests.rig.web import WebFixture


@pytest.mark.parametrize("path", ["/v1/partners/SG", "/openapi.json"])
def test_what_a_caller_has_is_not_sent_again(path: str, web: WebFixture) -> None:
    headers = web.token(Scope.CLEARANCE_READ)
    first = web.client.get(path, headers=headers)
    tag = first.headers["ETag"]
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "private, no-cache")
    for named in (tag, f'"other", W/{tag}', "*"):
        held = web.client.get(path, headers=headers | {"If-None-Match": named})
        assert (held.status_code, held.content, held.headers["ETag"]) == (304, b"", tag), named
    for named in ('"other"', tag[:-2] + '"', ""):
        assert web.client.get(path, headers=headers | {"If-None-Match": named}).content == first.content, named


def test_a_partner_is_another_once_something_does_not_work_with_it(web: WebFixture) -> None:
    headers = web.token(Scope.CLEARANCE_READ)
    before = web.client.get("/v1/partners/SG", headers=headers).headers["ETag"]
    web.node.partners.problems.failed("SG", "delivery", OSError("no route"))
    after = web.client.get("/v1/partners/SG", headers=headers | {"If-None-Match": before})
    assert (after.status_code, [one["what"] for one in after.json()["problems"]]) == (200, ["delivery"])
    assert after.headers["ETag"] != before
    assert web.client.get("/v1/partners/SG").status_code == 401, "a tag is no token"
