"""How steps see a node pool, and show its nodes in the rows."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from cks.db.clusters import creation
from cks.db.session import Session
from cks.domain.clusters.clusters import SeenNode
from cks.providers.base import NodePoolSpec, Observed, PoolObserved, State

ABSENT = PoolObserved(State.ABSENT, "", 0, ())


def pool_in(seen: Observed, pool_id: UUID) -> PoolObserved:
    """Return what was seen of a pool; one that is not listed is absent."""
    return seen.pools.get(pool_id, ABSENT)


def is_as_asked(now: PoolObserved, spec: NodePoolSpec) -> bool:
    """Say whether a pool is all that it should be, on every node of it."""
    wanted = (spec.pool.node_count, spec.version, spec.pool.labels, spec.pool.taints)
    ready = now.state is State.READY and now.ready == spec.pool.node_count
    return ready and (now.desired, now.version, now.labels, now.taints) == wanted


def showing(pool_id: UUID, now: PoolObserved) -> Callable[[Session], Awaitable[None]]:
    """Return the write that shows a pool's nodes as they were seen."""
    nodes = [SeenNode(node.id, node.name, node.state, node.version) for node in now.nodes]

    async def write(session: Session) -> None:
        await creation.show_nodes(session, pool_id, nodes)

    return write
