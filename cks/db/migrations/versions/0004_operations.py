"""Operations, their steps, events and claims, and the keys of repeated requests."""

from cks.db.migrations.steps import isolate, run, run_file

revision = "0004"
down_revision = "0003"

# cks_dispatch finds and does nothing else: no request, no name, no error, no lock.
GRANTS = """
REVOKE DELETE ON operations FROM cks_app;
GRANT USAGE ON SEQUENCE fences, claim_slots TO cks_app;
GRANT SELECT (id, tenant_id, type, status, workflow_id, run_id, fence, ending, started_at,
  updated_at, runnable_at, dispatched_at, held_until, cancel_requested_at, cluster_id)
  ON operations TO cks_dispatch;
CREATE POLICY dispatch_finds ON operations FOR SELECT TO cks_dispatch USING (true);
"""

DOWN = """
DROP TABLE idempotency_keys, operation_claims, operation_events, operation_steps, operations;
DROP FUNCTION operation_moves;
DROP SEQUENCE claim_slots, fences;
"""


def upgrade() -> None:
    run_file("0004_operations.sql")
    isolate("operations", "operation_steps", "operation_events", "operation_claims")
    isolate("idempotency_keys")
    run(GRANTS)


def downgrade() -> None:
    run(DOWN)
