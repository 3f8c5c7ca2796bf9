"""Runs migrations on the connection that ``cks.db.admin.migrate`` opened, in its transaction."""

from alembic import context

from cks.db.models.base import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
