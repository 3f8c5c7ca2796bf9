"""Grants over HTTP: who gets what where, who may give it, and when it ends."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import tenants
from cks.db.operations import events
from cks.db.operations.events import PlacedEvent, Position
from cks.db.session import Session
from cks.domain.access.permissions import Visibility
from tests.api.conftest import admin_of_another
from tests.conftest import Urls
from tests.support.client import Client
from tests.support.people import People, a_namespace, pages
from tests.support.story import Stories


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_what_is_given_in_a_cluster_shows_that_cluster_alone(
    client: Client, people: People
) -> None:
    """In lists, by id, in operations, in a wait, in streams."""
    mine, other = [await client.order() for _ in range(2)]
    person = await people.join()
    await people.given(person, "viewer", cluster_id=mine["cluster_id"])
    for path, key in (("/v1/clusters", "id"), ("/v1/operations", "cluster_id")):
        assert [one[key] async for one in pages(person.client, path)] == [mine["cluster_id"]]
    for operation, status in ((mine, 200), (other, 404)):
        for path in (
            f"/v1/clusters/{operation['cluster_id']}",
            f"/v1/clusters/name:{operation['resource_name']}/node-pools",
            f"/v1/operations/{operation['id']}?wait=0",
            f"/v1/operations/{operation['id']}",
        ):
            assert (await person.client.get(path)).status == status, path
    assert (await person.client.get(f"/v1/operations/{other['id']}/events")).status == 404
    async with person.client.stream("/v1/events", "1-1") as stream:
        told = await stream.next()
        assert told is not None
        assert told.data["id"] == mine["id"]
        with pytest.raises(TimeoutError):
            await stream.next(1)
    assert (await person.client.cancel(mine)).status == 403
    assert (await person.client.cancel(other)).status == 404


async def test_what_is_seen_and_not_permitted_is_refused_with_what_is_missing(
    client: Client, people: People
) -> None:
    cluster = f"/v1/clusters/{(await client.order())['cluster_id']}"
    person = await people.join("viewer")
    answer = await person.client.call("DELETE", cluster)
    assert (answer.status, answer.body["missing"]) == (403, ["clusters.delete"])


async def test_a_right_in_a_cluster_is_none_in_the_tenant(client: Client, people: People) -> None:
    operation = await client.order()
    person = await people.join()
    await people.given(person, "admin", cluster_id=operation["cluster_id"])
    assert (await person.client.cancel(operation)).status == 202
    refused = await person.client.post("/v1/clusters", {"name": "more"})
    assert (refused.status, refused.body["missing"]) == (403, ["clusters.create"])
    assert (await person.client.get("/v1/users")).status == 403
    assert (await person.client.get("/v1/versions")).status == 200


async def test_a_grant_ends_at_its_instant_by_itself(client: Client, people: People) -> None:
    cluster = f"/v1/clusters/{(await client.order())['cluster_id']}"
    person = await people.join()
    await people.given(person, "viewer", expires_at=soon(1))
    assert (await person.client.get(cluster)).status == 200
    await asyncio.sleep(1.1)
    assert (await person.client.get(cluster)).status == 404
    found = await person.may("clusters.read")
    assert (found["allowed"], found["code"], found["role"]) == (False, "expired", "viewer")
    await people.given(person, "viewer")
    assert (await person.client.get(cluster)).status == 200


async def test_a_grant_goes_with_its_namespace_and_the_next_of_its_name_has_none(
    client: Client, people: People, owner: AsyncEngine
) -> None:
    cluster = (await client.order())["cluster_id"]
    namespace = await a_namespace(owner, people.tenant, cluster)
    where = {"cluster_id": cluster, "namespace_id": namespace}
    person = await people.join()
    await people.given(person, "namespace_admin", **where)
    found = await person.may("namespaces.update", **where)
    assert (found["allowed"], found["scope"], found["via"]) == (True, "namespace", "grant")
    assert not (await person.may("namespaces.update", cluster_id=cluster))["allowed"]
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("DELETE FROM namespaces WHERE id = :id"), {"id": namespace}
        )
    assert not (await person.may("namespaces.update", **where))["allowed"]
    again = {**where, "namespace_id": await a_namespace(owner, people.tenant, cluster)}
    assert (await person.may("namespaces.update", **again))["code"] == "not_granted"
    assert [g async for g in pages(people.admin, f"/v1/users/{person.id}/roles")] == []


async def test_places_that_are_not_there_are_named(
    client: Client, people: People, owner: AsyncEngine, stranger: Client, urls: Urls
) -> None:
    cluster = (await client.order())["cluster_id"]
    theirs = (await (await admin_of_another(stranger, urls)).order())["cluster_id"]
    elsewhere = await a_namespace(owner, people.tenant, (await client.order())["cluster_id"])
    person = await people.join()
    wrong: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"cluster_id": theirs}, {"/cluster_id": "unknown_cluster"}),
        ({"cluster_id": str(uuid4())}, {"/cluster_id": "unknown_cluster"}),
        ({"namespace_id": elsewhere}, {"/cluster_id": "required"}),
        (
            {"cluster_id": cluster, "namespace_id": elsewhere},
            {"/namespace_id": "unknown_namespace"},
        ),
        ({"expires_at": soon(-60)}, {"/expires_at": "out_of_range"}),
        ({"expires_at": 5}, {"/expires_at": "bad_format"}),
        ({"cluster_id": 5}, {"/cluster_id": "wrong_type"}),
    ]
    for where, faults in wrong:
        answer = await people.give(person, "viewer", **where)
        assert (answer.status, answer.faults) == (422, faults)
    answer = await people.give(person, "Viewer", cluster_id=theirs, expires_at=soon(-60))
    assert (answer.status, answer.faults) == (
        422,
        {
            "/role": "unknown_role",
            "/cluster_id": "unknown_cluster",
            "/expires_at": "out_of_range",
        },
    )


async def test_who_sees_one_cluster_learns_nothing_of_another(
    client: Client, people: People
) -> None:
    mine, other = [(await client.order())["cluster_id"] for _ in range(2)]
    person, third = await people.join("viewer"), await people.join()
    blind = await people.join()
    binder = await people.role("rbac.roles.bind", "users.read", "clusters.read")
    await people.given(blind, binder["name"], cluster_id=mine)
    answers = [
        await people.give(third, "viewer", blind.client, cluster_id=where)
        for where in (other, str(uuid4()))
    ]
    assert [answer.status for answer in answers] == [404, 404], "they do not see users"
    await people.given(blind, "viewer")
    answers = [
        await people.give(third, "viewer", blind.client, cluster_id=where)
        for where in (mine, other, str(uuid4()))
    ]
    assert [answer.status for answer in answers] == [201, 403, 422]
    assert (await person.client.get(f"/v1/users/{third.id}/roles")).status == 200


async def test_the_same_grant_is_given_once(client: Client, people: People) -> None:
    person = await people.join()
    first = await people.given(person, "viewer")
    again = await people.give(person, "viewer", expires_at=soon(60))
    assert (again.status, again.code, again.body["grant_id"]) == (409, "grant_exists", first)
    key = {"Idempotency-Key": "give-it"}
    path, asked = f"/v1/users/{person.id}/roles", {"role": "developer"}
    answers = [await client.post(path, asked, key) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body


async def test_what_is_revoked_is_gone_at_once(client: Client, people: People) -> None:
    person = await people.join()
    grant = await people.given(person, "viewer")
    path = f"/v1/users/{person.id}/roles/{grant}"
    assert (await person.client.get("/v1/clusters")).status == 200
    assert (await client.call("DELETE", path)).body["id"] == grant
    assert (await person.client.get("/v1/clusters")).status == 403
    assert (await client.call("DELETE", path)).status == 404


async def test_a_stream_ends_with_the_right_to_it(client: Client, people: People) -> None:
    operation = await client.order()
    person = await people.join()
    grant = await people.given(person, "viewer", cluster_id=operation["cluster_id"])
    async with person.client.stream(f"/v1/operations/{operation['id']}/events") as stream:
        assert await stream.next()
        await client.call("DELETE", f"/v1/users/{person.id}/roles/{grant}")
        await client.cancel(operation)
        assert await stream.next() is None


async def test_whoever_asked_for_an_operation_always_reads_it(
    client: Client, people: People
) -> None:
    person = await people.join()
    grant = await people.given(person, "developer")
    operation = await person.client.order()
    await client.order()
    await client.call("DELETE", f"/v1/users/{person.id}/roles/{grant}")
    assert (await person.client.get(f"/v1/operations/{operation['id']}")).status == 200
    assert [o["id"] async for o in pages(person.client, "/v1/operations")] == [operation["id"]]
    assert (await person.client.get(f"/v1/clusters/{operation['cluster_id']}")).status == 404
    cancelled = await person.client.cancel(operation)
    assert (cancelled.status, cancelled.body["missing"]) == (403, ["operations.cancel"])


async def test_a_list_and_single_gets_agree(client: Client, people: People) -> None:
    person = await people.join()
    ordered = [await client.order() for _ in range(12)]
    for operation in ordered[::3]:
        await people.given(person, "viewer", cluster_id=operation["cluster_id"])
    for path, key in (("/v1/clusters", "cluster_id"), ("/v1/operations", "id")):
        listed = {one["id"] async for one in pages(person.client, path)}
        single = {
            operation[key]
            for operation in ordered
            if (await person.client.get(f"{path}/{operation[key]}")).status == 200
        }
        assert listed == single
        assert len(listed) == 4


async def test_nobody_changes_their_own(people: People) -> None:
    second = await people.join("admin")
    own = await people.given(second, "viewer")
    for answer in (
        await people.give(second, "developer", second.client),
        await second.client.call("DELETE", f"/v1/users/{second.id}/roles/{own}"),
        await second.client.call("PATCH", f"/v1/users/{second.id}", {"role": "viewer"}),
    ):
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "own" in answer.body["detail"]


async def test_a_security_admin_hands_out_what_is_unprivileged_and_nothing_else(
    client: Client, people: People
) -> None:
    guard, person = await people.join("security_admin"), await people.join()
    for role in ("developer", "viewer"):
        assert (await people.give(person, role, guard.client)).status == 201
    for role in ("admin", "security_admin"):
        refused = await people.give(person, role, guard.client)
        assert (refused.status, refused.body["needs_role"]) == (403, "admin")
    plain = await people.role("clusters.delete")
    refused = await people.give(person, plain["name"], guard.client)
    assert (refused.status, refused.body["missing"]) == (403, ["clusters.delete"])
    patched = await guard.client.call("PATCH", f"/v1/users/{person.id}", {"role": "developer"})
    assert (patched.status, patched.body["role"]) == (200, "developer")
    chief = (await client.get("/v1/me")).body["id"]
    dethroned = await guard.client.call("PATCH", f"/v1/users/{chief}", {"role": "viewer"})
    assert dethroned.status == 403


async def test_one_gives_no_longer_than_one_has(people: People) -> None:
    deputy, person = await people.join("viewer"), await people.join()
    await people.given(deputy, "admin", expires_at=soon(60))
    refused = await people.give(person, "developer", deputy.client)
    assert (refused.status, refused.body["missing"]) == (403, ["rbac.roles.bind"])
    assert refused.body["held_until"] in refused.body["detail"]
    assert (await people.give(person, "admin", deputy.client, expires_at=soon(90))).status == 403
    assert (await people.give(person, "admin", deputy.client, expires_at=soon(30))).status == 201


async def test_the_last_admin_stays(client: Client, people: People) -> None:
    chief = (await client.get("/v1/me")).body["id"]
    deputy = await people.join("viewer")
    await people.given(deputy, "admin", expires_at=soon(60))
    answer = await deputy.client.call("PATCH", f"/v1/users/{chief}", {"role": "viewer"})
    assert answer.status == 403, "who is admin for an hour dethrones nobody for ever"
    second = await people.join("viewer")
    grant = await people.given(second, "admin")
    demoted = await second.client.call("PATCH", f"/v1/users/{chief}", {"role": "viewer"})
    assert demoted.status == 200
    third = await people.join("viewer")
    assert (await people.give(third, "admin", second.client)).status == 201
    path = f"/v1/users/{second.id}/roles/{grant}"
    assert (await third.client.call("DELETE", path)).status == 200
    assert (await third.client.get("/v1/me/permissions")).status == 200


async def test_two_admins_who_demote_each_other_leave_one(client: Client, people: People) -> None:
    second = await people.join("admin")
    chief = (await client.get("/v1/me")).body["id"]
    answers = await asyncio.gather(
        client.call("PATCH", f"/v1/users/{second.id}", {"role": "viewer"}),
        second.client.call("PATCH", f"/v1/users/{chief}", {"role": "viewer"}),
    )
    assert sorted(answer.status for answer in answers) in ([200, 403], [200, 409])


async def test_grants_are_listed_page_by_page(client: Client, people: People) -> None:
    person = await people.join()
    ordered = [(await client.order())["cluster_id"] for _ in range(7)]
    for cluster in ordered:
        await people.given(person, "viewer", cluster_id=cluster)
    found = [g async for g in pages(client, f"/v1/users/{person.id}/roles")]
    assert [grant["cluster_id"] for grant in found] == ordered[::-1]
    held = [g async for g in pages(person.client, "/v1/me/permissions")]
    assert [one["cluster_id"] for one in held] == ordered[::-1]
    assert {tuple(one["permissions"]) for one in held} == {
        ("catalogue.read", "clusters.read", "namespaces.read", "node_pools.read", "operations.read")
    }


async def test_every_change_of_rights_is_in_the_log(
    client: Client, people: People, owner: AsyncEngine
) -> None:
    person = await people.join()
    grant = await people.given(person, "viewer")
    await client.call("DELETE", f"/v1/users/{person.id}/roles/{grant}")
    await client.call("PATCH", f"/v1/users/{person.id}", {"role": "viewer"})
    query = sa.text(
        "SELECT action, detail FROM activity_logs WHERE resource_id = :user AND status = 'success'"
        " AND action = 'rbac.roles.bind' ORDER BY seq"
    )
    async with owner.connect() as connection:
        rows = (await connection.execute(query, {"user": UUID(person.id)})).all()
    assert [row.detail.get("role") for row in rows] == ["viewer"] * 3
    assert [row.detail.get("grant_id") for row in rows] == [grant, grant, None]


async def test_a_narrowed_token_hands_out_no_more_than_it_opens(
    client: Client, people: People, urls: Urls
) -> None:
    """Its user is an admin, and may; the token lists less."""
    chief = (await client.get("/v1/me")).body["id"]
    binder = await narrowed(client, urls, chief, "rbac.roles.bind", "users.read")
    editor = await narrowed(client, urls, chief, "rbac.roles.update", "rbac.roles.create")
    person, role = await people.join(), await people.role("clusters.read")
    for name, missing in (("admin", "clusters.create"), (role["name"], "clusters.read")):
        refused = await people.give(person, name, binder)
        assert refused.status == 403
        assert missing in refused.body["missing"]
    assert (await people.give(person, "developer", binder)).status == 201, "it is unprivileged"
    for answer in (
        await editor.call("PATCH", f"/v1/roles/{role['id']}", {"permissions": ["rbac.read"]}),
        await editor.post("/v1/roles", {"name": "x", "permissions": ["clusters.read"]}),
        await editor.post("/v1/roles", {"name": "x", "permissions": [], "unprivileged": True}),
    ):
        assert (answer.status, answer.code) == (403, "forbidden")


async def narrowed(client: Client, urls: Urls, user: str, *permissions: str) -> Client:
    issued = await tenants.create_token(urls.owner, user, None, permissions)
    return replace(client, token=issued.token)


async def test_two_admins_by_grant_who_revoke_each_other_leave_one(
    client: Client, people: People
) -> None:
    pair = [await people.join("viewer") for _ in range(2)]
    grants = [await people.given(person, "admin") for person in pair]
    chief = (await client.get("/v1/me")).body["id"]
    await pair[0].client.call("PATCH", f"/v1/users/{chief}", {"role": "viewer"})
    answers = await asyncio.gather(
        *(
            one.client.call("DELETE", f"/v1/users/{other.id}/roles/{grant}")
            for one, other, grant in zip(pair, pair[::-1], grants[::-1], strict=True)
        )
    )
    assert sorted(answer.status for answer in answers) in ([200, 403], [200, 409])
    left = [(await one.may("tenant.update"))["allowed"] for one in pair]
    assert sorted(left) == [False, True]


async def test_revocations_and_changes_of_roles_side_by_side_do_not_block_each_other(
    client: Client, people: People
) -> None:
    persons = [await people.join("viewer") for _ in range(6)]
    grants = [await people.given(person, "developer") for person in persons]
    calls = [
        client.call("DELETE", f"/v1/users/{person.id}/roles/{grant}")
        for person, grant in zip(persons, grants, strict=True)
    ]
    calls += [
        client.call("PATCH", f"/v1/users/{person.id}", {"role": "developer"}) for person in persons
    ]
    assert {answer.status for answer in await asyncio.gather(*calls)} == {200}


async def test_a_repeat_is_answered_although_its_subject_is_gone(
    client: Client, people: People
) -> None:
    operation = await client.order()
    await client.cancel(operation)
    person, path = await people.join(), f"/v1/clusters/{operation['cluster_id']}"
    await people.given(person, "developer", cluster_id=operation["cluster_id"])
    key = {"Idempotency-Key": "delete-it"}
    first, again = [await person.client.call("DELETE", path, headers=key) for _ in range(2)]
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    other = {"Idempotency-Key": "delete-it-again"}
    assert (await person.client.call("DELETE", path, headers=other)).status == 404


async def test_a_list_and_five_hundred_gets_agree(people: People, owner: AsyncEngine) -> None:
    person = await people.join()
    whose = {"tenant": people.tenant, "user": UUID(person.id)}
    async with owner.begin() as connection:
        await connection.execute(sa.text(FIVE_HUNDRED), whose)
        query = sa.text("SELECT id FROM clusters WHERE tenant_id = :tenant")
        every = [str(one) for one in await connection.scalars(query, whose)]
    listed = [one["id"] async for one in pages(person.client, "/v1/clusters", 100)]
    single = [
        one for one in every if (await person.client.get(f"/v1/clusters/{one}")).status == 200
    ]
    assert sorted(listed) == sorted(single)
    assert (len(every), len(listed), len(set(listed))) == (500, 250, 250)


FIVE_HUNDRED = """
WITH made AS (
    INSERT INTO clusters (id, tenant_id, name, status, version, networking)
    SELECT gen_random_uuid(), :tenant, 'c' || n, 'running', '1.35.8',
           '{"pod_cidr": "10.244.0.0/16", "service_cidr": "10.96.0.0/16"}'
      FROM generate_series(1, 500) n RETURNING id, name
)
INSERT INTO rbac_user_roles (tenant_id, user_id, role_id, cluster_id)
SELECT :tenant, :user, r.id, made.id FROM made, rbac_roles r
 WHERE r.tenant_id = :tenant AND r.name = 'viewer' AND right(made.name, 1) ~ '[13579]'
"""


async def test_a_stream_passes_over_what_it_does_not_show(
    client: Client, people: People, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = [await client.order() for _ in range(2)]
    person = await people.join()
    await people.given(person, "viewer", cluster_id=mine["cluster_id"])
    looked = []
    ask = events.events_of_all

    async def noted(
        session: Session, visibility: Visibility, after: Position
    ) -> Sequence[PlacedEvent]:
        looked.append(after)
        return await ask(session, visibility, after)

    monkeypatch.setattr(events, "events_of_all", noted)
    async with person.client.stream("/v1/events") as stream:
        for fraction in (0.2, 0.4, 0.6):
            await stories.of(other).advance(fraction)
        await stories.of(mine).advance()
        told = await stream.next()
        assert told is not None
        assert told.data["id"] == mine["id"]
    assert len(looked) > 2
    assert looked == sorted(looked)
    assert looked[-1] > looked[0]
