"""Permissions (``resource.verb``) and the roles that every tenant has.

Deny by default: a caller may do what a role of theirs lists, and nothing else.  The rows are
the truth at run time; this is what migrations and ``cks admin tenant create`` fill them from.
"""

PERMISSIONS: dict[str, str] = {
    "catalogue.read": "See the versions and instance types on offer",
    "clusters.create": "Create clusters",
    "clusters.delete": "Delete clusters",
    "clusters.read": "See clusters",
    "node_pools.read": "See node pools",
    "operations.cancel": "Cancel operations",
    "operations.read": "See operations and their events",
}

ADMIN, DEVELOPER, VIEWER = "admin", "developer", "viewer"

ROLES: dict[str, tuple[str, frozenset[str]]] = {
    ADMIN: ("Everything", frozenset(PERMISSIONS)),
    DEVELOPER: (
        "Runs clusters",
        frozenset(name for name in PERMISSIONS if not name.startswith(("rbac.", "users."))),
    ),
    VIEWER: ("Reads", frozenset(name for name in PERMISSIONS if name.endswith(".read"))),
}
"""Name → description and permissions of each built-in role."""
