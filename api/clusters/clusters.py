"""``/v1/clusters``."""

from typing import Annotated, Literal

from pydantic import Field

from api.clusters.bodies import (
    ClusterBody,
    ClusterPage,
    Status,
    cluster_body,
)
from api.clusters.new_cluster import NewCluster, request_of
from api.clusters.on_offer import what_is_on_offer
from api.http.endpoint import Call, Endpoint, Reply
from api.http.etags import check_match
from api.http.fields import Name, Version
from api.http.pagination import PageQuery, cut_of, token_of
from api.http.validation import Query, id_or_name_in, only
from api.operations.bodies import OperationBody
from api.operations.replies import started
from api.operations.starting import StartQuery, refuse_plan
from api.tags import CLUSTERS
from cks.db.access.decisions import Target
from cks.db.billing.tariff import current_tariff
from cks.db.clusters import clusters
from cks.db.clusters.clusters import ClusterFilter
from cks.db.clusters.creation import accept_create
from cks.db.clusters.deletion import forget
from cks.domain.clusters.creation import CREATE
from cks.domain.clusters.deletion import DELETE
from cks.domain.refusals import (
    NameTaken,
    NotBuiltYet,
    PreconditionFailed,
    QuotaExceeded,
)

LIST = "/v1/clusters"
ONE = "/v1/clusters/{cluster_id}"


class DeleteQuery(StartQuery):
    force: Annotated[Literal["true", "false"], only(built="false")] = "false"
    """Whether to delete a cluster whose deletion has failed. Currently only `false` is
    available."""


class ClusterQuery(PageQuery):
    name: Name | None = None
    """The exact name."""
    status: tuple[Status, ...] = ()
    """Can be repeated; matches any of the values."""
    version: Version | None = None
    """A minor version such as `1.35`, or a patch version such as `1.35.8`."""
    tag: Annotated[tuple[Annotated[str, Field(max_length=400)], ...], Field(max_length=10)] = ()
    """`tag=key` or `tag=key=value`. Can be repeated up to 10 times; matches only clusters with all
    of the tags."""


async def create_cluster(call: Call[NewCluster, StartQuery]) -> Reply:
    """Accept a request for a cluster and answer with the operation to follow.

    Nothing here calls Temporal: once the rows are committed the work is as good as started,
    whatever dies next.
    """
    refuse_plan(call.request)
    asked = request_of(call.body)
    allowance = call.context.settings.allowance
    operation = await accept_create(call.session, call.caller, asked, allowance, call.at)
    return started(call, operation)


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
    refuse_plan(call.request)
    wanted = id_or_name_in(call.request, "cluster_id")
    check_match(call.request, await clusters.find(call.session, wanted))
    return started(call, await forget(call.session, call.caller, wanted, call.at))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path=LIST,
        permission=CREATE.permission,
        starts=CREATE,
        tag=CLUSTERS,
        summary="Create a cluster",
        description="The cluster exists at once, as `pending`; the response is the operation that "
        "brings it to `running`. If the operation fails, the cluster becomes `failed` and all its "
        "resources are removed, except for `orphans`, which are removed later.",
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
        permission=DELETE.permission,
        starts=DELETE,
        target=Target.CLUSTER,
        named=("cluster_id",),
        tag=CLUSTERS,
        summary="Delete a failed cluster",
        description="Currently only a `failed` cluster can be deleted: the operation completes at "
        "once and frees the name. For any other cluster the response is 501.",
        answers=OperationBody,
        status=202,
        query=DeleteQuery,
        refuses=(NotBuiltYet, PreconditionFailed),
        act=delete_cluster,
    ),
)
