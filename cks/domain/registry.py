"""All operation types that there are: to add one is to add it here.

``tests/test_operation_types.py`` names what a type that stands here still lacks.
"""

from cks.domain.clusters.creation import CREATE
from cks.domain.clusters.deletion import DELETE
from cks.domain.clusters.pool_update import UPDATE
from cks.domain.operations.types import by_name

TYPES = by_name((CREATE, DELETE, UPDATE))

LATER = (
    "cluster.upgrade",
    "cluster.rollback",
    "node.replace",
    "node_pool.create",
    "node_pool.scale",
    "node_pool.upgrade",
    "node_pool.delete",
    "namespace.create",
    "namespace.update",
    "namespace.delete",
    "billing.close",
)
"""The contract's other names; remove a name here when its type is built."""

RUN_BY_WORKFLOWS = tuple(name for name, kind in TYPES.items() if kind.workflow)
"""Those that a run carries out; the others complete in the request's own transaction."""
