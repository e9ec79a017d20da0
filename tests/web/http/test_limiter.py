"""How much one client may ask."""

from __future__ import annotations

import pytest

from gateway.core.errors import Code, Refusal
from gateway.web import problems
from gateway.web.http.limiter import Limiter, TooMany


def test_a_bucket_refills_and_holds_no_more_than_it_may() -> None:
    now = 0.0
    limiter = Limiter(3_000, lambda: now)
    limiter.take("a", 3_000)
    with pytest.raises(Refusal) as refused:
        limiter.take("a", 1)
    assert (refused.value.code, refused.value.facts) == (Code.TOO_MANY_REQUESTS, {"retry_after": "1"})
    limiter.take("b", 3_000)
    now = 0.5
    assert limiter.wait("a", 1_500) == 0
    assert limiter.wait("a", 300) == pytest.approx(0.1)
    now = 1_000.0
    assert limiter.wait("a", 3_001) > 0
    assert limiter.wait("a", 3_000) == 0


def test_what_is_left_is_said_in_headers() -> None:
    now = 0.0
    limiter = Limiter(100, lambda: now)
    assert limiter.headers("a") == {"RateLimit-Policy": '"codes";q=3000;w=30', "RateLimit": '"codes";r=3000;t=0'}
    limiter.take("a", 2_950)
    assert limiter.headers("a")["RateLimit"] == '"codes";r=50;t=30'
    with pytest.raises(TooMany) as refused:
        limiter.take("a", 51)
    assert problems.headers(refused.value)["RateLimit"] == '"codes";r=50;t=30', "what was refused was not charged"
    assert problems.headers(refused.value)["Retry-After"] == "1"
    now = 10.0
    assert limiter.headers("a")["RateLimit"] == '"codes";r=1050;t=20'
