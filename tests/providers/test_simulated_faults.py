"""Faults on demand: what each does to a call, and what the ledger tells of it."""

import asyncio
import time
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from cks.domain.refusals import ProviderQuota, Superseded
from cks.providers.base import Observed, State, Unavailable
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from cks.providers.simulated.wire import Call, FaultKind, FaultOrder
from tests.support.specs import control_plane, network, raise_control_plane


def fault(kind: FaultKind, call: Call = Call.ENSURE_NETWORK, times: int = 1) -> FaultOrder:
    return FaultOrder(call=call, kind=kind, times=times)


async def effects(desk: OperatorDesk) -> list[str | None]:
    return [call.effect for call in (await desk.ledger()).calls]


async def hanging(desk: OperatorDesk, count: int) -> None:
    async with asyncio.timeout(5):
        while (await desk.faults()).hanging != count:
            await asyncio.sleep(0.01)


async def settled(desk: OperatorDesk) -> None:
    async with asyncio.timeout(5):
        while any(effect in ("hanging", "slow") for effect in await effects(desk)):
            await asyncio.sleep(0.01)


async def test_an_error_strikes_so_many_times_and_has_no_effect(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.ERROR, times=2))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await cloud.ensure_network(network(cluster_id), 1)
    assert (await desk.ledger()).resources == []
    await cloud.ensure_network(network(cluster_id), 1)
    assert await effects(desk) == ["error", "error", "created"]
    assert (await desk.faults()).faults == []


@pytest.mark.parametrize(
    "call",
    [
        Call.ENSURE_NETWORK, Call.ENSURE_CONTROL_PLANE, Call.DELETE_NETWORK,
        Call.DELETE_CONTROL_PLANE, Call.OBSERVE,
    ],
)  # fmt: skip
async def test_an_error_meets_the_call_it_names(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID, call: Call
) -> None:
    calls = {
        Call.ENSURE_NETWORK: cloud.ensure_network(network(cluster_id), 1),
        Call.DELETE_NETWORK: cloud.delete_network(cluster_id, 1),
        Call.DELETE_CONTROL_PLANE: cloud.delete_control_plane(cluster_id, 1),
        Call.OBSERVE: cloud.observe(cluster_id),
    }
    ensure = cloud.ensure_control_plane(control_plane(cluster_id), 1)
    await desk.add_fault(fault(FaultKind.ERROR, call))
    failed = set()
    for name, attempt in {**calls, Call.ENSURE_CONTROL_PLANE: ensure}.items():
        try:
            await attempt
        except Unavailable as error:
            failed |= {name} if "as ordered" in str(error) else set()
    assert failed == {call}


async def test_a_fault_for_one_cluster_spares_the_others(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    order = FaultOrder(call=Call.ENSURE_NETWORK, kind=FaultKind.ERROR, cluster_id=cluster_id)
    await desk.add_fault(order)
    await cloud.ensure_network(network(uuid4()), 1)
    with pytest.raises(Unavailable):
        await cloud.ensure_network(network(cluster_id), 1)
    assert await effects(desk) == ["created", "error"]


async def test_a_hung_call_stands_in_the_ledger_and_goes_on_without_its_client(
    url: str, cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.HANG))
    hasty = SimulatedCloud(url, timeout_seconds=0.1)
    with pytest.raises(Unavailable):
        await hasty.ensure_network(network(cluster_id), 1)
    await hasty.close()
    assert await effects(desk) == ["hanging"]
    assert (await cloud.observe(cluster_id)).network is State.ABSENT
    await desk.clear_faults()
    await settled(desk)
    assert (await effects(desk))[0] == "created"
    assert (await cloud.observe(cluster_id)).network is not State.ABSENT


async def test_a_hung_call_is_refused_when_a_higher_fence_came_meanwhile(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.HANG))
    late = asyncio.create_task(cloud.ensure_network(network(cluster_id), 1))
    await hanging(desk, 1)
    await cloud.delete_network(cluster_id, 2)
    await desk.clear_faults()
    with pytest.raises(Superseded):
        await late
    assert await effects(desk) == ["refused: superseded", "unchanged"]
    assert await cloud.observe(cluster_id) == Observed()


