"""Roles, permissions, and who has which role where.

Permissions are a catalogue: rows of the platform tenant.  A role of a tenant lists some; a
grant binds a user to a role in the whole tenant, in a cluster, or in a namespace of it.
"""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import (
    Base,
    Created,
    Key,
    Str16,
    Str64,
    TenantOwned,
    Touched,
    tenant_key,
    within,
)


class RbacRole(TenantOwned, Base):
    """Built-in roles change by migration alone.

    A role that is not ``tenant_wide`` gives nothing when it is bound to the whole tenant.  One
    that is ``unprivileged`` may be bound by who does not hold what it lists.
    """

    __tablename__ = "rbac_roles"
    __table_args__ = (
        tenant_key(),
        sa.UniqueConstraint("tenant_id", "name"),
        sa.Index("rbac_roles_name_any_case", "tenant_id", sa.text("lower(name)"), unique=True),
    )

    id: Mapped[Key]
    name: Mapped[Str64]
    description: Mapped[str | None]
    status: Mapped[Str16] = mapped_column(server_default="active")
    builtin: Mapped[bool] = mapped_column(server_default="false")
    tenant_wide: Mapped[bool] = mapped_column(server_default="true")
    unprivileged: Mapped[bool] = mapped_column(server_default="false")
    generation: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]


class RbacPermission(TenantOwned, Base):
    """``lowest_scope``: the narrowest place at which it means anything."""

    __tablename__ = "rbac_permissions"
    __table_args__ = (tenant_key(),)

    id: Mapped[Key]
    name: Mapped[Str64] = mapped_column(unique=True)
    description: Mapped[str | None]
    lowest_scope: Mapped[Str16] = mapped_column(server_default="tenant")


class RbacRolePermission(TenantOwned, Base):
    __tablename__ = "rbac_role_permissions"
    __table_args__ = (
        within("rbac_roles", "role_id"),
        sa.Index(None, "tenant_id", "role_id"),
        sa.Index(None, "permission_id"),
    )

    role_id: Mapped[UUID] = mapped_column(primary_key=True)
    permission_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("rbac_permissions.id", ondelete="RESTRICT"), primary_key=True
    )


class RbacUserRole(TenantOwned, Base):
    """A grant, at one of three scopes, perhaps with an end."""

    __tablename__ = "rbac_user_roles"
    __table_args__ = (
        sa.UniqueConstraint(
            "tenant_id",
            "user_id",
            "role_id",
            "cluster_id",
            "namespace_id",
            name="rbac_user_roles_once",
            postgresql_nulls_not_distinct=True,
        ),
        within("users", "user_id"),
        within("rbac_roles", "role_id", "RESTRICT"),
        within("clusters", "cluster_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "cluster_id", "namespace_id"],
            ["namespaces.tenant_id", "namespaces.cluster_id", "namespaces.id"],
            ondelete="CASCADE",
        ),
        sa.Index(None, "tenant_id", "role_id"),
        sa.Index(None, "tenant_id", "cluster_id", "namespace_id"),
        sa.Index(None, "tenant_id", "user_id", "cluster_id", "namespace_id"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID]
    role_id: Mapped[UUID]
    cluster_id: Mapped[UUID | None]
    namespace_id: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    granted_by: Mapped[UUID | None]
    created_at: Mapped[Created]
