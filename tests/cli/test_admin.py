"""``cks admin`` over the database, run as an operator runs it."""

import asyncio
import hashlib
import json
import tarfile
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cks import catalogue
from cks.cli.main import operators
from cks.db.admin import tenants
from cks.db.admin.export import export
from cks.db.admin.tenants import Founded, NewTenant
from cks.db.models.tenants import Tenant
from cks.db.schema import needed_revision
from cks.domain.people import tokens
from tests.conftest import Urls
from tests.support.rows import fill

LATER = "2090-01-01T00:00:00Z"
TENANT_TABLES = """
SELECT relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attname = 'tenant_id'
"""


def address() -> str:
    return f"{uuid4()}@acme.test"


async def cks_admin(url: str, *words: str) -> Result:
    """Run a command in a thread, where it can have an event loop of its own."""
    environment = {"CKS_DATABASE_URL": url}
    return await asyncio.to_thread(CliRunner().invoke, operators, words, env=environment)


async def made(urls: Urls, *words: str) -> dict[str, str]:
    answer: dict[str, str] = json.loads((await cks_admin(urls.owner, *words)).stdout)
    return answer


async def close(owner: AsyncEngine, tenant_id: str) -> None:
    closing = sa.update(Tenant).where(Tenant.id == UUID(tenant_id)).values(status="closed")
    async with owner.begin() as connection:
        await connection.execute(closing)


async def test_a_name_is_refused_in_any_case_until_its_bearer_is_closed(
    urls: Urls, owner: AsyncEngine
) -> None:
    name = f"Name {uuid4()}"
    first = await made(urls, "tenant", "create", name, "--admin-email", address())
    again = ("tenant", "create", name.upper(), "--admin-email", address())
    refused = await cks_admin(urls.owner, *again)
    assert refused.exit_code == 1
    assert f"already exists: {first['tenant_id']}." in refused.stderr
    assert refused.stderr.count("\n") == 1

    await close(owner, first["tenant_id"])
    second = await made(urls, "tenant", "create", name, "--admin-email", address())
    joined = await tenants.create_user(urls.owner, name, address(), "viewer")
    listed = await tenants.list_users(urls.owner, second["tenant_id"])
    assert joined.user_id in {user.id for user in listed}


async def test_the_lists_tell_who_is_there_and_no_secret(urls: Urls) -> None:
    name, admin_email = f"listed {uuid4()}", address()
    founded = await made(urls, "tenant", "create", name, "--admin-email", admin_email)
    every = (await cks_admin(urls.owner, "tenant", "list")).stdout.splitlines()
    one = {"id": founded["tenant_id"], "name": name, "status": "active"}
    assert one in [json.loads(line) for line in every]
    assert str(UUID(int=0)) not in "".join(every)

    users = (await cks_admin(urls.owner, "user", "list", "--tenant", name)).stdout.splitlines()
    admin = {"id": founded["user_id"], "email": admin_email, "role": "admin", "status": "active"}
    assert [json.loads(line) for line in users] == [admin]


async def test_the_commands_answer_in_json_that_leads_on(urls: Urls) -> None:
    founded = await made(urls, "tenant", "create", "globex", "--admin-email", address())
    email = address()
    words = ("--tenant", founded["tenant_id"], "--email", email, "--role", "developer")
    joined = await made(urls, "user", "create", *words)
    issued = await made(urls, "token", "create", "--user", joined["user_id"])
    assert set(founded) == {"tenant_id", "user_id", "token"}
    assert set(joined) == {"user_id", "token"}
    assert set(issued) == {"token_id", "token"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("tenant", "create", "x", "--admin-email", "x@x.test", "--timezone", "Nix"), "Nix is no"),
        (("user", "create", "--tenant", "nix", "--email", "x@x.test", "--role", "r"), "tenant nix"),
        (("user", "list", "--tenant", "nix"), "no tenant nix"),
        (("token", "create", "--user", "nobody@x.test"), "no user nobody@x.test"),
        (("token", "create", "--user", ""), "user's id or address"),
        (("token", "create", "--user", "x@x.test", "--name", ""), "1 to 64 characters"),
        (("token", "create", "--user", "x@x.test", "--name", "n" * 65), "1 to 64 characters"),
    ],
)
async def test_a_command_says_in_one_line_what_is_wrong(
    urls: Urls, words: tuple[str, ...], why: str
) -> None:
    ran = await cks_admin(urls.owner, *words)
    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: ")
    assert why in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://127.0.0.1/x",
        "postgresql://nobody:wrong@127.0.0.1:1/postgres",
        "postgresql://127.0.0.1:notaport/x",
    ],
)
async def test_a_command_without_a_database_says_so_in_one_line(url: str) -> None:
    ran = await cks_admin(url, "migrate")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert "database" in ran.stderr.lower()


