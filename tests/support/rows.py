"""One row of a tenant in every table, so that a probe across tenants finds something."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import AsyncSession

from cks.db.admin.tenants import Founded
from cks.db.models.activity import ActivityLog, LogPerson
from cks.db.models.alerts import Alert, Metric
from cks.db.models.base import Base
from cks.db.models.billing import BillingPeriod, BillingUsage
from cks.db.models.catalogue import InstanceType, KubernetesMinor, KubernetesPatch, ListedPrice
from cks.db.models.clusters import Cluster, Node, NodePool
from cks.db.models.docs import Doc, HelpTicket, QaAnswer, QaQuestion
from cks.db.models.namespaces import Namespace
from cks.db.models.notifications import Notification
from cks.db.models.operations import (
    IdempotencyKey,
    Operation,
    OperationClaim,
    OperationEvent,
    OperationStep,
)
from cks.db.models.rbac import RbacPermission, RbacRole, RbacRolePermission, RbacUserRole
from cks.db.models.users import UserPreferences, UserSession
from cks.domain.clusters.clusters import ClusterStatus

JULY, AUGUST = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
EVERY_SLOT: Range[int] = Range(None, None)


async def fill(session: AsyncSession, founded: Founded) -> None:
    """Add to what a new tenant has a row in every other table."""
    for row in every_row(founded.tenant_id, founded.user_id):
        session.add(row)
        await session.flush()


def every_row(tenant: UUID, user: UUID) -> Iterator[Base]:
    yield UserPreferences(tenant_id=tenant, user_id=user, notifications={}, dashboard={})
    yield UserSession(tenant_id=tenant, user_id=user)
    yield from cluster_rows(tenant, user)
    yield from operation_rows(tenant, user)
    yield from billing_rows(tenant)
    yield from catalogue_rows(tenant)
    yield from desk_rows(tenant, user)
    value, salt = "127.0.0.1", uuid4().bytes
    digest = hashlib.sha256(salt + value.encode()).digest()
    yield LogPerson(
        tenant_id=tenant, user_id=user, kind="address", value=value, salt=salt, digest=digest
    )
    yield ActivityLog(tenant_id=tenant, action="tests.fill", status="success")


def a_cluster(tenant: UUID, user: UUID | None = None) -> Cluster:
    return Cluster(
        id=uuid4(),
        tenant_id=tenant,
        name=f"c-{uuid4().hex[:8]}",
        status=ClusterStatus.PENDING,
        version="1.35.8",
        networking={},
        created_by=user,
    )


def an_operation(tenant: UUID, user: UUID | None = None) -> Operation:
    return Operation(
        id=uuid4(),
        tenant_id=tenant,
        type="cluster.create",
        resource_type="cluster",
        resource_id=uuid4(),
        request={"name": "blue"},
        created_by=user,
    )


def cluster_rows(tenant: UUID, user: UUID) -> Iterator[Base]:
    cluster = a_cluster(tenant, user)
    pool = NodePool(
        id=uuid4(),
        tenant_id=tenant,
        cluster_id=cluster.id,
        name="default",
        node_count=1,
        min_nodes=1,
        max_nodes=1,
        instance_type="c2.small",
        disk_size=20,
        version="1.35.8",
    )
    node = {"tenant_id": tenant, "node_pool_id": pool.id, "version": "1.35.8"}
    namespace = {"tenant_id": tenant, "cluster_id": cluster.id, "created_by": user}
    role, permission = RbacRole(id=uuid4(), tenant_id=tenant, name="ours"), uuid4()
    yield from (cluster, pool, role)
    yield Node(id=uuid4(), name="n", status="ready", **node)
    yield Namespace(name="shop", status="active", **namespace)
    yield RbacPermission(
        id=permission, tenant_id=tenant, name=f"t{tenant.hex}.read".translate(LETTERS)
    )
    yield RbacRolePermission(tenant_id=tenant, role_id=role.id, permission_id=permission)
    yield RbacUserRole(tenant_id=tenant, user_id=user, role_id=role.id, cluster_id=cluster.id)


LETTERS = str.maketrans("0123456789", "ghijklmnop")


def operation_rows(tenant: UUID, user: UUID) -> Iterator[Base]:
    operation = an_operation(tenant, user)
    yield operation
    of = {"tenant_id": tenant, "operation_id": operation.id}
    yield OperationStep(position=0, name="network", title="Create the network", weight=1, **of)
    yield OperationEvent(seq=1, event={"progress": 0}, **of)
    yield OperationClaim(resource_id=operation.resource_id, slot=EVERY_SLOT, **of)
    yield IdempotencyKey(
        tenant_id=tenant,
        token_id=uuid4(),
        method="POST",
        path="/v1/clusters",
        key="k",
        request_digest="0" * 64,
    )


def a_period(tenant: UUID) -> BillingPeriod:
    return BillingPeriod(
        id=uuid4(),
        tenant_id=tenant,
        start_date=date(2026, 7, 1),
        end_date=date(2026, 8, 1),
        starts_at=JULY,
        ends_at=AUGUST,
        currency="USD",
    )


def a_line(period: BillingPeriod, cost: Decimal) -> BillingUsage:
    return BillingUsage(
        tenant_id=period.tenant_id,
        billing_period_id=period.id,
        currency=period.currency,
        resource_type="node",
        unit="hour",
        sku="node.c2",
        line_key=uuid4().hex,
        amount=1,
        quantity=1,
        cost=cost,
        cost_exact=cost,
        unit_price=cost,
        usage_start=JULY,
        usage_end=AUGUST,
    )


def billing_rows(tenant: UUID) -> Iterator[Base]:
    period = a_period(tenant)
    yield period
    yield a_line(period, Decimal(5))


def catalogue_rows(tenant: UUID) -> Iterator[Base]:
    day = date(2026, 7, 1)
    yield KubernetesMinor(tenant_id=tenant, minor="1.99", released=day, end_of_life=day)
    yield KubernetesPatch(tenant_id=tenant, patch="1.99.0", minor="1.99")
    yield InstanceType(
        tenant_id=tenant, name="c2", position=0, vcpus=2, memory_gib=8, architecture="amd64"
    )
    yield a_price(tenant)


def a_price(tenant: UUID) -> ListedPrice:
    return ListedPrice(
        id=uuid4(),
        tenant_id=tenant,
        sku="node.c2",
        resource_type="node",
        unit="hour",
        unit_price=Decimal("0.1"),
        currency="XTS",
        valid_from=JULY,
    )


def desk_rows(tenant: UUID, user: UUID) -> Iterator[Base]:
    source = {"source_type": "cluster", "source_id": uuid4()}
    yield Alert(tenant_id=tenant, name="a", severity="info", message="m", active=True, **source)
    yield Metric(tenant_id=tenant, metric={}, values=[])
    yield Notification(tenant_id=tenant, user_id=user, type="info", message="m")
    yield Doc(tenant_id=tenant, title="t", content="c")
    yield HelpTicket(tenant_id=tenant, user_id=user, subject="s", description="d")
    question = QaQuestion(id=uuid4(), tenant_id=tenant, user_id=user, question="?")
    yield question
    yield QaAnswer(tenant_id=tenant, question_id=question.id, user_id=user, answer="!")
