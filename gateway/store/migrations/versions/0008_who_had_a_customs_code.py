"""Who had a customs code from when to when, and what the domestic feed claims of itself

Until then only who has a code now was kept: what of before can be known is taken from the records as they came.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
#: Records read, and rows written, at a time.
_AT_ONCE = 5_000

_record = sa.table("enterprise_record", *(sa.column(name) for name in ("id", "uscc", "recorded", "body")))
_code_holder = sa.table("code_holder", *(sa.column(name) for name in ("code", "uscc", "since", "until")))


class _Body(msgspec.Struct):
    """What of a record says which code its enterprise has."""

    customs_code: str | None = None


_decode = msgspec.json.Decoder(_Body).decode


def upgrade() -> None:
    op.create_table(
        "code_holder",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("code", sa.String(10), nullable=False),
        sa.Column("uscc", sa.String(18), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("until", Moment(), nullable=True),
    )
    op.create_index("ix_code_holder_code", "code_holder", ["code"])
    op.create_table(
        "feed_claim",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("recorded", Moment(), nullable=False),
        sa.Column("complete", sa.Text(), nullable=True),
        sa.Column("as_of", Moment(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
    )
    connection = op.get_bind()
    held = _held(connection)
    for start in range(0, len(held), _AT_ONCE):
        connection.execute(_code_holder.insert(), held[start : start + _AT_ONCE])


def _held(connection: sa.Connection) -> list[dict[str, Any]]:
    """Who had which code, in the order in which they had them. Moments stay as the tables keep them."""
    held: list[dict[str, Any]] = []
    now: dict[str, dict[str, Any]] = {}
    for uscc, recorded, body in _records(connection):
        code, has = _decode(body).customs_code, now.get(uscc)
        if has and has["code"] != code:
            now.pop(uscc)["until"] = recorded
        if code and not (has and has["code"] == code):
            now[uscc] = {"code": code, "uscc": uscc, "since": recorded, "until": None}
            held.append(now[uscc])
    return held


def _records(connection: sa.Connection) -> Iterator[tuple[str, int, bytes]]:
    """Every record in the order in which it came, a page at a time."""
    last = 0
    while page := connection.execute(_record.select().where(_record.c.id > last).order_by(_record.c.id).limit(_AT_ONCE)).all():
        yield from ((row.uscc, row.recorded, row.body) for row in page)
        last = page[-1].id
