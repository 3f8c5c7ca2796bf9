"""``/v1/clusters`` and their node pools."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from api.clusters.bodies import (
    ClusterBody,
    ClusterPage,
    NodePoolBody,
    NodePoolPage,
    Status,
    cluster_body,
    node_pool_body,
)
from api.clusters.new_cluster import NewCluster, NewNodePool
from api.clusters.on_offer import what_is_on_offer
from api.http.endpoint import Call, Endpoint, Reply
from api.http.etags import check_match
from api.http.fields import Name, Version
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, id_or_name_in, only
from api.operations.bodies import OperationBody
from api.operations.replies import started
from api.tags import CLUSTERS
from cks.db.access.decisions import Target
from cks.db.billing.tariff import current_tariff
from cks.db.clusters import clusters
from cks.db.clusters.clusters import ClusterFilter
from cks.domain.clusters.clusters import ClusterWish, PoolWish
from cks.domain.refusals import (
    Fault,
    NameTaken,
    NotAvailableYet,
    NotBuiltYet,
    OperationConflict,
    PreconditionFailed,
    QuotaExceeded,
)

LIST = "/v1/clusters"
ONE = "/v1/clusters/{cluster_id}"
POOLS = f"{ONE}/node-pools"


class StartQuery(Query):
    """What every call that starts an operation takes; only the defaults are built."""

    validate_only: Annotated[Literal["true", "false"], only(built="false")] = "false"
    """Whether only to plan, and to change nothing. Only `false` is available yet."""
    on_conflict: Annotated[Literal["reject", "queue", "supersede"], only(built="reject")] = "reject"
    """What to do while another operation holds the resource: `reject` answers 409
    `operation_conflict`. Only `reject` is available yet."""


class DeleteQuery(StartQuery):
    force: Annotated[Literal["true", "false"], only(built="false")] = "false"
    """Whether to delete a cluster whose delete has failed. Only `false` is available yet."""


class ClusterQuery(PageQuery):
    name: Name | None = None
    """The whole name."""
    status: tuple[Status, ...] = ()
    """May be repeated: one of them must fit."""
    version: Version | None = None
    """A minor such as `1.35`, or a patch such as `1.35.8`."""
    tag: Annotated[tuple[Annotated[str, Field(max_length=400)], ...], Field(max_length=10)] = ()
    """`tag=key` or `tag=key=value`; may be repeated up to 10 times: all must fit."""


class NodePoolQuery(PageQuery):
    name: Name | None = None
    """The whole name."""
    status: tuple[Status, ...] = ()
    """May be repeated: one of them must fit."""


async def create_cluster(call: Call[NewCluster, StartQuery]) -> Reply:
    """Accept an order for a cluster and answer with the operation to follow.

    Nothing here calls Temporal: once the rows are committed the order is as good as started,
    whatever dies next.
    """
    _refuse_plan(call.request)
    wish = wish_of(call.body)
    allowance = call.context.settings.allowance
    operation = await clusters.order(call.session, call.caller, wish, allowance, call.at)
    return started(call, operation)


def wish_of(body: NewCluster) -> ClusterWish:
    """Return what is asked; its validation has made every choice."""
    ranges = body.networking
    pools = tuple(_pool_wish(pool) for pool in body.node_pools)
    return ClusterWish(
        name=body.name,
        version=str(body.version),
        pod_cidr=ranges.pod_cidr,
        service_cidr=ranges.service_cidr,
        tags=body.tags,
        pools=pools,
    )


def _pool_wish(pool: NewNodePool) -> PoolWish:
    return PoolWish(
        name=pool.name,
        node_count=pool.node_count,
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        instance_type=pool.instance_type,
        disk_size=pool.disk_size,
        labels=pool.labels,
        taints=tuple((taint.key, taint.value, taint.effect) for taint in pool.taints),
    )


async def list_clusters(call: Call[None, ClusterQuery]) -> Reply:
    query = call.query
    tags = tuple((key, value if mark else None) for key, mark, value in map(_split, query.tag))
    wanted = ClusterFilter(query.name, query.status, query.version, tags)
    page = await clusters.list_views(call.session, call.visibility, wanted, cut_of(LIST, query))
    after = token_of(LIST, query, page.next_after)
    tariff = await current_tariff(call.session)
    results = [cluster_body(view, tariff) for view in page.rows]
    return Reply(ClusterPage(results=results, next_page_token=after))


def _split(tag: str) -> tuple[str, str, str]:
    return tag.partition("=")


async def get_cluster(call: Call[None, Query]) -> Reply:
    view = await clusters.view(call.session, id_or_name_in(call.request, "cluster_id"))
    body = cluster_body(view, await current_tariff(call.session))
    return Reply(body, {"ETag": body.etag})


async def delete_cluster(call: Call[None, DeleteQuery]) -> Reply:
    """Delete a failed cluster: the operation is complete at once."""
    _refuse_plan(call.request)
    wanted = id_or_name_in(call.request, "cluster_id")
    check_match(call.request, await clusters.find(call.session, wanted))
    return started(call, await clusters.forget(call.session, call.caller, wanted, call.at))


async def list_node_pools(call: Call[None, NodePoolQuery]) -> Reply:
    cluster = await clusters.find(call.session, id_or_name_in(call.request, "cluster_id"))
    route = f"{LIST}/{cluster.id}/node-pools"
    query = call.query
    page = await clusters.list_pools(
        call.session, cluster, cut_of(route, query), query.name, query.status
    )
    after = token_of(route, query, page.next_after)
    results = [node_pool_body(pool) for pool in page.rows]
    return Reply(NodePoolPage(results=results, next_page_token=after))


async def get_node_pool(call: Call[None, Query]) -> Reply:
    cluster = await clusters.find(call.session, id_or_name_in(call.request, "cluster_id"))
    wanted = id_or_name_in(call.request, "node_pool_id")
    body = node_pool_body(await clusters.find_pool(call.session, cluster, wanted))
    return Reply(body, {"ETag": body.etag})


def _refuse_plan(request: web.Request) -> None:
    """Refuse to start under a plan: nothing would hold us to it."""
    if "If-Plan" in request.headers:
        raise NotAvailableYet([Fault("If-Plan", "not_available_yet", "plans come later")])


ENDPOINTS = (
    Endpoint(
        method="POST",
        path=LIST,
        permission="clusters.create",
        tag=CLUSTERS,
        summary="Create a cluster",
        description="The cluster exists at once, as `pending`; the answer is the operation that "
        "makes it `running`. If that fails, the cluster is `failed`, and nothing remains of it but "
        "its `orphans`.",
        answers=OperationBody,
        status=202,
        body=NewCluster,
        judged_by=what_is_on_offer,
        query=StartQuery,
        refuses=(NameTaken, QuotaExceeded),
        act=create_cluster,
    ),
    Endpoint(
        method="GET",
        path=LIST,
        permission="clusters.read",
        target=Target.ANYWHERE,
        tag=CLUSTERS,
        summary="List clusters, newest first",
        answers=ClusterPage,
        query=ClusterQuery,
        act=list_clusters,
    ),
    Endpoint(
        method="GET",
        path=ONE,
        permission="clusters.read",
        target=Target.CLUSTER,
        named=("cluster_id",),
        tag=CLUSTERS,
        summary="Get a cluster",
        answers=ClusterBody,
        act=get_cluster,
    ),
    Endpoint(
        method="DELETE",
        path=ONE,
        permission="clusters.delete",
        target=Target.CLUSTER,
        named=("cluster_id",),
        tag=CLUSTERS,
        summary="Delete a failed cluster",
        description="So far only a cluster that has `failed` can be deleted: its operation "
        "completes at once, and its name is free again. For any other the answer is 501.",
        answers=OperationBody,
        status=202,
        query=DeleteQuery,
        refuses=(OperationConflict, NotBuiltYet, PreconditionFailed),
        act=delete_cluster,
    ),
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
)
