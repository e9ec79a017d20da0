"""What is wrong with one partner alone, whether a certificate was proven when it was announced, and of whom a message of ours speaks"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "partner_problem",
        sa.Column("partner", sa.String(2), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("last", Moment(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "what", name=op.f("pk_partner_problem")),
    )
    _announced()
    op.add_column("outbox", sa.Column("codes", sa.Text(), nullable=True))


def _announced() -> None:
    """Several partners may announce one certificate; what was announced before this release came without a proof."""
    kept = ("fingerprint", "role", "partner", "certificate", "since", "message_id")
    op.drop_index("ix_announced_partner", table_name="announced")
    op.rename_table("announced", "announced_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE announced_before RENAME CONSTRAINT pk_announced TO pk_announced_before")
    op.create_table(
        "announced",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("partner", sa.String(2), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("fingerprint", "role", "partner", name=op.f("pk_announced")),
    )
    op.create_index("ix_announced_partner", "announced", ["partner"], unique=False)
    columns = ", ".join(kept)
    op.execute(f"INSERT INTO announced ({columns}) SELECT {columns} FROM announced_before")  # noqa: S608 - names of our tables
    op.drop_table("announced_before")
