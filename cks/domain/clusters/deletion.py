"""``cluster.delete``, of a cluster that failed: it holds nothing but, perhaps, orphans.

Their sweep goes on without it, so nothing is left to do but to forget the rows.
"""

from dataclasses import dataclass

from cks.domain.access.permissions import Scope
from cks.domain.operations.plans import Plan
from cks.domain.operations.types import OperationType


@dataclass(frozen=True, slots=True)
class DeleteCluster:
    """The operation's row says which cluster."""


def plan(_: DeleteCluster) -> Plan:
    """Return a plan without steps: it completes in the request's transaction."""
    return Plan()


DELETE = OperationType(
    name="cluster.delete",
    resource_type="cluster",
    request=DeleteCluster,
    plan=plan,
    permission="clusters.delete",
    scope=Scope.CLUSTER,
    workflow=None,
    summary="Delete cluster {name}",
)
