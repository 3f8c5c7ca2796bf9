"""Permissions (``resource.verb``) and the roles that every tenant has.

Deny by default: a caller may do what a role of theirs lists, and nothing else.  The rows are
the truth at run time; this is what migrations and ``cks admin tenant create`` fill them from.
"""

from dataclasses import dataclass
from uuid import UUID

PERMISSIONS: dict[str, str] = {
    "catalogue.read": "See the versions and instance types on offer",
    "clusters.create": "Create clusters",
    "clusters.delete": "Delete clusters",
    "clusters.read": "See clusters",
    "node_pools.read": "See node pools",
    "operations.cancel": "Cancel operations",
    "operations.read": "See operations and their events",
    "tenant.read": "See the tenant's settings",
    "tenant.update": "Change the tenant's settings",
}

ADMIN, DEVELOPER, VIEWER = "admin", "developer", "viewer"

ROLES: dict[str, tuple[str, frozenset[str]]] = {
    ADMIN: ("Everything", frozenset(PERMISSIONS)),
    DEVELOPER: (
        "Runs clusters",
        frozenset(PERMISSIONS) - {"tenant.update"},
    ),
    VIEWER: ("Reads", frozenset(name for name in PERMISSIONS if name.endswith(".read"))),
}
"""Name → description and permissions of each built-in role."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, proven by a token: the actor of every change and of every line in the log.

    ``address`` and ``agent`` are the client's, personal, and kept beside the log only.
    """

    tenant_id: UUID
    user_id: UUID
    email: str
    token_id: UUID
    request_id: str
    address: str
    agent: str
