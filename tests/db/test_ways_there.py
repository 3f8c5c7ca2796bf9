"""PostgreSQL over TLS, and behind a pooler that lends a server for a transaction at a time."""

import asyncio
import shutil
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa
import trustme
from sqlalchemy.exc import DBAPIError

from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant
from cks.db.dispatch import Dispatch
from cks.db.operations import views
from cks.db.operations.rows import state_of
from cks.db.session import Database, driver
from cks.domain.operations.lifecycle import OperationRef
from tests.conftest import Urls, migrated
from tests.db.operations.test_views import READ, asked, claim_of
from tests.support.servers import free_port, open_folder

pytestmark = pytest.mark.trial

INITDB = shutil.which("initdb")
POOLER = shutil.which("pgbouncer") or ""
CROWD = 60
ENCRYPTED = sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
ASK_ENCRYPTED = ENCRYPTED.text
SERVER = sa.text("SELECT pg_backend_pid()")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
async def encrypted(authority: trustme.CA) -> AsyncIterator[Urls]:
    """A server that takes nothing but TLS; its URLs say nothing of that."""
    if INITDB is None:
        pytest.skip("the embedded PostgreSQL knows no TLS, and there is no other")
    async with migrated(Path(INITDB).resolve().parent) as urls:
        connection = await asyncpg.connect(urls.owner)
        data = Path(await connection.fetchval("SHOW data_directory"))
        pair = data / "server.pem"
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(str(pair))
        pair.chmod(0o600)
        shutil.chown(pair, data.owner())
        (data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")
        for setting in ("ssl = on", "ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.pem'"):
            await connection.execute(f"ALTER SYSTEM SET {setting}")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        there = (url.replace("127.0.0.1", "localhost") for url in (urls.owner, urls.app))
        yield replace(urls, owner=next(there), app=next(there))


def checked(url: str, authority: trustme.CA, folder: Path) -> str:
    """Return the URL with its server's certificate checked against an authority's."""
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return f"{url}?sslmode=verify-full&sslrootcert={path}"


async def test_all_ways_in_are_encrypted_where_the_url_says_so(
    encrypted: Urls, authority: trustme.CA, tmp_path: Path
) -> None:
    database = Database(checked(encrypted.app, authority, tmp_path))
    async with database.begin(uuid4()) as session:
        assert await session.scalar(ENCRYPTED) is True
        assert await driver(session).fetchval(ASK_ENCRYPTED) is True
    row = await database.ask(ASK_ENCRYPTED)
    assert row
    assert row["ssl"] is True
    await database.close()


async def test_a_server_that_nobody_vouches_for_is_refused(encrypted: Urls, tmp_path: Path) -> None:
    database = Database(checked(encrypted.app, trustme.CA(), tmp_path))
    with pytest.raises(ssl.SSLCertVerificationError):
        async with database.begin(uuid4()):
            raise AssertionError("it was trusted")
    with pytest.raises(ssl.SSLCertVerificationError):
        await database.ask(ASK_ENCRYPTED)
    await database.close()


async def test_who_wants_no_encryption_is_told_by_the_server(encrypted: Urls) -> None:
    database = Database(f"{encrypted.app}?sslmode=disable")
    with pytest.raises(DBAPIError, match="no encryption"):
        async with database.begin(uuid4()):
            raise AssertionError("it was let in")
    await database.close()


@contextmanager
def pooler(urls: Urls) -> Iterator[Urls]:
    """Run PgBouncer before the server: a few connections, lent for a transaction at a time."""
    port, behind = free_port(), urlsplit(urls.app)
    with open_folder() as folder:
        users = "".join(
            f'"{urlsplit(url).username}" "{behind.password}"\n' for url in (urls.app, urls.dispatch)
        )
        (folder / "users").write_text(users)
        (folder / "ini").write_text(
            f"""[databases]
* = host=127.0.0.1 port={behind.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 4
"""
        )
        with subprocess.Popen([POOLER, "-q", f"{folder}/ini"], user="nobody", cwd="/") as running:
            try:
                yield Urls(*(_through(url, port) for url in (urls.owner, urls.app, urls.dispatch)))
            finally:
                running.send_signal(signal.SIGTERM)


def _through(url: str, port: int) -> str:
    place = urlsplit(url)
    return place._replace(netloc=f"{place.username}:{place.password}@127.0.0.1:{port}").geturl()


@pytest.mark.skipif(not POOLER, reason="there is no PgBouncer here")
async def test_behind_a_pooler_each_transaction_may_have_another_server(urls: Urls) -> None:
    founded = await tenants.create_tenant(urls.owner, NewTenant("acme", f"{uuid4()}@acme.test"))
    with pooler(urls) as there:
        database, dispatch = Database(there.app, pooled=True), Dispatch(there.dispatch, pooled=True)
        await until_it_listens(there.app)
        made = await asked(database, founded, uuid4())
        claim = claim_of(founded.token)
        servers: set[int] = set()

        async def work(number: int) -> None:
            if number % 2:
                seen = await views.glimpse(database, claim, READ, made.id)
                assert seen.operation
                assert seen.operation.snapshot == made.snapshot
                return
            async with database.hold(OperationRef(founded.tenant_id, made.id)) as (session, row):
                assert row
                assert state_of(row).id == made.id
                servers.add(await session.scalar(SERVER) or 0)
                assert await driver(session).fetchval(ASK_ENCRYPTED) is False

        async with asyncio.TaskGroup() as crowd:
            for number in range(CROWD):
                crowd.create_task(work(number))
        assert len(servers) > 1
        assert founded.tenant_id in await dispatch.find_tenants(UUID(int=0), 1000)
        await database.close()
        await dispatch.close()


async def until_it_listens(url: str) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await (await asyncpg.connect(url, statement_cache_size=0)).close()
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
