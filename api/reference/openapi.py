"""OpenAPI 3.1, made from the same declarations that serve the requests."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import WithDefaultSchema

from api.http.endpoint import Endpoint
from api.http.problems import CONTENT_TYPE, STATUS, Problem, status_of
from api.http.validation import Either
from api.reference.examples import Examples
from cks.domain.refusals import PreconditionFailed

SUPPORT = "support@cybercloud.example"
UUID_OR_NAME = r"^([0-9a-fA-F-]{36}|name:[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"
REF = "#/components/schemas/{model}"
Shape = Mapping[str, Any]
TEXT = {"type": "string"}
KEY = {**TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
KEY_SAID = (
    "1 to 255 printable ASCII characters without spaces, chosen by you and kept for at least "
    "24 hours. Repeating a request with the same key changes nothing: it returns the operation "
    "that the first request started, in its current state, or the first response. A different "
    "request with the same key is refused (422 `idempotency_key_reused`)."
)
MATCH_SAID = (
    "The `ETag` of the state that you mean to change. If the resource has a different one, nothing "
    "is changed (412). `*` matches any state."
)
RESUME_SAID = (
    "The `id` of the last event that you received; the stream continues after it without gaps. "
    "Without it, the stream of one operation begins with its first event, and the stream of all "
    "operations with the next event."
)


class Schemas(GenerateJsonSchema):
    """Tells no default that nobody can say: null, where a field may be left out."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {word: value for word, value in made.items() if (word, value) != ("default", None)}


def document(
    endpoints: tuple[Endpoint, ...], url: str, version: str, examples: Examples
) -> dict[str, Any]:
    """Return the description of the endpoints, served at ``url``."""
    paths: dict[str, dict[str, Shape]] = defaultdict(dict)
    for endpoint in endpoints:
        paths[endpoint.path][endpoint.method.lower()] = _operation(endpoint, examples)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "CyberCloud Kubernetes Service",
            "version": version,
            "description": "Managed Kubernetes clusters: ordered over HTTP, followed as "
            "operations.",
            "contact": {
                "name": "CyberCloud",
                "url": "https://docs.cybercloud.example",
                "email": SUPPORT,
            },
            "license": {"name": "Proprietary", "url": "https://docs.cybercloud.example/licence"},
        },
        "servers": [{"url": url}],
        "tags": list(_tags(endpoints)),
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(endpoints),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`cks_…`, from `cks admin`.",
                }
            },
        },
    }


def _schemas(endpoints: tuple[Endpoint, ...]) -> Shape:
    """Return the schema of every model that is sent or answered, by the model's name."""
    models = {Problem}.union(*({*_kinds(e.body), e.answers} for e in endpoints))
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template=REF, schema_generator=Schemas
    )
    return dict(sorted(made["$defs"].items()))


def _kinds(body: type[BaseModel] | Either | None) -> tuple[type[BaseModel], ...]:
    """Return the models that a body may be of."""
    if isinstance(body, Either):
        return body.first, body.second
    return (body,) if body else ()


def _operation(endpoint: Endpoint, examples: Examples) -> Shape:
    needs = f"Requires the permission `{endpoint.permission}`{endpoint.target.where}."
    needs = needs if endpoint.permission else f"Requires no permission: {endpoint.why_open}."
    said = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"{endpoint.description or ''} {needs}".strip(),
        "tags": [endpoint.tag.name],
        "parameters": [*_parameters(endpoint)],
        "requestBody": _body(endpoint, examples.requests.get(endpoint.name)),
        "responses": {
            str(endpoint.status): _answer(endpoint, examples.answers.get(endpoint.name)),
            **{
                str(status): _problem(status, examples.problems.get(str(status)))
                for status in _statuses(endpoint)
            },
        },
    }
    return {word: value for word, value in said.items() if value}


def _tags(endpoints: Iterable[Endpoint]) -> Iterator[Shape]:
    for tag in sorted({endpoint.tag for endpoint in endpoints}, key=lambda tag: tag.name):
        yield {"name": tag.name, "description": tag.description}


def _parameters(endpoint: Endpoint) -> Iterator[Shape]:
    for name in re.findall(r"\{(\w+)\}", endpoint.path):
        named = name in endpoint.named
        shape = {"pattern": UUID_OR_NAME} if named else {"format": "uuid"}
        said = "An ID, or `name:` followed by a name." if named else "An ID."
        yield _parameter("path", name, {**TEXT, **shape}, said)
    query = endpoint.query.model_json_schema(schema_generator=Schemas)
    for name, schema in query.get("properties", {}).items():
        yield _parameter("query", name, _said_in_a_query(schema), schema.get("description", ""))
    yield from _headers(endpoint)


def _said_in_a_query(schema: Shape) -> Shape:
    """Return a field's schema without what no query can say: null, by leaving it out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k not in ("anyOf", "description", "title")}
    return {**rest, **(kinds[0] if kinds else {})}


def _headers(endpoint: Endpoint) -> Iterator[Shape]:
    if endpoint.takes_body:
        yield _parameter("header", "Idempotency-Key", KEY, KEY_SAID)
    if PreconditionFailed in endpoint.refuses:
        yield _parameter("header", "If-Match", TEXT, MATCH_SAID)
    if endpoint.stream:
        yield _parameter("header", "Last-Event-ID", TEXT, RESUME_SAID)


def _parameter(place: str, name: str, schema: Shape, said: str) -> Shape:
    return {
        "in": place,
        "name": name,
        "required": place == "path",
        "schema": schema,
        "description": said,
    }


def _body(endpoint: Endpoint, example: object) -> Shape | None:
    if endpoint.body is None:
        return None
    kinds = ["application/json"]
    if endpoint.method == "PATCH":
        kinds.append("application/merge-patch+json")
    return {"required": True, "content": dict.fromkeys(kinds, _media(endpoint.body, example))}


def _media(model: type[BaseModel] | Either, example: object) -> Shape:
    shown = {} if example is None else {"example": example}
    kinds = [{"$ref": REF.format(model=kind.__name__)} for kind in _kinds(model)]
    return {"schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}, **shown}


def _answer(endpoint: Endpoint, example: object) -> Shape:
    media = endpoint.stream or "application/json"
    return {
        "description": endpoint.summary,
        "content": {media: _media(endpoint.answers, example)},
        "headers": {"X-Request-Id": {"description": "The request ID", "schema": TEXT}},
    }


def _statuses(endpoint: Endpoint) -> list[int]:
    return sorted({status_of(kind) for kind in endpoint.all_refusals()} | {500})


def _problem(status: int, example: object) -> Shape:
    title = next(said for code, said in STATUS.values() if code == status)
    return {"description": title, "content": {CONTENT_TYPE: _media(Problem, example)}}
