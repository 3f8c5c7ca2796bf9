"""Server-sent events of one operation."""

import asyncio
from typing import Any

import pytest

from tests.support.client import Client, Event
from tests.support.story import Stories

FRACTIONS = (0.2, 0.4, 0.6, 0.8)


def path_of(operation: Any) -> str:
    return f"/v1/operations/{operation['id']}/events"


@pytest.fixture
async def told(client: Client, stories: Stories) -> Any:
    """An operation that has ended, with six events."""
    operation = await client.order()
    story = stories.of(operation)
    for fraction in FRACTIONS:
        await story.advance(fraction)
    await story.complete()
    return operation


async def events(client: Client, operation: Any, last_id: str | None = None) -> list[Event]:
    async with client.stream(path_of(operation), last_id) as stream:
        return await stream.rest()


async def test_it_tells_every_event_in_order_and_ends(client: Client, told: Any) -> None:
    found = await events(client, told)
    assert [int(event.id) for event in found] == [1, 2, 3, 4, 5, 6]
    assert [event.data["done"] for event in found] == [False] * 5 + [True]
    progress = [event.data["progress"] for event in found]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 100)


async def test_its_last_event_is_the_operation_as_it_is_read(client: Client, told: Any) -> None:
    now = (await client.get(f"/v1/operations/{told['id']}")).body
    assert (await events(client, told))[-1].data == now


async def test_it_is_a_stream_that_nobody_stores(client: Client, told: Any) -> None:
    async with client.stream(path_of(told)) as stream:
        headers = stream.response.headers
        raw = (await stream.response.content.read()).decode()
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-Id"]
    assert raw.startswith("id: 1\nevent: operation\ndata: {")
    assert raw.endswith("}\n\n")


@pytest.mark.parametrize("seen", range(7))
async def test_it_resumes_after_any_event_with_nothing_lost(
    client: Client, told: Any, seen: int
) -> None:
    whole = await events(client, told)
    assert await events(client, told, str(seen)) == whole[seen:]


async def test_who_has_seen_more_than_there_is_gets_the_last_and_an_end(
    client: Client, told: Any
) -> None:
    """Their ids are of a database that was set back."""
    whole = await events(client, told)
    assert await events(client, told, "999999999") == whole[-1:]


@pytest.mark.parametrize("last_id", ["x", "-1", "1.5", "1-1", "9" * 10, "1 2"])
async def test_an_id_of_another_stream_is_refused(client: Client, told: Any, last_id: str) -> None:
    answer = await client.get(path_of(told), **{"Last-Event-ID": last_id})
    assert (answer.status, answer.faults) == (422, {"Last-Event-ID": "bad_format"})


async def test_who_listens_before_hears_what_comes_later(client: Client, stories: Stories) -> None:
    operation = await client.order()
    story = stories.of(operation)
    async with client.stream(path_of(operation)) as stream:
        first = await stream.next()
        assert first
        assert first.id == "1"
        for number, fraction in enumerate(FRACTIONS, 2):
            await story.advance(fraction)
            event = await stream.next()
            assert event
            assert int(event.id) == number
        await story.complete()
        (last,) = await stream.rest()
    assert (last.data["status"], last.data["progress"]) == ("completed", 100)


async def test_many_who_listen_all_hear_the_same(client: Client, stories: Stories) -> None:
    operation = await client.order()
    listeners = [asyncio.create_task(events(client, operation)) for _ in range(10)]
    story = stories.of(operation)
    for fraction in FRACTIONS:
        await story.advance(fraction)
    await story.complete()
    heard = await asyncio.gather(*listeners)
    assert [event.id for event in heard[0]] == ["1", "2", "3", "4", "5", "6"]
    for one in heard:
        assert one == heard[0]


async def test_a_cancel_is_told_to_who_listens(client: Client) -> None:
    operation = await client.order()
    async with client.stream(path_of(operation)) as stream:
        await stream.next()
        await client.cancel(operation)
        (last,) = await stream.rest()
    assert last.data["status"] == "cancelled"


async def test_a_long_story_is_told_whole(client: Client, stories: Stories) -> None:
    operation = await client.order()
    story = stories.of(operation)
    for _ in range(5):
        async with story.open() as (session, row):
            for _ in range(50):
                await story.tell(session, row, 0.5)
    await story.complete()
    assert [int(event.id) for event in await events(client, operation)] == list(range(1, 253))
