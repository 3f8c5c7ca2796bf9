"""What can be ordered, and what it costs: rows of the platform tenant, readable by all.

Nothing here is deleted, since clusters and bills name it.  What is ``withdrawn_at`` cannot be
ordered any more.  A price may also be a tenant's own, which counts before the platform's.
"""

from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import Base, Created, Key, Str16, Str32, Str64, TenantOwned, tenant_key


class KubernetesMinor(TenantOwned, Base):
    """A minor such as ``1.35``; ``end_of_life`` is its last day of support from upstream."""

    __tablename__ = "kubernetes_minors"
    __table_args__ = (sa.PrimaryKeyConstraint("tenant_id", "minor"),)

    minor: Mapped[Str16]
    released: Mapped[date]
    maintenance_from: Mapped[date | None]
    end_of_life: Mapped[date]
    dates_estimated: Mapped[bool] = mapped_column(server_default="false")
    withdrawn_at: Mapped[datetime | None]


class KubernetesPatch(TenantOwned, Base):
    """A patch such as ``1.35.8``."""

    __tablename__ = "kubernetes_patches"
    __table_args__ = (
        sa.PrimaryKeyConstraint("tenant_id", "patch"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "minor"], ["kubernetes_minors.tenant_id", "kubernetes_minors.minor"]
        ),
        sa.Index(None, "tenant_id", "minor"),
    )

    patch: Mapped[Str16]
    minor: Mapped[Str16]
    released: Mapped[date | None]


class InstanceType(TenantOwned, Base):
    """A kind of machine; ``position`` is its place in lists."""

    __tablename__ = "instance_types"
    __table_args__ = (sa.PrimaryKeyConstraint("tenant_id", "name"),)

    name: Mapped[str] = mapped_column(sa.String(48))
    position: Mapped[int]
    vcpus: Mapped[int]
    memory_gib: Mapped[int]
    architecture: Mapped[Str16]
    withdrawn_at: Mapped[datetime | None]


class ListedPrice(TenantOwned, Base):
    """What a unit of a SKU costs from one instant to another; of a row only an open end changes."""

    __tablename__ = "price_list"
    __table_args__ = (tenant_key(), sa.Index(None, "tenant_id", "currency", "sku"))

    id: Mapped[Key]
    sku: Mapped[Str64]
    resource_type: Mapped[Str32]
    unit: Mapped[Str16]
    unit_price: Mapped[Decimal] = mapped_column(sa.Numeric(20, 10))
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    created_at: Mapped[Created]
