"""Over the whole table of routes: whoever adds one is tested by it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from api import problems
from api.endpoint import Call, Endpoint, Reply
from api.keys import AROUND, Surroundings
from api.problems import Problem
from api.reading import Query
from api.routes import ENDPOINTS
from api.serving import answering, serve
from cks.db import tenants
from cks.db.models.rbac import RbacRole
from cks.db.tenants import Founded, NewTenant
from cks.domain.access import PERMISSIONS
from cks.domain.refusals import TooLate
from tests.api.client import UNSAID, Answer, Client, order
from tests.api.conftest import serving
from tests.conftest import Urls

every_route = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATHS = sorted({endpoint.path for endpoint in ENDPOINTS if "{" in endpoint.path})
Ids = dict[str, str]


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant with a cluster: its people, and the ids of what it has."""

    admin: Client
    viewer: Client
    nobody: Client
    ids: Ids
    names: Ids


@pytest.fixture(scope="module")
async def ours(urls: Urls, owner: AsyncEngine, stranger: Client) -> Company:
    return await company(urls, owner, stranger)


@pytest.fixture(scope="module")
async def theirs(urls: Urls, owner: AsyncEngine, stranger: Client) -> Company:
    return await company(urls, owner, stranger)


async def company(urls: Urls, owner: AsyncEngine, stranger: Client) -> Company:
    founded = await tenants.create_tenant(urls.owner, NewTenant("c", f"{uuid4()}@c.test"))
    async with owner.begin() as connection:
        role = {"id": uuid7(), "tenant_id": founded.tenant_id, "name": "nobody"}
        await connection.execute(sa.insert(RbacRole).values(**role))
    admin = replace(stranger, token=founded.token)
    operation = await admin.order()
    cluster = (await admin.get(f"/v1/clusters/{operation['resource_id']}")).body
    pool = cluster["node_pools"][0]
    ids = {"operation_id": operation["id"], "cluster_id": cluster["id"], "node_pool_id": pool["id"]}
    names = {"cluster_id": f"name:{cluster['name']}", "node_pool_id": f"name:{pool['name']}"}
    viewer, nobody = [await someone(urls, stranger, founded, role) for role in ("viewer", "nobody")]
    return Company(admin, viewer, nobody, ids, names)


async def someone(urls: Urls, stranger: Client, founded: Founded, role: str) -> Client:
    of = (str(founded.tenant_id), f"{uuid4()}@c.test", role)
    return replace(stranger, token=(await tenants.create_user(urls.owner, *of)).token)


def unknown() -> Ids:
    return {name: str(uuid4()) for name in ("operation_id", "cluster_id", "node_pool_id")}


async def ask(client: Client, endpoint: Endpoint, ids: Ids) -> Answer:
    body = order() if endpoint.body else UNSAID
    return await client.call(endpoint.method, endpoint.path.format(**ids), body)


def test_every_permission_has_a_route_and_every_route_a_permission() -> None:
    assert {endpoint.permission for endpoint in ENDPOINTS} == PERMISSIONS.keys()


@every_route
async def test_nobody_gets_in_without_a_token(
    endpoint: Endpoint, stranger: Client, ours: Company
) -> None:
    answer = await ask(stranger, endpoint, ours.ids)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@every_route
async def test_whose_role_permits_nothing_may_do_nothing(endpoint: Endpoint, ours: Company) -> None:
    answer = await ask(ours.nobody, endpoint, ours.ids)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert endpoint.permission in answer.body["detail"]


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.mutates], ids=lambda e: f"{e.method} {e.path}"
)
async def test_a_viewer_changes_nothing(endpoint: Endpoint, ours: Company) -> None:
    assert (await ask(ours.viewer, endpoint, ours.ids)).status == 403


async def test_a_viewer_reads_everything(ours: Company) -> None:
    plain = [e for e in ENDPOINTS if not e.mutates and not e.stream]
    answers = [await ask(ours.viewer, endpoint, ours.ids) for endpoint in plain]
    assert {answer.status for answer in answers} == {200}


def probes(ours: Company, theirs: Company) -> list[tuple[Ids, Ids]]:
    """Return pairs of ids: what is another's, and what nobody ever had."""
    nobodys = unknown()
    named = {"cluster_id": "name:never-was", "node_pool_id": "name:never-was"}
    strange = theirs.ids["node_pool_id"]
    return [
        (theirs.ids, nobodys),
        ({**theirs.ids, **theirs.names}, {**nobodys, **named}),
        ({**ours.ids, "node_pool_id": strange}, {**ours.ids, "node_pool_id": str(uuid4())}),
    ]


def said(answer: Answer) -> tuple[int, Any]:
    body = {**answer.body, "request_id": None} if isinstance(answer.body, dict) else answer.body
    return answer.status, body


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
async def test_what_is_anothers_looks_like_what_never_was(
    path: str, method: str, ours: Company, theirs: Company
) -> None:
    exists = any((e.method, e.path) == (method, path) for e in ENDPOINTS)
    pairs = probes(ours, theirs)[: None if "node_pool_id" in path else 2]
    for foreign, nobodys in pairs:
        answers = [
            said(await ours.admin.call(method, path.format(**ids))) for ids in (foreign, nobodys)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] in ((404,) if exists else (404, 405, 501))


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
async def careless(around: Surroundings, founded: Founded) -> AsyncIterator[Client]:
    """Who calls a route that refuses what it did not declare."""

    async def act(_: Call[None, Query]) -> Reply:
        raise TooLate("an undeclared refusal")

    endpoint = Endpoint(
        method="GET", path="/x", permission="clusters.read", summary="", answers=Problem, act=act
    )
    app = web.Application(middlewares=[answering])
    app[AROUND] = around
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
