"""OpenAPI 3.1, made from the same declarations that serve the requests."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
    Reference,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Server,
    Tag,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from api.http.endpoint import Endpoint
from api.http.problems import CONTENT_TYPE, STATUS, Problem, status_of
from api.http.validation import Either
from api.reference.examples import Examples
from cks.domain.refusals import PreconditionFailed

SUPPORT = "support@cybercloud.example"
UUID_OR_NAME = r"^([0-9a-fA-F-]{36}|name:[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"
Shape = Mapping[str, Any]
TEXT = {"type": "string"}
KEY = {**TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
KEY_SAID = (
    "1 to 255 printable ASCII characters without spaces, of your choice; kept for at least "
    "24 hours. A repeat of the same request under the same key starts nothing: it is answered with "
    "the operation of the first, as it is now, or with the answer of the first. Another request "
    "under it is refused (422 `idempotency_key_reused`)."
)
MATCH_SAID = (
    "The `ETag` of the state that you mean to change: in any other nothing is changed (412). "
    "`*` is any state."
)
RESUME_SAID = (
    "The `id` of the last event that you have read: the stream continues after it, with nothing "
    "lost. Without it, one operation's stream begins with its first event, that of all with the "
    "next."
)


def document(
    endpoints: tuple[Endpoint, ...], url: str, version: str, examples: Examples
) -> dict[str, Any]:
    """Return the description of the endpoints, served at ``url``."""
    paths: dict[str, dict[str, Operation]] = defaultdict(dict)
    for endpoint in endpoints:
        paths[endpoint.path][endpoint.method.lower()] = _operation(endpoint, examples)
    described = OpenAPI(
        openapi="3.1.1",
        info=Info(
            title="CyberCloud Kubernetes Service",
            version=version,
            description="Managed Kubernetes clusters: ordered over HTTP, followed as operations.",
            contact=Contact(
                name="CyberCloud", url="https://docs.cybercloud.example", email=SUPPORT
            ),
            license=License(name="Proprietary", url="https://docs.cybercloud.example/licence"),
        ),
        servers=[Server(url=url)],
        tags=list(_tags(endpoints)),
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


def _operation(endpoint: Endpoint, examples: Examples) -> Operation:
    needs = f"Needs the permission `{endpoint.permission}`{endpoint.target.where}."
    needs = needs if endpoint.permission else f"Needs no permission: {endpoint.why_open}."
    return Operation(
        operationId=endpoint.name,
        summary=endpoint.summary,
        description=f"{endpoint.description or ''} {needs}".strip(),
        tags=[endpoint.tag.name],
        parameters=list(_parameters(endpoint)) or None,
        requestBody=_body(endpoint, examples.requests.get(endpoint.name)),
        responses={
            str(endpoint.status): _answer(endpoint, examples.answers.get(endpoint.name)),
            **{
                str(status): _problem(status, examples.problems.get(str(status)))
                for status in _statuses(endpoint)
            },
        },
    )


def _tags(endpoints: Iterable[Endpoint]) -> Iterator[Tag]:
    for tag in sorted({endpoint.tag for endpoint in endpoints}, key=lambda tag: tag.name):
        yield Tag(name=tag.name, description=tag.description)


def _parameters(endpoint: Endpoint) -> Iterator[Parameter]:
    for name in re.findall(r"\{(\w+)\}", endpoint.path):
        named = name in endpoint.named
        shape = {"pattern": UUID_OR_NAME} if named else {"format": "uuid"}
        said = "An id, or `name:` and a name." if named else "An id."
        yield _parameter("path", name, {**TEXT, **shape}, said)
    for name, schema in endpoint.query.model_json_schema().get("properties", {}).items():
        yield _parameter("query", name, _said_in_a_query(schema), schema.get("description", ""))
    yield from _headers(endpoint)


def _said_in_a_query(schema: Shape) -> Shape:
    """Return a field's schema without what no query can say: null, by leaving it out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k not in ("anyOf", "description", "title")}
    return {**rest, **(kinds[0] if kinds else {})}


def _headers(endpoint: Endpoint) -> Iterator[Parameter]:
    if endpoint.takes_body:
        yield _parameter("header", "Idempotency-Key", KEY, KEY_SAID)
    if PreconditionFailed in endpoint.refuses:
        yield _parameter("header", "If-Match", TEXT, MATCH_SAID)
    if endpoint.stream:
        yield _parameter("header", "Last-Event-ID", TEXT, RESUME_SAID)


def _parameter(place: str, name: str, schema: Shape, said: str) -> Parameter:
    return Parameter.model_validate(
        {
            "in": place,
            "name": name,
            "required": place == "path",
            "schema": schema,
            "description": said,
        }
    )


def _body(endpoint: Endpoint, example: object) -> RequestBody | None:
    if endpoint.body is None:
        return None
    kinds = ["application/json"]
    if endpoint.method == "PATCH":
        kinds.append("application/merge-patch+json")
    return RequestBody(required=True, content=dict.fromkeys(kinds, _media(endpoint.body, example)))


def _media(model: type[BaseModel] | Either, example: object) -> MediaType:
    shown = {} if example is None else {"example": example}
    if isinstance(model, Either):
        both = (model.first, model.second)
        kinds: list[Schema | Reference] = [PydanticSchema(schema_class=kind) for kind in both]
        return MediaType(media_type_schema=Schema(anyOf=kinds), **shown)
    return MediaType(media_type_schema=PydanticSchema(schema_class=model), **shown)


def _answer(endpoint: Endpoint, example: object) -> Response:
    media = endpoint.stream or "application/json"
    headers = {"X-Request-Id": Header(description="The request's id", schema=Schema(type="string"))}
    return Response(
        description=endpoint.summary,
        content={media: _media(endpoint.answers, example)},
        headers=headers,
    )


def _statuses(endpoint: Endpoint) -> list[int]:
    return sorted({status_of(kind) for kind in endpoint.all_refusals()} | {500})


def _problem(status: int, example: object) -> Response:
    title = next(said for code, said in STATUS.values() if code == status)
    return Response(description=title, content={CONTENT_TYPE: _media(Problem, example)})
