"""Where the simulated cloud keeps everything: one SQLite file in WAL mode.

What was committed survives the death of the process at any line, so a reply is never ahead
of the file.  A resource has no state of its own: it follows from stored instants (seconds
since 1970) and the present one, so that life goes on while the server is down.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cks.providers.base import State
from cks.providers.simulated.wire import Kind

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, id TEXT NOT NULL, cluster_id TEXT NOT NULL, spec TEXT NOT NULL,
    created_at REAL NOT NULL, ready_at REAL NOT NULL, deleted_at REAL, gone_at REAL,
    pool_id TEXT, number INTEGER NOT NULL, name TEXT, version TEXT, instance_type TEXT,
    vcpus INTEGER NOT NULL, PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS resources_by_cluster ON resources (cluster_id);
CREATE INDEX IF NOT EXISTS resources_by_pool ON resources (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS resources_going ON resources (gone_at) WHERE gone_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS doors (
    kind TEXT NOT NULL, id TEXT NOT NULL, fence INTEGER NOT NULL, PRIMARY KEY (kind, id)
);
CREATE TABLE IF NOT EXISTS numbers (pool_id TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY, call TEXT NOT NULL, kind TEXT NOT NULL, times INTEGER NOT NULL,
    seconds REAL, cluster_id TEXT
);
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, call TEXT NOT NULL, cluster_id TEXT NOT NULL,
    effect TEXT, resource_id TEXT NOT NULL, fence INTEGER, fault TEXT,
    times INTEGER NOT NULL DEFAULT 1, last_at REAL NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS observations ON calls (cluster_id)
    WHERE call = 'observe' AND fault IS NULL;
"""

sqlite3.register_adapter(UUID, str)


@dataclass(frozen=True, slots=True)
class Resource:
    """A thing in the cloud.  ``spec`` is the JSON it was last asked for.

    ``number`` is a node's own in its pool, and how many nodes a pool is to have.
    """

    kind: Kind
    id: UUID
    cluster_id: UUID
    spec: str
    created_at: float
    ready_at: float
    deleted_at: float | None = None
    gone_at: float | None = None
    pool_id: UUID | None = None
    number: int = 0
    name: str | None = None
    version: str | None = None
    instance_type: str | None = None
    vcpus: int = 0

    def state(self, now: float) -> State:
        if self.deleted_at is not None:
            return State.DELETING
        return State.READY if self.ready_at <= now else State.PENDING


class Storage:
    """The file.  One connection, used from one thread; transactions do not nest."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.executescript(SCHEMA)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end of the block, or undo all of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        finally:
            # SQLite may have undone it by itself, as on a full disk.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def sweep(self, now: float) -> None:
        """Forget what is gone by now; its door stays shut."""
        self.connection.execute("DELETE FROM resources WHERE gone_at <= ?", (now,))

    def raise_fence(self, kind: Kind, resource_id: UUID, fence: int) -> int:
        """Return the highest fence met at this resource, this one included."""
        row = self.connection.execute(
            "INSERT INTO doors VALUES (?, ?, ?) ON CONFLICT (kind, id)"
            " DO UPDATE SET fence = max(fence, excluded.fence) RETURNING fence",
            (kind, resource_id, fence),
        ).fetchone()
        return int(row["fence"])

    def next_number(self, pool_id: UUID) -> int:
        """Return a number that no node of the pool has had."""
        row = self.connection.execute(
            "INSERT INTO numbers VALUES (?, 1)"
            " ON CONFLICT (pool_id) DO UPDATE SET last = last + 1 RETURNING last",
            (pool_id,),
        ).fetchone()
        return int(row["last"])

    def put(self, thing: Resource) -> None:
        """Write a resource, new or changed."""
        self.connection.execute(
            "INSERT OR REPLACE INTO resources (kind, id, cluster_id, spec, created_at, ready_at,"
            " deleted_at, gone_at, pool_id, number, name, version, instance_type, vcpus)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (thing.kind, thing.id, thing.cluster_id, thing.spec, thing.created_at, thing.ready_at,
             thing.deleted_at, thing.gone_at, thing.pool_id, thing.number, thing.name,
             thing.version, thing.instance_type, thing.vcpus),
        )  # fmt: skip

    def find(self, kind: Kind, resource_id: UUID) -> Resource | None:
        found = self._select("WHERE kind = ? AND id = ?", kind, resource_id)
        return found[0] if found else None

    def of_cluster(self, cluster_id: UUID) -> list[Resource]:
        return self._select("WHERE cluster_id = ?", cluster_id)

    def nodes(self, pool_id: UUID) -> list[Resource]:
        """Return a pool's nodes, oldest first."""
        return self._select("WHERE pool_id = ?", pool_id)

    def all(self) -> list[Resource]:
        return self._select("")

    def usage(self) -> tuple[int, int]:
        """Return how many nodes and how many vCPUs are taken; a node going still takes its."""
        row = self.connection.execute(
            "SELECT count(*), coalesce(sum(vcpus), 0) FROM resources WHERE kind = 'node'"
        ).fetchone()
        return int(row[0]), int(row[1])

    def _select(self, where: str, *values: object) -> list[Resource]:
        query = f"SELECT * FROM resources {where} ORDER BY created_at, number"  # noqa: S608
        return [_resource(row) for row in self.connection.execute(query, values)]


def _resource(row: sqlite3.Row) -> Resource:
    pool_id = row["pool_id"]
    known = dict(row) | {
        "kind": Kind(row["kind"]),
        "id": UUID(row["id"]),
        "cluster_id": UUID(row["cluster_id"]),
        "pool_id": UUID(pool_id) if pool_id else None,
    }
    return Resource(**known)
