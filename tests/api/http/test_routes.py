"""Over the whole table of routes: whoever adds one is tested by it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from api.http import problems
from api.http.context import APP_CONTEXT, AppContext
from api.http.endpoint import Call, Endpoint, Reply
from api.http.problems import Problem
from api.http.validation import Query
from api.reference.permissions import admits
from api.routes import ENDPOINTS
from api.serving import answering, serve
from api.tags import CLUSTERS
from cks.db.access.decisions import Target
from cks.db.admin import tenants
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.models.namespaces import Namespace
from cks.db.models.rbac import RbacRole, RbacUserRole
from cks.domain.access.permissions import PERMISSIONS, ROLES
from cks.domain.refusals import TooLate
from tests.api.conftest import serving
from tests.conftest import Urls
from tests.support.client import UNSAID, Answer, Client, order

every_route = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NAMES_OF_IDS = ("operation_id", "cluster_id", "node_pool_id", "user_id", "role_id", "grant_id")
PATHS = sorted({endpoint.path for endpoint in ENDPOINTS if "{" in endpoint.path})
Ids = dict[str, str]


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant with a cluster: its people, by role, and the ids of what it has."""

    admin: Client
    people: dict[str, Client]
    ids: Ids
    names: Ids

    @property
    def viewer(self) -> Client:
        return self.people["viewer"]

    @property
    def nobody(self) -> Client:
        return self.people["nobody"]


@pytest.fixture(scope="module")
async def ours(urls: Urls, owner: AsyncEngine, stranger: Client) -> Company:
    return await company(urls, owner, stranger)


@pytest.fixture(scope="module")
async def theirs(urls: Urls, owner: AsyncEngine, stranger: Client) -> Company:
    return await company(urls, owner, stranger)


async def company(urls: Urls, owner: AsyncEngine, stranger: Client) -> Company:
    founded = await tenants.create_tenant(urls.owner, NewTenant("c", f"{uuid4()}@c.test"))
    admin = replace(stranger, token=founded.token)
    role = (await admin.post("/v1/roles", {"name": "nobody", "permissions": []})).body
    operation = await admin.order()
    cluster = (await admin.get(f"/v1/clusters/{operation['resource_id']}")).body
    people = {name: await someone(urls, stranger, founded, name) for name in (*ROLES, "nobody")}
    user = (await (await someone(urls, stranger, founded, "viewer")).get("/v1/me")).body["id"]
    grant = await admin.post(f"/v1/users/{user}/roles", {"role": "nobody"})
    pool = cluster["node_pools"][0]
    await in_a_namespace(owner, founded.tenant_id, cluster["id"], people["namespace_admin"])
    return Company(
        admin=admin,
        people=people,
        ids={
            "operation_id": operation["id"],
            "cluster_id": cluster["id"],
            "node_pool_id": pool["id"],
            "user_id": user,
            "role_id": role["id"],
            "grant_id": grant.body["id"],
        },
        names={
            "cluster_id": f"name:{cluster['name']}",
            "node_pool_id": f"name:{pool['name']}",
        },
    )


async def someone(urls: Urls, stranger: Client, founded: Founded, role: str) -> Client:
    of = (str(founded.tenant_id), f"{uuid4()}@c.test", role)
    return replace(stranger, token=(await tenants.create_user(urls.owner, *of)).token)


async def in_a_namespace(
    owner: AsyncEngine, tenant_id: UUID, cluster_id: str, client: Client
) -> None:
    """Bind the role namespace_admin where it means something: its own is for all of the tenant."""
    user_id = (await client.get("/v1/me")).body["id"]
    whose = {"tenant_id": tenant_id, "cluster_id": UUID(cluster_id)}
    namespace = uuid4()
    async with owner.begin() as connection:
        named = {"id": namespace, "name": "shop", "status": "active"}
        await connection.execute(sa.insert(Namespace).values(**whose, **named))
        of_name = (RbacRole.tenant_id == tenant_id) & (RbacRole.name == "namespace_admin")
        role_id = await connection.scalar(sa.select(RbacRole.id).where(of_name))
        grant = {"user_id": UUID(user_id), "role_id": role_id, "namespace_id": namespace}
        await connection.execute(sa.insert(RbacUserRole).values(**whose, **grant))


