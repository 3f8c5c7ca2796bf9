"""An operator terminates a run half way: the truth is told soon, and nothing is left."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from cks.dev import temporal
from cks.providers.simulated.client import OperatorDesk
from cks.providers.simulated.wire import Call, CallRecord, FaultKind, FaultOrder, Ledger
from tests.system.outside import SECONDS, Body, Outside

TRUTH_SECONDS = 10

pytestmark = pytest.mark.trial


@pytest.fixture
async def desk(stack: Outside) -> AsyncIterator[OperatorDesk]:
    desk = OperatorDesk(stack.exports["CKS_SIMULATOR_URL"])
    yield desk
    await desk.clear_faults()
    await desk.close()


def terminate(outside: Outside, operation: Body) -> None:
    """End the run as an operator does by hand."""
    words = (
        *(str(temporal.find()), "workflow", "terminate", "--reason", "by hand"),
        *("--workflow-id", operation["workflow_id"]),
        *("--address", outside.exports["TEMPORAL_ADDRESS"]),
        *("--namespace", outside.exports["TEMPORAL_NAMESPACE"]),
    )
    subprocess.run(words, check=True, capture_output=True, timeout=SECONDS)


async def until_call(desk: OperatorDesk, operation: Body, so: Callable[[CallRecord], bool]) -> None:
    """Wait until the operation's call for the add-ons is so."""
    async with asyncio.timeout(SECONDS):
        while not any(map(so, calls_of(await desk.ledger(), operation))):
            await asyncio.sleep(0.05)


def calls_of(ledger: Ledger, operation: Body) -> list[CallRecord]:
    ours = UUID(operation["resource_id"]), Call.ENSURE_ADDONS
    return [call for call in ledger.calls if (call.cluster_id, call.call) == ours]


async def test_a_terminated_run_is_told_soon_and_its_late_call_finds_the_door_shut(
    outside: Outside, desk: OperatorDesk
) -> None:
    operation = await outside.create()
    await desk.add_fault(FaultOrder(call=Call.ENSURE_ADDONS, kind=FaultKind.HANG))
    await until_call(desk, operation, lambda call: call.effect == "hanging")
    terminate(outside, operation)
    told = await outside.until(operation, lambda now: now["phase"] != "forward", TRUTH_SECONDS)
    assert told["phase"] == "compensating"

    ended = await outside.ended(operation)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "engine_lost")
    await desk.clear_faults()
    await until_call(desk, operation, lambda call: call.effect == "refused: superseded")
