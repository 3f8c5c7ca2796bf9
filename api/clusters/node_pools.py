"""``/v1/clusters/{id}/node-pools``."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from api.clusters.bodies import NodePoolBody, NodePoolPage, Status, Taint, node_pool_body
from api.clusters.clusters import LIST, ONE
from api.clusters.new_cluster import MOST_NODES_PER_POOL, each_taint_once, taints_of
from api.http.endpoint import Call, Endpoint, Reply
from api.http.etags import check_match
from api.http.fields import LabelKey, LabelValue, Name, Whole
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, RequestBody, id_or_name_in, only, unsaid
from api.operations.bodies import OperationBody
from api.operations.replies import started
from api.operations.starting import StartQuery, refuse_plan
from api.tags import CLUSTERS
from cks.db.access.decisions import Target
from cks.db.clusters import clusters, pools
from cks.db.clusters.pool_update import accept_update
from cks.db.models.clusters import NodePool
from cks.domain.clusters.pool_update import MOST_LABELS, UPDATE, UpdateNodePool, check
from cks.domain.refusals import Invalid, NotRunning, PreconditionFailed

POOLS = f"{ONE}/node-pools"


class NodePoolQuery(PageQuery):
    name: Name | None = None
    """The exact name."""
    status: tuple[Status, ...] = ()
    """Can be repeated; matches any of the values."""


class NodePoolChange(RequestBody):
    """Changes to a node pool (JSON merge patch); omitted fields stay as they are."""

    labels: Annotated[dict[LabelKey, LabelValue | None], Field(max_length=MOST_LABELS)] = unsaid()
    """Kubernetes labels to set on the pool's nodes; `null` removes a label."""
    taints: Annotated[list[Taint], AfterValidator(each_taint_once), Field(max_length=50)] = unsaid()
    """Replaces all taints. Each combination of `key` and `effect` must be unique."""
    min_nodes: Annotated[int, Whole(0, MOST_NODES_PER_POOL)] = unsaid()
    max_nodes: Annotated[int, Whole(1, MOST_NODES_PER_POOL)] = unsaid()
    autoscaling: Annotated[bool, only(built=False)] = unsaid()
    """Currently only `false` is available."""


async def list_node_pools(call: Call[None, NodePoolQuery]) -> Reply:
    cluster = await clusters.find(call.session, id_or_name_in(call.request, "cluster_id"))
    route = f"{LIST}/{cluster.id}/node-pools"
    query = call.query
    page = await pools.list_pools(
        call.session, cluster, cut_of(route, query), query.name, query.status
    )
    after = token_of(route, query, page.next_after)
    results = [node_pool_body(pool) for pool in page.rows]
    return Reply(NodePoolPage(results=results, next_page_token=after))


async def get_node_pool(call: Call[None, Query]) -> Reply:
    cluster = await clusters.find(call.session, id_or_name_in(call.request, "cluster_id"))
    wanted = id_or_name_in(call.request, "node_pool_id")
    body = node_pool_body(await pools.find_pool(call.session, cluster, wanted))
    return Reply(body, {"ETag": body.etag})


async def update_node_pool(call: Call[NodePoolChange, StartQuery]) -> Reply:
    """Accept a change of a pool and answer with the operation to follow."""
    refuse_plan(call.request)
    request = call.request
    wanted = id_or_name_in(request, "cluster_id"), id_or_name_in(request, "node_pool_id")

    def change(pool: NodePool) -> UpdateNodePool:
        check_match(request, pool)
        return _update(pool, call.body)

    allowance = call.context.settings.allowance
    view = await accept_update(call.session, call.caller, wanted, change, allowance, call.at)
    return started(call, view)


def _update(pool: NodePool, body: NodePoolChange) -> UpdateNodePool:
    """Return what a pool should be when what is said of it is so; raise ``Invalid``."""
    said = body.model_fields_set
    now = pools.spec_of(pool)
    asked = UpdateNodePool(
        labels=_merged(now.labels, body.labels) if "labels" in said else now.labels,
        taints=taints_of(body.taints) if "taints" in said else now.taints,
        min_nodes=body.min_nodes if "min_nodes" in said else now.min_nodes,
        max_nodes=body.max_nodes if "max_nodes" in said else now.max_nodes,
        pool=now,
        version=pool.version,
        unconfirmed=pools.is_unconfirmed(pool),
    )
    if faults := check(asked):
        raise Invalid(faults)
    return asked


def _merged(now: Mapping[str, str], said: Mapping[str, str | None]) -> dict[str, str]:
    """Merge as RFC 7396 does: what is null goes."""
    both = {**now, **said}
    return {key: value for key, value in sorted(both.items()) if value is not None}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=POOLS,
        permission="node_pools.read",
        target=Target.CLUSTER,
        named=("cluster_id",),
        tag=CLUSTERS,
        summary="List a cluster's node pools",
        answers=NodePoolPage,
        query=NodePoolQuery,
        act=list_node_pools,
    ),
    Endpoint(
        method="GET",
        path=f"{POOLS}/{{node_pool_id}}",
        permission="node_pools.read",
        target=Target.CLUSTER,
        named=("cluster_id", "node_pool_id"),
        tag=CLUSTERS,
        summary="Get a node pool",
        answers=NodePoolBody,
        act=get_node_pool,
    ),
    Endpoint(
        method="PATCH",
        path=f"{POOLS}/{{node_pool_id}}",
        permission=UPDATE.permission,
        starts=UPDATE,
        target=Target.CLUSTER,
        named=("cluster_id", "node_pool_id"),
        tag=CLUSTERS,
        summary="Change a node pool",
        description="Labels, taints and bounds change on the existing nodes; no node is replaced. "
        "Other fields cannot be changed yet. If the operation fails or is cancelled, the previous "
        "values are restored.",
        answers=OperationBody,
        status=202,
        body=NodePoolChange,
        query=StartQuery,
        refuses=(NotRunning, PreconditionFailed),
        act=update_node_pool,
    ),
)
