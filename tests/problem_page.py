"""``python -m tests.problem_page`` writes docs/problems.md anew, from what ``GET /v1/problems`` answers."""

from __future__ import annotations

from gateway.web.api.catalogue import catalogue
from tests.rig.machine import REPO

PAGE = REPO / "docs" / "problems.md"
_HEAD = """# Problems

Every code with which this gateway refuses something, over HTTP as `code` of a problem (RFC 9457) and in a signed refusal as its code. A
code is stable: programs branch on it. Codes may be added; none is given another meaning. `GET /v1/problems` answers the same as JSON.

*Again*: the very same bytes may succeed later, after `Retry-After`; everything else stays refused until what is named is corrected.

| code | status | again | what it means | what was looked at | what to do |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The page as it must be now."""
    rows = (
        (
            f"`{one.code}`",
            str(one.status),
            "yes" if one.retry else "",
            *(f"{said.en}<br>{said.zh}" for said in (one.meaning, one.cause, one.remedy)),
        )
        for one in catalogue().problems
    )
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
