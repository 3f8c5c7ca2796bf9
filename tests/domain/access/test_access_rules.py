import re

import pytest

from cks.domain.access.permissions import (
    ADMIN,
    DEVELOPER,
    NAMESPACE_ADMIN,
    PERMISSIONS,
    ROLES,
    SECURITY_ADMIN,
    VIEWER,
    Scope,
    is_privileged,
    reads,
)

BUILT_IN = [ADMIN, DEVELOPER, VIEWER, NAMESPACE_ADMIN, SECURITY_ADMIN]
WRITES = {name for name in PERMISSIONS if name.rpartition(".")[2] != "read"}


def held(role: str) -> set[str]:
    return set(ROLES[role].permissions)


def test_the_built_in_roles_are_these_five() -> None:
    assert sorted(ROLES) == sorted(BUILT_IN)


def test_the_admin_holds_every_permission() -> None:
    assert held(ADMIN) == set(PERMISSIONS)


def test_the_viewer_holds_every_verb_that_reads_and_none_that_writes() -> None:
    assert held(VIEWER) == set(PERMISSIONS) - WRITES


def test_the_developer_holds_all_but_what_rules_over_people_rights_and_the_tenant() -> None:
    kept = {name for name in WRITES if name.split(".")[0] in ("rbac", "users", "tenant")}
    assert held(DEVELOPER) == set(PERMISSIONS) - kept


def test_the_security_admin_rules_over_rights_and_beside_that_only_reads() -> None:
    ruling = {name for name in PERMISSIONS if name.startswith("rbac.")}
    assert ruling < held(SECURITY_ADMIN)
    assert not (held(SECURITY_ADMIN) - ruling) & WRITES


def test_the_namespace_admin_holds_what_means_something_in_a_namespace_and_no_rights() -> None:
    below = {n for n, p in PERMISSIONS.items() if p.scope is Scope.NAMESPACE}
    assert held(NAMESPACE_ADMIN) == below - {"rbac.roles.bind"}
    assert not ROLES[NAMESPACE_ADMIN].tenant_wide


def test_each_role_may_do_what_the_one_below_it_may() -> None:
    assert held(VIEWER) < held(DEVELOPER) < held(ADMIN)


@pytest.mark.parametrize("role", BUILT_IN)
def test_a_role_lists_nothing_that_is_no_permission(role: str) -> None:
    assert held(role) <= set(PERMISSIONS)
    assert ROLES[role].description


@pytest.mark.parametrize("role", BUILT_IN)
def test_a_role_that_rules_over_people_or_rights_is_privileged(role: str) -> None:
    assert ROLES[role].unprivileged is (role not in (ADMIN, SECURITY_ADMIN))
    assert is_privileged(held(role)) is not ROLES[role].unprivileged


@pytest.mark.parametrize("name", PERMISSIONS)
def test_a_permission_is_a_resource_and_a_verb_and_says_what_it_allows(name: str) -> None:
    assert re.fullmatch(r"[a-z_]+(\.[a-z]+)+", name)
    assert len(name) <= 64
    assert PERMISSIONS[name].description[0].isupper()
    assert reads(name) is (name not in WRITES)
