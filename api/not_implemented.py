"""Routes of the contract that this version does not have: 501, for callers with a valid token.

They are not part of the reference.  Whoever builds one removes its line here; until then the
API refuses to start.
"""

from collections.abc import Iterator

from aiohttp import web

from api.http.auth import authorization_of
from api.http.context import APP_CONTEXT, REQUEST_ID
from api.http.declared_once import Declaration, route_declared
from cks.db.access.decisions import AccessQuestion
from cks.domain.refusals import NotBuiltYet

CLUSTER = "/v1/clusters/{cluster_id}"
POOL = f"{CLUSTER}/node-pools/{{node_pool_id}}"
NAMESPACE = f"{CLUSTER}/namespaces/{{namespace_id}}"

LATER: dict[str, dict[str, str]] = {
    "clusters": {
        CLUSTER: "PATCH",
        f"{CLUSTER}:upgrade": "POST",
        f"{CLUSTER}/upgrades": "GET",
        f"{CLUSTER}/deletion-preview": "GET",
        f"{CLUSTER}:kubeconfig": "POST",
        f"{CLUSTER}/credentials": "GET",
        f"{CLUSTER}/credentials/{{credential_id}}": "DELETE",
        f"{CLUSTER}/queue": "GET",
        f"{CLUSTER}/node-pools": "POST",
        POOL: "DELETE",
        f"{POOL}:scale": "POST",
        f"{POOL}:upgrade": "POST",
        f"{POOL}/nodes": "GET",
        f"{POOL}/nodes/{{node_id}}:replace": "POST",
        f"{CLUSTER}/namespaces": "GET POST",
        NAMESPACE: "GET PATCH DELETE",
    },
    "operations": {
        "/v1/operations/{operation_id}:pause": "POST",
        "/v1/operations/{operation_id}:resume": "POST",
        "/v1/operations/{operation_id}:retry": "POST",
        "/v1/operations/{operation_id}:rollback": "POST",
    },
    "tenants": {
        "/v1/quotas": "GET",
        "/v1/tenant/identity-provider": "GET PUT DELETE",
    },
    "people": {
        "/v1/me": "PATCH",
        "/v1/me/preferences": "GET PUT PATCH",
        "/v1/me/tokens": "GET POST",
        "/v1/me/tokens/{token_id}": "DELETE",
        "/v1/me/tokens/{token_id}:rotate": "POST",
        "/v1/me/sessions": "GET DELETE",
        "/v1/users": "POST",
        "/v1/users/{user_id}": "DELETE",
        "/v1/users/{user_id}:suspend": "POST",
        "/v1/users/{user_id}:activate": "POST",
    },
    "billing": {
        "/v1/billing/periods": "GET",
        "/v1/billing/periods/{period_id}": "GET",
        "/v1/billing/periods/{period_id}/usage": "GET",
        "/v1/billing/periods/{period_id}/usage/{line_id}": "GET",
        "/v1/billing/periods/{period_id}:export": "GET",
        "/v1/billing/current": "GET",
        "/v1/billing/forecast": "GET",
        "/v1/billing/budgets": "GET POST",
        "/v1/billing/budgets/{budget_id}": "GET PATCH DELETE",
    },
    "monitoring": {
        "/v1/alerts": "GET",
        "/v1/alerts/{alert_id}": "GET",
        "/v1/alerts/{alert_id}:acknowledge": "POST",
        "/v1/alerts/{alert_id}:resolve": "POST",
        "/v1/alert-rules": "GET POST",
        "/v1/alert-rules/{rule_id}": "GET PATCH DELETE",
        "/v1/metrics": "POST",
        "/v1/metrics:query_range": "GET",
    },
    "notifications": {
        "/v1/notifications": "GET",
        "/v1/notifications/{notification_id}:read": "POST",
        "/v1/notifications:read_all": "POST",
        "/v1/webhooks": "GET POST",
        "/v1/webhooks/{webhook_id}": "GET PATCH DELETE",
        "/v1/webhooks/{webhook_id}:rotate_secret": "POST",
        "/v1/webhooks/{webhook_id}/deliveries": "GET",
        "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}:redeliver": "POST",
    },
    "console": {
        "/v1/overview": "GET",
    },
    "support": {
        "/v1/docs": "GET POST",
        "/v1/docs/{doc_id}": "GET PATCH DELETE",
        "/v1/help-tickets": "GET POST",
        "/v1/help-tickets/{ticket_id}": "GET PATCH",
        "/v1/help-tickets/{ticket_id}/messages": "GET POST",
        "/v1/questions": "GET POST",
        "/v1/questions/{question_id}": "GET DELETE",
        "/v1/questions/{question_id}/answers": "GET POST",
        "/v1/questions/{question_id}/answers/{answer_id}:accept": "POST",
    },
    "activity_log": {
        "/v1/activity-logs": "GET",
        "/v1/activity-logs:verify": "POST",
    },
}
"""Area → path → the methods that it will have."""

OPEN = ("/auth/login", "/auth/callback", "/auth/logout")
"""GET, without a token: a browser calls these before it has one."""


async def answer_everybody(_: web.Request) -> web.StreamResponse:
    raise NotBuiltYet("This part of the API is not available yet.")


async def answer_later(request: web.Request) -> web.StreamResponse:
    """Refuse; a caller without a valid token learns only that."""
    context = request.app[APP_CONTEXT]
    anybody = AccessQuestion(None)
    async with authorization_of(
        request, context.database, anybody, request_id=request[REQUEST_ID]
    ).open():
        raise NotBuiltYet("This part of the API is not available yet.")


def reserved() -> Iterator[tuple[str, str, str]]:
    """Yield the area, the method and the path of each route that requires a token."""
    for area, paths in LATER.items():
        for path, methods in paths.items():
            for method in methods.split():
                yield area, method, path


def declarations() -> Iterator[Declaration]:
    """Yield what no endpoint may serve while it is listed here."""
    for area, method, path in reserved():
        yield route_declared(method, path, f"{__name__} ({area})")


def routes() -> list[web.RouteDef]:
    """Return the routes that answer 501."""
    known = [web.route(method, path, answer_later) for _, method, path in reserved()]
    return known + [web.route("GET", path, answer_everybody) for path in OPEN]