def unknown() -> Ids:
    return {name: str(uuid4()) for name in NAMES_OF_IDS}


BODIES: dict[str, Any] = {
    "check_access": {"permission": "clusters.read"},
    "create_grant": {"role": "viewer"},
    "create_role": {"name": "one", "permissions": ["clusters.read"]},
    "update_role": {"description": "another"},
    "update_node_pool": {"labels": {"tier": "web"}},
    "update_tenant": {"name": "another"},
    "update_user": {"role": "viewer"},
}
"""What a route takes, where it is not an order."""


UNMATCHED = {"If-Match": '"another"'}


async def ask(
    client: Client, endpoint: Endpoint, ids: Ids, headers: dict[str, str] | None = None
) -> Answer:
    body = BODIES.get(endpoint.name, order()) if endpoint.body else UNSAID
    return await client.call(endpoint.method, endpoint.path.format(**ids), body, headers)


def test_every_permission_has_a_route_or_waits_for_one() -> None:
    asked = {endpoint.permission for endpoint in ENDPOINTS if endpoint.permission}
    waiting = {name for name, permission in PERMISSIONS.items() if permission.waits_for}
    assert asked | waiting == PERMISSIONS.keys()
    assert not asked & waiting


@every_route
def test_every_route_has_a_permission_or_says_why_it_needs_none(endpoint: Endpoint) -> None:
    assert (endpoint.permission is None) is (endpoint.why_open is not None)
    assert endpoint.permission or not endpoint.mutates


@every_route
def test_every_path_has_the_parts_that_its_declaration_counts_on(endpoint: Endpoint) -> None:
    needed = {f"{endpoint.target.kind}_id"} if endpoint.target.kind else set()
    assert {*needed, *endpoint.named} <= ids_in(endpoint.path)


@every_route
async def test_nobody_gets_in_without_a_token(
    endpoint: Endpoint, stranger: Client, ours: Company
) -> None:
    answer = await ask(stranger, endpoint, ours.ids)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


plain = [e for e in ENDPOINTS if not e.stream]


@pytest.mark.parametrize("endpoint", plain, ids=lambda e: f"{e.method} {e.path}")
async def test_whose_role_permits_nothing_sees_nothing_and_may_do_nothing(
    endpoint: Endpoint, ours: Company
) -> None:
    answer = await ask(ours.nobody, endpoint, ours.ids)
    if endpoint.permission is None:
        assert answer.status == 200
    elif endpoint.target is Target.OWN:
        assert answer.body["results"] == []
    elif endpoint.target in (Target.TENANT, Target.ANYWHERE):
        assert (answer.status, answer.code) == (403, "forbidden")
        assert answer.body["missing"] == [endpoint.permission]
    else:
        nowhere = await ask(ours.nobody, endpoint, unknown())
        assert said(answer) == said(nowhere)
        assert answer.status == 404


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.mutates], ids=lambda e: f"{e.method} {e.path}"
)
async def test_a_viewer_sees_everything_and_changes_nothing(
    endpoint: Endpoint, ours: Company
) -> None:
    answer = await ask(ours.viewer, endpoint, ours.ids)
    assert (answer.status, answer.body["missing"]) == (403, [endpoint.permission])


async def test_a_viewer_reads_everything(ours: Company) -> None:
    reading = [e for e in plain if not e.mutates]
    answers = [await ask(ours.viewer, endpoint, ours.ids) for endpoint in reading]
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_what_the_page_says(role: str, ours: Company) -> None:
    """One call of each route; what is refused for another reason was permitted."""
    user = f"/v1/users/{ours.ids['user_id']}/roles"
    told = {e: admits(ROLES[role], e) for e in plain}
    may = {}
    for endpoint in plain:
        given = await ours.admin.post(user, {"role": "developer"})
        grant = given.body.get("id") or given.body["grant_id"]
        answer = await ask(ours.people[role], endpoint, {**ours.ids, "grant_id": grant}, UNMATCHED)
        may[endpoint] = answer.status not in (403, 404)
    assert may == told


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.stream], ids=lambda e: f"{e.method} {e.path}"
)
async def test_each_role_may_follow_what_the_page_says(
    role: str, endpoint: Endpoint, ours: Company
) -> None:
    async with ours.people[role].stream(endpoint.path.format(**ours.ids)) as stream:
        assert (stream.response.status == 200) is admits(ROLES[role], endpoint)


