"""Mailed spreadsheets, how long things are kept, and the number each message came with"""

import re

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PRUNED = ("intake", "message", "outbox")
#: The envelope's own Sequence: its header stands before any payload.
_SEQUENCE = re.compile(rb"<(?:[^<>\s:/]+:)?Sequence[^<>]*>\s*(\d{1,10})\s*</")
_message = sa.table("message", sa.column("id"), sa.column("body"), sa.column("sequence"))
_fact = sa.table("fact", sa.column("stored"))


def upgrade() -> None:
    op.create_table(
        "retention",
        sa.Column("shelf", sa.String(length=16), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shelf", name=op.f("pk_retention")),
    )
    op.create_table(
        "transcription",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("scope", sa.String(length=2), nullable=False),
        sa.Column("as_of", Moment(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("statements", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed", Moment(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided", Moment(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcription")),
        sa.UniqueConstraint("message_id", name=op.f("uq_transcription_message_id")),
    )
    for table in _PRUNED:
        op.add_column(table, sa.Column("pruned", Moment(), nullable=True))
    op.drop_index("ix_outbox_state_due", "outbox")
    op.create_index("ix_outbox_partner_state_expires", "outbox", ["partner", "state", "expires"], unique=False)
    op.add_column("message", sa.Column("sequence", sa.Integer(), nullable=True))
    op.add_column("fact", sa.Column("stored", Moment(), nullable=True))
    _fill()
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.alter_column("sequence", existing_type=sa.Integer(), nullable=False)
    with op.batch_alter_table("fact", schema=None) as batch_op:
        batch_op.alter_column("stored", existing_type=Moment(), nullable=False)


def _fill() -> None:
    """What is not known of what was there: a number is read from the message, and a fact counts as stored now."""
    connection = op.get_bind()
    connection.execute(_message.update().values(sequence=0))
    after = 0
    while some := connection.execute(sa.select(_message).where(_message.c.id > after).order_by(_message.c.id).limit(100)).all():
        after = some[-1].id
        for row in some:
            if found := _SEQUENCE.search(row.body or b""):
                connection.execute(_message.update().where(_message.c.id == row.id).values(sequence=int(found[1])))
    now = sa.text("CAST(strftime('%s', 'now') AS INTEGER) * 1000000")
    if connection.dialect.name == "postgresql":
        now = sa.text("CAST(extract(epoch FROM now()) * 1000000 AS BIGINT)")
    connection.execute(_fact.update().values(stored=now))
