"""The floors over HTTP: ``python -m bench.floor PORT``.

A bare aiohttp application on a bare asyncpg pool, as a superuser: no tenant, no token, no
permission, no row security, no log.  ``GET /operations/{id}`` answers one row, ``POST
/clusters`` writes two.
"""

import json
import os
import sys
from uuid import UUID

import asyncpg
from aiohttp import web
from uuid_utils.compat import uuid7

READ = "SELECT to_jsonb(o)::text FROM operations o WHERE id = $1"
CLUSTER = """
INSERT INTO clusters (id, tenant_id, name, status, version, networking)
VALUES ($1, $2, $3, 'pending', $4, '{}')
"""
OPERATION = """
INSERT INTO operations (id, tenant_id, type, resource_type, resource_id, request)
VALUES ($1, $2, 'cluster.create', 'cluster', $3, $4)
"""
POOL = web.AppKey("pool", asyncpg.Pool)


async def read(request: web.Request) -> web.Response:
    row = await request.app[POOL].fetchval(READ, UUID(request.match_info["id"]))
    return web.Response(text=row, content_type="application/json")


async def accept(request: web.Request) -> web.Response:
    asked = await request.json()
    cluster, operation, tenant = uuid7(), uuid7(), UUID(request.headers["Authorization"][7:])
    async with request.app[POOL].acquire() as connection, connection.transaction():
        name, version = asked["name"], asked["version"]
        await connection.execute(CLUSTER, cluster, tenant, name, version)
        await connection.execute(OPERATION, operation, tenant, cluster, json.dumps(asked))
    return web.json_response({"id": str(operation)}, status=202)


async def connect(app: web.Application) -> None:
    app[POOL] = await asyncpg.create_pool(os.environ["CKS_DATABASE_URL"], min_size=20, max_size=20)


def main() -> None:
    app = web.Application()
    app.on_startup.append(connect)
    app.router.add_get("/operations/{id}", read)
    app.router.add_post("/clusters", accept)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


main()
