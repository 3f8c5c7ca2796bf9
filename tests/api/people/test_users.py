"""Oneself, the people of a tenant, and their own roles."""

from uuid import uuid4

import pytest

from tests.api.conftest import admin_of_another
from tests.conftest import Urls
from tests.support.client import Client
from tests.support.people import People, pages


async def test_everybody_sees_themselves(client: Client, people: People) -> None:
    person = await people.join()
    me = (await person.client.get("/v1/me")).body
    assert (me["id"], me["role"], me["status"]) == (person.id, "nothing", "active")
    assert me["tenant_id"] == str(people.tenant)
    assert (await client.get(f"/v1/users/{person.id}")).body == me


async def test_people_are_listed_page_by_page_and_each_is_there(
    client: Client, people: People
) -> None:
    joined = [await people.join("viewer") for _ in range(6)]
    listed = [user async for user in pages(client, "/v1/users", 4)]
    assert [user["id"] for user in listed[:6]] == [person.id for person in joined[::-1]]
    assert len(listed) == 7
    for user in listed:
        assert (await client.get(f"/v1/users/{user['id']}")).body == user


async def test_whoever_may_not_see_people_sees_nobody(people: People) -> None:
    person, other = await people.join(), await people.join()
    assert (await person.client.get("/v1/users")).status == 403
    assert (await person.client.get(f"/v1/users/{other.id}")).status == 404
    own = await person.client.get(f"/v1/users/{person.id}")
    assert (own.status, own.body["missing"]) == (403, ["users.read"])


async def test_somebody_gets_another_role(client: Client, people: People) -> None:
    person = await people.join("viewer")
    path = f"/v1/users/{person.id}"
    assert (await person.client.post("/v1/clusters", {})).status == 403
    for _ in range(2):
        answer = await client.call("PATCH", path, {"role": "developer"})
        assert (answer.status, answer.body["role"]) == (200, "developer")
    assert (await person.client.post("/v1/clusters", {})).status == 422


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        ({"role": "emperor"}, {"/role": "unknown_role"}),
        ({"role": ""}, {"/role": "bad_format"}),
        ({"role": None}, {"/role": "wrong_type"}),
        ({}, {"/role": "required"}),
        ({"role": "viewer", "status": "suspended"}, {"/status": "unknown_field"}),
    ],
)
async def test_wrong_fields_are_named(
    client: Client, people: People, asked: object, faults: object
) -> None:
    person = await people.join("viewer")
    answer = await client.call("PATCH", f"/v1/users/{person.id}", asked)
    assert (answer.status, answer.faults) == (422, faults)


async def test_another_tenants_people_are_not_there(
    client: Client, stranger: Client, urls: Urls
) -> None:
    theirs = (await (await admin_of_another(stranger, urls)).get("/v1/me")).body["id"]
    for who in (theirs, str(uuid4())):
        answer = await client.call("PATCH", f"/v1/users/{who}", {"role": "viewer"})
        assert (answer.status, answer.body["detail"]) == (404, "The user does not exist.")
