"""Capacity and quota: refused in whole, and free again once nodes are gone."""

from uuid import UUID, uuid4

import pytest

from cks.domain.refusals import NoCapacity, ProviderQuota
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from cks.providers.simulated.cloud import UNKNOWN_VCPUS
from tests.support.simulator import simulator
from tests.support.specs import pool, raise_control_plane, raise_pool, until


async def test_over_capacity_nothing_is_made(cluster_id: UUID, pool_id: UUID) -> None:
    async with simulator(capacity_vcpus=8) as url:
        cloud = SimulatedCloud(url)
        await raise_control_plane(cloud, cluster_id)
        with pytest.raises(NoCapacity) as refused:
            await cloud.ensure_node_pool(pool(cluster_id, pool_id, 5), 1)
        assert refused.value.note == "5 more m5.large: 8 vCPUs are left"
        assert (await cloud.observe(cluster_id)).pools == {}
        await raise_pool(cloud, pool(cluster_id, pool_id, 4))
        with pytest.raises(NoCapacity):
            await cloud.ensure_node_pool(pool(cluster_id, uuid4(), 1), 1)
        await cloud.close()


async def test_a_refused_scale_leaves_the_pool_as_it_was(cluster_id: UUID, pool_id: UUID) -> None:
    async with simulator(quota_nodes=3) as url:
        cloud, desk = SimulatedCloud(url), OperatorDesk(url)
        await raise_control_plane(cloud, cluster_id)
        was = (await raise_pool(cloud, pool(cluster_id, pool_id, 3))).pools
        with pytest.raises(ProviderQuota):
            await cloud.ensure_node_pool(pool(cluster_id, pool_id, 4), 1)
        assert (await cloud.observe(cluster_id)).pools == was
        assert (await desk.ledger()).calls[-1].effect == "refused: quota_exceeded"
        await cloud.close()
        await desk.close()


async def test_what_is_gone_leaves_its_room_to_others(cluster_id: UUID, pool_id: UUID) -> None:
    async with simulator(quota_nodes=2) as url:
        cloud = SimulatedCloud(url)
        await raise_control_plane(cloud, cluster_id)
        await raise_pool(cloud, pool(cluster_id, pool_id))
        await cloud.delete_node_pool(cluster_id, pool_id, 1)
        await until(cloud, cluster_id, lambda seen: not seen.pools)
        seen = await raise_pool(cloud, pool(cluster_id, uuid4()))
        assert [found.ready for found in seen.pools.values()] == [2]
        await cloud.close()


async def test_an_instance_type_that_came_later_is_of_a_middling_size(
    cluster_id: UUID, pool_id: UUID
) -> None:
    async with simulator(capacity_vcpus=3 * UNKNOWN_VCPUS) as url:
        cloud = SimulatedCloud(url)
        await raise_control_plane(cloud, cluster_id)
        abacus = pool(cluster_id, pool_id, 3, instance_type="abacus.large")
        assert [found.ready for found in (await raise_pool(cloud, abacus)).pools.values()] == [3]
        with pytest.raises(NoCapacity):
            await cloud.ensure_node_pool(pool(cluster_id, uuid4(), 1), 1)
        await cloud.close()


async def test_a_negative_count_is_a_wrong_call(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    with pytest.raises(ValueError, match="cannot have -1 nodes"):
        await cloud.ensure_node_pool(pool(cluster_id, pool_id, -1), 1)
    assert (await cloud.observe(cluster_id)).pools == {}
