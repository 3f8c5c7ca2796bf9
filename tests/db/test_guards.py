"""What the database itself refuses, whoever asks."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin import tenants
from cks.db.admin.tenants import Founded
from cks.db.models.activity import ActivityLog
from cks.db.models.operations import Operation, OperationClaim
from cks.db.models.users import User
from cks.db.session import Database
from cks.domain.operations.lifecycle import OperationStatus
from tests.conftest import Urls
from tests.support.rows import EVERY_SLOT, a_line, a_period, an_operation

NOW = datetime(2026, 8, 1, tzinfo=UTC)


async def add_operation(database: Database, tenant: UUID, **values: object) -> UUID:
    operation = an_operation(tenant)
    for name, value in values.items():
        setattr(operation, name, value)
    async with database.begin(tenant) as session:
        session.add(operation)
    return operation.id


async def change(database: Database, tenant: UUID, operation: UUID, change: str) -> None:
    statement = sa.text(f"UPDATE operations SET {change} WHERE id = :id")
    async with database.begin(tenant) as session:
        await session.execute(statement, {"id": operation})


@pytest.mark.parametrize(
    "overwrite",
    [
        "status = 'running', completed_at = NULL",
        "status = 'completed', progress = 100",
        "completed_at = now()",
        "error = 'another'",
        "failure = '{}'",
        "ending = 'failed'",
    ],
)
async def test_an_outcome_is_never_overwritten(
    database: Database, tenant: UUID, overwrite: str
) -> None:
    operation = await add_operation(
        database, tenant, status=OperationStatus.FAILED, error="it broke", completed_at=NOW
    )
    with pytest.raises(DBAPIError, match="its outcome stays"):
        await change(database, tenant, operation, overwrite)


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        ("progress = 40", "progress = 39", "progress never falls"),
        ("fence = 7", "fence = 6", "fence never falls"),
        ("fence = 7", "fence = NULL", "fence never falls"),
        ("ending = 'failed'", "ending = 'cancelled'", "ending stays"),
        ("ending = 'failed'", "ending = NULL", "ending stays"),
        (
            "ending = 'failed'",
            "status = 'completed', progress = 100, completed_at = now()",
            "check",
        ),
        ("progress = 99", "progress = 100", "check"),
        ("progress = 99", "status = 'completed', completed_at = now()", "check"),
        ("progress = 99", "status = 'cancelled'", "check"),
        ("progress = 99", "status = 'failed', completed_at = now()", "check"),
    ],
)
async def test_an_operation_only_moves_on(
    database: Database, tenant: UUID, was: str, becomes: str, why: str
) -> None:
    operation = await add_operation(database, tenant)
    await change(database, tenant, operation, was)
    with pytest.raises(DBAPIError, match=why):
        await change(database, tenant, operation, becomes)


async def test_an_operation_that_ended_still_loses_its_creator(
    urls: Urls, owner: AsyncEngine, database: Database, founded: Founded
) -> None:
    tenant = founded.tenant_id
    joined = await tenants.create_user(urls.owner, str(tenant), f"{uuid4()}@acme.test", "viewer")
    ended = {"status": OperationStatus.COMPLETED, "progress": 100, "completed_at": NOW}
    operation = await add_operation(database, tenant, created_by=joined.user_id, **ended)
    async with owner.begin() as connection:
        await connection.execute(sa.delete(User).where(User.id == joined.user_id))
        query = sa.select(Operation.created_by, Operation.tenant_id)
        row = (await connection.execute(query.where(Operation.id == operation))).one()
    assert tuple(row) == (None, tenant)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (EVERY_SLOT, EVERY_SLOT, False),
        (EVERY_SLOT, Range(1, 2), False),
        (Range(1, 2), EVERY_SLOT, False),
        (Range(1, 2), Range(2, 3), True),
    ],
)
async def test_a_resource_has_one_writer_or_many_readers(
    database: Database, tenant: UUID, first: Range[int], second: Range[int], *, both: bool
) -> None:
    resource, holders = uuid4(), 0
    for slot in (first, second):
        operation = await add_operation(database, tenant)
        claim = {"tenant_id": tenant, "operation_id": operation, "resource_id": resource}
        try:
            async with database.begin(tenant) as session:
                session.add(OperationClaim(slot=slot, **claim))
        except DBAPIError as error:
            assert "one_writer_or_many_readers" in str(error)  # noqa: PT017
        else:
            holders += 1
    assert holders == 1 + both


async def test_the_log_is_a_chain_that_anyone_can_verify(
    urls: Urls, database: Database, founded: Founded
) -> None:
    for _ in range(2):
        await tenants.create_token(urls.owner, str(founded.user_id))
    payload: sa.ColumnElement[bytes] = sa.literal_column("audit_payload(activity_logs)")
    columns = (ActivityLog.seq, ActivityLog.prev_hash, ActivityLog.hash, payload)
    async with database.begin(founded.tenant_id) as session:
        rows = (await session.execute(sa.select(*columns).order_by(ActivityLog.seq))).all()
    assert [row.seq for row in rows] == [1, 2, 3]
    previous = b"\x00"
    for _, linked, digest, said in rows:
        assert linked == previous
        assert digest == hashlib.sha256(previous + said).digest()
        previous = digest


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE activity_logs SET status = 'denied'",
        "DELETE FROM activity_logs",
        "TRUNCATE activity_logs",
    ],
)
async def test_not_even_the_owner_rewrites_the_log(
    owner: AsyncEngine, tenant: UUID, statement: str
) -> None:
    with pytest.raises(DBAPIError, match=f"{tenant}|refused"):
        async with owner.begin() as connection:
            await connection.execute(sa.text(statement))


async def test_the_app_cannot_borrow_the_chains_function(database: Database, tenant: UUID) -> None:
    with pytest.raises(DBAPIError, match="permission denied for function audit_chain"):
        async with database.begin(tenant) as session:
            await session.execute(sa.text("CREATE TEMP TABLE log (LIKE activity_logs)"))
            await session.execute(
                sa.text(
                    "CREATE TRIGGER forge BEFORE INSERT ON log"
                    " FOR EACH ROW EXECUTE FUNCTION audit_chain()"
                )
            )


async def test_a_temporary_table_does_not_stand_in_for_the_chains_heads(
    database: Database, founded: Founded
) -> None:
    tenant = founded.tenant_id
    async with database.begin(tenant) as session:
        for statement in (
            "CREATE TEMP TABLE audit_heads (tenant_id UUID PRIMARY KEY, seq BIGINT, hash BYTEA)",
            "GRANT ALL ON pg_temp.audit_heads TO PUBLIC",
            f"INSERT INTO pg_temp.audit_heads VALUES ('{tenant}', 40, '\\x00')",
        ):
            await session.execute(sa.text(statement))
        log = ActivityLog(tenant_id=tenant, action="tests.forge", status="success")
        session.add(log)
        await session.flush()
        await session.refresh(log)
        assert log.seq == 2
        await session.execute(sa.text("DROP TABLE pg_temp.audit_heads"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET status = 'suspended'",
        "UPDATE users SET role = 'viewer'",
        "DELETE FROM users",
    ],
)
async def test_the_last_admin_stays_until_there_is_another(
    urls: Urls, database: Database, founded: Founded, change: str
) -> None:
    tenant, first = founded.tenant_id, {"id": founded.user_id}
    statement = sa.text(f"{change} WHERE id = :id")
    with pytest.raises(DBAPIError, match="the last admin stays"):
        async with database.begin(tenant) as session:
            await session.execute(statement, first)
    await tenants.create_user(urls.owner, str(tenant), f"{uuid4()}@acme.test", "admin")
    async with database.begin(tenant) as session:
        await session.execute(statement, first)
        admins = sa.select(sa.func.count()).where(User.role == "admin", User.status == "active")
        assert await session.scalar(admins) == 1


async def test_a_closed_period_takes_no_more_lines(database: Database, tenant: UUID) -> None:
    period = a_period(tenant)
    async with database.begin(tenant) as session:
        session.add(period)
        await session.flush()
        session.add(a_line(period, Decimal(5)))
    with pytest.raises(DBAPIError, match="sum of lines"):
        async with database.begin(tenant) as session:
            await session.execute(close(period.id, Decimal(4)))
    async with database.begin(tenant) as session:
        await session.execute(close(period.id, Decimal(5)))
    with pytest.raises(DBAPIError, match="is closed"):
        async with database.begin(tenant) as session:
            session.add(a_line(period, Decimal(1)))


def close(period: UUID, total: Decimal) -> sa.TextClause:
    return sa.text(
        "UPDATE billing_periods SET status = 'closed', closed_at = now(), total_cost = :total"
        " WHERE id = :id"
    ).bindparams(total=total, id=period)


async def test_documents_are_found_by_their_words(database: Database, tenant: UUID) -> None:
    async with database.begin(tenant) as session:
        await session.execute(
            sa.text("INSERT INTO docs (tenant_id, title, content) VALUES (:tenant, 'Pools', 'x')"),
            {"tenant": tenant},
        )
        query = sa.text(
            "SELECT title FROM docs WHERE tsv @@ websearch_to_tsquery('english', 'pool')"
        )
        assert list(await session.scalars(query)) == ["Pools"]
