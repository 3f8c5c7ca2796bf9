"""Users, their preferences, tokens and sessions.

``users.role`` names a role of the same tenant; the key behind it is deferred, so that a
tenant's first user and its roles come in one transaction.  Of a token only the digest is kept.
"""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from cks.db.models.base import (
    NOW,
    Base,
    Created,
    Document,
    Key,
    Str16,
    Str32,
    Str64,
    Str128,
    Str255,
    TenantOwned,
    Touched,
    tenant_key,
    within,
)


class User(TenantOwned, Base):
    """One address is one user, over all tenants and in any case of its letters."""

    __tablename__ = "users"
    __table_args__ = (
        tenant_key(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role"],
            ["rbac_roles.tenant_id", "rbac_roles.name"],
            onupdate="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.Index("users_email_any_case", sa.text("lower(email)"), unique=True),
        sa.Index(None, "tenant_id", "role"),
    )

    id: Mapped[Key]
    email: Mapped[Str255] = mapped_column(unique=True)
    name: Mapped[Str128]
    avatar: Mapped[Str255 | None]
    role: Mapped[Str32]
    status: Mapped[Str16] = mapped_column(server_default="active")
    last_login: Mapped[datetime | None]
    join_date: Mapped[Created]
    created_at: Mapped[Created]
    updated_at: Mapped[Touched]


class UserPreferences(TenantOwned, Base):
    __tablename__ = "user_preferences"
    __table_args__ = (within("users", "user_id"), sa.Index(None, "tenant_id", "user_id"))

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    notifications: Mapped[Document]
    dashboard: Mapped[Document]


class UserToken(TenantOwned, Base):
    """``token`` is the digest (``sha256:`` and hex); ``prefix`` is for people to tell by."""

    __tablename__ = "user_tokens"
    __table_args__ = (
        tenant_key(),
        within("users", "user_id"),
        sa.Index("user_tokens_name_per_user", "tenant_id", "user_id", "name", unique=True),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID]
    name: Mapped[Str64]
    token: Mapped[Str255] = mapped_column(unique=True)
    created_at: Mapped[Created]
    last_used: Mapped[datetime | None]
    prefix: Mapped[Str16 | None]
    scopes: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.Text))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class UserSession(TenantOwned, Base):
    __tablename__ = "user_sessions"
    __table_args__ = (
        tenant_key(),
        within("users", "user_id"),
        sa.Index(None, "tenant_id", "user_id"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID]
    device: Mapped[Str128 | None]
    ip_address: Mapped[Str64 | None]
    created_at: Mapped[Created]
    last_active: Mapped[datetime] = mapped_column(server_default=NOW)
    token_digest: Mapped[str | None] = mapped_column(sa.CHAR(64), unique=True)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
