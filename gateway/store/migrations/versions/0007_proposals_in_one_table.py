"""Whatever takes two people is proposed in one table; what was open under typed names ends, and stays to be seen

Names were compared in three ways until then, one of which took "Alice" and "alice" for two people: whatever is open is proposed again.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BECAUSE = "open when this gateway was upgraded: propose it again"

_MOMENTS = ("at", "since", "proposed", "confirmed", "decided")


def _table(name: str, columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(one, Moment() if one in _MOMENTS else None) for one in columns.split()))


_proposal = _table("proposal", "decision number partner digest proposed_by reason proposed state decided because")
_entry = _table("entry", "id at kind partner subject body")
_voiding = _table("voiding", "id what partner subject since reason proposed_by proposed confirmed")
_transcription = _table("transcription", "id partner digest state reason proposed_by proposed decided")
_encode = msgspec.json.Encoder(order="sorted").encode


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("partner", sa.String(length=2), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed", Moment(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided", Moment(), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
    )
    op.create_index("ix_proposal_decision_number", "proposal", ["decision", "number"], unique=False)
    connection, now = op.get_bind(), datetime.now(UTC)
    for subject, one in [*_annulments(connection), *_transcriptions(connection), *_activations(connection)]:
        connection.execute(_proposal.insert().values(**one, state="ended", decided=now, because=_BECAUSE))
        said = {"kind": "proposal", "at": now, "partner": one["partner"], "subject": subject}
        body = _encode(said | {"ended": _BECAUSE, "proposed_by": one["proposed_by"]})
        connection.execute(_entry.insert().values(**said, body=body))
    connection.execute(_transcription.update().where(_transcription.c.state == "proposed").values(state="discarded", decided=now))


def _annulments(connection: sa.Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in connection.execute(_voiding.select().where(_voiding.c.confirmed.is_(None)).order_by(_voiding.c.id)):
        digest = sha256(_encode([row.what, row.partner, row.subject, row.since])).hexdigest()
        yield f"void-{row.id}", {"decision": "annulment", "number": row.id, "digest": digest, **_of(row)}


def _transcriptions(connection: sa.Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in connection.execute(
        _transcription.select().where(_transcription.c.state == "proposed").order_by(_transcription.c.id)
    ):
        yield f"transcription-{row.id}", {"decision": "transcription", "number": row.id, "digest": row.digest, **_of(row)}


def _of(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("partner", "reason", "proposed_by", "proposed")}


def _activations(connection: sa.Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    """They stood in the journal alone: one is open that came after the latest change of the partner, once for each name and content."""
    changed = sa.select(_entry.c.subject, sa.func.max(_entry.c.id)).where(_entry.c.kind == "partner").group_by(_entry.c.subject)
    latest = {row[0]: row[1] for row in connection.execute(changed)}
    asked = _entry.select().where(_entry.c.kind == "proposal", sa.func.length(_entry.c.subject) == 64).order_by(_entry.c.id)
    seen = set()
    for row in connection.execute(asked):
        said = msgspec.json.decode(row.body)
        one = {"partner": row.partner, "digest": row.subject, "proposed_by": said["who"]}
        if row.id > latest.get(row.partner, 0) and (key := tuple(one.values())) not in seen:
            seen.add(key)
            one |= {"decision": "law" if row.partner == "**" else "activation", "number": None}
            yield row.subject, one | {"reason": said["reason"], "proposed": row.at}
