"""The server as a process: killed, told to end, sent nonsense."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest

from cks.domain.refusals import Superseded
from cks.providers.base import State, Unavailable
from cks.providers.simulated.client import OperatorDesk, SimulatedCloud
from cks.providers.simulated.wire import Call, FaultKind, FaultOrder, Kind
from tests.support.specs import network, pool, raise_control_plane, raise_pool, until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(data: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "cks.providers.simulated"]
    known = {"CKS_SIMULATOR_PORT": str(port), "CKS_SIMULATOR_DATA": str(data)}
    server = subprocess.Popen(
        command,
        env=os.environ | known | {"CKS_SIMULATOR_SPEED": "1000"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield server
    finally:
        server.kill()
        server.wait()
        assert server.stderr
        server.stderr.close()


async def answers(desk: OperatorDesk) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await desk.faults()
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_nothing_is_lost_when_the_server_is_killed(
    tmp_path: Path, cluster_id: UUID, pool_id: UUID
) -> None:
    port = free_port()
    cloud, desk = (kind(f"http://127.0.0.1:{port}") for kind in (SimulatedCloud, OperatorDesk))
    assert isinstance(cloud, SimulatedCloud)
    assert isinstance(desk, OperatorDesk)
    with process(tmp_path / "cloud.db", port) as server:
        await answers(desk)
        await raise_control_plane(cloud, cluster_id, fence=3)
        was = (await raise_pool(cloud, pool(cluster_id, pool_id), fence=3)).pools
        await desk.add_fault(FaultOrder(call=Call.OBSERVE, kind=FaultKind.ERROR))
        await desk.add_fault(FaultOrder(call=Call.ENSURE_ADDONS, kind=FaultKind.HANG))
        before = await desk.ledger()
        server.send_signal(signal.SIGKILL)
        server.wait()
        with pytest.raises(Unavailable):
            await cloud.observe(cluster_id)
    with process(tmp_path / "cloud.db", port):
        await answers(desk)
        assert await desk.ledger() == before
        with pytest.raises(Unavailable, match="as ordered"):
            await cloud.observe(cluster_id)
        assert (await cloud.observe(cluster_id)).pools == was
        with pytest.raises(Superseded):
            await cloud.delete_node_pool(cluster_id, pool_id, 2)
        assert [order.call for order in (await desk.faults()).faults] == [Call.ENSURE_ADDONS]
    await cloud.close()
    await desk.close()


async def test_what_was_answered_is_there_after_a_kill_in_the_middle(tmp_path: Path) -> None:
    port = free_port()
    cloud, desk = (
        SimulatedCloud(f"http://127.0.0.1:{port}"),
        OperatorDesk(f"http://127.0.0.1:{port}"),
    )
    answered: set[UUID] = set()

    async def ask(cluster_id: UUID) -> None:
        with suppress(Unavailable):
            await cloud.ensure_network(network(cluster_id), 1)
            answered.add(cluster_id)

    with process(tmp_path / "cloud.db", port) as server:
        await answers(desk)
        asked = [asyncio.create_task(ask(uuid4())) for _ in range(300)]
        while len(answered) < 50:
            await asyncio.sleep(0)
        server.send_signal(signal.SIGKILL)
        await asyncio.gather(*asked)
    assert len(answered) < 300
    with process(tmp_path / "cloud.db", port):
        await answers(desk)
        ledger = await desk.ledger()
    living = [thing.cluster_id for thing in ledger.resources]
    made = [call.cluster_id for call in ledger.calls if call.effect == "created"]
    assert sorted(living) == sorted(made)
    assert answered <= set(living)
    await cloud.close()
    await desk.close()


async def test_life_goes_on_while_the_server_is_down(tmp_path: Path, cluster_id: UUID) -> None:
    port = free_port()
    cloud, desk = (
        SimulatedCloud(f"http://127.0.0.1:{port}"),
        OperatorDesk(f"http://127.0.0.1:{port}"),
    )
    with process(tmp_path / "cloud.db", port):
        await answers(desk)
        await cloud.ensure_network(network(cluster_id), 1)
    await asyncio.sleep(0.05)
    with process(tmp_path / "cloud.db", port):
        await answers(desk)
        assert (await cloud.observe(cluster_id)).network is State.READY
    await cloud.close()
    await desk.close()


async def test_ends_at_once_when_told_though_calls_hang_and_calls_them_lost(
    tmp_path: Path, cluster_id: UUID
) -> None:
    port = free_port()
    cloud, desk = (
        SimulatedCloud(f"http://127.0.0.1:{port}"),
        OperatorDesk(f"http://127.0.0.1:{port}"),
    )
    with process(tmp_path / "cloud.db", port) as server:
        await answers(desk)
        await desk.add_fault(FaultOrder(call=Call.ENSURE_NETWORK, kind=FaultKind.HANG))
        late = asyncio.create_task(cloud.ensure_network(network(cluster_id), 1))
        while (await desk.faults()).hanging == 0:
            await asyncio.sleep(0.01)
        server.send_signal(signal.SIGTERM)
        with pytest.raises(Unavailable):
            await late
        assert await asyncio.to_thread(server.wait, 20) == 0
    with process(tmp_path / "cloud.db", port):
        await answers(desk)
        ledger = await desk.ledger()
        assert [call.effect for call in ledger.calls] == ["lost"]
        assert ledger.resources == []
        await cloud.ensure_network(network(cluster_id), 1)
    await cloud.close()
    await desk.close()


async def test_says_in_a_line_that_its_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with process(tmp_path / "cloud.db", taken.getsockname()[1]) as server:
            assert server.stderr
            errors = await asyncio.to_thread(server.stderr.read)
            assert await asyncio.to_thread(server.wait, 5) == 1
    assert errors.startswith("Error: cannot listen on 127.0.0.1:")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/calls/ensure_network?fence=1", b"{", 400),
        ("/calls/ensure_network?fence=1", b"\xff", 400),
        ("/calls/ensure_network?fence=1", b"{}", 422),
        ("/calls/ensure_network?fence=1", b'{"cluster_id": 5}', 422),
        ("/calls/delete_network", b'{"cluster_id": "%s"}', 422),
        ("/calls/delete_network?fence=x", b'{"cluster_id": "%s"}', 422),
        ("/calls/delete_network?fence=-1", b'{"cluster_id": "%s"}', 422),
        ("/calls/delete_network?fence=9223372036854775808", b'{"cluster_id": "%s"}', 422),
        ("/calls/make_coffee?fence=1", b"{}", 404),
        ("/calls/ensure_namespace?fence=1", b"{}", 501),
        ("/nowhere", b"", 404),
        ("/ledger", b"", 405),
        ("/faults", b'{"call": "make_coffee", "kind": "error"}', 422),
        ("/faults", b'{"call": "observe", "kind": "quota"}', 422),
        ("/faults", b'{"call": "observe", "kind": "error", "times": 0}', 422),
        ("/faults", b'{"call": "observe", "kind": "error", "colour": "red"}', 422),
        ("/faults", b"x" * 2**21, 413),
    ],
)
async def test_nonsense_is_told_in_json_and_leaves_no_line(
    url: str, desk: OperatorDesk, cluster_id: UUID, path: str, body: bytes, status: int
) -> None:
    body = body.replace(b"%s", str(cluster_id).encode())
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + path, data=BytesIO(body)) as answer,
    ):
        assert answer.status == status
        assert set(await answer.json()) == {"code", "message"}
    assert (await desk.ledger()).calls == []


async def test_a_wrong_call_or_fault_is_answered_with_the_choices(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/calls/make_coffee") as answer:
            assert "ensure_node_pool" in (await answer.json())["message"]
        fault = {"call": "make_coffee", "kind": "error"}
        async with session.post(f"{url}/faults", json=fault) as answer:
            assert "issue_kubeconfig" in (await answer.json())["message"]


async def test_a_full_disk_is_unavailable_and_nothing_is_lost(
    tmp_path: Path, cluster_id: UUID
) -> None:
    port = free_port()
    cloud, desk = (
        SimulatedCloud(f"http://127.0.0.1:{port}"),
        OperatorDesk(f"http://127.0.0.1:{port}"),
    )
    with process(tmp_path / "cloud.db", port):
        await answers(desk)
        await cloud.ensure_network(network(cluster_id), 1)
        other = sqlite3.connect(tmp_path / "cloud.db")
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON calls BEGIN SELECT raise(ABORT, 'disk'); END"
        )
        other.commit()
        with pytest.raises(Unavailable, match="storage: disk"):
            await cloud.delete_network(cluster_id, 2)
        other.execute("DROP TRIGGER full")
        other.commit()
        other.close()
        await until(cloud, cluster_id, lambda seen: seen.network is State.READY)
        assert [thing.kind for thing in (await desk.ledger()).resources] == [Kind.NETWORK]
    await cloud.close()
    await desk.close()


async def test_a_cloud_that_does_not_answer_is_unavailable(cluster_id: UUID) -> None:
    cloud = SimulatedCloud(f"http://127.0.0.1:{free_port()}", timeout_seconds=1)
    with pytest.raises(Unavailable, match="did not answer"):
        await cloud.observe(cluster_id)
    await cloud.close()


async def test_its_health_is_ok(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health") as answer:
        assert await answer.json() == {"status": "ok"}
