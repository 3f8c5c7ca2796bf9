"""Roles over HTTP: made, changed and deleted by who may, and never a way to more than one has."""

import asyncio
from typing import Any

import pytest

from cks.domain.access.permissions import PERMISSIONS, ROLES
from tests.support.client import Answer, Client
from tests.support.people import People, pages


async def change(client: Client, role: Any, asked: Any, etag: str | None = None) -> Answer:
    headers = {"If-Match": etag} if etag else None
    return await client.call("PATCH", f"/v1/roles/{role['id']}", asked, headers)


async def built_in(client: Client, name: str) -> Any:
    return next(
        role for role in [r async for r in pages(client, "/v1/roles")] if role["name"] == name
    )


async def test_a_tenant_begins_with_the_built_in_roles(client: Client) -> None:
    found = {role["name"]: role async for role in pages(client, "/v1/roles", 2)}
    assert found.keys() == ROLES.keys()
    for name, role in found.items():
        assert role["permissions"] == sorted(ROLES[name].permissions)
        assert (role["builtin"], role["unprivileged"]) == (True, ROLES[name].unprivileged)


async def test_the_catalogue_of_permissions_is_shown_with_its_scopes(client: Client) -> None:
    told = (await client.get("/v1/permissions")).body["results"]
    assert {p["name"]: (p["description"], p["lowest_scope"]) for p in told} == {
        name: (permission.description, permission.scope) for name, permission in PERMISSIONS.items()
    }


async def test_a_role_is_made_read_changed_and_deleted(client: Client, people: People) -> None:
    role = await people.role("clusters.read", "clusters.read", description="Looks")
    assert role["permissions"] == ["clusters.read"]
    read = await client.get(f"/v1/roles/{role['id']}")
    assert (read.body, read.headers["ETag"]) == (role, role["etag"])
    asked = {"permissions": ["operations.read", "clusters.read"], "description": None}
    changed = await change(client, role, asked, role["etag"])
    assert changed.status == 200
    assert changed.body["permissions"] == ["clusters.read", "operations.read"]
    assert changed.body["description"] is None
    assert changed.body["etag"] != role["etag"]
    gone = await client.call("DELETE", f"/v1/roles/{role['id']}")
    assert (gone.status, gone.body["id"]) == (200, role["id"])
    assert (await client.get(f"/v1/roles/{role['id']}")).status == 404


async def test_of_two_who_change_a_role_one_looks_again(client: Client, people: People) -> None:
    role = await people.role("clusters.read")
    answers = await asyncio.gather(
        *(change(client, role, {"description": str(n)}, role["etag"]) for n in range(5))
    )
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412, 412]
    stale = await client.call("DELETE", f"/v1/roles/{role['id']}", headers={"If-Match": '"x"'})
    assert (stale.status, stale.code) == (412, "precondition_failed")


@pytest.mark.parametrize("name", ["admin", "Admin", "NAMESPACE_ADMIN"])
async def test_a_built_in_roles_name_is_taken_in_any_case(client: Client, name: str) -> None:
    answer = await client.post("/v1/roles", {"name": name, "permissions": []})
    assert (answer.status, answer.code) == (409, "name_taken")


async def test_so_is_that_of_a_role_of_the_tenants_own(client: Client, people: People) -> None:
    one, other = await people.role(), await people.role()
    for name in (one["name"], one["name"].upper()):
        answer = await change(client, other, {"name": name})
        assert (answer.status, answer.code) == (409, "name_taken")


async def test_a_renamed_role_stays_its_holders_own(client: Client, people: People) -> None:
    role = await people.role("clusters.read")
    person = await people.join(role["name"])
    assert (await change(client, role, {"name": "auditor"})).status == 200
    assert (await person.client.get("/v1/me")).body["role"] == "auditor"
    assert (await person.client.get("/v1/clusters")).status == 200


@pytest.mark.parametrize("name", ROLES)
async def test_a_built_in_role_is_read_only(client: Client, name: str) -> None:
    role = await built_in(client, name)
    for answer in (
        await change(client, role, {"description": "mine"}),
        await client.call("DELETE", f"/v1/roles/{role['id']}"),
    ):
        assert (answer.status, answer.code) == (403, "forbidden")
    assert await built_in(client, name) == role


async def test_wrong_fields_are_named(client: Client) -> None:
    asked = {"name": "1st", "permissions": ["clusters.read"]}
    assert (await client.post("/v1/roles", asked)).faults == {"/name": "bad_format"}
    asked = {"name": "x" * 33, "permissions": []}
    assert (await client.post("/v1/roles", asked)).faults == {"/name": "bad_length"}
    asked = {"name": "r", "permissions": ["clusters.read", "clusters.own"]}
    assert (await client.post("/v1/roles", asked)).faults == {
        "/permissions/1": "unknown_permission"
    }
    ruling = {"name": "r", "permissions": ["rbac.roles.bind"], "unprivileged": True}
    assert (await client.post("/v1/roles", ruling)).faults == {"/unprivileged": "privileged_role"}


async def test_a_role_in_use_says_who_uses_it(client: Client, people: People) -> None:
    role = await people.role("clusters.read")
    own, given = await people.join(role["name"]), await people.join()
    grant = await people.given(given, role["name"])
    answer = await client.call("DELETE", f"/v1/roles/{role['id']}")
    assert (answer.status, answer.code, answer.body["count"]) == (409, "role_in_use", 2)
    assert {user["id"] for user in answer.body["users"]} == {own.id, given.id}
    assert all("@" in user["email"] for user in answer.body["users"])
    await client.call("DELETE", f"/v1/users/{given.id}/roles/{grant}")
    await client.call("PATCH", f"/v1/users/{own.id}", {"role": "viewer"})
    assert (await client.call("DELETE", f"/v1/roles/{role['id']}")).status == 200


