"""What the API counts (Prometheus) and logs of its answers, and how long they take."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram


class Repair(StrEnum):
    """What made an operation agree again; also the action in the activity log."""

    DEADLINE_PASSED = "operations.deadline_passed"
    ENGINE_LOST = "operations.engine_lost"
    ROW_LOST = "operations.row_lost"
    RUN_ENDED = "operations.run_ended"
    RUN_RESTARTED = "operations.run_restarted"


REQUESTS = Counter("cks_http_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "cks_http_request_seconds", "Time to the end of the answer", ["method", "route"]
)
UNDELIVERED = Gauge(
    "cks_relay_oldest_undelivered_seconds", "Age of the oldest operation without a run"
)
REPAIRS = Counter("cks_reconciler_repairs_total", "Operations made to agree", ["kind"])
ORPHANED = Gauge(
    "cks_reconciler_orphaned_operations", "Ended operations that left something, as last seen here"
)
RECONCILED = Gauge("cks_reconciler_last_pass_seconds", "Age of the last whole pass here")

ERRORS = Counter("cks_http_errors_total", "Requests that met a bug of ours")
for kind in Repair:  # a counter that is born with its first event shows no increase
    REPAIRS.labels(kind)

log = logging.getLogger("cks.access")


@dataclass(slots=True)
class Told:
    """What became of a request."""

    status: int = 500


@contextmanager
def measured(request: web.Request) -> Iterator[Told]:
    """Count and log a request under its route's pattern, never under its path.

    A path can hold what a tenant named.
    """
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "unknown"
    began, told = time.perf_counter(), Told()
    try:
        yield told
    finally:
        seconds = time.perf_counter() - began
        SECONDS.labels(request.method, route).observe(seconds)
        REQUESTS.labels(request.method, route, str(told.status)).inc()
        if told.status == web.HTTPInternalServerError.status_code:
            ERRORS.inc()
        fields = {"method": request.method, "route": route, "status": told.status}
        log.info("answered", extra={**fields, "milliseconds": round(seconds * 1000, 3)})
