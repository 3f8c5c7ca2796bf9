"""One archive with all rows of a tenant, which it may request and take away.

A ``.tar.gz`` with one file per table and one JSON object per row, all as of one instant, and a
``manifest.json`` with each file's row count and SHA-256.  The tables are taken from the database,
so that no later one is forgotten.  Digests of tokens are left out: they would help an attacker to
test guesses, and explain nothing.
"""

import hashlib
import json
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from cks.db.activity_log import log_by_hand
from cks.db.admin.connection import NotDone, as_owner
from cks.db.admin.tenants import find_tenant
from cks.domain.instants import rfc3339

ONE_INSTANT = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
NOW = sa.text("SELECT now()")
REVISION = sa.text("SELECT version_num FROM alembic_version")
TABLES = sa.text("""
SELECT c.relname, CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
   AND a.attname = CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END
 ORDER BY c.relname
""")
SECRETS = {"user_tokens": ["token"], "user_sessions": ["token_digest"]}
"""Table → columns that are left out."""
READ = "SELECT (to_jsonb(t) - $2::text[])::text FROM {table} t WHERE {column} = $1"


@dataclass(frozen=True, slots=True)
class FileOfTable:
    """What a table's file holds."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive that was written, and what it holds."""

    tenant_id: UUID
    path: str
    exported_at: str
    revision: str
    tables: dict[str, FileOfTable]


async def export(url: str, tenant: str, path: Path) -> Exported:
    """Write a tenant's archive; it appears under its name only when it is complete.

    Raise ``NotDone`` if a file of that name exists, or cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
            exported = await _gather(url, tenant, path, Path(folder))
            _pack(exported, Path(folder), path)
    except OSError as error:
        raise NotDone(f"{path} cannot be written: {error.strerror}.") from error
    return exported


async def _gather(url: str, tenant: str, path: Path, folder: Path) -> Exported:
    async with as_owner(url) as connection:
        await connection.execute(ONE_INSTANT)
        tenant_id = await find_tenant(connection, tenant)
        exported = Exported(
            tenant_id=tenant_id,
            path=str(path),
            exported_at=rfc3339((await connection.execute(NOW)).scalar_one()),
            revision=str(await connection.scalar(REVISION)),
            tables={
                table: await _write(connection, table, column, tenant_id, folder)
                for table, column in (await connection.execute(TABLES)).all()
            },
        )
    # Not in the snapshot's transaction (REPEATABLE READ): the log's chain may have moved on, and
    # locking a row that has changed since fails there.
    async with as_owner(url) as connection:
        await log_by_hand(connection, tenant_id, "tenants.export", ("tenant", tenant_id))
    return exported


async def _write(
    connection: AsyncConnection, table: str, column: str, tenant_id: UUID, folder: Path
) -> FileOfTable:
    """Write a table's rows to a file, a few at a time."""
    raw = await connection.get_raw_connection()
    driver: asyncpg.Connection = raw.driver_connection
    query = READ.format(table=table, column=column)
    rows, digest = 0, hashlib.sha256()
    with (folder / f"{table}.jsonl").open("wb") as file:
        async for (row,) in driver.cursor(query, tenant_id, SECRETS.get(table, [])):
            line = f"{row}\n".encode()
            file.write(line)
            digest.update(line)
            rows += 1
    return FileOfTable(rows, digest.hexdigest())


def _pack(exported: Exported, folder: Path, path: Path) -> None:
    manifest, draft = folder / "manifest.json", folder / "draft"
    document = {name: value for name, value in asdict(exported).items() if name != "path"}
    manifest.write_text(json.dumps(document, default=str, indent=1) + "\n")
    with tarfile.open(draft, "w:gz") as archive:
        for file in (manifest, *sorted(folder.glob("*.jsonl"))):
            archive.add(file, f"{exported.tenant_id}/{file.name}")
    path.hardlink_to(draft)
