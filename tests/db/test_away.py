"""Errors that pass by themselves, told from those that do not, as a real server gives them."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.connections import is_away
from cks.db.session import ASKERS, Database
from tests.support.servers import free_port


async def raised(owner: AsyncEngine, state: str) -> DBAPIError:
    statement = sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")
    with pytest.raises(DBAPIError) as caught:
        async with owner.connect() as connection:
            await connection.execute(statement)
    return caught.value


@pytest.mark.parametrize(
    "state",
    ["53100", "53200", "53300", "57P01", "57P03", "08006", "40001", "40P01"],
    ids=[
        "disk full",
        "out of memory",
        "too many connections",
        "shutting down",
        "starting up",
        "connection failure",
        "serialization failure",
        "deadlock",
    ],
)
async def test_what_passes_is_worth_another_try(owner: AsyncEngine, state: str) -> None:
    assert is_away(await raised(owner, state))


@pytest.mark.parametrize("state", ["23505", "23514", "42501", "42P01", "22P02"])
async def test_what_is_wrong_stays_wrong(owner: AsyncEngine, state: str) -> None:
    assert not is_away(await raised(owner, state))


async def test_whoever_finds_all_connections_waiting_is_told_soon(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cks.db.session.CONNECT_SECONDS", 0.5)
    waiting = [asyncio.create_task(database.ask("SELECT pg_sleep(4)")) for _ in range(ASKERS)]
    await asyncio.sleep(1)
    with pytest.raises(TimeoutError) as caught:
        await database.ask("SELECT 1")
    assert is_away(caught.value)
    assert not any(one.done() for one in waiting)
    await asyncio.gather(*waiting)


async def test_nobody_listening_is_away() -> None:
    database = Database(f"postgresql://somebody@127.0.0.1:{free_port()}/cks")
    with pytest.raises(Exception) as caught:  # noqa: PT011  (which one is the subject)
        await database.schema_revision()
    assert is_away(caught.value)
    await database.close()
