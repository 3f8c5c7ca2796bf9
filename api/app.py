"""The tenants' application: its routes, and the description of them."""

import json
from importlib.metadata import version

from aiohttp import web

from api import not_implemented
from api.http.context import APP_CONTEXT, AppContext
from api.http.declared_once import check_declared_once, declarations_of
from api.http.endpoint import Endpoint
from api.http.validation import LONGEST_BODY
from api.reference import examples, openapi, page
from api.routes import ENDPOINTS
from api.serving import answering, serve


def build_app(context: AppContext, endpoints: tuple[Endpoint, ...] = ENDPOINTS) -> web.Application:
    """Return the tenants' application.

    Raise ``ValueError`` for a route that is declared twice, or both served and not available yet.
    """
    declared = (each for endpoint in endpoints for each in declarations_of(endpoint))
    check_declared_once([*declared, *not_implemented.declarations()])
    app = web.Application(middlewares=[answering], client_max_size=LONGEST_BODY)
    app[APP_CONTEXT] = context
    url, release = context.settings.api_url, version("cks-control-plane")
    described = openapi.document(endpoints, url, release, examples.load())
    raw = json.dumps(described).encode()

    async def describe(_: web.Request) -> web.Response:
        return web.Response(body=raw, content_type="application/json")

    app.router.add_route("GET", "/openapi.json", describe)
    # Longer paths first: aiohttp would match `{id}:cancel` as an `{id}`.
    for endpoint in sorted(endpoints, key=lambda e: -len(e.path)):
        app.router.add_route(endpoint.method, endpoint.path, serve(endpoint))
    app.add_routes(page.routes(context.settings.api_url))
    app.add_routes(not_implemented.routes())
    return app
