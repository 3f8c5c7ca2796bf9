"""``cks admin simulator``, run as an operator runs it."""

import asyncio
import json
import sys
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from cks.cli.main import cks
from cks.providers.base import Unavailable
from cks.providers.simulated.client import SimulatedCloud
from tests.support.specs import network


def run(url: str, *words: str) -> Result:
    return CliRunner(env={"CKS_SIMULATOR_URL": url}).invoke(cks, ["admin", "simulator", *words])


async def say(url: str, *words: str) -> Result:
    return await asyncio.to_thread(run, url, *words)


async def test_the_ledger_is_printed_as_json(
    url: str, cloud: SimulatedCloud, cluster_id: UUID
) -> None:
    await cloud.ensure_network(network(cluster_id), 1)
    printed = json.loads((await say(url, "ledger")).stdout)
    assert any(
        call["call"] == "ensure_network" and call["cluster_id"] == str(cluster_id)
        for call in printed["calls"]
    )
    assert [
        (thing["kind"], thing["id"], thing["cluster_id"]) for thing in printed["resources"]
    ] == [("network", str(cluster_id), str(cluster_id))]
    elsewhere = json.loads((await say(url, "ledger", "--cluster", str(uuid4()))).stdout)
    assert elsewhere == {"calls": [], "resources": []}


async def test_a_fault_is_ordered_listed_and_cleared(
    url: str, cloud: SimulatedCloud, cluster_id: UUID
) -> None:
    words = ("--call", "ensure_network", "--kind", "error", "--cluster", str(cluster_id))
    ordered = await say(url, "fault", "add", *words, "--times", "2")
    assert json.loads(ordered.stdout) == {
        "call": "ensure_network",
        "kind": "error",
        "times": 2,
        "seconds": None,
        "cluster_id": str(cluster_id),
    }
    with pytest.raises(Unavailable):
        await cloud.ensure_network(network(cluster_id), 1)
    listed = json.loads((await say(url, "fault", "list")).stdout)
    assert [fault["times"] for fault in listed["faults"]] == [1]
    assert json.loads((await say(url, "fault", "clear")).stdout)["faults"] == []
    await cloud.ensure_network(network(cluster_id), 1)


async def test_a_senseless_fault_is_refused_in_one_line(url: str) -> None:
    refused = await say(url, "fault", "add", "--call", "observe", "--kind", "quota")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        "Error: a quota refuses what is to be made, never observe"
    ]
    unknown = await say(url, "fault", "add", "--call", "make_coffee", "--kind", "error")
    assert unknown.exit_code == 2
    assert "issue_kubeconfig" in unknown.stderr


async def test_a_cloud_that_is_down_is_one_line_and_status_one() -> None:
    command = [sys.executable, "-m", "cks.cli", "admin", "simulator", "ledger"]
    ran = await asyncio.create_subprocess_exec(
        *command,
        env={"CKS_SIMULATOR_URL": "http://127.0.0.1:1", "PATH": ""},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await ran.communicate()
    assert ran.returncode == 1
    assert errors.decode().splitlines()[0].startswith("Error: the cloud did not answer")
    assert len(errors.decode().splitlines()) == 1


async def test_a_fault_for_another_cluster_is_kept_for_it(url: str, cluster_id: UUID) -> None:
    words = ("--call", "observe", "--kind", "slow", "--seconds", "0.1", "--cluster")
    await say(url, "fault", "add", *words, str(cluster_id))
    await say(url, "fault", "add", *words, str(uuid4()))
    listed = json.loads((await say(url, "fault", "list")).stdout)
    assert len(listed["faults"]) == 2
    assert listed["faults"][0]["cluster_id"] == str(cluster_id)