async def test_clearing_frees_what_hangs_and_later_calls_go_through(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.HANG, Call.OBSERVE, times=1000))
    waiting = [asyncio.create_task(cloud.observe(cluster_id)) for _ in range(3)]
    await hanging(desk, 3)
    await desk.clear_faults()
    assert await asyncio.gather(*waiting) == [Observed()] * 3
    assert await cloud.observe(cluster_id) == Observed()
    assert (await desk.faults()).faults == []


async def test_a_lost_reply_and_its_repetition_are_one_effect(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.LOST_REPLY))
    with pytest.raises(Unavailable):
        await cloud.ensure_network(network(cluster_id), 1)
    await cloud.ensure_network(network(cluster_id), 1)
    ledger = await desk.ledger()
    assert [call.effect for call in ledger.calls] == ["created", "unchanged"]
    assert ledger.calls[0].fault is FaultKind.LOST_REPLY
    assert len(ledger.resources) == 1


async def test_a_lost_observation_is_unavailable(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.LOST_REPLY, Call.OBSERVE))
    with pytest.raises(Unavailable):
        await cloud.observe(cluster_id)
    assert await cloud.observe(cluster_id) == Observed()


async def test_an_ordered_quota_refuses_and_makes_nothing(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.QUOTA))
    with pytest.raises(ProviderQuota):
        await cloud.ensure_network(network(cluster_id), 1)
    assert await effects(desk) == ["refused: quota_exceeded"]
    assert await cloud.observe(cluster_id) == Observed()


async def test_a_slow_call_takes_its_seconds_then_acts(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    order = FaultOrder(call=Call.ENSURE_NETWORK, kind=FaultKind.SLOW, seconds=1)
    await desk.add_fault(order)
    began = time.monotonic()
    slow = asyncio.create_task(cloud.ensure_network(network(cluster_id), 1))
    while not (seen := await effects(desk)):
        await asyncio.sleep(0.01)
    assert seen == ["slow"]
    await slow
    assert time.monotonic() - began >= 1
    assert await effects(desk) == ["created"]


async def test_the_oldest_of_two_faults_strikes_first(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await desk.add_fault(fault(FaultKind.ERROR))
    await desk.add_fault(fault(FaultKind.QUOTA))
    assert [order.kind for order in (await desk.faults()).faults] == ["error", "quota"]
    with pytest.raises(Unavailable):
        await cloud.ensure_network(network(cluster_id), 1)
    with pytest.raises(ProviderQuota):
        await cloud.ensure_network(network(cluster_id), 1)


async def test_a_fault_may_wait_for_a_call_that_is_not_built_yet(desk: OperatorDesk) -> None:
    order = await desk.add_fault(fault(FaultKind.HANG, Call.ENSURE_NAMESPACE))
    assert (await desk.faults()).faults == [order]


def test_a_fault_that_makes_no_sense_cannot_be_ordered() -> None:
    with pytest.raises(ValidationError, match="a quota refuses what is to be made"):
        fault(FaultKind.QUOTA, Call.DELETE_NETWORK)
    with pytest.raises(ValidationError, match="seconds belong to slow faults"):
        FaultOrder(call=Call.OBSERVE, kind=FaultKind.HANG, seconds=3)


async def test_a_hung_forward_call_cannot_rise_again_behind_an_undo(
    cloud: SimulatedCloud, desk: OperatorDesk, cluster_id: UUID
) -> None:
    await raise_control_plane(cloud, cluster_id, fence=1)
    await desk.add_fault(fault(FaultKind.HANG, Call.ENSURE_CONTROL_PLANE))
    late = asyncio.create_task(cloud.ensure_control_plane(control_plane(cluster_id), 1))
    await hanging(desk, 1)
    await cloud.delete_control_plane(cluster_id, 2)
    async with asyncio.timeout(5):
        while (await cloud.observe(cluster_id)).control_plane.state is not State.ABSENT:
            await asyncio.sleep(0.01)
    await desk.clear_faults()
    with pytest.raises(Superseded):
        await late
    assert (await cloud.observe(cluster_id)).control_plane.state is State.ABSENT
