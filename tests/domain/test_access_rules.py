import re

import pytest

from cks.domain.access import ADMIN, DEVELOPER, PERMISSIONS, ROLES, VIEWER

BUILT_IN = [ADMIN, DEVELOPER, VIEWER]


def test_the_built_in_roles_are_these_three() -> None:
    assert sorted(ROLES) == sorted(BUILT_IN)


def test_the_admin_holds_every_permission() -> None:
    assert ROLES[ADMIN][1] == set(PERMISSIONS)


def test_the_viewer_holds_every_verb_that_reads_and_none_that_writes() -> None:
    assert ROLES[VIEWER][1] == {name for name in PERMISSIONS if name.split(".")[1] == "read"}


def test_the_developer_holds_all_but_what_is_about_people_rights_and_the_tenant() -> None:
    kept = {name for name in PERMISSIONS if name.split(".")[0] in ("rbac", "users")}
    kept.add("tenant.update")
    assert ROLES[DEVELOPER][1] == set(PERMISSIONS) - kept


def test_each_role_may_do_what_the_one_below_it_may() -> None:
    assert ROLES[VIEWER][1] < ROLES[DEVELOPER][1] <= ROLES[ADMIN][1]


@pytest.mark.parametrize("role", BUILT_IN)
def test_a_role_lists_nothing_that_is_no_permission(role: str) -> None:
    assert ROLES[role][1] <= set(PERMISSIONS)
    assert ROLES[role][0]


@pytest.mark.parametrize("name", PERMISSIONS)
def test_a_permission_is_a_resource_and_a_verb_and_says_what_it_allows(name: str) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z]+", name)
    assert len(name) <= 64
    assert PERMISSIONS[name][0].isupper()
