"""What the simulated cloud does when asked: its resources, their order of life, its fences.

Each request is carried out inside one transaction of the caller: the fence is compared and
raised, and the effect written, at the same instant.  The fence is raised first and stays
raised where the request is then refused, since it tells who may act, not what could be done.

Things stand on each other as in a real cloud: a control plane needs its network ready; pools
and add-ons need the control plane ready; and what is stood on cannot be deleted.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from uuid import UUID, uuid5

from pydantic import TypeAdapter

from cks import catalogue
from cks.providers.base import (
    AddonsSpec,
    ControlPlaneSpec,
    NetworkSpec,
    NodePoolSpec,
    Observed,
    State,
)
from cks.providers.simulated.latency import Latency
from cks.providers.simulated.observation import marks_of, observe, state_of
from cks.providers.simulated.storage import Resource, Storage
from cks.providers.simulated.wire import (
    Change,
    Code,
    ControlPlaneRemoval,
    Kind,
    NetworkRemoval,
    NodePoolRemoval,
)

CREATED, UPDATED, DELETED, UNCHANGED = "created", "updated", "deleted", "unchanged"

SPEC = TypeAdapter[Change](Change)


class Refused(Exception):  # noqa: N818
    """The request is not carried out, and nothing was changed for it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Terms:
    """What this cloud offers: its pace, its room in vCPUs, and how many nodes we may have."""

    seed: str = "cks"
    speed: float = 1.0
    capacity_vcpus: int = 100_000
    quota_nodes: int = 10_000

    @property
    def latency(self) -> Latency:
        return Latency(self.seed, self.speed)


def guarded(change: Change) -> tuple[Kind, UUID]:
    """Return the resource whose fence guards a change; the add-ons' is the control plane's."""
    match change:
        case NetworkSpec() | NetworkRemoval():
            return Kind.NETWORK, change.cluster_id
        case ControlPlaneSpec() | AddonsSpec() | ControlPlaneRemoval():
            return Kind.CONTROL_PLANE, change.cluster_id
        case NodePoolSpec() | NodePoolRemoval():
            return Kind.NODE_POOL, _pool_id(change)


def _pool_id(change: NodePoolSpec | NodePoolRemoval) -> UUID:
    return change.pool.id if isinstance(change, NodePoolSpec) else change.pool_id


UNKNOWN_VCPUS = 4
"""Of a node whose type came into the catalogue later than this cloud."""


