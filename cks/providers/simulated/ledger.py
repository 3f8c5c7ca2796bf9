"""The ledger: every call as it came, and what lives now.

A call is written down before anything befalls it, as ``lost``; what came of it is written in
the transaction of its effect.  So ledger and resources never disagree, whenever the server
dies.  What was under way then is lost, as in any cloud.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from cks.providers.simulated.observation import marks_of, observe_pool
from cks.providers.simulated.storage import Resource, Storage
from cks.providers.simulated.wire import (
    Call,
    CallRecord,
    FaultKind,
    Kind,
    Ledger,
    ResourceRecord,
)

HANGING, SLOW, LOST = "hanging", "slow", "lost"
UNDER_WAY = {FaultKind.HANG: HANGING, FaultKind.SLOW: SLOW}


class CallLedger:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        with storage.transaction() as connection:
            connection.execute(
                "UPDATE calls SET effect = ? WHERE effect IN (?, ?)", (LOST, HANGING, SLOW)
            )

    def open_call(
        self,
        call: Call,
        about: tuple[UUID, UUID],
        fence: int | None,
        fault: FaultKind | None,
        now: float,
    ) -> int:
        """Write down a call about a cluster and a resource of it; return the line's number."""
        effect = UNDER_WAY.get(fault, LOST) if fault else LOST
        cursor = self._storage.connection.execute(
            "INSERT INTO calls (at, call, cluster_id, resource_id, effect, fence, fault, last_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (now, call, *about, effect, fence, fault, now),
        )
        return int(cursor.lastrowid or 0)

    def close_call(self, line: int, effect: str | None) -> None:
        self._storage.connection.execute(
            "UPDATE calls SET effect = ? WHERE seq = ?", (effect, line)
        )

    def count_observation(self, cluster_id: UUID, now: float) -> None:
        """Count an observation that met no fault, on the line of the cluster's first."""
        self._storage.connection.execute(
            "INSERT INTO calls (at, call, cluster_id, resource_id, last_at)"
            " VALUES (?, 'observe', ?, ?, ?)"
            " ON CONFLICT (cluster_id) WHERE call = 'observe' AND fault IS NULL"
            " DO UPDATE SET times = times + 1, last_at = excluded.last_at",
            (now, cluster_id, cluster_id, now),
        )

    def hanging(self) -> int:
        """Return how many calls are hanging."""
        counted = self._storage.connection.execute(
            "SELECT count(*) FROM calls WHERE effect = ?", (HANGING,)
        ).fetchone()
        return int(counted[0])

    def read(self, now: float, cluster_id: UUID | None = None) -> Ledger:
        """Return everything as it is now, or all of one cluster."""
        self._storage.sweep(now)
        query = "SELECT * FROM calls WHERE cluster_id = ?1 OR ?1 IS NULL ORDER BY seq"
        lines = self._storage.connection.execute(query, (cluster_id,))
        things = self._storage.of_cluster(cluster_id) if cluster_id else self._storage.all()
        nodes = defaultdict[UUID | None, list[Resource]](list)
        for thing in things:
            nodes[thing.pool_id].append(thing)
        return Ledger(
            [_call_record(line) for line in lines],
            [_resource_record(thing, nodes.get(thing.id, []), now) for thing in things],
        )


def _call_record(line: sqlite3.Row) -> CallRecord:
    return CallRecord(
        at=_instant(line["at"]),
        call=Call(line["call"]),
        cluster_id=UUID(line["cluster_id"]),
        effect=line["effect"],
        resource_id=UUID(line["resource_id"]),
        fence=line["fence"],
        fault=FaultKind(line["fault"]) if line["fault"] else None,
        times=line["times"],
        last_at=_instant(line["last_at"]),
    )


def _resource_record(thing: Resource, nodes: Sequence[Resource], now: float) -> ResourceRecord:
    """Return how a thing looks now; ``nodes`` are a pool's."""
    pooled = thing.kind is Kind.NODE_POOL
    labels, taints = marks_of(thing)
    ready_at = max(node.ready_at for node in (*nodes, thing))
    return ResourceRecord(
        kind=thing.kind,
        id=thing.id,
        cluster_id=thing.cluster_id,
        state=observe_pool(thing, nodes, now).state if pooled else thing.state(now),
        created_at=_instant(thing.created_at),
        ready_at=_instant(ready_at),
        pool_id=thing.pool_id,
        name=thing.name,
        version=thing.version,
        instance_type=thing.instance_type,
        labels=labels,
        taints=taints,
    )


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
