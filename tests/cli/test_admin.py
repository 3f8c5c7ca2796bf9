"""``cks admin`` over the database, run as an operator runs it."""

import asyncio
import json
from uuid import UUID, uuid4

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine

from cks.cli import admin
from cks.db import tenants
from cks.db.migrate import head
from cks.db.models.tenants import Tenant
from tests.conftest import Urls


def address() -> str:
    return f"{uuid4()}@acme.test"


async def cks_admin(url: str, *words: str) -> Result:
    """Run a command in a thread, where it can have an event loop of its own."""
    group = click.Group("admin")
    admin.register(group)
    environment = {"CKS_DATABASE_URL": url}
    return await asyncio.to_thread(CliRunner().invoke, group, words, env=environment)


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
    assert f"already: {first['tenant_id']}." in refused.stderr
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
    assert (await cks_admin(urls.owner, "migrate")).stdout == f"The schema is at {head()}.\n"


async def test_a_login_that_may_not_act_as_the_owner_is_told_so(urls: Urls) -> None:
    for words, why in (
        (("migrate",), "may not act as cks_owner"),
        (("token", "create", "--user", "x@x.test"), "permission denied to set role"),
    ):
        ran = await cks_admin(urls.app, *words)
        assert ran.exit_code == 1
        assert why in ran.stderr
        assert ran.stderr.count("\n") == 1