@pytest.mark.parametrize("url", ["", "postgresql://nobody:wrong@127.0.0.1:1/postgres"])
async def test_a_command_without_a_database_names_the_ways_to_one(url: str) -> None:
    ran = await cks_admin(url, "tenant", "list")
    assert "Start `make dev`, or set CKS_DATABASE_URL." in ran.stderr


async def test_migrating_says_where_the_schema_is(urls: Urls) -> None:
    assert (
        await cks_admin(urls.owner, "migrate")
    ).stdout == f"The schema is at {needed_revision()}.\n"


async def test_a_login_that_may_not_act_as_the_owner_is_told_so(urls: Urls) -> None:
    for words, why in (
        (("migrate",), "may not act as cks_owner"),
        (("token", "create", "--user", "x@x.test"), "permission denied to set role"),
    ):
        ran = await cks_admin(urls.app, *words)
        assert ran.exit_code == 1
        assert why in ran.stderr
        assert ran.stderr.count("\n") == 1


async def test_a_tenant_is_set_suspended_and_activated(urls: Urls) -> None:
    tenant = (await made(urls, "tenant", "create", f"acme-{uuid4()}", "--admin-email", address()))[
        "tenant_id"
    ]
    words = ("--name", "new", "--timezone", "Asia/Tokyo", "--billing-cycle", "day")
    now = await made(urls, "tenant", "set", tenant, *words)
    assert now == {
        "tenant_id": tenant,
        "name": "new",
        "status": "active",
        "timezone": "Asia/Tokyo",
        "currency": "USD",
        "billing_cycle": "day",
    }
    for _ in range(2):
        assert (await made(urls, "tenant", "suspend", tenant))["status"] == "suspended"
    assert (await made(urls, "tenant", "activate", tenant))["status"] == "active"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set",), "Say what to set"),
        (("set", "--timezone", "Mars/Olympus_Mons"), "is not a time zone"),
        (("set", "--name", " "), "1 to 128 characters"),
        (("set", "--billing-cycle", "year"), "'year' is not one of"),
    ],
)
async def test_a_setting_that_cannot_be_meant_is_told(
    urls: Urls, words: tuple[str, ...], said: str
) -> None:
    tenant = await made(urls, "tenant", "create", f"acme-{uuid4()}", "--admin-email", address())
    command, *options = words
    ran = await cks_admin(urls.owner, "tenant", command, tenant["tenant_id"], *options)
    assert ran.exit_code
    assert said in ran.stderr


async def test_a_closed_tenant_is_neither_set_nor_opened(urls: Urls, owner: AsyncEngine) -> None:
    tenant = await made(urls, "tenant", "create", f"acme-{uuid4()}", "--admin-email", address())
    await close(owner, tenant["tenant_id"])
    ran = await cks_admin(urls.owner, "tenant", "activate", tenant["tenant_id"])
    assert (ran.exit_code, ran.stderr) == (1, "Error: The tenant is closed.\n")


async def test_an_export_holds_every_row_of_the_tenant_and_no_secret(
    urls: Urls, owner: AsyncEngine, tmp_path: Path
) -> None:
    mine = await tenants.create_tenant(urls.owner, NewTenant(f"mine-{uuid4()}", address()))
    async with AsyncSession(owner) as session, session.begin():
        await fill(session, mine)
    output = tmp_path / "mine.tar.gz"
    told = json.loads(
        (
            await cks_admin(
                urls.owner, "tenant", "export", str(mine.tenant_id), "--output", str(output)
            )
        ).stdout
    )
    with tarfile.open(output) as archive:
        names = archive.getnames()
        files = {name.split("/")[1]: archive.extractfile(name) for name in names}
        texts = {name: file.read().decode() for name, file in files.items() if file}
    manifest = json.loads(texts.pop("manifest.json"))
    assert manifest["tables"] == told["tables"]
    async with owner.connect() as connection:
        every = set(await connection.scalars(sa.text(TENANT_TABLES)))
    assert {name.removesuffix(".jsonl") for name in texts} == every | {"tenants"}
    for name, text in texts.items():
        rows = [json.loads(line) for line in text.splitlines()]
        of_table = manifest["tables"][name.removesuffix(".jsonl")]
        assert of_table["rows"] == len(rows) > 0, name
        assert of_table["sha256"] == hashlib.sha256(text.encode()).hexdigest()
        column = "id" if name == "tenants.jsonl" else "tenant_id"
        assert {row[column] for row in rows} == {str(mine.tenant_id)}
        assert mine.token not in text
        assert tokens.digest_of(mine.token) not in text
    again = await cks_admin(
        urls.owner, "tenant", "export", str(mine.tenant_id), "--output", str(output)
    )
    assert (again.exit_code, again.stderr) == (1, f"Error: The file {output} already exists.\n")


