"""Records histories of each workflow type: ``python -m tests.workflows.histories``.

A stored history is what runs of yesterday left: today's code must replay it.  Record a new
one when a workflow takes a way that none of them has; never replace one that still fails.
Stack traces are left out, since they hold the paths of whoever recorded.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import Client, WorkflowHistory

from api.background.orphan_sweeps import sweep_id
from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.domain.operations.state import OperationState
from cks.domain.registry import TYPES
from cks.domain.retention import ExpiryOrder
from cks.providers.simulated.wire import Call, FaultKind
from tests.conftest import Urls, migrated, running_temporal
from tests.support.requests import pool
from tests.support.simulator import simulator
from tests.support.site import Site, crew, site
from tests.support.type_scenes import SCENES
from workflows.expire_records import ExpireRecords

FOLDER = Path(__file__).parent / "histories"


async def completed(ours: Site) -> OperationState:
    operation = await ours.order(pool("small", 1), pool("large", 3))
    await ours.ended(operation)
    return operation


async def staged(ours: Site) -> OperationState:
    """Go the way of ``completed`` with an input that says stages and actions (revision 0016)."""
    return await completed(ours)


async def failed(ours: Site) -> OperationState:
    operation = await ours.order(pool("small", 1), pool("large", 3))
    await ours.fault(operation, Call.ENSURE_NODE_POOL, FaultKind.ERROR, 1000)
    await ours.ended(operation)
    return operation


async def cancelled(ours: Site) -> OperationState:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.HANG, 1000)
    await ours.relay.relay()
    await ours.until_asked(operation, Call.ENSURE_ADDONS)
    await ours.cancel(operation)
    await ours.ended(operation)
    return operation


async def left_behind(ours: Site) -> OperationState:
    operation = await ours.order()
    await ours.fault(operation, Call.ENSURE_ADDONS, FaultKind.ERROR, 1000)
    await ours.fault(operation, Call.DELETE_CONTROL_PLANE, FaultKind.HANG, 1000)
    await ours.ended(operation)
    return operation


async def swept(ours: Site) -> OperationState:
    operation = await left_behind(ours)
    await ours.desk.clear_faults()
    await ours.swept(operation)
    return operation


async def expiry_history(urls: Urls, temporal: Client, *, first: bool) -> WorkflowHistory:
    """Return the history of the first run of two, or of the last."""
    async with crew(urls, temporal, "http://127.0.0.1:1") as hands:
        founded = await found(urls)
        order = ExpiryOrder(UUID(int=founded.tenant_id.int - 1), tenants=1)
        handle = await temporal.start_workflow(
            ExpireRecords.run, order, id=uuid4().hex, task_queue=hands.given.task_queue
        )
        await handle.result()
        run_id = handle.first_execution_run_id if first else None
        return await temporal.get_workflow_handle(handle.id, run_id=run_id).fetch_history()


async def swept_by_stage(ours: Site) -> OperationState:
    """Go the way of ``swept`` with an input that says stages (revision 0016)."""
    return await swept(ours)


async def updated(ours: Site) -> OperationState:
    operation = await SCENES["node_pool.update"]().begin(ours)
    await ours.ended(operation)
    return operation


async def restored(ours: Site) -> OperationState:
    operation = await SCENES["node_pool.update"]().begin(ours)
    await ours.fault(operation, Call.ENSURE_NODE_POOL, FaultKind.ERROR, 2)
    await ours.ended(operation)
    return operation


Way = Callable[[Site], Awaitable[OperationState]]
WAYS: dict[str, tuple[Way, ...]] = {
    "cluster.create": (completed, failed, cancelled, left_behind, staged),
    "node_pool.update": (updated, restored),
}
"""Operation type → ways through its workflow."""
SWEPT: tuple[Way, ...] = (swept, swept_by_stage)


def scrubbed(value: Any) -> Any:
    """Return a history without stack traces and without names of machines."""
    if isinstance(value, dict):
        return {k: scrubbed(v) for k, v in value.items() if k not in ("stackTrace", "identity")}
    return [scrubbed(one) for one in value] if isinstance(value, list) else value


async def found(urls: Urls) -> Founded:
    return await tenants.create_tenant(urls.owner, NewTenant("acme", f"{uuid4()}@acme.test"))


async def record(urls: Urls, temporal: Client, way: Way) -> WorkflowHistory:
    """Go a way, and return the history of the run that it was about."""
    async with (
        simulator(speed=2000) as cloud_url,
        site(urls, temporal, await found(urls), cloud_url, undo_seconds=8) as ours,
    ):
        operation = await way(ours)
        sweep = temporal.get_workflow_handle(sweep_id(operation.id))
        return await (sweep if way in SWEPT else ours.run_of(operation)).fetch_history()


def keep(path: Path, history: WorkflowHistory) -> None:
    FOLDER.mkdir(exist_ok=True)
    path.write_text(json.dumps(scrubbed(history.to_json_dict()), indent=1) + "\n")
    sys.stdout.write(f"{path.name}: {len(history.events)} events\n")


def paths_of(name: str) -> dict[Path, Way]:
    """Return where the histories of an operation type are stored, and which way each goes."""
    workflow = re.sub(r"(?<!^)(?=[A-Z])", "_", str(TYPES[name].workflow)).lower()
    return {FOLDER / f"{workflow}.{way.__name__}.json": way for way in WAYS[name]}


async def main() -> None:
    """Record the ways of which no history is stored; what is stored stays."""
    paths = {path: way for name in WAYS for path, way in paths_of(name).items()}
    paths |= {FOLDER / f"sweep_orphans.{way.__name__}.json": way for way in SWEPT}
    async with migrated() as urls, running_temporal() as temporal:
        for path, way in paths.items():
            if not path.exists():
                keep(path, await record(urls, temporal, way))
        for name, first in (("went_on", True), ("expired", False)):
            path = FOLDER / f"expire_records.{name}.json"
            if not path.exists():
                keep(path, await expiry_history(urls, temporal, first=first))


if __name__ == "__main__":
    asyncio.run(main())
