"""What activities write about a cluster while it is being built."""

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.access.decisions import STILL_MAY, who_asked
from cks.db.session import driver
from cks.domain.clusters import conditions
from cks.domain.clusters.clusters import SeenNode
from cks.domain.operations.state import OperationState

BEGIN = f"""
WITH cluster AS (
    UPDATE clusters SET status = 'provisioning', updated_at = now(), conditions = jsonb_build_array(
           $5::jsonb || jsonb_build_object('observed_generation', generation))
     WHERE id = $4
), pools AS (
    UPDATE node_pools SET status = 'provisioning', updated_at = now() WHERE cluster_id = $4
)
{STILL_MAY}
"""  # noqa: S608  (a statement of ours)
SET_ENDPOINT = "UPDATE clusters SET endpoint = $2, updated_at = now() WHERE id = $1"
SHOW_NODES = """
WITH pool AS (
    UPDATE node_pools SET ready_count = $3, updated_at = now() WHERE id = $1 RETURNING tenant_id
), gone AS (
    DELETE FROM nodes WHERE node_pool_id = $1
       AND id NOT IN (SELECT id FROM jsonb_to_recordset($2::jsonb) AS n (id uuid))
)
INSERT INTO nodes (id, tenant_id, node_pool_id, name, status, version)
SELECT n.id, pool.tenant_id, $1, n.name, n.status, n.version
  FROM pool, jsonb_to_recordset($2::jsonb) AS n (id uuid, name text, status text, version text)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status,
       version = excluded.version, updated_at = now()
"""


async def begin_create(session: AsyncSession, operation: OperationState) -> bool:
    """A run has taken the order: the cluster and its pools are being made.

    Return whether who asked for it still may; if not, what this wrote is not to be committed.
    """
    condition = json.dumps(conditions.ready("False", "Provisioning", "", operation.now, 0))
    told = (*who_asked(operation), operation.resource_id, condition)
    return bool(await driver(session).fetchval(BEGIN, *told))


async def set_endpoint(session: AsyncSession, cluster_id: UUID, endpoint: str | None) -> None:
    """The control plane answers under this https URL."""
    await driver(session).execute(SET_ENDPOINT, cluster_id, endpoint)


async def show_nodes(session: AsyncSession, pool_id: UUID, seen: Sequence[SeenNode]) -> None:
    """Make a pool's node rows, and its count of ready ones, what the provider showed."""
    nodes = [
        {"id": str(node.id), "name": node.name, "status": node.status, "version": node.version}
        for node in seen
    ]
    ready = sum(node.status == "ready" for node in seen)
    await driver(session).execute(SHOW_NODES, pool_id, json.dumps(nodes), ready)
