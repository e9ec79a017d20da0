"""By which binding a message came (of before: https), and in which format partner data is stored (of before: the first)"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("intake", sa.Column("binding", sa.String(8), nullable=False, server_default="https"))
    op.add_column("bundle", sa.Column("format", sa.Integer(), nullable=False, server_default="1"))
