"""Every table, so that ``Base.metadata`` is complete; classes come from their own modules."""

from cks.db.models import (
    activity,
    alerts,
    billing,
    catalogue,
    clusters,
    docs,
    namespaces,
    notifications,
    operations,
    rbac,
    tenants,
    users,
)

__all__ = [
    "activity",
    "alerts",
    "billing",
    "catalogue",
    "clusters",
    "docs",
    "namespaces",
    "notifications",
    "operations",
    "rbac",
    "tenants",
    "users",
]
