"""OpenAPI 3.1, made from the same declarations that serve the requests."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from openapi_pydantic import (
    Components,
    Contact,
    Header,
    Info,
    License,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Server,
    Tag,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from api.endpoint import Endpoint
from api.problems import CONTENT_TYPE, STATUS, Problem, status_of

TAGS = {
    "clusters": "Clusters and their node pools",
    "operations": "Changes that take time, and what they tell",
    "catalogue": "What can be ordered",
}
UUID_OR_NAME = r"^([0-9a-fA-F-]{36}|name:[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"
NAMED = ("cluster_id", "node_pool_id")


def document(endpoints: tuple[Endpoint, ...], url: str, version: str) -> dict[str, Any]:
    """Return the description of the endpoints, served at ``url``."""
    paths: dict[str, dict[str, Operation]] = defaultdict(dict)
    for endpoint in endpoints:
        paths[endpoint.path][endpoint.method.lower()] = _operation(endpoint)
    described = OpenAPI(
        openapi="3.1.1",
        info=Info(
            title="CyberCloud Kubernetes Service",
            version=version,
            description="Managed Kubernetes clusters: ordered over HTTP, followed as operations.",
            contact=Contact(name="CyberCloud", url="https://docs.cybercloud.example"),
            license=License(name="Proprietary", identifier="LicenseRef-Proprietary"),
        ),
        servers=[Server(url=url)],
        tags=[Tag(name=name, description=said) for name, said in TAGS.items()],
        security=[{"token": []}],
        paths={path: PathItem.model_validate(verbs) for path, verbs in paths.items()},
        components=Components(
            securitySchemes={
                "token": SecurityScheme(
                    type="http", scheme="bearer", description="`cks_…`, from `cks admin`."
                )
            }
        ),
    )
    full = construct_open_api_with_schema_class(described, by_alias=True)
    return full.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def _operation(endpoint: Endpoint) -> Operation:
    handler = endpoint.act or endpoint.wait
    return Operation(
        operationId=endpoint.name,
        summary=endpoint.summary,
        description=f"{(handler.__doc__ or endpoint.summary).strip()}\n\n"
        f"Needs the permission `{endpoint.permission}`.",
        tags=[_tag(endpoint)],
        parameters=list(_parameters(endpoint)) or None,
        requestBody=_body(endpoint),
        responses={
            str(endpoint.status): _answer(endpoint),
            **{str(status): _problem(status) for status in _statuses(endpoint)},
        },
    )


def _tag(endpoint: Endpoint) -> str:
    resource = endpoint.permission.partition(".")[0]
    return "clusters" if resource == "node_pools" else resource


def _parameters(endpoint: Endpoint) -> Iterator[Parameter]:
    for name in re.findall(r"\{(\w+)\}", endpoint.path):
        named = name in NAMED
        shape = {"pattern": UUID_OR_NAME} if named else {"format": "uuid"}
        schema = Schema.model_validate({"type": "string", **shape})
        said = "An id, or `name:` and a name." if named else "An id."
        yield _parameter("path", name, schema, said, required=True)
    described = endpoint.query.model_json_schema()
    for name, schema in described.get("properties", {}).items():
        yield _parameter("query", name, Schema.model_validate(schema), "")
    yield from _headers(endpoint)


def _headers(endpoint: Endpoint) -> Iterator[Parameter]:
    text = Schema(type="string")
    if endpoint.mutates:
        said = "Repeats of a request under one key start one operation."
        yield _parameter("header", "Idempotency-Key", text, said)
    if endpoint.method == "DELETE":
        said = "The ETag of the state that is to be deleted."
        yield _parameter("header", "If-Match", text, said)
    if endpoint.stream:
        said = "Resumes after this event, with nothing lost."
        yield _parameter("header", "Last-Event-ID", text, said)


def _parameter(
    place: str, name: str, schema: Schema, said: str, *, required: bool = False
) -> Parameter:
    return Parameter.model_validate(
        {
            "in": place,
            "name": name,
            "required": required,
            "schema": schema.model_dump(by_alias=True, exclude_none=True),
            "description": said or schema.description or f"The parameter `{name}`.",
        }
    )


def _body(endpoint: Endpoint) -> RequestBody | None:
    if endpoint.body is None:
        return None
    return RequestBody(required=True, content={"application/json": _media(endpoint.body)})


def _media(model: type[BaseModel]) -> MediaType:
    return MediaType(media_type_schema=PydanticSchema(schema_class=model))


def _answer(endpoint: Endpoint) -> Response:
    media = endpoint.stream or "application/json"
    headers = {"X-Request-Id": Header(description="The request's id", schema=Schema(type="string"))}
    return Response(
        description=endpoint.summary,
        content={media: _media(endpoint.answers)},
        headers=headers,
    )


def _statuses(endpoint: Endpoint) -> list[int]:
    return sorted({status_of(kind) for kind in endpoint.all_refusals()} | {500})


def _problem(status: int) -> Response:
    title = next(said for code, said in STATUS.values() if code == status)
    return Response(description=title, content={CONTENT_TYPE: _media(Problem)})
