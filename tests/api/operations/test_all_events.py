"""Server-sent events of all of a tenant's operations."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.db.admin.tenants import Founded
from cks.db.models.users import UserToken
from cks.domain.people.tokens import digest_of
from tests.api.conftest import admin_of_another
from tests.conftest import Urls
from tests.support.client import Client, Event, Stream
from tests.support.story import Stories

PATH = "/v1/events"
BEGINNING = "1-1"


async def some(stream: Stream, count: int) -> list[Event]:
    found = [await stream.next() for _ in range(count)]
    return [event for event in found if event]


def place(event: Event) -> tuple[int, ...]:
    return tuple(int(part) for part in event.id.split("-"))


async def test_it_tells_of_all_operations_what_comes_from_now_on(
    client: Client, stories: Stories
) -> None:
    before = await client.order()
    async with client.stream(PATH) as stream:
        operations = [await client.order() for _ in range(2)]
        for operation in operations:
            await stories.of(operation).complete()
        told = await some(stream, 4)
    assert {event.data["id"] for event in told} == {one["id"] for one in operations}
    assert before["id"] not in {event.data["id"] for event in told}
    assert [place(event) for event in told] == sorted(place(event) for event in told)


async def test_it_resumes_after_any_event_with_nothing_lost(
    client: Client, stories: Stories
) -> None:
    for _ in range(2):
        await stories.of(await client.order()).complete()
    async with client.stream(PATH, BEGINNING) as stream:
        whole = await some(stream, 4)
    for seen in range(3):
        async with client.stream(PATH, whole[seen].id) as stream:
            assert await some(stream, 3 - seen) == whole[seen + 1 :]


async def test_an_id_of_before_a_restore_means_from_now_on(
    client: Client, stories: Stories
) -> None:
    operation = await client.order()
    async with client.stream(PATH, "900000000000000-1") as stream:
        await stories.of(operation).complete()
        told = await stream.next()
    assert told
    assert told.data["id"] == operation["id"]


async def test_transactions_are_numbers_of_any_length(
    client: Client, owner: AsyncEngine, stories: Stories
) -> None:
    operation = await client.order()
    for fraction in (0.3, 0.6):
        await stories.of(operation).advance(fraction)
    renumber = sa.text(
        "UPDATE operation_events SET xid = CAST(CAST(:xid AS text) AS xid8)"
        " WHERE operation_id = :id AND seq = :n"
    )
    async with owner.begin() as connection:
        for n, xid in ((1, 9), (2, 10), (3, 100)):
            await connection.execute(renumber, {"xid": str(xid), "id": operation["id"], "n": n})
    async with client.stream(PATH, BEGINNING) as stream:
        told = await some(stream, 3)
    assert [place(event)[0] for event in told] == [9, 10, 100]


async def test_it_says_nothing_of_another_tenant(client: Client, urls: Urls) -> None:
    other = await admin_of_another(client, urls)
    async with client.stream(PATH, BEGINNING) as stream:
        theirs, ours = await other.order(), await client.order()
        (event,) = await some(stream, 1)
        assert event.data["id"] == ours["id"] != theirs["id"]
        with pytest.raises(TimeoutError):
            await stream.next(1.5)


async def test_what_commits_late_is_told_once_and_in_its_place(
    client: Client, stories: Stories
) -> None:
    """The older of two transactions commits last; a reader looks in between."""
    slow, quick = await client.order(), await client.order()
    async with client.stream(PATH) as stream:
        async with stories.of(slow).open() as (session, row):
            await stories.of(slow).tell(session, row, 0.3)
            async with stories.of(quick).open() as (other, other_row):
                await stories.of(quick).tell(other, other_row, 0.6)
            await asyncio.sleep(1.5)
        told = await some(stream, 2)
        assert [event.data["id"] for event in told] == [slow["id"], quick["id"]]
        with pytest.raises(TimeoutError):
            await stream.next(1.5)


async def test_an_old_transaction_keeps_no_comment_back(
    client: Client, stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.operations.streams.QUIET_SECONDS", 0.4)
    slow = await client.order()
    async with client.stream(PATH) as stream, stories.of(slow).open() as (session, row):
        await stories.of(slow).tell(session, row, 0.3)
        quick = await client.order()
        assert await stream.response.content.readline() == b": still here\n"
    async with client.stream(PATH, BEGINNING) as stream:
        told = await some(stream, 3)
    assert {event.data["id"] for event in told} == {slow["id"], quick["id"]}


async def test_a_reader_of_many_hears_each_event_once(client: Client, stories: Stories) -> None:
    operations = await asyncio.gather(*(client.order() for _ in range(8)))
    async with client.stream(PATH) as stream:
        for fraction in (0.3, 0.6):
            await asyncio.gather(*(stories.of(one).advance(fraction) for one in operations))
        await asyncio.gather(*(stories.of(one).complete() for one in operations))
        told = await some(stream, 24)
    assert len({event.id for event in told}) == 24
    for operation in operations:
        progress = [e.data["progress"] for e in told if e.data["id"] == operation["id"]]
        assert progress == sorted(progress)
        assert (len(progress), progress[-1]) == (3, 100)


@pytest.mark.parametrize(
    "last_id", ["x", "1", "-", "1-", "1-x", "1-2-3", "9" * 19 + "-1", "1-" + "9" * 19]
)
async def test_an_id_of_another_stream_is_refused(client: Client, last_id: str) -> None:
    answer = await client.get(PATH, **{"Last-Event-ID": last_id})
    assert (answer.status, answer.faults) == (422, {"Last-Event-ID": "bad_format"})


async def revoke(owner: AsyncEngine, founded: Founded) -> None:
    mine = sa.update(UserToken).where(UserToken.token == digest_of(founded.token))
    async with owner.begin() as connection:
        await connection.execute(mine.values(revoked_at=sa.func.now()))


async def test_a_stream_ends_when_its_token_is_revoked_and_tells_nothing_more(
    client: Client, owner: AsyncEngine, founded: Founded, stories: Stories
) -> None:
    operation = await client.order()
    async with client.stream(PATH) as stream:
        assert stream.response.status == 200
        await revoke(owner, founded)
        await stories.of(operation).complete()
        assert await stream.rest() == []


async def test_so_does_the_stream_of_one_operation_before_it_tells_any_more(
    client: Client, owner: AsyncEngine, founded: Founded, stories: Stories
) -> None:
    operation = await client.order()
    async with client.stream(f"/v1/operations/{operation['id']}/events") as stream:
        await stream.next()
        await revoke(owner, founded)
        await stories.of(operation).complete()
        assert await stream.rest() == []
