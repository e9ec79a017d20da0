"""What is measured is documented, and what is documented is measured."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gateway.core.access import Scope
from gateway.running.background import Heartbeat
from gateway.web.http import metrics
from tests.rig.web import WebFixture


def test_every_metric_is_documented_and_every_documented_one_is_there(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = [Heartbeat("sealer", timedelta(seconds=3), late=False, vital=True, failures=2, problem="OSError: no")]
    monkeypatch.setattr(web.service.background, "heartbeats", lambda: beats)
    web.partners.problems.failed("HK", "telling", ValueError("its dialect is gone"))
    code, *_ = web.listed()
    headers = web.token(Scope.METRICS_READ, Scope.CLEARANCE_READ)
    web.client.get(f"/v1/eligibility?code={code}", headers=headers)
    web.client.get("/v1/eligibility?code=a&code=b", headers=headers)
    web.client.get("/nobody/<script>", headers=headers)
    answer = web.client.get("/metrics", headers=headers)
    assert answer.headers["content-type"] == metrics.CONTENT_TYPE
    given = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"^(aeo_\w+)", answer.text, re.M)}
    documented = set(re.findall(r"^(aeo_\w+)", metrics.__doc__ or "", re.M))
    assert given == documented
    assert 'aeo_answers_total{verdict="eligible"} 1.0' in answer.text
    assert 'aeo_http_requests_total{route="/v1/eligibility",status="422"} 1.0' in answer.text
    assert 'aeo_http_requests_total{route="other",status="404"} 1.0' in answer.text
    assert 'aeo_data_age_seconds{partner="SG",scope="*"}' in answer.text
    assert 'aeo_partner_problem{partner="HK",what="telling"} 1.0' in answer.text
    assert 'aeo_background_failures{task="sealer"} 2.0' in answer.text
    assert "script" not in answer.text
