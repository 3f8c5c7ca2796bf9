"""A tenant reads and changes its own settings."""

from cks.db.migrations.steps import forbid, permit

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    permit("tenant.read", "See the tenant's settings", "admin", "developer", "viewer")
    permit("tenant.update", "Change the tenant's settings", "admin")


def downgrade() -> None:
    forbid("tenant.read", "tenant.update")
