"""A cluster's life in the simulated cloud: what stands on what, and what repeating does."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from cks.providers.base import NetworkSpec, Observed, Provider, State, Unavailable
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from cks.providers.simulated.cloud import Cloud, Terms
from cks.providers.simulated.storage import Resource, Storage
from cks.providers.simulated.wire import Kind
from tests.support.simulator import simulator
from tests.support.specs import (
    addons,
    control_plane,
    network,
    pool,
    pool_ready,
    raise_control_plane,
    raise_pool,
    until,
)


def test_keeps_the_protocol() -> None:
    provider: Provider = SimulatedCloud("http://127.0.0.1:1")
    assert callable(provider.observe)


async def test_knows_nothing_of_a_cluster_never_asked_for(
    cloud: SimulatedCloud, cluster_id: UUID
) -> None:
    assert await cloud.observe(cluster_id) == Observed()


async def test_a_cluster_comes_up_and_goes_again(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    await cloud.ensure_addons(addons(cluster_id), 1)
    await until(cloud, cluster_id, lambda seen: seen.addons is State.READY)
    up = await raise_pool(cloud, pool(cluster_id, pool_id, 3))
    assert up.control_plane.endpoint == f"https://{cluster_id}.simulated.invalid:6443"
    assert up.pools[pool_id].ready == up.pools[pool_id].desired == 3
    assert [node.name for node in up.pools[pool_id].nodes] == [
        "default-1", "default-2", "default-3",
    ]  # fmt: skip

    await cloud.delete_node_pool(cluster_id, pool_id, 2)
    await until(cloud, cluster_id, lambda seen: not seen.pools)
    await cloud.delete_control_plane(cluster_id, 2)
    await until(cloud, cluster_id, lambda seen: seen.control_plane.state is State.ABSENT)
    await cloud.delete_network(cluster_id, 2)
    await until(cloud, cluster_id, lambda seen: seen == Observed())
    assert (await desk.ledger()).resources == []


async def test_what_comes_up_is_pending_and_what_goes_is_deleting(
    cluster_id: UUID,
) -> None:
    async with simulator(speed=1) as url:
        cloud = SimulatedCloud(url)
        await cloud.ensure_network(network(cluster_id), 1)
        assert (await cloud.observe(cluster_id)).network is State.PENDING
        await cloud.delete_network(cluster_id, 1)
        assert (await cloud.observe(cluster_id)).network is State.DELETING
        with pytest.raises(Unavailable, match="the network is being deleted"):
            await cloud.ensure_network(network(cluster_id), 1)
        await cloud.close()


async def test_nothing_is_made_before_what_it_stands_on_is_ready(
    cluster_id: UUID, pool_id: UUID
) -> None:
    async with simulator(speed=1) as url:
        cloud = SimulatedCloud(url)
        with pytest.raises(Unavailable, match="the network is absent"):
            await cloud.ensure_control_plane(control_plane(cluster_id), 1)
        await cloud.ensure_network(network(cluster_id), 1)
        with pytest.raises(Unavailable, match="the network is pending"):
            await cloud.ensure_control_plane(control_plane(cluster_id), 1)
        with pytest.raises(Unavailable, match="the control plane is absent"):
            await cloud.ensure_node_pool(pool(cluster_id, pool_id), 1)
        with pytest.raises(Unavailable, match="the control plane is absent"):
            await cloud.ensure_addons(addons(cluster_id), 1)
        assert await cloud.observe(cluster_id) == Observed(network=State.PENDING)
        await cloud.close()


async def test_nothing_is_deleted_while_something_stands_on_it(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    await raise_pool(cloud, pool(cluster_id, pool_id, 1))
    with pytest.raises(Unavailable, match="a control plane is still there"):
        await cloud.delete_network(cluster_id, 1)
    with pytest.raises(Unavailable, match="a node pool is still there"):
        await cloud.delete_control_plane(cluster_id, 1)
    seen = await cloud.observe(cluster_id)
    assert (seen.network, seen.control_plane.state) == (State.READY, State.READY)


async def test_every_call_made_twice_acts_once(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    await raise_pool(cloud, pool(cluster_id, pool_id))
    await cloud.ensure_addons(addons(cluster_id), 1)
    before = (await desk.ledger()).resources
    await cloud.ensure_network(network(cluster_id), 1)
    await cloud.ensure_control_plane(control_plane(cluster_id), 1)
    await cloud.ensure_node_pool(pool(cluster_id, pool_id), 1)
    await cloud.ensure_addons(addons(cluster_id), 1)
    ledger = await desk.ledger()
    assert [call.effect for call in ledger.calls[-4:]] == ["unchanged"] * 4
    assert [thing.id for thing in ledger.resources] == [thing.id for thing in before]
    assert [thing.ready_at for thing in ledger.resources] == [thing.ready_at for thing in before]


async def test_deleting_twice_or_what_never_was_changes_nothing(
    cluster_id: UUID, pool_id: UUID
) -> None:
    async with simulator(speed=1) as url:
        cloud, desk = SimulatedCloud(url), OperatorDesk(url)
        await cloud.delete_node_pool(cluster_id, pool_id, 1)
        await cloud.delete_control_plane(cluster_id, 1)
        await cloud.ensure_network(network(cluster_id), 1)
        for _ in range(2):
            await cloud.delete_network(cluster_id, 1)
        effects = [call.effect for call in (await desk.ledger()).calls]
        assert effects == ["unchanged", "unchanged", "created", "deleted", "unchanged"]
        await cloud.close()
        await desk.close()


async def test_scaling_up_keeps_the_nodes_and_down_takes_the_newest(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    first = (await raise_pool(cloud, pool(cluster_id, pool_id, 2))).pools[pool_id].nodes
    more = (await raise_pool(cloud, pool(cluster_id, pool_id, 4))).pools[pool_id].nodes
    assert more[:2] == first
    assert len(more) == 4
    await cloud.ensure_node_pool(pool(cluster_id, pool_id, 1), 1)
    down = await pool_ready(cloud, pool(cluster_id, pool_id))
    assert down.pools[pool_id].nodes == first[:1]
    again = await raise_pool(cloud, pool(cluster_id, pool_id, 2))
    assert again.pools[pool_id].nodes[1].id not in {node.id for node in more}


async def test_a_pool_of_no_nodes_is_ready_and_goes_at_once(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    empty = await raise_pool(cloud, pool(cluster_id, pool_id, 0))
    assert empty.pools[pool_id].nodes == ()
    await cloud.delete_node_pool(cluster_id, pool_id, 1)
    assert (await cloud.observe(cluster_id)).pools == {}


async def test_another_version_replaces_a_pools_nodes(
    cloud: SimulatedCloud, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    old = (await raise_pool(cloud, pool(cluster_id, pool_id))).pools[pool_id].nodes
    await cloud.ensure_control_plane(control_plane(cluster_id, "1.36.0"), 1)
    await until(cloud, cluster_id, lambda seen: seen.control_plane.state is State.READY)
    wanted = pool(cluster_id, pool_id, version="1.36.0")
    new = (await raise_pool(cloud, wanted)).pools[pool_id].nodes
    assert {node.version for node in new} == {"1.36.0"}
    assert not {node.id for node in new} & {node.id for node in old}


async def test_a_networks_ranges_are_for_good(cloud: SimulatedCloud, cluster_id: UUID) -> None:
    await cloud.ensure_network(network(cluster_id), 1)
    with pytest.raises(ValueError, match="ranges of a network"):
        await cloud.ensure_network(
            NetworkSpec(cluster_id, "1.35.8", "10.1.0.0/16", "10.96.0.0/16"), 1
        )


def life_of(seed: str, cluster_id: UUID, pool_id: UUID) -> list[Resource]:
    """Return what a cloud of that seed makes of three calls, an hour after each other."""
    storage = Storage(Path(":memory:"))
    cloud = Cloud(storage, Terms(seed))
    cloud.carry_out(network(cluster_id), 1, 0)
    cloud.carry_out(control_plane(cluster_id), 1, 3600)
    cloud.carry_out(pool(cluster_id, pool_id, 25), 1, 7200)
    things = storage.all()
    storage.close()
    return things


def test_the_same_seed_takes_the_same_time(cluster_id: UUID, pool_id: UUID) -> None:
    first, again, other = (life_of(seed, cluster_id, pool_id) for seed in ("a", "a", "b"))
    assert first == again
    assert [thing.id for thing in first] == [thing.id for thing in other]
    unlike = [thing.kind for thing, its in zip(first, other, strict=True) if thing != its]
    assert unlike == [Kind.NETWORK, Kind.CONTROL_PLANE, *[Kind.NODE] * 25]


def test_a_large_pool_comes_in_waves_of_ten(cluster_id: UUID, pool_id: UUID) -> None:
    things = life_of("cks", cluster_id, pool_id)
    waits = [thing.ready_at - thing.created_at for thing in things if thing.kind is Kind.NODE]
    assert all(60 <= wait <= 80 for wait in waits[:10])
    assert all(120 <= wait <= 140 for wait in waits[10:20])
    assert all(180 <= wait <= 200 for wait in waits[20:])


async def test_clusters_do_not_touch_each_other(cloud: SimulatedCloud) -> None:
    one, other = uuid4(), uuid4()
    await cloud.ensure_network(network(one), 9)
    await cloud.ensure_network(network(other), 1)
    await cloud.delete_network(one, 9)
    seen = await until(cloud, other, lambda seen: seen.network is State.READY)
    assert seen == Observed(network=State.READY)
    assert (await cloud.observe(one)).network in (State.DELETING, State.ABSENT)
