"""Why a stop was lifted, or a disruption ended"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("switch", sa.Column("lifted_because", sa.Text(), nullable=True))
