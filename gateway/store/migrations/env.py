"""Alembic's entry: the connection is handed in by ``Database.migrate``.

Migrations go forward only. Whoever must go back restores the backup made before the upgrade: an older schema cannot hold what was
written under a newer one, and a journal that lost a column could no longer be checked.
"""

from alembic import context

from gateway.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
