"""``make examples``: plays the scenes against the running API, and writes what they showed.

Ids, times and addresses become others that are the same each time.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from api.app import build_app
from api.reference.examples import FILE, Examples
from cks.db.admin import tenants
from cks.db.admin.tenants import NewTenant
from cks.db.connections import connect
from cks.db.session import Database
from tests.api.conftest import listening, serving, surroundings
from tests.conftest import Urls, migrated
from tests.support.client import Client
from tests.support.scenes import Scene, lifetime, refusals
from tests.support.story import Stories

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REQUEST = re.compile(r"^[0-9a-f]{32}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
ADDRESS = re.compile(r"[^@\s]+@[\w.]+\.test")
ID = "01980000-0000-7000-8000-{:012x}"
BEGAN = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def examples_of(scenes: dict[str, Scene], problems: dict[int, Any]) -> Examples:
    """Return the examples that scenes and refusals make."""
    whole = {
        "requests": {n: s.request for n, s in sorted(scenes.items()) if s.request is not None},
        "answers": {n: s.answer for n, s in sorted(scenes.items())},
        "problems": {str(status): body for status, body in sorted(problems.items())},
    }
    return Examples(**steady(whole))


def steady(told: Any) -> Any:
    """Return what was told with ids, times and addresses that are the same each time."""
    ids: dict[str, str] = {}
    texts = [text for text in _texts(told) if TIME.match(text)]
    instants = sorted({datetime.fromisoformat(text) for text in texts})
    offsets = {at: _steady_offset(at - instants[0], n) for n, at in enumerate(instants)}

    def replaced(text: str) -> str:
        if TIME.match(text):
            shown = BEGAN + offsets[datetime.fromisoformat(text)]
            return shown.isoformat().replace("+00:00", "Z")
        if REQUEST.match(text):
            return "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
        text = ADDRESS.sub("ada@acme.example", text)
        return UUID.sub(lambda m: ids.setdefault(m[0], ID.format(len(ids) + 1)), text)

    return _each_text(told, replaced)


def _steady_offset(since: timedelta, number: int) -> timedelta:
    """Return whole minutes; seconds where all happened at once, as here."""
    return timedelta(seconds=number) if since < MINUTE else MINUTE * round(since / MINUTE)


def _texts(told: Any) -> list[str]:
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    _each_text(told, note)
    return found


def _each_text(told: Any, change: Callable[[str], str]) -> Any:
    match told:
        case str():
            return change(told)
        case list():
            return [_each_text(one, change) for one in told]
        case dict():
            return {name: _each_text(value, change) for name, value in told.items()}
    return told


async def record() -> Examples:
    """Play all scenes for a fresh tenant."""
    async with migrated() as urls:
        database = Database(urls.app)
        owner = connect(urls.owner, pool_size=1)
        context = surroundings(database, urls.app)
        try:
            async with (
                listening(context.announcements, owner),
                serving(build_app(context)) as stranger,
            ):
                return await _played(stranger, urls, database)
        finally:
            await database.close()
            await owner.dispose()


async def _played(stranger: Client, urls: Urls, database: Database) -> Examples:
    founded = await tenants.create_tenant(urls.owner, NewTenant("acme", f"{uuid4()}@acme.test"))
    tenant = founded.tenant_id
    joined = await tenants.create_user(urls.owner, str(tenant), f"{uuid4()}@acme.test", "viewer")
    client, viewer = replace(stranger, token=founded.token), replace(stranger, token=joined.token)
    scenes = await lifetime(client, viewer, Stories(database, tenant))
    return examples_of(scenes, await refusals(client, stranger, viewer))


if __name__ == "__main__":
    recorded = json.dumps(asdict(asyncio.run(record())), indent=1, ensure_ascii=False)
    FILE.write_text(f"{recorded}\n", encoding="utf-8")
