"""Faults to order: stored, used up as they strike, and what a struck call goes through."""

import asyncio
import sqlite3
from uuid import UUID

from cks.providers.simulated.storage import Storage
from cks.providers.simulated.wire import Call, FaultKind, FaultOrder

USUAL_SLOWNESS = 5.0


class Faults:
    """The faults in the file, and the calls that hang until they are cleared."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._cleared = asyncio.Event()

    def add(self, order: FaultOrder) -> None:
        self._storage.connection.execute(
            "INSERT INTO faults (call, kind, times, seconds, cluster_id) VALUES (?, ?, ?, ?, ?)",
            (order.call, order.kind, order.times, order.seconds, order.cluster_id),
        )

    def orders(self) -> list[FaultOrder]:
        """Return what may still strike, oldest first."""
        rows = self._storage.connection.execute("SELECT * FROM faults ORDER BY id")
        return [_order(row) for row in rows]

    def clear(self) -> None:
        """Forget every fault, and let hanging calls go on."""
        self._storage.connection.execute("DELETE FROM faults")
        self._cleared.set()
        self._cleared = asyncio.Event()

    def strike(self, call: Call, cluster_id: UUID) -> FaultOrder | None:
        """Use up one stroke of the oldest fault that fits the call, and return it."""
        row = self._storage.connection.execute(
            "UPDATE faults SET times = times - 1 WHERE id = (SELECT min(id) FROM faults"
            " WHERE call = ? AND (cluster_id IS NULL OR cluster_id = ?)) RETURNING *",
            (call, cluster_id),
        ).fetchone()
        if row is None:
            return None
        self._storage.connection.execute("DELETE FROM faults WHERE times = 0")
        return _order(row, times=1)

    async def delay(self, fault: FaultOrder) -> None:
        """Wait as long as the fault makes a call wait."""
        if fault.kind is FaultKind.HANG:
            await self._cleared.wait()
        if fault.kind is FaultKind.SLOW:
            await asyncio.sleep(USUAL_SLOWNESS if fault.seconds is None else fault.seconds)


def _order(row: sqlite3.Row, times: int | None = None) -> FaultOrder:
    return FaultOrder(
        call=row["call"],
        kind=row["kind"],
        times=times or row["times"],
        seconds=row["seconds"],
        cluster_id=row["cluster_id"],
    )
