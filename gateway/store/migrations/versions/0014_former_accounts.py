"""Accounts at an administration's own provider that were taken from a person, and let nobody in as somebody new"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_account",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=False),
        sa.Column("ended", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_former_account_principal")),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_former_account")),
    )
