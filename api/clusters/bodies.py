"""Clusters and node pools as a tenant reads them."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from api.billing.bodies import CostBody
from api.http.etags import etag_of
from api.http.fields import LabelKey, LabelValue
from api.http.validation import RequestBody, ResponseBody
from cks.db.clusters.clusters import ClusterView
from cks.db.models.clusters import Cluster, NodePool
from cks.domain.billing.prices import PoolSize, Tariff, charges_of_cluster, hourly_cost, money
from cks.domain.clusters.clusters import ClusterStatus
from cks.domain.refusals import NoPrice


class Taint(RequestBody):
    """A Kubernetes taint: it keeps away pods that do not tolerate it."""

    key: LabelKey
    """A Kubernetes label key, with an optional DNS prefix and a slash."""
    value: LabelValue = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class ConditionBody(ResponseBody):
    """A condition, as in Kubernetes."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int


Status = Literal["pending", "provisioning", "running", "upgrading", "deleting", "failed"]


class PoolSummary(ResponseBody):
    id: UUID
    name: str
    status: Status
    version: str
    node_count: int
    ready_count: int


class NetworkingBody(ResponseBody):
    pod_cidr: str
    service_cidr: str


class ClusterBody(ResponseBody):
    id: UUID
    name: str
    status: Status
    version: str
    target_version: str | None = None
    generation: int
    """Increases with each requested change."""
    observed_generation: int
    """The generation of the last change that was applied."""
    endpoint: str | None
    networking: NetworkingBody
    tags: dict[str, str]
    deletion_protection: bool = False
    maintenance_window: None = None
    current_operation_id: UUID | None
    """The operation in progress on this cluster."""
    queued_operation_ids: list[UUID] = Field(default_factory=list)
    conditions: list[ConditionBody]
    node_pools: list[PoolSummary]
    cost: CostBody | None
    """Null if there is no price in the tenant's currency."""
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    etag: str


class NodePoolBody(ResponseBody):
    id: UUID
    cluster_id: UUID
    name: str
    status: Status
    version: str
    node_count: int
    ready_count: int
    min_nodes: int
    max_nodes: int
    autoscaling: bool = False
    instance_type: str
    disk_size: int
    """In GiB."""
    labels: dict[str, str]
    taints: list[Taint]
    max_surge: None = None
    max_unavailable: None = None
    drain_timeout_seconds: None = None
    on_drain_timeout: None = None
    generation: int
    observed_generation: int
    conditions: list[ConditionBody]
    etag: str


class ClusterPage(ResponseBody):
    results: list[ClusterBody]
    next_page_token: str | None


class NodePoolPage(ResponseBody):
    results: list[NodePoolBody]
    next_page_token: str | None


def cluster_body(view: ClusterView, tariff: Tariff) -> ClusterBody:
    cluster = view.cluster
    return ClusterBody(
        id=cluster.id,
        name=cluster.name,
        status=cluster.status.value,
        version=cluster.version,
        generation=cluster.generation,
        observed_generation=cluster.observed_generation,
        endpoint=cluster.endpoint,
        networking=NetworkingBody.model_validate(cluster.networking),
        tags=cluster.tags or {},
        current_operation_id=view.operation_id,
        conditions=_conditions(cluster),
        node_pools=[_summary(pool) for pool in view.pools],
        cost=_cost(view, tariff),
        created_by=cluster.created_by,
        created_at=cluster.created_at,
        updated_at=cluster.updated_at,
        etag=etag_of(cluster),
    )


def _cost(view: ClusterView, tariff: Tariff) -> CostBody | None:
    """Return what a cluster costs now; a failed one has nothing that is billed."""
    pools = [_size(pool) for pool in view.pools]
    failed = view.cluster.status is ClusterStatus.FAILED
    try:
        hourly = Decimal(0) if failed else hourly_cost(charges_of_cluster(pools, tariff))
    except NoPrice:
        return None
    return CostBody(hourly=money(hourly), currency=tariff.currency)


def _size(pool: NodePool) -> PoolSize:
    return PoolSize(pool.name, pool.instance_type, pool.node_count, pool.disk_size)


def _summary(pool: NodePool) -> PoolSummary:
    return PoolSummary(
        id=pool.id,
        name=pool.name,
        status=pool.status.value,
        version=pool.version,
        node_count=pool.node_count,
        ready_count=pool.ready_count,
    )


def node_pool_body(pool: NodePool) -> NodePoolBody:
    return NodePoolBody(
        id=pool.id,
        cluster_id=pool.cluster_id,
        name=pool.name,
        status=pool.status.value,
        version=pool.version,
        node_count=pool.node_count,
        ready_count=pool.ready_count,
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        instance_type=pool.instance_type,
        disk_size=pool.disk_size,
        labels=pool.labels or {},
        taints=[Taint.model_validate(taint) for taint in pool.taints or []],
        generation=pool.generation,
        observed_generation=pool.observed_generation,
        conditions=_conditions(pool),
        etag=etag_of(pool),
    )


def _conditions(row: Cluster | NodePool) -> list[ConditionBody]:
    return [ConditionBody.model_validate(condition) for condition in row.conditions]
