"""Labels and taints of a pool reach its nodes in place: no node is replaced for them."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from cks.domain.clusters.pools import Taint
from cks.domain.refusals import Superseded
from cks.providers.base import NodePoolSpec, State
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from cks.providers.simulated.cloud import UNCHANGED, UPDATED, Cloud, Terms
from cks.providers.simulated.latency import SPANS
from cks.providers.simulated.storage import Storage
from cks.providers.simulated.wire import Kind, ResourceRecord
from tests.support.specs import (
    VERSION,
    control_plane,
    network,
    pool,
    raise_control_plane,
    raise_pool,
)

GPU = Taint("gpu", "", "NoSchedule")
SPOT = Taint("spot", "yes", "NoExecute")
HOUR = 3600.0


@pytest.fixture
def storage() -> Iterator[Storage]:
    kept = Storage(Path(":memory:"))
    yield kept
    kept.close()


@pytest.fixture
def rules(storage: Storage, cluster_id: UUID, pool_id: UUID) -> Cloud:
    """A cloud without a clock, in which a pool has been up since the third hour."""
    cloud = Cloud(storage, Terms())
    cloud.carry_out(network(cluster_id), 1, 0)
    cloud.carry_out(control_plane(cluster_id), 1, HOUR)
    cloud.carry_out(pool(cluster_id, pool_id), 1, 2 * HOUR)
    return cloud


async def nodes_in(desk: OperatorDesk) -> list[ResourceRecord]:
    return [thing for thing in (await desk.ledger()).resources if thing.kind is Kind.NODE]


async def test_new_nodes_carry_what_their_pool_asks_for(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    seen = (await raise_pool(cloud, pool(cluster_id, pool_id))).pools[pool_id]
    assert (seen.labels, seen.taints) == ({"tier": "web"}, (GPU,))
    carried = [(node.labels, node.taints) for node in await nodes_in(desk)]
    assert carried == [({"tier": "web"}, (GPU,))] * 2


async def test_labels_and_taints_come_and_go_and_every_node_stays(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    was = (await raise_pool(cloud, pool(cluster_id, pool_id))).pools[pool_id]
    for asked in (
        pool(cluster_id, pool_id, labels={"team": "blue", "tier": "api"}, taints=(SPOT, GPU)),
        pool(cluster_id, pool_id, labels={"team": "blue"}, taints=(SPOT,)),
        pool(cluster_id, pool_id, labels={}, taints=()),
    ):
        seen = (await raise_pool(cloud, asked)).pools[pool_id]
        assert (seen.labels, seen.taints) == (asked.pool.labels, asked.pool.taints)
        assert [node.id for node in seen.nodes] == [node.id for node in was.nodes]
        shown = [(node.id, node.labels) for node in await nodes_in(desk)]
        assert shown == [(node.id, asked.pool.labels) for node in was.nodes]
    effects = [call.effect for call in (await desk.ledger()).calls if call.resource_id == pool_id]
    assert effects == ["created", "updated", "updated", "updated"]


async def test_later_nodes_carry_them_too(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    await raise_pool(cloud, pool(cluster_id, pool_id))
    await raise_pool(cloud, pool(cluster_id, pool_id, taints=(SPOT,)))
    await raise_pool(cloud, pool(cluster_id, pool_id, 4, taints=(SPOT,)))
    assert [node.taints for node in await nodes_in(desk)] == [(SPOT,)] * 4


async def test_asking_again_changes_nothing(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    await raise_pool(cloud, pool(cluster_id, pool_id))
    asked = pool(cluster_id, pool_id, labels={}, taints=(SPOT,))
    await raise_pool(cloud, asked)
    before = (await desk.ledger()).resources
    await cloud.ensure_node_pool(asked, 1)
    after = await desk.ledger()
    assert after.calls[-1].effect == UNCHANGED
    assert after.resources == before


async def test_a_lower_fence_changes_no_label(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    was = (await raise_pool(cloud, pool(cluster_id, pool_id), fence=5)).pools
    with pytest.raises(Superseded):
        await cloud.ensure_node_pool(pool(cluster_id, pool_id, labels={}), 4)
    assert (await cloud.observe(cluster_id)).pools == was


def test_a_pool_is_pending_until_its_nodes_carry_them_and_its_nodes_stay_ready(
    rules: Cloud, cluster_id: UUID, pool_id: UUID
) -> None:
    asked, noon = pool(cluster_id, pool_id, labels={}, taints=(SPOT,)), 3 * HOUR
    assert rules.carry_out(asked, 1, noon) == UPDATED
    first, last = (noon + seconds for seconds in SPANS[Kind.NODE_POOL])
    during, after = (rules.observe(cluster_id, at).pools[pool_id] for at in (first - 1, last))
    assert (during.state, during.ready) == (State.PENDING, 2)
    assert (after.state, after.ready) == (State.READY, 2)


def test_other_bounds_are_so_at_once_and_leave_the_nodes_alone(
    rules: Cloud, cluster_id: UUID, pool_id: UUID
) -> None:
    was, asked = rules.observe(cluster_id, 3 * HOUR), pool(cluster_id, pool_id)
    wider = NodePoolSpec(cluster_id, VERSION, replace(asked.pool, min_nodes=1, max_nodes=50))
    assert rules.carry_out(wider, 1, 3 * HOUR) == UPDATED
    assert rules.observe(cluster_id, 3 * HOUR) == was


def test_a_file_of_the_version_before_opens_and_its_nodes_are_labelled_by_the_next_request(
    tmp_path: Path, cluster_id: UUID, pool_id: UUID
) -> None:
    path = tmp_path / "cloud.db"
    before = Storage(path)
    cloud = Cloud(before, Terms())
    cloud.carry_out(network(cluster_id), 1, 0)
    cloud.carry_out(control_plane(cluster_id), 1, HOUR)
    cloud.carry_out(pool(cluster_id, pool_id), 1, 2 * HOUR)
    before.close()
    flat = {"cluster_id": str(cluster_id), "pool_id": str(pool_id), "labels": [["tier", "web"]]}
    with sqlite3.connect(path) as file:
        file.execute("UPDATE resources SET spec = '{}' WHERE kind = 'node'")
        file.execute("UPDATE resources SET spec = ? WHERE kind = 'node_pool'", (json.dumps(flat),))
    file.close()
    storage = Storage(path)
    later = Cloud(storage, Terms())
    old = later.observe(cluster_id, 3 * HOUR).pools[pool_id]
    assert (old.labels, old.taints) == ({}, ())
    assert later.carry_out(pool(cluster_id, pool_id), 1, 3 * HOUR) == UPDATED
    now = later.observe(cluster_id, 4 * HOUR).pools[pool_id]
    assert (now.state, now.labels) == (State.READY, {"tier": "web"})
    assert [node.id for node in now.nodes] == [node.id for node in old.nodes]
    storage.close()
