"""An operation that waited asks again whether who asked for it still may."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import tenants
from cks.domain.operations.lifecycle import OperationStatus, StepStatus
from cks.domain.operations.state import OperationState
from tests.conftest import Urls
from tests.support.site import Site

LOSSES = {
    "another role": "UPDATE users SET role = 'viewer' WHERE id = :user",
    "the role lists it no longer": """
        DELETE FROM rbac_role_permissions rp USING rbac_permissions p, rbac_roles r, users u
         WHERE u.id = :user AND (r.tenant_id, r.name) = (u.tenant_id, u.role)
           AND rp.role_id = r.id AND p.id = rp.permission_id AND p.name = 'clusters.create'
    """,
    "suspended": "UPDATE users SET status = 'suspended' WHERE id = :user",
    "gone": "DELETE FROM users WHERE id = :user",
}


async def ordered_by_another(ours: Site, urls: Urls) -> tuple[UUID, OperationState]:
    tenant = str(ours.caller.tenant_id)
    joined = await tenants.create_user(urls.owner, tenant, f"{uuid4()}@acme.test", "developer")
    theirs = replace(ours, caller=replace(ours.caller, user_id=joined.user_id))
    return joined.user_id, await theirs.order()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
async def test_a_right_lost_while_it_waited_ends_it_with_nothing_made(
    ours: Site, urls: Urls, owner: AsyncEngine, loss: str
) -> None:
    user, operation = await ordered_by_another(ours, urls)
    async with owner.begin() as connection:
        await connection.execute(sa.text(loss), {"user": user})
    rows = await ours.ended(operation)
    failure = rows.operation.failure or {}
    assert rows.operation.status is OperationStatus.FAILED
    assert (failure["code"], failure["fault"]) == ("permission_lost", "user")
    assert {step.status for step in rows.operation.steps} == {StepStatus.PENDING}
    assert (await ours.desk.ledger(operation.resource_id)).calls == []
    assert rows.claims == []


async def test_a_right_lost_once_it_has_begun_is_no_matter(
    ours: Site, urls: Urls, owner: AsyncEngine
) -> None:
    user, operation = await ordered_by_another(ours, urls)
    await ours.relay.relay()
    await ours.until(lambda rows: rows.operation.status is OperationStatus.RUNNING, operation)
    async with owner.begin() as connection:
        await connection.execute(sa.text(LOSSES["another role"]), {"user": user})
    assert (await ours.ended(operation)).operation.status is OperationStatus.COMPLETED
