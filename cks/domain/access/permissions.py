"""Permissions (``resource.verb``), the roles that every tenant has, and who may give which.

Deny by default: a caller may do what one of their roles includes, and nothing else.  A role
applies where it is bound (in the tenant, a cluster, or a namespace) and to everything in there.
At run time the rows count; migrations and ``cks admin tenant create`` fill them from here, and
tests compare them with this.

Nobody gains by handing out: whoever binds a role, or takes it away, holds all that it lists, as
widely and for as long.  One exemption, so that a security admin who runs no cluster can name those
who do: a role that an admin has marked *unprivileged*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """Where a role may be bound, and how far a permission reaches; from widest to narrowest."""

    TENANT = "tenant"
    CLUSTER = "cluster"
    NAMESPACE = "namespace"


@dataclass(frozen=True, slots=True)
class Permission:
    """What it allows; the narrowest ``scope`` in which it has an effect.

    ``waits_for``: why no route requires it yet.
    """

    description: str
    scope: Scope
    waits_for: str | None = None


NAMESPACES = "the routes of namespaces; until then a namespace_admin would hold nothing"

PERMISSIONS: dict[str, Permission] = {
    "catalogue.read": Permission("See the versions and instance types on offer", Scope.NAMESPACE),
    "clusters.create": Permission("Create clusters", Scope.TENANT),
    "clusters.delete": Permission("Delete clusters", Scope.CLUSTER),
    "clusters.read": Permission("See clusters", Scope.CLUSTER),
    "namespaces.create": Permission("Create namespaces", Scope.CLUSTER, NAMESPACES),
    "namespaces.delete": Permission("Delete namespaces", Scope.NAMESPACE, NAMESPACES),
    "namespaces.read": Permission("See namespaces", Scope.NAMESPACE, NAMESPACES),
    "namespaces.update": Permission("Change namespaces", Scope.NAMESPACE, NAMESPACES),
    "node_pools.read": Permission("See node pools", Scope.CLUSTER),
    "node_pools.update": Permission("Change node pools", Scope.CLUSTER),
    "operations.cancel": Permission("Cancel operations", Scope.NAMESPACE),
    "operations.read": Permission("See operations and their events", Scope.NAMESPACE),
    "rbac.read": Permission("See roles, grants, and who may do what", Scope.TENANT),
    "rbac.roles.bind": Permission("Give roles to users, and take them away", Scope.NAMESPACE),
    "rbac.roles.create": Permission("Create roles", Scope.TENANT),
    "rbac.roles.delete": Permission("Delete roles", Scope.TENANT),
    "rbac.roles.update": Permission("Change roles", Scope.TENANT),
    "tenant.read": Permission("See the tenant's settings", Scope.TENANT),
    "tenant.update": Permission("Change the tenant's settings", Scope.TENANT),
    "users.read": Permission("See users", Scope.TENANT),
}

BIND = "rbac.roles.bind"

ADMIN, DEVELOPER, VIEWER = "admin", "developer", "viewer"
NAMESPACE_ADMIN, SECURITY_ADMIN = "namespace_admin", "security_admin"


def reads(permission: str) -> bool:
    """Say whether a permission only allows reading."""
    return permission.endswith(".read")


def is_privileged(permissions: Iterable[str]) -> bool:
    """Say whether a role with these manages users or access, and so requires an admin."""
    ruling = ("rbac.", "users.")
    return any(name.startswith(ruling) and not reads(name) for name in permissions)


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A role that every tenant has, and that only migrations change.

    One that is not ``tenant_wide`` has no effect when it is bound to the whole tenant.
    """

    description: str
    permissions: frozenset[str]
    unprivileged: bool = True
    tenant_wide: bool = True


ROLES: dict[str, BuiltIn] = {
    ADMIN: BuiltIn("Everything", frozenset(PERMISSIONS), unprivileged=False),
    DEVELOPER: BuiltIn(
        "Runs clusters",
        frozenset(
            n for n in PERMISSIONS if reads(n) or not n.startswith(("rbac.", "tenant.", "users."))
        ),
    ),
    VIEWER: BuiltIn("Reads", frozenset(filter(reads, PERMISSIONS))),
    NAMESPACE_ADMIN: BuiltIn(
        "Runs a namespace",
        frozenset(
            name
            for name, permission in PERMISSIONS.items()
            if permission.scope is Scope.NAMESPACE and not is_privileged([name])
        ),
        tenant_wide=False,
    ),
    SECURITY_ADMIN: BuiltIn(
        "Rules over rights",
        frozenset(n for n in PERMISSIONS if n.startswith("rbac."))
        | {"clusters.read", "namespaces.read", "users.read"},
        unprivileged=False,
    ),
}
"""Name → each built-in role."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is done or a role is bound: in a whole tenant, or in a part of it."""

    cluster_id: UUID | None = None
    namespace_id: UUID | None = None


WHOLE_TENANT = Place()


@dataclass(frozen=True, slots=True)
class Visibility:
    """How much of a kind of resource somebody sees, through one permission.

    ``everything``: they hold it in the whole tenant.  Otherwise what their grants cover, and the
    operations that they started.  ``permission`` is ``None`` if their token does not include it:
    they then see only the operations that were started with that token.
    """

    user_id: UUID
    token_id: UUID
    permission: str | None
    everything: bool


def opens(narrowed: Sequence[str] | None, permission: str) -> bool:
    """Say whether a token allows a permission of its user; ``None``: it is not narrowed."""
    return narrowed is None or permission in narrowed


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, proven by a token: the actor of every change and every line in the log.

    ``address`` and ``agent`` are the client's; they are personal, and stored only beside the log.
    ``narrowed``: the permissions of the token, if it does not have all of its user's.
    """

    tenant_id: UUID
    user_id: UUID
    email: str
    token_id: UUID
    request_id: str
    address: str
    agent: str
    narrowed: Sequence[str] | None = None
