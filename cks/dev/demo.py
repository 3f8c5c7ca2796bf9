"""The demo tenant: an admin, a developer and a viewer, made once, their tokens kept.

A token is shown only when it is made.  Where the kept ones no longer open the API (the folder
met another database, or the file was lost), the people get new ones.
"""

import json
from collections.abc import Awaitable
from http import HTTPStatus

import aiohttp

from cks.db.admin import tenants
from cks.db.admin.connection import NotDone
from cks.db.admin.tenants import Founded, Joined, NewTenant
from cks.dev.folder import Folder
from cks.dev.surroundings import Trouble

KEPT, NAME = "demo.json", "demo"
ADMIN, DEVELOPER, VIEWER = (f"{role}@demo.example" for role in ("admin", "developer", "viewer"))


async def people(folder: Folder, api_url: str, database_url: str) -> dict[str, str]:
    """Return the tokens of the three by their variables, making what is not there."""
    kept = folder.kept(KEPT)
    if kept and await _opens(api_url, kept["CKS_TOKEN"]):
        return kept
    try:
        made = await _make(database_url)
    except NotDone as error:
        raise Trouble(f"The tenant {NAME} cannot be created: {error}") from error
    folder.keep(KEPT, json.dumps(made))
    return made


async def _make(url: str) -> dict[str, str]:
    return {
        "CKS_TOKEN": await _token(
            url, ADMIN, tenants.create_tenant(url, NewTenant(NAME, ADMIN), unique_name=True)
        ),
        "CKS_DEVELOPER_TOKEN": await _token(
            url, DEVELOPER, tenants.create_user(url, NAME, DEVELOPER, "developer")
        ),
        "CKS_VIEWER_TOKEN": await _token(
            url, VIEWER, tenants.create_user(url, NAME, VIEWER, "viewer")
        ),
    }


async def _token(url: str, email: str, making: Awaitable[Founded | Joined]) -> str:
    try:
        return (await making).token
    except NotDone:
        return (await tenants.create_token(url, email)).token


async def _opens(api_url: str, token: str) -> bool:
    bearer = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=bearer) as session,
        session.get(f"{api_url}/v1/clusters") as answer,
    ):
        return answer.status != HTTPStatus.UNAUTHORIZED
