"""Schedules: brought about, and kept as they should be."""

from contextlib import suppress
from dataclasses import replace

from temporalio.client import (
    Client,
    Schedule,
    ScheduleAlreadyRunningError,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from cks.temporal.engine import CALL, soon


async def ensure_schedule(client: Client, schedule_id: str, wanted: Schedule) -> None:
    """Bring a schedule about, or up to date; one that an operator paused stays paused.

    Raise ``EngineAway``.  Asking twice, or two at once, makes one.
    """
    with suppress(ScheduleAlreadyRunningError):
        await soon(client.create_schedule(schedule_id, wanted, rpc_timeout=CALL))
        return

    def update(there: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(replace(wanted, state=there.description.schedule.state))

    await soon(client.get_schedule_handle(schedule_id).update(update, rpc_timeout=CALL))
