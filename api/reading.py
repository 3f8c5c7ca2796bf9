"""What a request says, read and judged: its body, its query, the ids in its path.

Two traps are closed here.  Pydantic's lax mode takes ``false`` for a number and its strict
mode refuses ``16.0``, so ``Whole`` takes what JSON Schema calls an integer.  And a body that
is not UTF-8, or has half a surrogate pair in it, is no JSON text (RFC 8259).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from api.problems import NotJson, TooLarge, WrongContentType
from cks.domain.refusals import Fault, Invalid, NotAvailableYet, NotFound

LONGEST_BODY = 1 << 20
JSON_TYPES = ("application/json", "application/merge-patch+json")
NOT_YET = "not_available_yet"
RULE, FAULTS = "rule", "faults"
LATER_FIELDS = frozenset(
    (
        "maintenance_window",
        "max_surge",
        "max_unavailable",
        "drain_timeout_seconds",
        "on_drain_timeout",
    )
)
"""Fields of the contract that this version does not have."""

CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "string_pattern_mismatch": "bad_format",
    "string_too_long": "bad_length",
    "string_too_short": "bad_length",
    "too_long": "bad_length",
    "too_short": "bad_length",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "literal_error": "unknown_value",
    "enum": "unknown_value",
    NOT_YET: NOT_YET,
}
"""Pydantic's error types → our stable codes; ``…_type`` is ``wrong_type``, others ``invalid``."""

ZERO = re.compile(r"(?<!\\)(\\\\)*\\u0000")
"""U+0000 as JSON writes it, not a text that spells this."""

Model = TypeVar("Model", bound=BaseModel)
Judged = TypeVar("Judged", bound="Strict")


class Strict(BaseModel):
    """A body: unknown fields are refused, and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:  # noqa: ARG003  (most have none)
        """Name what is wrong between fields, in a body that may have wrong ones too."""
        return []


class Query(BaseModel):
    """Query parameters: text by nature, so numbers are read from it; unknown ones refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
"""An integer as JSON Schema has it: ``16`` and ``16.0``, not ``"16"`` or ``true``."""

LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
Label = Annotated[str, StringConstraints(pattern=LABEL, max_length=63)]
"""An RFC 1123 label, as Kubernetes demands of names."""


def only(*, built: object) -> AfterValidator:
    """Refuse every value but the one whose behaviour is built; after the field's own rules."""

    def check(value: object) -> object:
        if value != built:
            raise PydanticCustomError(NOT_YET, "only {built} is available yet", {"built": built})
        return value

    return AfterValidator(check)


def below(place: str, faults: Sequence[Fault]) -> list[Fault]:
    """Return a rule's faults as those of the field at ``place``."""
    return [replace(fault, pointer=place + fault.pointer) for fault in faults]


def demand(faults: Sequence[Fault]) -> None:
    """Raise a rule's faults from within a validator; pointers begin at the field judged."""
    if faults:
        raise PydanticCustomError(RULE, "breaks a rule", {FAULTS: faults})


async def text_of(request: web.Request, model: type[Model] | None) -> object:
    """Read the body as JSON; ``None`` where there is none and none is needed."""
    raw = await _raw(request)
    return _parse(request, raw) if raw or model else None


def body_of(
    text: object, model: type[Judged] | None, knowledge: Mapping[str, object]
) -> Judged | None:
    """Judge a body; all wrong fields are named at once.

    ``knowledge`` is what rules need to know that stands in no body (the catalogue).
    """
    if model is None:
        if text not in (None, {}):
            raise Invalid([Fault("", "unexpected_body", "this call takes no body")])
        return None
    made, faults = None, list[Fault]()
    try:
        made = model.model_validate(text, context=dict(knowledge))
    except ValidationError as error:
        faults = _faults_of(error, _pointer)
    if isinstance(text, dict):
        named = {fault.pointer for fault in faults}
        faults += [fault for fault in model.rules(text) if fault.pointer not in named]
    if faults:
        raise _invalid(faults)
    return made


