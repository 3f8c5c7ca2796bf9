"""What the API counts (Prometheus) and logs about its responses, and how long they take."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import Counter, Histogram

REQUESTS = Counter("cks_http_requests_total", "Requests answered", ["method", "route", "status"])


SECONDS = Histogram(
    "cks_http_request_seconds", "Time until the end of the response", ["method", "route"]
)


ERRORS = Counter("cks_http_errors_total", "Requests that failed because of a bug")


log = logging.getLogger("cks.access")


@dataclass(slots=True)
class Outcome:
    """What became of a request."""

    status: int = 500


@contextmanager
def measured(request: web.Request) -> Iterator[Outcome]:
    """Count and log a request under its route's pattern, never under its path.

    A path can contain names that a tenant chose.
    """
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "unknown"
    began, outcome = time.perf_counter(), Outcome()
    try:
        yield outcome
    finally:
        seconds = time.perf_counter() - began
        SECONDS.labels(request.method, route).observe(seconds)
        REQUESTS.labels(request.method, route, str(outcome.status)).inc()
        if outcome.status == web.HTTPInternalServerError.status_code:
            ERRORS.inc()
        fields = {"method": request.method, "route": route, "status": outcome.status}
        log.info("answered", extra={**fields, "milliseconds": round(seconds * 1000, 3)})
