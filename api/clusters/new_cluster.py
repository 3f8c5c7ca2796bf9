"""What may be ordered: the bodies that are taken, field by field."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo
from uuid_utils.compat import uuid7

from api.clusters.bodies import Taint
from api.http.fields import Label, LabelKey, LabelValue, Name, TagKey, Text, Version, Whole
from api.http.validation import RequestBody, below, demand, only
from cks.catalogue import Catalogue
from cks.domain.clusters import creation, pools, versions
from cks.domain.clusters.clusters import (
    DEFAULT_POD_CIDR,
    DEFAULT_SERVICE_CIDR,
    check_networking,
)
from cks.domain.clusters.creation import CreateCluster
from cks.domain.clusters.pools import PoolSpec, check_pool_size, check_pools
from cks.domain.refusals import Fault

MOST_NODES_PER_POOL = 1_000
MOST_POOLS = 20
MOST_TAGS = 50


def _offered_type(name: str, known: ValidationInfo) -> str:
    offered = [kind.name for kind in _catalogue(known).instance_types if not kind.withdrawn]
    if name not in offered:
        detail = f"{name} is unknown; choose one of: {', '.join(offered)}"
        demand([Fault("", "unknown_instance_type", detail)])
    return name


def _offered_version(version: str | None, known: ValidationInfo) -> str:
    at: datetime = known.context["at"]  # type: ignore[index]
    found = versions.resolve(_catalogue(known).minors, version, at)
    if isinstance(found, Fault):
        demand([replace(found, pointer="")])
    return str(found)


def _catalogue(known: ValidationInfo) -> Catalogue:
    catalogue: Catalogue = known.context["catalogue"]  # type: ignore[index]
    return catalogue


def each_taint_once(taints: list[Taint]) -> list[Taint]:
    """Refuse two taints with one key and effect: Kubernetes takes them for the same."""
    seen = Counter((taint.key, taint.effect) for taint in taints)
    twice = [f"{key}:{effect}" for (key, effect), count in seen.items() if count > 1]
    demand([Fault("", "duplicate_taint", f"has {one} more than once") for one in twice])
    return taints


class NewNodePool(RequestBody):
    """A group of identical nodes."""

    name: Label
    """An RFC 1123 label, unique within the cluster."""
    node_count: Annotated[int, Whole(1, MOST_NODES_PER_POOL)]
    """Between `min_nodes` and `max_nodes`. A cluster can have at most 5,000 nodes in total."""
    min_nodes: Annotated[int, Whole(0, MOST_NODES_PER_POOL)]
    max_nodes: Annotated[int, Whole(1, MOST_NODES_PER_POOL)]
    instance_type: Annotated[Name, AfterValidator(_offered_type)]
    """An instance type from `GET /v1/instance-types`."""
    disk_size: Annotated[int, Whole(10, 16_384)]
    """In GiB."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(default_factory=dict, max_length=50)]
    """Kubernetes labels for the pool's nodes."""
    taints: Annotated[
        list[Taint], AfterValidator(each_taint_once), Field(default_factory=list, max_length=50)
    ]
    """Each combination of `key` and `effect` must be unique."""
    autoscaling: Annotated[bool, only(built=False)] = False
    """Currently only `false` is available."""

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:
        """Judge a pool that stands alone; those of a cluster are judged with it."""
        return _size_faults("", text)


class Networking(RequestBody):
    """Two IPv4 CIDR blocks between /8 and /24 that do not overlap."""

    pod_cidr: Name = DEFAULT_POD_CIDR
    service_cidr: Name = DEFAULT_SERVICE_CIDR


class NewCluster(RequestBody):
    """A cluster to create."""

    name: Label
    """An RFC 1123 label, unique within the tenant."""
    version: Annotated[Version | None, AfterValidator(_offered_version)] = Field(
        default=None, validate_default=True
    )
    """A version from `GET /v1/versions`: a minor version such as `1.35`, which means its latest
    patch, or the latest patch itself. Defaults to the version marked `default` there."""
    networking: Networking = Networking()
    tags: Annotated[dict[TagKey, Text], Field(default_factory=dict, max_length=MOST_TAGS)]
    """Your own key-value pairs, by which you can filter the list of clusters."""
    node_pools: Annotated[list[NewNodePool], Field(min_length=1, max_length=MOST_POOLS)]
    deletion_protection: Annotated[bool, only(built=False)] = False
    """Currently only `false` is available."""
    on_failure: Annotated[Literal["rollback", "hold"], only(built="rollback")] = "rollback"
    """What to do if the creation fails: `rollback` removes everything that was created. Currently
    only `rollback` is available."""

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:
        """Judge what fields say together, as far as each is of its type."""
        return [*_range_faults(text.get("networking", {})), *_pool_faults(text.get("node_pools"))]


def request_of(body: NewCluster) -> CreateCluster:
    """Return what is asked for; its validation has made every choice but the pools' ids."""
    return CreateCluster(
        name=body.name,
        version=str(body.version),
        networking=creation.Networking(body.networking.pod_cidr, body.networking.service_cidr),
        tags=body.tags,
        node_pools=tuple(_pool(pool) for pool in body.node_pools),
    )


def _pool(body: NewNodePool) -> PoolSpec:
    return PoolSpec(
        id=uuid7(),
        name=body.name,
        node_count=body.node_count,
        min_nodes=body.min_nodes,
        max_nodes=body.max_nodes,
        instance_type=body.instance_type,
        disk_size=body.disk_size,
        labels=dict(sorted(body.labels.items())),
        taints=taints_of(body.taints),
    )


def taints_of(bodies: Iterable[Taint]) -> tuple[pools.Taint, ...]:
    return tuple(pools.Taint(one.key, one.value, one.effect) for one in bodies)


def _range_faults(asked: object) -> list[Fault]:
    if not isinstance(asked, dict):
        return []
    pods = asked.get("pod_cidr", DEFAULT_POD_CIDR)
    services = asked.get("service_cidr", DEFAULT_SERVICE_CIDR)
    if not isinstance(pods, str) or not isinstance(services, str):
        return []
    return below("/networking", check_networking(pods, services))


def _pool_faults(asked: object) -> list[Fault]:
    pools = asked if isinstance(asked, list) else []
    faults = check_pools([(_name(pool), _number(pool, "node_count") or 0) for pool in pools])
    for place, pool in enumerate(pools):
        faults += _size_faults(f"/{place}", pool)
    return below("/node_pools", faults)


def _size_faults(at: str, pool: object) -> list[Fault]:
    count, least, most = (_number(pool, name) for name in ("node_count", "min_nodes", "max_nodes"))
    if count is None or least is None or most is None:
        return []
    return check_pool_size(at, count, least, most)


def _name(pool: object) -> str | None:
    name = pool.get("name") if isinstance(pool, dict) else None
    return name if isinstance(name, str) else None


def _number(pool: object, name: str) -> int | None:
    """Return a field's number; ``None`` for one that the field's own rule refuses."""
    number = pool.get(name) if isinstance(pool, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    fits = 0 <= number <= MOST_NODES_PER_POOL and number == int(number)
    return int(number) if fits else None