async def _raw(request: web.Request) -> bytes:
    if (request.content_length or 0) > LONGEST_BODY:
        raise TooLarge("A body has at most 1 MiB.")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge("A body has at most 1 MiB.") from error
    except web.RequestPayloadError as error:
        raise NotJson("The body is not packed as it says.", note=str(error)) from error


def _parse(request: web.Request, raw: bytes) -> object:
    allowed = JSON_TYPES if request.method == "PATCH" else JSON_TYPES[:1]
    if request.content_type not in allowed:
        raise WrongContentType(f"The body must be {' or '.join(allowed)}.")
    try:
        parsed: object = json.loads(raw.decode("utf-8"), parse_constant=_no_number)
        written = json.dumps(parsed, ensure_ascii=False)
        written.encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise NotJson("The body is not JSON in UTF-8.", note=str(error)) from error
    if ZERO.search(written):
        raise Invalid([Fault("", "bad_character", "no text holds the character U+0000")])
    return parsed


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def query_of(request: web.Request, model: type[Model]) -> Model:
    """Read and judge the query's parameters; only a tuple's may be repeated."""
    given: dict[str, object] = {}
    for name in request.query:
        field = model.model_fields.get(name)
        many = field is not None and "tuple" in str(field.annotation)
        given[name] = request.query.getall(name) if many else request.query[name]
    if any("\0" in text for text in request.query.values()):
        raise Invalid([Fault("?", "bad_character", "no text holds the character U+0000")])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _invalid(_faults_of(error, _parameter)) from error


Place = Sequence[str | int]


def _pointer(place: Place) -> str:
    """Return an RFC 6901 pointer; of a wrong key, the pointer to what stands under it."""
    place = place[:-1] if place[-1:] == ("[key]",) else place
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _parameter(place: Place) -> str:
    return f"?{place[0]}" if place else "?"


def _faults_of(error: ValidationError, locate: Callable[[Place], str]) -> list[Fault]:
    details = error.errors(include_url=False)
    return [fault for detail in details for fault in _faults(detail, locate)]


def _invalid(faults: Sequence[Fault]) -> Invalid:
    kind = NotAvailableYet if any(fault.code == NOT_YET for fault in faults) else Invalid
    return kind(faults)


def _faults(error: ErrorDetails, locate: Callable[[Place], str]) -> list[Fault]:
    """Return what one of Pydantic's errors says; a rule's may be several."""
    if error["type"] != RULE:
        return [_fault(error, locate)]
    return below(locate(error["loc"]), error["ctx"][FAULTS])


def _fault(error: ErrorDetails, locate: Callable[[Place], str]) -> Fault:
    place = error["loc"]
    pointer = locate(place)
    if error["type"] == "extra_forbidden" and place[-1] in LATER_FIELDS:
        return Fault(pointer, NOT_YET, "this field is not available yet")
    code = CODES.get(error["type"], "wrong_type" if "_type" in error["type"] else "invalid")
    return Fault(pointer, code, error["msg"])


def id_in(request: web.Request, name: str) -> UUID:
    """Return an id of the path; what is no id names nothing that there is."""
    try:
        return UUID(request.match_info[name])
    except ValueError as error:
        raise NotFound("There is nothing of that id.") from error


def id_or_name_in(request: web.Request, name: str) -> UUID | str:
    """Return an id of the path, or the name in ``name:prod``."""
    prefix, _, text = request.match_info[name].partition(":")
    if prefix != "name":
        return id_in(request, name)
    if not re.fullmatch(LABEL, text):
        raise NotFound("There is nothing of that name.")
    return text


def canonical(text: object, query_string: str) -> bytes:
    """Return the bytes that make two requests the same, whatever their white space."""
    return json.dumps([text, query_string], sort_keys=True).encode()
