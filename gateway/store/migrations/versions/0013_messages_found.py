"""Messages are found by whatever a person looks for, newest first, however many there are"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NOT_TAKEN = sa.text("outcome NOT IN ('accepted', 'duplicate', 'pending')")
_VOIDED, _TRANSCRIBED = sa.text("voided IS NOT NULL"), sa.text("fingerprint = ''")


def upgrade() -> None:
    for columns in (["outcome"], ["partner", "outcome"], ["code", "outcome"], ["partner", "code", "outcome"]):
        _index("intake", [*columns, "received"], where=_NOT_TAKEN)
    for columns in (["message_id"], ["partner", "received"], ["kind", "received"], ["partner", "kind", "received"]):
        _index("message", columns)
    _index("message", ["received"], "ix_message_voided_received", _VOIDED)
    _index("message", ["received"], "ix_message_transcribed_received", _TRANSCRIBED)
    for columns in (["state"], ["partner", "state"], ["kind", "state"], ["partner", "kind", "state"]):
        _index("outbox", [*columns, "created"])
    _index("query", ["tin"])
    _index("query_message", ["query"])


def _index(table: str, columns: list[str], name: str | None = None, where: sa.TextClause | None = None) -> None:
    called = name or f"ix_{table}_{'_'.join(columns)}"
    op.create_index(called, table, columns, unique=False, sqlite_where=where, postgresql_where=where)
