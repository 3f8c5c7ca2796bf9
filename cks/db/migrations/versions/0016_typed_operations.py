"""Steps say what they mean; an operation is held by its row type; node pools can be updated."""

from cks.db.migrations.steps import forbid, permit, run, run_file

revision = "0016"
down_revision = "0015"

ADDED = "node_pools.update"

# Runs of this version's other types end before one goes back: the version before knows no step of
# theirs, and would take nothing away.
DOWN = """
DROP FUNCTION held_operation, claim_slot;
DROP TRIGGER former_step ON operation_steps;
DROP FUNCTION former_step;
ALTER TABLE operation_steps DROP COLUMN resource_name, DROP COLUMN stage, DROP COLUMN action,
  DROP COLUMN makes, DROP COLUMN undo, DROP COLUMN limit_seconds;
"""


def upgrade() -> None:
    run_file("0016_typed_operations.sql")
    run("REVOKE EXECUTE ON FUNCTION held_operation, former_step, claim_slot FROM PUBLIC")
    run("GRANT EXECUTE ON FUNCTION held_operation, claim_slot TO cks_app")
    permit(ADDED, "Change node pools", "admin", "developer", scope="cluster")


def downgrade() -> None:
    run(DOWN)
    forbid(ADDED)
