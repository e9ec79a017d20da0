"""Long work that somebody asked for: what it is, how far it has come, and what came of it"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=True),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("asked", Moment(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("of", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("began", Moment(), nullable=True),
        sa.Column("ended", Moment(), nullable=True),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("until", Moment(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("media", sa.String(length=64), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_state"), "job", ["state"])
    rehearsed = sa.text("kind = 'rehearsal'")
    op.create_index("ix_entry_rehearsed", "entry", ["partner", "id"], sqlite_where=rehearsed, postgresql_where=rehearsed)