class Cloud:
    def __init__(self, storage: Storage, terms: Terms) -> None:
        self._storage = storage
        self._terms = terms
        self._latency = terms.latency
        self._vcpus = {kind.name: kind.vcpus for kind in catalogue.load().instance_types}

    def carry_out(self, change: Change, fence: int, now: float) -> str:
        """Do it, and return the effect; raise ``Refused`` if it is not to be."""
        self._storage.sweep(now)
        highest = self._storage.raise_fence(*guarded(change), fence)
        if fence < highest:
            raise Refused(Code.SUPERSEDED, f"fence {fence} is below {highest}")
        match change:
            case NetworkSpec():
                return self._ensure_network(change, now)
            case ControlPlaneSpec() | AddonsSpec():
                return self._ensure_versioned(change, now)
            case NodePoolSpec():
                return self._ensure_node_pool(change, now)
            case NetworkRemoval():
                return self._delete_network(change.cluster_id, now)
            case ControlPlaneRemoval():
                return self._delete_control_plane(change.cluster_id, now)
            case NodePoolRemoval():
                return self._delete_node_pool(change.pool_id, now)

    def observe(self, cluster_id: UUID, now: float) -> Observed:
        self._storage.sweep(now)
        return observe(self._storage.of_cluster(cluster_id), now)

    def _ensure_network(self, spec: NetworkSpec, now: float) -> str:
        network = self._alive(Kind.NETWORK, spec.cluster_id)
        if network is None:
            self._make(Kind.NETWORK, spec, now)
            return CREATED
        if _ranges(network.spec) != _ranges(_text(spec)):
            raise Refused(Code.INVALID, "the ranges of a network cannot be changed")
        return UNCHANGED

    def _ensure_versioned(self, spec: ControlPlaneSpec | AddonsSpec, now: float) -> str:
        own = Kind.ADDONS if isinstance(spec, AddonsSpec) else Kind.CONTROL_PLANE
        base = Kind.CONTROL_PLANE if own is Kind.ADDONS else Kind.NETWORK
        there = self._alive(own, spec.cluster_id)
        if there and there.spec == _text(spec):
            return UNCHANGED
        self._require_ready(base, spec.cluster_id, now)
        self._make(own, spec, now, there)
        return UPDATED if there else CREATED

    def _ensure_node_pool(self, spec: NodePoolSpec, now: float) -> str:
        wanted = spec.pool
        if wanted.node_count < 0:
            raise Refused(Code.INVALID, f"a pool cannot have {wanted.node_count} nodes")
        pool = self._alive(Kind.NODE_POOL, wanted.id)
        if pool and pool.spec == _text(spec):
            return UNCHANGED
        self._require_ready(Kind.CONTROL_PLANE, spec.cluster_id, now)
        nodes = [node for node in self._storage.nodes(wanted.id) if node.deleted_at is None]
        fit = [n for n in nodes if (n.version, n.instance_type) == _make_of(spec)]
        kept = fit[: wanted.node_count]
        missing = wanted.node_count - len(kept)
        vcpus = self._check_room(spec, missing)
        self._storage.put(self._pool(spec, pool, now))
        self._delete_each((node for node in nodes if node not in kept), now)
        for node in kept:
            self._storage.put(replace(node, spec=_marks(spec)))
        for place in range(missing):
            self._start_node(spec, vcpus, place, now)
        return UPDATED if pool else CREATED

    def _pool(self, spec: NodePoolSpec, former: Resource | None, now: float) -> Resource:
        """Return the pool; other labels and taints reach its living nodes only after a while."""
        wanted, since = spec.pool, former.created_at if former else now
        changes = former is not None and marks_of(former) != (wanted.labels, wanted.taints)
        settling = self._latency.making(Kind.NODE_POOL, wanted.id) if changes else 0
        return Resource(
            kind=Kind.NODE_POOL,
            id=wanted.id,
            cluster_id=spec.cluster_id,
            spec=_text(spec),
            created_at=since,
            ready_at=now + settling,
            number=wanted.node_count,
            name=wanted.name,
            version=spec.version,
            instance_type=wanted.instance_type,
        )

    def _delete_network(self, cluster_id: UUID, now: float) -> str:
        self._require_free(Kind.CONTROL_PLANE, cluster_id)
        return self._delete(Kind.NETWORK, cluster_id, now)

    def _delete_control_plane(self, cluster_id: UUID, now: float) -> str:
        self._require_free(Kind.NODE_POOL, cluster_id)
        effect = self._delete(Kind.CONTROL_PLANE, cluster_id, now)
        self._delete(Kind.ADDONS, cluster_id, now)
        return effect

    def _delete_node_pool(self, pool_id: UUID, now: float) -> str:
        pool = self._storage.find(Kind.NODE_POOL, pool_id)
        if pool is None or pool.deleted_at is not None:
            return UNCHANGED
        self._delete_each((n for n in self._storage.nodes(pool_id) if not n.deleted_at), now)
        last = max((node.gone_at or now for node in self._storage.nodes(pool_id)), default=now)
        self._storage.put(replace(pool, deleted_at=now, gone_at=last))
        return DELETED

    def _delete(self, kind: Kind, resource_id: UUID, now: float) -> str:
        thing = self._storage.find(kind, resource_id)
        if thing is None or thing.deleted_at is not None:
            return UNCHANGED
        self._delete_each([thing], now)
        return DELETED

    def _delete_each(self, things: Iterable[Resource], now: float) -> None:
        for thing in things:
            gone_at = now + self._latency.removing(thing.kind, thing.id)
            self._storage.put(replace(thing, deleted_at=now, gone_at=gone_at))

    def _make(
        self,
        kind: Kind,
        spec: NetworkSpec | ControlPlaneSpec | AddonsSpec,
        now: float,
        former: Resource | None = None,
    ) -> None:
        own, ready_at = spec.cluster_id, now + self._latency.making(kind, spec.cluster_id)
        since = former.created_at if former else now
        version = None if isinstance(spec, NetworkSpec) else spec.version
        self._storage.put(Resource(kind, own, own, _text(spec), since, ready_at, version=version))

    def _start_node(self, spec: NodePoolSpec, vcpus: int, place: int, now: float) -> None:
        number = self._storage.next_number(spec.pool.id)
        node_id = uuid5(spec.pool.id, str(number))
        self._storage.put(
            Resource(
                kind=Kind.NODE,
                id=node_id,
                cluster_id=spec.cluster_id,
                spec=_marks(spec),
                created_at=now,
                ready_at=now + self._latency.making(Kind.NODE, node_id, place),
                pool_id=spec.pool.id,
                number=number,
                name=f"{spec.pool.name}-{number}",
                version=spec.version,
                instance_type=spec.pool.instance_type,
                vcpus=vcpus,
            )
        )

    def _alive(self, kind: Kind, resource_id: UUID) -> Resource | None:
        thing = self._storage.find(kind, resource_id)
        if thing and thing.deleted_at is not None:
            raise Refused(Code.BEING_DELETED, f"the {_words(kind)} is being deleted")
        return thing

    def _require_ready(self, kind: Kind, cluster_id: UUID, now: float) -> None:
        state = state_of(self._storage.find(kind, cluster_id), now)
        if state is not State.READY:
            raise Refused(Code.NOT_READY, f"the {_words(kind)} is {state}")

    def _require_free(self, kind: Kind, cluster_id: UUID) -> None:
        if any(thing.kind is kind for thing in self._storage.of_cluster(cluster_id)):
            raise Refused(Code.IN_USE, f"a {_words(kind)} is still there")

    def _check_room(self, spec: NodePoolSpec, more: int) -> int:
        """Return the vCPUs of one node, if there is room for so many more."""
        offered = self._vcpus.get(spec.pool.instance_type, UNKNOWN_VCPUS)
        nodes, vcpus = self._storage.usage()
        wanted = f"{more} more {spec.pool.instance_type}"
        if more and nodes + more > self._terms.quota_nodes:
            held = f"{nodes} of {self._terms.quota_nodes} nodes are taken"
            raise Refused(Code.QUOTA_EXCEEDED, f"{wanted}: {held}")
        if more and vcpus + more * offered > self._terms.capacity_vcpus:
            left = max(0, self._terms.capacity_vcpus - vcpus)
            raise Refused(Code.NO_CAPACITY, f"{wanted}: {left} vCPUs are left")
        return offered


def _make_of(spec: NodePoolSpec) -> tuple[str, str]:
    return spec.version, spec.pool.instance_type


def _marks(spec: NodePoolSpec) -> str:
    """Return what a node of the pool carries."""
    taints = [asdict(taint) for taint in spec.pool.taints]
    return json.dumps({"labels": dict(spec.pool.labels), "taints": taints})


def _text(spec: Change) -> str:
    return SPEC.dump_json(spec).decode()


def _ranges(text: str) -> tuple[object, object]:
    """Return what cannot change of a network's spec; its version is no matter of ours."""
    said = json.loads(text)
    return said["pod_cidr"], said["service_cidr"]


def _words(kind: Kind) -> str:
    return kind.replace("_", " ")
