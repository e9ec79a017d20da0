"""Numbering epochs, what changed without a person in a day, our own queries and partners' queries"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("message", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sequence", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sequence", sa.Column("began", Moment(), nullable=True))
    op.add_column("sequence", sa.Column("latest", Moment(), nullable=True))
    op.create_table(
        "applied_change",
        sa.Column("partner", sa.String(2), primary_key=True),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("granting", sa.Integer(), nullable=False),
        sa.Column("omitting", sa.Integer(), nullable=False),
    )
    op.create_table(
        "query",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("partner", sa.String(2), nullable=False),
        sa.Column("tin", sa.String(35), nullable=False),
        sa.Column("asked", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("closed", Moment(), nullable=True),
        sa.Column("outcome", sa.String(12), nullable=True),
        sa.Column("as_of", Moment(), nullable=True),
        sa.Column("answered_by", sa.String(64), nullable=True),
    )
    op.create_index("ix_query_partner_as_of", "query", ["partner", "as_of"])
    op.create_table(
        "query_message",
        sa.Column("partner", sa.String(2), primary_key=True),
        sa.Column("message_id", sa.String(64), primary_key=True),
        sa.Column("query", _Id, sa.ForeignKey("query.id"), nullable=False),
    )
    op.create_table(
        "query_load",
        sa.Column("partner", sa.String(2), primary_key=True),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("unanswered", sa.Integer(), nullable=False),
    )
