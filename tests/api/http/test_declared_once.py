"""What is declared twice, a route or an operation id, keeps the API from starting."""

from dataclasses import replace
from typing import Any

import pytest

from api.app import build_app
from api.http.context import AppContext
from api.http.endpoint import Call, Endpoint, Reply
from api.http.validation import Query
from api.operations.bodies import OperationBody
from api.routes import ENDPOINTS
from api.tags import OPERATIONS

GET_CLUSTER = "api.clusters.clusters.get_cluster"
OURS = f"{__name__}.another_area"


async def another_area(_: Call[None, Query]) -> Reply:
    raise NotImplementedError


def endpoint(**other: Any) -> Endpoint:
    declared = Endpoint(
        method="GET",
        path="/v1/anything",
        permission="operations.read",
        tag=OPERATIONS,
        summary="",
        answers=OperationBody,
        act=another_area,
    )
    return replace(declared, **other)


def refusal_to_start(context: AppContext, *added: Endpoint) -> str:
    with pytest.raises(ValueError, match="is declared twice") as refused:
        build_app(context, (*ENDPOINTS, *added))
    return str(refused.value)


def test_what_is_declared_once_is_served(context: AppContext) -> None:
    app = build_app(context, (*ENDPOINTS, endpoint()))
    assert "/v1/anything" in {resource.canonical for resource in app.router.resources()}


@pytest.mark.parametrize("part", ["cluster_id", "id"])
def test_one_route_of_two_areas_names_both(context: AppContext, part: str) -> None:
    """Whatever they call the parts of the path."""
    said = refusal_to_start(context, endpoint(path=f"/v1/clusters/{{{part}}}"))
    assert said == f"GET /v1/clusters/{{}} is declared twice: {GET_CLUSTER} and {OURS}"


def test_what_is_built_is_not_said_to_come_later(context: AppContext) -> None:
    said = refusal_to_start(context, endpoint(path="/v1/overview"))
    later = "api.not_implemented (console)"
    assert said == f"GET /v1/overview is declared twice: {OURS} and {later}"


def test_one_operation_id_of_two_routes_names_both(context: AppContext) -> None:
    said = refusal_to_start(context, endpoint(), endpoint(path="/v1/anything-else"))
    first, second = (f"{OURS} (GET {path})" for path in ("/v1/anything", "/v1/anything-else"))
    assert said == f"the operation id another_area is declared twice: {first} and {second}"
