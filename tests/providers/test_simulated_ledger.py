"""The ledger is what an outsider proves things by: exact, in order, and not drowned."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from cks.providers.base import State
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from cks.providers.simulated.wire import Call, Kind, Ledger
from tests.support.simulator import simulator
from tests.support.specs import VERSION, addons, network, pool, raise_control_plane, raise_pool


async def test_shows_one_row_for_each_thing_that_lives(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id)
    nodes = (await raise_pool(cloud, pool(cluster_id, pool_id, 3))).pools[pool_id].nodes
    await cloud.ensure_addons(addons(cluster_id), 1)
    things = (await desk.ledger()).resources
    assert {thing.cluster_id for thing in things} == {cluster_id}
    assert {(thing.kind, thing.id) for thing in things if thing.kind is not Kind.NODE} == {
        (Kind.NETWORK, cluster_id),
        (Kind.CONTROL_PLANE, cluster_id),
        (Kind.NODE_POOL, pool_id),
        (Kind.ADDONS, cluster_id),
    }
    listed = [thing for thing in things if thing.kind is Kind.NODE]
    assert {thing.id for thing in listed} == {node.id for node in nodes}
    assert {(thing.pool_id, thing.version, thing.instance_type) for thing in listed} == {
        (pool_id, VERSION, "m5.large")
    }
    assert len(things) == 7


async def test_tells_every_call_in_order_with_its_fence_and_what_came_of_it(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, pool_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id, fence=3)
    await raise_pool(cloud, pool(cluster_id, pool_id, 1), fence=3)
    await cloud.ensure_node_pool(pool(cluster_id, pool_id, 2), 4)
    await cloud.delete_node_pool(cluster_id, pool_id, 5)
    calls = [call for call in (await desk.ledger()).calls if call.call is not Call.OBSERVE]
    assert [(call.call, call.resource_id, call.fence, call.effect) for call in calls] == [
        (Call.ENSURE_NETWORK, cluster_id, 3, "created"),
        (Call.ENSURE_CONTROL_PLANE, cluster_id, 3, "created"),
        (Call.ENSURE_NODE_POOL, pool_id, 3, "created"),
        (Call.ENSURE_NODE_POOL, pool_id, 4, "updated"),
        (Call.DELETE_NODE_POOL, pool_id, 5, "deleted"),
    ]
    assert all(a.at <= b.at for a, b in pairwise(calls))


async def test_counts_observations_on_one_line_a_cluster(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    other = uuid4()
    for watched in (cluster_id, other, cluster_id, cluster_id):
        await cloud.observe(watched)
    lines = (await desk.ledger()).calls
    assert [(line.call, line.cluster_id, line.times, line.effect) for line in lines] == [
        (Call.OBSERVE, cluster_id, 3, None),
        (Call.OBSERVE, other, 1, None),
    ]
    assert lines[0].at < lines[0].last_at


async def test_what_is_being_deleted_is_listed_until_it_is_gone(
    tmp_path: Path, cluster_id: UUID, pool_id: UUID
) -> None:
    going = {(Kind.NODE_POOL, State.DELETING): 1, (Kind.NODE, State.DELETING): 2}
    async with simulator(data=tmp_path / "cloud.db") as url:
        cloud = SimulatedCloud(url)
        await raise_control_plane(cloud, cluster_id)
        await raise_pool(cloud, pool(cluster_id, pool_id))
        await cloud.close()
    async with simulator(speed=1, data=tmp_path / "cloud.db") as url:
        cloud, desk = SimulatedCloud(url), OperatorDesk(url)
        await cloud.delete_node_pool(cluster_id, pool_id, 1)
        things = [(thing.kind, thing.state) for thing in (await desk.ledger()).resources]
        assert Counter(thing for thing in things if thing[1] is not State.READY) == going
        await cloud.close()
        await desk.close()


async def test_gives_the_same_answer_twice(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await cloud.ensure_network(network(cluster_id), 1)
    await cloud.observe(cluster_id)
    first, second = await desk.ledger(), await desk.ledger()
    assert first.calls == second.calls
    assert [thing.id for thing in first.resources] == [thing.id for thing in second.resources]


async def test_tells_of_one_cluster_alone_where_asked(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    for ordered in (cluster_id, uuid4()):
        await raise_control_plane(cloud, ordered)
    whole, ours = await desk.ledger(), await desk.ledger(cluster_id)
    assert ours.calls == [call for call in whole.calls if call.cluster_id == cluster_id]
    assert [thing.kind for thing in ours.resources] == [Kind.NETWORK, Kind.CONTROL_PLANE]
    assert (len(whole.calls), len(whole.resources)) == (2 * len(ours.calls), 4)


async def test_a_ledger_of_no_cluster_is_refused(desk: OperatorDesk) -> None:
    with pytest.raises(ValueError, match="must be a UUID"):
        await desk._line.ask("GET", "/ledger?cluster=prod", Ledger)
