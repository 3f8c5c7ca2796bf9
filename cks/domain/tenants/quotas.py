"""How much a tenant may have.  The caller has locked the quota's row."""

from cks.domain.refusals import QuotaExceeded

CLUSTERS, NODES = "clusters", "nodes"
DEFAULTS: dict[str, tuple[int, str]] = {CLUSTERS: (20, "clusters"), NODES: (200, "nodes")}
"""Quota → limit and unit of a new tenant."""


def check_quota(quota: str, *, limit: int, used: int, requested: int) -> None:
    """Raise ``QuotaExceeded`` if ``requested`` more would be too many."""
    if used + requested > limit:
        raise QuotaExceeded(
            f"{used} of {limit} {quota} are in use; {requested} more would exceed the quota.",
            members={"quota": quota, "limit": limit, "used": used, "requested": requested},
        )
