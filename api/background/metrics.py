"""What the background loops count (Prometheus)."""

from enum import StrEnum

from prometheus_client import Counter, Gauge


class Repair(StrEnum):
    """What made an operation agree again; also the action in the activity log."""

    DEADLINE_PASSED = "operations.deadline_passed"
    ENGINE_LOST = "operations.engine_lost"
    ROW_LOST = "operations.row_lost"
    RUN_ENDED = "operations.run_ended"
    RUN_RESTARTED = "operations.run_restarted"


UNDELIVERED = Gauge(
    "cks_relay_oldest_undelivered_seconds", "Age of the oldest operation without a run"
)


REPAIRS = Counter(
    "cks_reconciler_repairs_total", "Repairs of operations whose row and run disagreed", ["kind"]
)


ORPHANED = Gauge(
    "cks_reconciler_orphaned_operations",
    "Ended operations with orphans, as last seen by this process",
)


LAST_PASS = Gauge(
    "cks_loop_last_pass_seconds",
    "Time since a loop of this process last completed a pass",
    ["loop"],
)

for kind in Repair:  # a counter that is born with its first event shows no increase
    REPAIRS.labels(kind)