async def test_an_inactive_role_gives_nothing_and_says_so(client: Client, people: People) -> None:
    role = await people.role("clusters.read")
    person = await people.join(role["name"])
    assert (await person.client.get("/v1/clusters")).status == 200
    assert (await change(client, role, {"status": "inactive"})).body["status"] == "inactive"
    assert (await person.client.get("/v1/clusters")).status == 403
    found = await person.may("clusters.read")
    assert (found["allowed"], found["code"], found["role"]) == (
        False,
        "role_inactive",
        role["name"],
    )


async def test_what_a_role_gains_its_holders_gain_at_once(client: Client, people: People) -> None:
    role = await people.role("clusters.read")
    person = await people.join(role["name"])
    assert (await person.client.get("/v1/users")).status == 403
    asked = {"permissions": ["clusters.read", "users.read"]}
    assert (await change(client, role, asked)).status == 200
    assert (await person.client.get("/v1/users")).status == 200
    assert (await change(client, role, {"permissions": []})).status == 200
    assert (await person.client.get("/v1/users")).status == 403


async def test_nobody_makes_a_role_of_what_they_do_not_hold(people: People) -> None:
    guard = await people.join("security_admin")
    asked = {"name": "more", "permissions": ["clusters.read", "clusters.delete", "tenant.update"]}
    answer = await guard.client.post("/v1/roles", asked)
    assert (answer.status, answer.body["missing"]) == (403, ["clusters.delete", "tenant.update"])
    assert (
        await guard.client.post("/v1/roles", {"name": "less", "permissions": ["clusters.read"]})
    ).status == 201


async def test_nobody_changes_a_role_that_lists_more_than_they_hold(people: People) -> None:
    guard, role = await people.join("security_admin"), await people.role("clusters.delete")
    for asked in ({"permissions": ["clusters.read"]}, {"description": "mine"}):
        answer = await change(guard.client, role, asked)
        assert (answer.status, answer.body["missing"]) == (403, ["clusters.delete"])


async def test_what_rules_over_rights_or_is_handed_out_unheld_takes_an_admin(
    client: Client, people: People
) -> None:
    guard = await people.join("security_admin")
    marked = await people.role("clusters.read", unprivileged=True)
    for answer in (
        await guard.client.post("/v1/roles", {"name": "a", "permissions": ["rbac.roles.bind"]}),
        await guard.client.post(
            "/v1/roles", {"name": "b", "permissions": ["clusters.read"], "unprivileged": True}
        ),
        await change(guard.client, marked, {"permissions": ["users.read"]}),
    ):
        assert (answer.status, answer.body["needs_role"]) == (403, "admin")
    assert (await change(client, marked, {"permissions": ["clusters.delete"]})).status == 200


async def test_a_right_explains_itself(client: Client, people: People) -> None:
    person = await people.join("viewer")
    found = await person.may("clusters.read")
    assert (found["allowed"], found["code"], found["role"], found["scope"], found["via"]) == (
        True,
        "granted",
        "viewer",
        "tenant",
        "users.role",
    )
    assert (await person.may("clusters.delete"))["code"] == "not_granted"
    cluster = (await client.order())["cluster_id"]
    grant = await people.given(person, "developer", cluster_id=cluster)
    found = await person.may("clusters.delete", cluster_id=cluster)
    assert (found["allowed"], found["scope"], found["grant_id"]) == (True, "cluster", grant)
    missed = await person.may("clusters.delete")
    assert (missed["code"], missed["role"]) == ("wrong_scope", "developer")
    assert (await person.may("clusters.create", cluster_id=cluster))["code"] == "wrong_scope"


async def test_others_rights_are_told_to_who_may_read_them(client: Client, people: People) -> None:
    person, blind = await people.join("developer"), await people.join()
    asked = {"permission": "clusters.create", "user_id": person.id}
    assert (await client.post("/v1/access:check", asked)).body["allowed"]
    refused = await blind.client.post("/v1/access:check", asked)
    assert (refused.status, refused.body["missing"]) == (403, ["rbac.read"])
    for wrong, faults in (
        ({"user_id": "0197f0f0-0000-7000-8000-000000000000"}, {"/user_id": "unknown_user"}),
        ({"permission": "clusters.own"}, {"/permission": "unknown_permission"}),
        ({"namespace_id": person.id}, {"/cluster_id": "required"}),
    ):
        answer = await client.post("/v1/access:check", asked | wrong)
        assert (answer.status, answer.faults) == (422, faults)


async def test_a_place_that_is_not_there_is_named_to_who_would_see_it(
    client: Client, people: People
) -> None:
    cluster = (await client.order())["cluster_id"]
    nowhere = "0197f0f0-0000-7000-8000-000000000000"
    asked = {"permission": "clusters.read", "cluster_id": nowhere}
    answer = await client.post("/v1/access:check", asked)
    assert (answer.status, answer.faults) == (422, {"/cluster_id": "unknown_cluster"})
    within = {"permission": "clusters.read", "cluster_id": cluster, "namespace_id": nowhere}
    answer = await client.post("/v1/access:check", within)
    assert (answer.status, answer.faults) == (422, {"/namespace_id": "unknown_namespace"})
    person = await people.join()
    await people.given(person, "viewer", cluster_id=(await client.order())["cluster_id"])
    told = [await person.may("clusters.read", cluster_id=one) for one in (cluster, nowhere)]
    assert told[0] == told[1]
    assert told[0]["code"] == "wrong_scope"
