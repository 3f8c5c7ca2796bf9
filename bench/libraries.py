"""The floor of ``idle``: ``python -m bench.libraries PORT``.

The libraries that the API stands on, imported and left alone, and one route to see it by.
"""

import sys

import asyncpg  # noqa: F401
import prometheus_client  # noqa: F401
import pydantic_settings  # noqa: F401
import sqlalchemy.ext.asyncio  # noqa: F401
import structlog  # noqa: F401
import temporalio.client  # noqa: F401
from aiohttp import web


async def answer(_: web.Request) -> web.Response:
    return web.Response()


def main() -> None:
    app = web.Application()
    app.router.add_get("/", answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


main()
