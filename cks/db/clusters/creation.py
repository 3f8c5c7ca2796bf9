"""``cluster.create`` in the rows: accepted, taken, shown while it is built, and ended."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from cks.db.access.decisions import STILL_MAY, who_asked
from cks.db.operations.accepting import Accepted, Beside, accept
from cks.db.operations.effects import Effects
from cks.db.operations.requests import document_of
from cks.db.operations.views import OperationView
from cks.db.session import driver
from cks.db.tenants import quotas
from cks.domain.access.permissions import Caller
from cks.domain.clusters import conditions
from cks.domain.clusters.clusters import SeenNode
from cks.domain.clusters.creation import CREATE, CreateCluster
from cks.domain.operations.deadlines import Allowance
from cks.domain.operations.state import OperationState
from cks.domain.operations.types import Subject
from cks.domain.refusals import NameTaken
from cks.domain.tenants.quotas import CLUSTERS, NODES

ROWS = """
cluster AS (
    INSERT INTO clusters (id, tenant_id, name, status, version, networking, tags, created_by)
    SELECT @1::uuid, @2::uuid, r ->> 'name', 'pending', r ->> 'version', r -> 'networking',
           r -> 'tags', @3::uuid
      FROM (VALUES (@4::jsonb)) AS asked (r)
), pools AS (
    INSERT INTO node_pools (
        id, tenant_id, cluster_id, name, node_count, min_nodes, max_nodes, instance_type,
        disk_size, labels, taints, version)
    SELECT p.id, @2::uuid, @1::uuid, p.name, p.node_count, p.min_nodes, p.max_nodes,
           p.instance_type, p.disk_size, p.labels, p.taints, @4::jsonb ->> 'version'
      FROM jsonb_to_recordset(@4::jsonb -> 'node_pools') AS p (
        id uuid, name text, node_count int, min_nodes int, max_nodes int, instance_type text,
        disk_size int, labels jsonb, taints jsonb)
),
"""
TAKE = f"""
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
COMPLETE = """
WITH cluster AS (
    UPDATE clusters SET status = 'running', observed_generation = generation, updated_at = now(),
           conditions = jsonb_build_array(
             $2::jsonb || jsonb_build_object('observed_generation', generation))
     WHERE id = $1
)
UPDATE node_pools SET status = 'running', observed_generation = generation, updated_at = now()
 WHERE cluster_id = $1
"""
FAIL = """
WITH cluster AS (
    UPDATE clusters SET status = 'failed', endpoint = NULL, updated_at = now(),
           conditions = jsonb_build_array(
             $2::jsonb || jsonb_build_object('observed_generation', generation))
     WHERE id = $1
), nodes AS (
    DELETE FROM nodes WHERE node_pool_id IN (SELECT id FROM node_pools WHERE cluster_id = $1)
)
UPDATE node_pools SET status = 'failed', ready_count = 0, updated_at = now() WHERE cluster_id = $1
"""


async def accept_create(
    session: AsyncSession, caller: Caller, asked: CreateCluster, allowance: Allowance, at: datetime
) -> OperationView:
    """Record a new cluster and the operation that will build it, both pending.

    ``at`` is the transaction's instant.  Raise ``QuotaExceeded``, or ``NameTaken`` where the
    tenant has a cluster of that name.
    """
    nodes = sum(pool.node_count for pool in asked.node_pools)
    await quotas.spend(session, {CLUSTERS: 1, NODES: nodes})
    cluster_id = uuid7()
    subject = Subject("cluster", cluster_id, asked.name, cluster_id)
    document = json.dumps(document_of(CREATE.name, asked))
    rows = Beside(ROWS, (cluster_id, caller.tenant_id, caller.user_id, document))
    accepted = Accepted(CREATE, EFFECTS, subject, asked, allowance)
    try:
        return await accept(session, caller, accepted, at, rows)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "clusters_name_per_tenant":
            raise NameTaken(f"There is already a cluster named {asked.name}.") from error
        raise


async def _take(session: AsyncSession, operation: OperationState) -> bool:
    """Show the cluster and its pools as being made."""
    condition = json.dumps(conditions.ready("False", "Provisioning", "", operation.now, 0))
    params = (*who_asked(operation), operation.resource_id, condition)
    return bool(await driver(session).fetchval(TAKE, *params))


async def set_endpoint(session: AsyncSession, cluster_id: UUID, endpoint: str | None) -> None:
    """Write that the control plane answers under this https URL."""
    await driver(session).execute(SET_ENDPOINT, cluster_id, endpoint)


async def show_nodes(session: AsyncSession, pool_id: UUID, seen: Sequence[SeenNode]) -> None:
    """Make a pool's node rows, and its count of ready ones, what the provider showed."""
    nodes = [
        {"id": str(node.id), "name": node.name, "status": node.status, "version": node.version}
        for node in seen
    ]
    ready = sum(node.status == "ready" for node in seen)
    await driver(session).execute(SHOW_NODES, pool_id, json.dumps(nodes), ready)


async def _complete(session: AsyncSession, operation: OperationState) -> None:
    """Show the cluster and its pools as running."""
    ready = conditions.ready("True", "Provisioned", "", operation.now, 0)
    await driver(session).execute(COMPLETE, operation.resource_id, json.dumps(ready))


async def _fail(session: AsyncSession, operation: OperationState) -> None:
    """Show the cluster and its pools as failed and empty."""
    reason = f"Create{str(operation.ending).capitalize()}"
    ready = conditions.ready("False", reason, operation.error or "", operation.now, 0)
    await driver(session).execute(FAIL, operation.resource_id, json.dumps(ready))


EFFECTS = Effects(_take, _complete, _fail)
