"""A lower fence changes nothing, whatever there is, was, or never was."""

from uuid import UUID

import pytest

from cks.domain.refusals import Superseded
from cks.providers.base import Observed, State, Unavailable
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from tests.support.specs import (
    addons,
    control_plane,
    network,
    pool,
    raise_control_plane,
    raise_pool,
    until,
)


async def test_a_lower_fence_is_refused_and_an_equal_one_is_not(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id, fence=5)
    await raise_pool(cloud, pool(cluster_id, pool_id), fence=5)
    for late in (
        cloud.ensure_network(network(cluster_id), 4),
        cloud.ensure_control_plane(control_plane(cluster_id), 4),
        cloud.ensure_addons(addons(cluster_id), 4),
        cloud.ensure_node_pool(pool(cluster_id, pool_id, 9), 4),
        cloud.delete_node_pool(cluster_id, pool_id, 4),
        cloud.delete_control_plane(cluster_id, 4),
        cloud.delete_network(cluster_id, 4),
    ):
        with pytest.raises(Superseded):
            await late
    await cloud.ensure_network(network(cluster_id), 5)
    seen = await cloud.observe(cluster_id)
    assert seen.pools[pool_id].desired == 2
    assert seen.addons is State.ABSENT


async def test_deleting_what_never_was_shuts_the_door(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await cloud.delete_node_pool(cluster_id, pool_id, 7)
    await cloud.delete_control_plane(cluster_id, 7)
    await cloud.delete_network(cluster_id, 7)
    with pytest.raises(Superseded):
        await cloud.ensure_network(network(cluster_id), 6)
    with pytest.raises(Superseded):
        await cloud.ensure_control_plane(control_plane(cluster_id), 6)
    with pytest.raises(Superseded):
        await cloud.ensure_addons(addons(cluster_id), 6)
    with pytest.raises(Superseded):
        await cloud.ensure_node_pool(pool(cluster_id, pool_id), 6)
    assert await cloud.observe(cluster_id) == Observed()


async def test_the_door_stays_shut_once_the_resource_is_gone(
    cloud: SimulatedCloud, cluster_id: UUID
) -> None:
    await cloud.ensure_network(network(cluster_id), 3)
    await cloud.delete_network(cluster_id, 4)
    await until(cloud, cluster_id, lambda seen: seen == Observed())
    with pytest.raises(Superseded):
        await cloud.ensure_network(network(cluster_id), 3)
    await cloud.ensure_network(network(cluster_id), 5)
    assert (await cloud.observe(cluster_id)).network is not State.ABSENT


async def test_a_delete_refused_as_in_use_has_shut_the_door_all_the_same(
    cloud: SimulatedCloud, cluster_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id, fence=1)
    with pytest.raises(Unavailable):
        await cloud.delete_network(cluster_id, 8)
    with pytest.raises(Superseded):
        await cloud.ensure_network(network(cluster_id), 7)


async def test_the_addons_have_the_control_planes_door(
    cloud: SimulatedCloud, cluster_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id, fence=1)
    await cloud.ensure_addons(addons(cluster_id), 4)
    with pytest.raises(Superseded):
        await cloud.ensure_control_plane(control_plane(cluster_id), 3)


async def test_a_refusal_says_no_fence_to_a_tenant_and_tells_the_operator(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await cloud.ensure_network(network(cluster_id), 9)
    with pytest.raises(Superseded) as refused:
        await cloud.ensure_network(network(cluster_id), 2)
    assert "fence" not in refused.value.detail
    assert refused.value.note == "fence 2 is below 9"
    assert (await desk.ledger()).calls[-1].effect == "refused: superseded"
