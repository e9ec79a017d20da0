"""How much one client may ask."""

from __future__ import annotations

import pytest

from gateway.core.errors import Code, Refusal
from gateway.web.http.limiter import Limiter


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
