"""The parameters of every call that starts an operation."""

from typing import Annotated, Literal

from aiohttp import web

from api.http.validation import Query, only
from cks.domain.refusals import Fault, NotAvailableYet


class StartQuery(Query):
    """Only the defaults are built."""

    validate_only: Annotated[Literal["true", "false"], only(built="false")] = "false"
    """Whether to validate the request without changing anything. Currently only `false` is
    available."""
    on_conflict: Annotated[Literal["reject", "queue", "supersede"], only(built="reject")] = "reject"
    """What to do while another operation holds the resource: `reject` returns 409
    `operation_conflict`. Currently only `reject` is available."""


def refuse_plan(request: web.Request) -> None:
    """Refuse ``If-Plan``: nothing would enforce the plan yet."""
    if "If-Plan" in request.headers:
        raise NotAvailableYet(
            [Fault("If-Plan", "not_available_yet", "plans are not available yet")]
        )