def probes(ours: Company, theirs: Company) -> list[tuple[Ids, Ids]]:
    """Return pairs of ids: what is another's, and what nobody ever had."""
    nobodys = unknown()
    named = {"cluster_id": "name:never-was", "node_pool_id": "name:never-was"}
    return [
        (theirs.ids, nobodys),
        ({**theirs.ids, **theirs.names}, {**nobodys, **named}),
        *(
            ({**ours.ids, name: theirs.ids[name]}, {**ours.ids, name: str(uuid4())})
            for name in ("node_pool_id", "grant_id")
        ),
    ]


def said(answer: Answer) -> tuple[int, Any]:
    body = {**answer.body, "request_id": None} if isinstance(answer.body, dict) else answer.body
    return answer.status, body


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
async def test_what_is_anothers_looks_like_what_never_was(
    path: str, method: str, ours: Company, theirs: Company
) -> None:
    """To users of every role, by each method, whatever body they send."""
    endpoint = next((e for e in ENDPOINTS if (e.method, e.path) == (method, path)), None)
    body = BODIES.get(endpoint.name, UNSAID) if endpoint else UNSAID
    for foreign, nobodys in probes(ours, theirs):
        if not any(foreign[name] != nobodys[name] for name in ids_in(path)):
            continue
        for client in ours.people.values():
            answers = [
                said(await client.call(method, path.format(**ids), body))
                for ids in (foreign, nobodys)
            ]
            assert answers[0] == answers[1]
            if nobodys.keys() & ids_in(path) and set(nobodys.items()) - set(ours.ids.items()):
                assert answers[0][0] in ((403, 404) if endpoint else (404, 405, 501))


def ids_in(path: str) -> set[str]:
    return {name for name in NAMES_OF_IDS if f"{{{name}}}" in path}


async def test_what_is_anothers_stays_as_it_was(ours: Company, theirs: Company) -> None:
    where = f"/v1/clusters/{theirs.ids['cluster_id']}"
    before = (await theirs.admin.get(where)).body
    for endpoint in ENDPOINTS:
        if endpoint.mutates and "{" in endpoint.path:
            await ask(ours.admin, endpoint, theirs.ids)
    assert (await theirs.admin.get(where)).body == before


@every_route
def test_every_declared_refusal_has_a_status(endpoint: Endpoint) -> None:
    assert endpoint.all_refusals() <= problems.STATUS.keys()
    assert not {problems.status_of(kind) for kind in endpoint.all_refusals()} & {500}


@pytest.fixture
async def careless(context: AppContext, founded: Founded) -> AsyncIterator[Client]:
    """Who calls a route that refuses what it did not declare."""

    async def act(_: Call[None, Query]) -> Reply:
        raise TooLate("an undeclared refusal")

    endpoint = Endpoint(
        method="GET",
        path="/x",
        permission="clusters.read",
        tag=CLUSTERS,
        summary="",
        answers=Problem,
        act=act,
    )
    app = web.Application(middlewares=[answering])
    app[APP_CONTEXT] = context
    app.router.add_get("/x", serve(endpoint))
    async with serving(app) as client:
        yield replace(client, token=founded.token)


async def test_a_refusal_that_was_not_declared_is_a_bug_of_ours(
    careless: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await careless.get("/x")
    assert (answer.status, answer.code) == (500, "internal")
    assert "did not declare" in caplog.text
    assert "undeclared" not in str(answer.body)


async def test_an_unknown_path_and_an_unknown_method_are_problems_too(client: Client) -> None:
    nowhere, wrong = await client.get("/v1/nothing"), await client.call("PUT", "/v1/clusters")
    assert (nowhere.status, nowhere.code) == (404, "not_found")
    assert (wrong.status, wrong.code) == (405, "method_not_allowed")
    assert wrong.headers["Allow"] == "GET, POST"
    assert nowhere.headers["Content-Type"] == "application/problem+json"
