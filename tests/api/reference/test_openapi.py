"""The description of the API, and whether the API does what it says."""

from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.http.fields import FORMS
from api.routes import ENDPOINTS
from tests.support.client import Answer, Client, order
from tests.support.scenes import lifetime
from tests.support.story import Stories


@pytest.fixture(scope="module")
async def described(stranger: Client) -> Any:
    answer = await stranger.get("/openapi.json")
    assert answer.status == 200
    return answer.body


def test_it_is_valid(described: Any) -> None:
    OpenAPIV31SpecValidator(described).validate()
    assert described["openapi"].startswith("3.1")


def test_it_has_every_route_under_its_full_path_and_no_other(described: Any) -> None:
    told = {(verb.upper(), path) for path, verbs in described["paths"].items() for verb in verbs}
    assert told == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    assert all(path.startswith("/v1/") for path in described["paths"])


def test_it_tells_every_status_that_a_route_may_answer(described: Any) -> None:
    create = described["paths"]["/v1/clusters"]["post"]["responses"]
    assert create.keys() == {str(n) for n in (202, 400, 401, 403, 409, 413, 415, 422, 500, 503)}


def test_it_refers_to_nothing_that_is_not_there(described: Any) -> None:
    names = described["components"]["schemas"].keys()
    assert {ref.rpartition("/")[2] for ref in references(described)} <= names


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [ref for value in part.values() for ref in references(value)]
    return [ref for value in part for ref in references(value)] if isinstance(part, list) else []


KEYWORDS = {
    *("type", "enum", "const", "format", "default", "title", "description", "$ref"),
    *("minimum", "maximum", "minLength", "maxLength", "pattern"),
    *("items", "minItems", "maxItems", "anyOf"),
    *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    *("patternProperties", "propertyNames"),
}
"""What our schemas use of JSON Schema 2020-12."""


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema below a part of the description."""
    if isinstance(part, list):
        for one in part:
            yield from schemas(one)
    elif isinstance(part, dict):
        named = part["schemas"].values() if "schemas" in part else ()
        for schema in (*named, *([part["schema"]] if "schema" in part else ())):
            yield from nested(schema)
        for name in part.keys() - {"schema", "schemas"}:
            yield from schemas(part[name])


def nested(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        inner = [schema.get(name) for name in ("items", "additionalProperties", "propertyNames")]
        maps = [schema.get(name, {}) for name in ("properties", "patternProperties")]
        below = [one for many in maps for one in many.values()]
        for one in (*inner, *schema.get("anyOf", ()), *below):
            yield from nested(one)


def test_its_schemas_say_nothing_that_json_schema_does_not_know(described: Any) -> None:
    found = list(schemas(described))
    assert len(found) > 200
    assert {keyword for schema in found for keyword in schema} <= KEYWORDS


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("node_count", 1, 1_000),
        ("min_nodes", 0, 1_000),
        ("max_nodes", 1, 1_000),
        ("disk_size", 10, 16_384),
    ],
)
def test_it_tells_the_bounds_of_a_number(described: Any, field: str, least: int, most: int) -> None:
    told = described["components"]["schemas"]["NewNodePool"]["properties"][field]
    assert (told["type"], told["minimum"], told["maximum"]) == ("integer", least, most)


def test_every_form_that_a_field_must_have_has_its_words(described: Any) -> None:
    asked = [p["schema"] for _, p in parameters(described) if p["in"] == "query"]
    fields = [*schemas(described["components"]), *asked]
    patterns = {schema["pattern"] for schema in fields if "pattern" in schema}
    patterns |= {key for schema in fields for key in schema.get("patternProperties", ())}
    assert patterns == FORMS.keys()


def parameters(described: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for verbs in described["paths"].values():
        for operation in verbs.values():
            for parameter in operation.get("parameters", ()):
                yield operation["operationId"], parameter


def test_every_parameter_is_explained_once_and_none_is_null(described: Any) -> None:
    for where, parameter in parameters(described):
        assert len(parameter["description"]) > 5, (where, parameter["name"])
        assert not {"anyOf", "description"} & parameter["schema"].keys()


@pytest.mark.parametrize("name", ["validate_only", "on_conflict", "force"])
def test_it_marks_a_parameter_that_takes_one_value_so_far(described: Any, name: str) -> None:
    said = [p["description"] for _, p in parameters(described) if p["name"] == name]
    assert said
    assert all("Currently only" in one for one in said)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("NewCluster", "deletion_protection"),
        ("NewCluster", "on_failure"),
        ("NewNodePool", "autoscaling"),
    ],
)
def test_it_marks_a_field_that_takes_one_value_so_far(
    described: Any, model: str, field: str
) -> None:
    told = described["components"]["schemas"][model]["properties"][field]
    assert "Currently only" in " ".join(told["description"].split())


def test_every_operation_tells_its_permission_and_nothing_of_the_code(described: Any) -> None:
    told = {v["operationId"]: v for verbs in described["paths"].values() for v in verbs.values()}
    for endpoint in ENDPOINTS:
        said = told[endpoint.name]["description"]
        told_needs = f"Requires the permission `{endpoint.permission}`{endpoint.target.where}."
        no_needs = f"Requires no permission: {endpoint.why_open}."
        assert said.startswith(endpoint.description or "Requires")
        assert said.endswith(told_needs if endpoint.permission else no_needs)
        assert (endpoint.handler.__doc__ or "no docstring") not in said


def check(described: Any, name: str, status: int, body: Any) -> None:
    """Hold a body against the schema of the operation's answer."""
    by_name = {v["operationId"]: v for verbs in described["paths"].values() for v in verbs.values()}
    content = by_name[name]["responses"][str(status)]["content"]
    (media,) = content.values()
    schema = {**media["schema"], "components": described["components"]}
    OAS31Validator(schema, format_checker=oas31_format_checker).validate(body)


async def test_what_every_route_answers_is_what_it_declared(
    client: Client, viewer: Client, stories: Stories, described: Any
) -> None:
    answers = await lifetime(client, viewer, stories)
    assert answers.keys() == {endpoint.name for endpoint in ENDPOINTS}
    for name, scene in answers.items():
        check(described, name, scene.status, scene.answer)


async def test_every_refusal_is_the_problem_that_is_described(
    client: Client, stranger: Client, described: Any
) -> None:
    taken = await client.order()
    refused: list[Answer] = [
        await client.post("/v1/clusters", b"{"),
        await stranger.post("/v1/clusters", order()),
        await client.post("/v1/clusters", order(name=taken["resource_name"])),
        await client.post("/v1/clusters", b" " * (1 << 20) + b" "),
        await client.post("/v1/clusters", b"{}", {"Content-Type": "text/plain"}),
        await client.post("/v1/clusters", {}),
    ]
    assert [answer.status for answer in refused] == [400, 401, 409, 413, 415, 422]
    for answer in refused:
        check(described, "create_cluster", answer.status, answer.body)
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_what_the_reference_takes_for_a_good_order_is_taken(
    client: Client, described: Any
) -> None:
    schema = described["paths"]["/v1/clusters"]["post"]["requestBody"]["content"]
    whole = {**schema["application/json"]["schema"], "components": described["components"]}
    OAS31Validator(whole).validate(order())
    assert (await client.post("/v1/clusters", order())).status == 202
