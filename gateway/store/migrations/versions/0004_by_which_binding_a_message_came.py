"""By which binding a message came: what was kept before there was a second one came by https"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("intake", sa.Column("binding", sa.String(8), nullable=False, server_default="https"))
