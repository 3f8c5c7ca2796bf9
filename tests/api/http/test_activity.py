"""What every change leaves in the activity log."""

from collections.abc import Sequence
from uuid import UUID

import pytest
import sqlalchemy as sa

from cks.db.admin.tenants import Founded
from cks.db.models.activity import ActivityLog, LogPerson
from cks.db.models.users import UserToken
from cks.db.session import Database
from cks.domain.people.tokens import digest_of
from tests.support.client import CLUSTERS, Client, order, pool
from tests.support.story import Stories

ID = "X-Request-Id"


@pytest.fixture
def log(database: Database, tenant: UUID) -> "Log":
    return Log(database, tenant)


class Log:
    """A tenant's lines, without those of its making."""

    def __init__(self, database: Database, tenant: UUID) -> None:
        self.database = database
        self.tenant = tenant

    async def lines(self, actor: str = "token") -> Sequence[ActivityLog]:
        query = sa.select(ActivityLog).where(ActivityLog.actor_type == actor)
        async with self.database.begin(self.tenant) as session:
            return (await session.scalars(query.order_by(ActivityLog.seq))).all()

    async def the_line(self) -> ActivityLog:
        (line,) = await self.lines()
        return line


async def token_id(database: Database, founded: Founded) -> UUID:
    query = sa.select(UserToken.id).where(UserToken.token == digest_of(founded.token))
    async with database.begin(founded.tenant_id) as session:
        return (await session.execute(query)).scalar_one()


async def test_an_accepted_order_is_one_line_with_all_who_and_what(
    client: Client, log: Log, database: Database, founded: Founded
) -> None:
    answer = await client.post(CLUSTERS, order(), {ID: "the-request"})
    line = await log.the_line()
    assert (line.action, line.status) == ("clusters.create", "success")
    assert (line.permission, line.request_id) == ("clusters.create", "the-request")
    assert (line.user_id, line.token_id) == (founded.user_id, await token_id(database, founded))
    assert (line.resource_type, str(line.resource_id)) == ("cluster", answer.body["resource_id"])
    assert line.detail == {"operation_id": answer.body["id"]}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "malformed_body"),
        (b" " * ((1 << 20) + 1), 413, "body_too_large"),
        ({}, 422, "invalid"),
        (order(node_pools=[pool(node_count=300, max_nodes=300)]), 409, "quota_exceeded"),
        (order(deletion_protection=True), 422, "not_available_yet"),
    ],
)
async def test_a_refused_order_is_one_line_with_the_reason(
    client: Client, log: Log, body: object, status: int, reason: str
) -> None:
    answer = await client.post(CLUSTERS, body, {ID: "refused"})
    assert answer.status == status
    line = await log.the_line()
    assert (line.action, line.status, line.reason) == ("clusters.create", "failure", reason)
    assert (line.request_id, line.permission) == ("refused", "clusters.create")
    assert line.detail == {"status": status}


async def test_a_forbidden_change_is_one_line_of_who_tried(viewer: Client, log: Log) -> None:
    assert (await viewer.post(CLUSTERS, order(), {ID: "denied"})).status == 403
    line = await log.the_line()
    assert (line.status, line.reason, line.request_id) == ("denied", "forbidden", "denied")
    assert line.permission == "clusters.create"


async def test_a_repeat_under_a_key_is_a_line_of_its_own(client: Client, log: Log) -> None:
    wish = order()
    for number in range(2):
        await client.post(CLUSTERS, wish, {"Idempotency-Key": "k", ID: f"r{number}"})
    assert [line.request_id for line in await log.lines()] == ["r0", "r1"]
    assert len({str(line.detail) for line in await log.lines()}) == 1


async def test_cancels_and_deletes_are_lines_too(client: Client, log: Log) -> None:
    operation = await client.order()
    await client.cancel(operation)
    await client.call("DELETE", f"{CLUSTERS}/{operation['resource_id']}")
    told = [(line.action, line.status) for line in await log.lines()]
    assert told == [(a, "success") for a in ("clusters.create", "operations.cancel")] + [
        ("clusters.delete", "success")
    ]


async def test_what_is_not_there_is_a_failure(client: Client, log: Log, tenant: UUID) -> None:
    await client.post(f"/v1/operations/{tenant}:cancel")
    await client.call("DELETE", f"{CLUSTERS}/name:never-was")
    told = [(line.action, line.status, line.reason) for line in await log.lines()]
    assert told == [
        ("operations.cancel", "failure", "not_found"),
        ("clusters.delete", "failure", "not_found"),
    ]


async def test_an_outcome_is_a_line_under_the_request_that_asked(
    client: Client, log: Log, stories: Stories
) -> None:
    answers = [await client.post(CLUSTERS, order(), {ID: f"r{n}"}) for n in range(3)]
    await stories.of(answers[0].body).complete()
    await stories.of(answers[1].body).fail()
    await client.cancel(answers[2].body)
    told = [(line.action, line.status, line.request_id) for line in await log.lines("workflow")]
    assert told == [
        ("cluster.create.completed", "success", "r0"),
        ("cluster.create.failed", "failure", "r1"),
        ("cluster.create.cancelled", "failure", "r2"),
    ]


async def test_reading_leaves_no_line(client: Client, viewer: Client, log: Log) -> None:
    for reader in (client, viewer):
        for path in (CLUSTERS, "/v1/operations", "/v1/versions", f"{CLUSTERS}/name:never-was"):
            await reader.get(path)
    assert await log.lines() == []


async def test_whoever_is_unknown_leaves_no_line(
    client: Client, stranger: Client, log: Log
) -> None:
    await stranger.post(CLUSTERS, order())
    await stranger.call("POST", CLUSTERS, order(), {"Authorization": "Bearer cks_x"})
    assert await log.lines() == []
    assert (await client.get(CLUSTERS)).body["results"] == []


async def test_persons_stand_beside_the_log_and_never_in_it(
    client: Client, log: Log, database: Database, tenant: UUID, stories: Stories
) -> None:
    agent = {"User-Agent": "a-very-personal-agent"}
    answer = await client.post(CLUSTERS, order(), agent)
    await client.post(CLUSTERS, {}, agent)
    await stories.of(answer.body).complete()
    email = answer.body["created_by"]["email"]
    async with database.begin(tenant) as session:
        rows = await session.scalars(sa.text("SELECT to_jsonb(a)::text FROM activity_logs a"))
        written = " ".join(rows)
        people = {p.kind: p for p in await session.scalars(sa.select(LogPerson))}
    for personal in (email, "127.0.0.1", "a-very-personal-agent"):
        assert personal not in written
    assert people["actor"].value == email
    line = (await log.lines())[0]
    assert line.actor_digest == people["actor"].digest
    assert line.address_digest == people["address"].digest


async def test_a_strange_agent_is_no_reason_to_refuse(client: Client, log: Log) -> None:
    for agent in ("", "x" * 5_000, "\udcff", "é", "a\u2028b"):
        raw = {"User-Agent": agent}
        assert (await client.post(CLUSTERS, order(), raw)).status == 202
    assert len(await log.lines()) == 5
