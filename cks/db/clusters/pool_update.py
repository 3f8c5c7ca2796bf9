"""``node_pool.update`` in the rows: accepted, taken, and ended.

A pool's row says what is so.  What was asked stands in the operation until it is done.
"""

import json
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.access.decisions import STILL_MAY, who_asked
from cks.db.clusters import clusters, pools
from cks.db.models.clusters import Cluster, NodePool
from cks.db.operations.accepting import Accepted, accept
from cks.db.operations.effects import Effects
from cks.db.operations.views import OperationView
from cks.db.session import driver
from cks.domain.access.permissions import Caller
from cks.domain.clusters import conditions
from cks.domain.clusters.clusters import ClusterStatus
from cks.domain.clusters.pool_update import UPDATE, UpdateNodePool
from cks.domain.operations import steps
from cks.domain.operations.deadlines import Allowance
from cks.domain.operations.state import OperationState
from cks.domain.operations.types import Subject
from cks.domain.refusals import NotRunning

TAKE = f"""
WITH pool AS (
    UPDATE node_pools SET conditions = jsonb_build_array(
           $5::jsonb || jsonb_build_object('observed_generation', generation)), updated_at = now()
     WHERE id = $4
)
{STILL_MAY}
"""  # noqa: S608  (a statement of ours)
# A request is counted when it is accepted (Kubernetes' ``metadata.generation``); the row's other
# columns change when it is so.
NEW_GENERATION = "UPDATE node_pools SET generation = generation + 1 WHERE id = $1"
COMPLETE = """
UPDATE node_pools p
   SET labels = r -> 'labels', taints = r -> 'taints', min_nodes = (r ->> 'min_nodes')::int,
       max_nodes = (r ->> 'max_nodes')::int, observed_generation = generation, updated_at = now(),
       conditions = jsonb_build_array(
         $3::jsonb || jsonb_build_object('observed_generation', generation))
  FROM (VALUES ($2::jsonb)) AS asked (r)
 WHERE p.id = $1
"""
FAIL = """
UPDATE node_pools SET updated_at = now(), conditions = jsonb_build_array(
       $2::jsonb || jsonb_build_object('observed_generation', generation))
 WHERE id = $1
"""

Change = Callable[[NodePool], UpdateNodePool]
"""What is asked of a pool that is so; it may raise a refusal."""


async def accept_update(
    session: AsyncSession,
    caller: Caller,
    wanted: tuple[UUID | str, UUID | str],
    change: Change,
    allowance: Allowance,
    at: datetime,
) -> OperationView:
    """Record the update of a pool: pending, or complete at once where nothing changes.

    ``wanted`` names cluster and pool.  Raise ``NotFound``, ``OperationConflict``, and
    ``NotRunning`` where one of both is not running.
    """
    while True:
        cluster = await clusters.find(session, wanted[0])
        pool = await pools.find_pool(session, cluster, wanted[1])
        before, asked = pools.spec_of(pool), change(pool)
        subject = Subject("node_pool", pool.id, pool.name, cluster.id)
        accepted = Accepted(UPDATE, EFFECTS, subject, asked, allowance)
        # Claims come before the locks of what they claim, so the pool was read unclaimed: where
        # an operation that held it ended in between, what it left is looked at once more.
        async with session.begin_nested() as attempt:
            await session.connection()  # makes the savepoint; the driver alone would not
            view = await accept(session, caller, accepted, at)
            _check_running(await clusters.find(session, cluster.id, locked=True))
            pool = await pools.find_pool(session, cluster, pool.id, locked=True)
            _check_running(pool)
            if pools.spec_of(pool) == before:
                if asked.wanted != before:
                    await driver(session).execute(NEW_GENERATION, pool.id)
                return view
            await attempt.rollback()


def _check_running(found: Cluster | NodePool) -> None:
    if found.status is not ClusterStatus.RUNNING:
        raise NotRunning(f"{found.name} is {found.status.value}; it must be running for this.")


async def _take(session: AsyncSession, operation: OperationState) -> bool:
    """Show the pool as being updated; its nodes go on."""
    condition = json.dumps(conditions.ready("True", "Updating", "", operation.now, 0))
    params = (*who_asked(operation), operation.resource_id, condition)
    return bool(await driver(session).fetchval(TAKE, *params))


async def _complete(session: AsyncSession, operation: OperationState) -> None:
    """Make the pool's row what was asked for: now it is so.  It was before, if there is no step."""
    if not operation.steps:
        return
    condition = json.dumps(conditions.ready("True", "Updated", "", operation.now, 0))
    asked = json.dumps(operation.request)
    await driver(session).execute(COMPLETE, operation.resource_id, asked, condition)


async def _fail(session: AsyncSession, operation: OperationState) -> None:
    """Leave the row as it was; say so if the nodes may not be."""
    unsure = any(steps.may_be_changed(step) for step in operation.steps)
    reason = "RestoreIncomplete" if unsure else f"Update{str(operation.ending).capitalize()}"
    truth: conditions.Truth = "Unknown" if unsure else "True"
    ready = conditions.ready(truth, reason, operation.error or "", operation.now, 0)
    await driver(session).execute(FAIL, operation.resource_id, json.dumps(ready))


EFFECTS = Effects(_take, _complete, _fail)