async def test_a_tenant_at_work_is_exported(urls: Urls, founded: Founded, tmp_path: Path) -> None:
    """The log's chain moves on while its rows are read."""

    async def work() -> None:
        while True:
            await tenants.create_token(urls.owner, str(founded.user_id))

    async with asyncio.TaskGroup() as group:
        working = group.create_task(work())
        for number in range(5):
            done = await export(urls.owner, str(founded.tenant_id), tmp_path / f"{number}.tar.gz")
            assert done.tables["activity_logs"].rows > number
        working.cancel()


async def test_an_export_that_the_disk_does_not_take_leaves_nothing(
    urls: Urls, founded: Founded
) -> None:
    output = Path("/proc/nowhere.tar.gz")
    words = ("tenant", "export", str(founded.tenant_id), "--output", str(output))
    ran = await cks_admin(urls.owner, *words)
    assert ran.exit_code == 1
    assert f"{output} cannot be written" in ran.stderr


async def test_prices_are_added_listed_and_ended(urls: Urls, founded: Founded) -> None:
    tenant = str(founded.tenant_id)
    of = ("--tenant", tenant, "--sku", "disk")
    added = await made(urls, "price", "add", *of, "--unit-price", "0.06", "--from", LATER)
    assert (added["tenant_id"], added["unit_price"]) == (tenant, "0.06")
    assert added["valid_from"] == "2090-01-01T00:00:00.000000Z"
    lines = (await cks_admin(urls.owner, "price", "list")).stdout.splitlines()
    assert [line["sku"] for line in map(json.loads, lines) if line["tenant_id"] == tenant] == [
        "disk"
    ]
    ended = await cks_admin(urls.owner, "price", "end", *of, "--from", "2091-01-01T00:00:00Z")
    assert (ended.exit_code, ended.stdout) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--unit-price", "-1"), "must be a price such as"),
        (("--unit-price", "NaN"), "must be a price such as"),
        (("--unit-price", "0.00000000001"), "must be a price such as"),
        (("--unit-price", "1", "--from", "tomorrow"), "must be an RFC 3339 time"),
        (("--unit-price", "1", "--from", "2090-01-01T00:00:00"), "must be an RFC 3339 time"),
        (("--unit-price", "1", "--currency", "euro"), "must be an ISO 4217 code"),
        (("--unit-price", "1", "--from", "2020-01-01T00:00:00Z"), "in the future"),
        (("--unit-price", "1", "--tenant", "nobody"), "There is no tenant nobody"),
    ],
)
async def test_a_price_that_cannot_be_meant_is_told_in_one_line(
    urls: Urls, words: tuple[str, ...], said: str
) -> None:
    ran = await cks_admin(urls.owner, "price", "add", "--sku", "disk", *words)
    assert ran.exit_code
    assert said in ran.stderr


async def test_a_catalogue_is_imported_from_a_file(urls: Urls, tmp_path: Path) -> None:
    file = tmp_path / "releases.json"
    file.write_text(catalogue.own("kubernetes-releases"))
    taken = json.loads((await cks_admin(urls.owner, "catalogue", "import", str(file))).stdout)
    assert [taken[name] for name in ("added", "changed", "withdrawn")] == [[], [], []]
    file.write_text('{"minors": [{"minor": "1.40"}]}')
    ran = await cks_admin(urls.owner, "catalogue", "import", str(file))
    assert ran.exit_code == 1
    assert "minors/0/released: Field required" in ran.stderr


async def test_both_logins_get_the_passwords_of_their_urls(urls: Urls) -> None:
    odd = urls.app.replace("tests@", "it's%20%24%25%3A%40@")
    told = {"CKS_DATABASE_URL": urls.owner, "CKS_DISPATCH_DATABASE_URL": urls.dispatch}

    async def migrate(app: str) -> Result:
        given = told | {"CKS_APP_DATABASE_URL": app}
        words = ("migrate", "--logins")
        return await asyncio.to_thread(CliRunner().invoke, operators, words, env=given)

    try:
        answer = await migrate(odd)
        assert "Passwords set for: cks_app, cks_dispatch." in answer.stdout
        await (await asyncpg.connect(odd)).close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(urls.app)
    finally:
        assert (await migrate(urls.app)).exit_code == 0
    refused = await migrate(urls.owner)
    assert refused.exit_code == 1
    assert "postgres is not cks_app or cks_dispatch" in refused.stderr
