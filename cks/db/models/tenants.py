"""Tenants, and how much each may have.  A tenant is made by ``cks admin`` alone."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import Base, Created, Key, Str8, Str16, Str32, Str64, Str128, Touched

PLATFORM = UUID(int=0)
"""The tenant whose rows are the catalogue that all tenants read."""


class Tenant(Base):
    """``clock_at`` is set for a tenant whose time moves by command alone."""

    __tablename__ = "tenants"

    id: Mapped[Key]
    name: Mapped[Str128]
    status: Mapped[Str16] = mapped_column(server_default="active")
    timezone: Mapped[Str64] = mapped_column(server_default="UTC")
    currency: Mapped[str] = mapped_column(sa.CHAR(3), server_default="USD")
    billing_cycle: Mapped[Str8] = mapped_column(server_default="month")
    clock_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]


class Quota(Base):
    """How much of one thing a tenant may have.  Lock this row before comparing with it."""

    __tablename__ = "quotas"

    tenant_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True
    )
    quota: Mapped[Str64] = mapped_column(primary_key=True)
    maximum: Mapped[int]
    unit: Mapped[Str32]
