"""From when on trade has resumed after a disruption, and until when goods have priority then"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("switch", sa.Column("resumed", Moment(), nullable=True))
    op.add_column("switch", sa.Column("priority_until", Moment(), nullable=True))
