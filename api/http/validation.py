"""Parses and validates a request: its body, its query, the ids in its path."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_origin
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from api.http.fields import LABEL
from api.http.json_body import NO_ZERO, Place, parse, pointer_to
from api.http.problems import NotJson, TooLarge, WrongContentType
from api.http.validation_messages import NOT_YET, code_of, message_for
from cks.domain.refusals import Fault, Invalid, NotAvailableYet, NotFound

LONGEST_BODY = 1 << 20


JSON_TYPES = ("application/json", "application/merge-patch+json")


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
"""Fields of the contract that this version does not support yet."""


Model = TypeVar("Model", bound=BaseModel)


class RequestBody(BaseModel):
    """A request body: unknown fields are refused, and nothing is coerced."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )

    @classmethod
    def rules(cls, text: Mapping[str, object]) -> list[Fault]:  # noqa: ARG003  (most have none)
        """Return what is wrong between fields; each of them may be invalid itself."""
        return []


@dataclass(frozen=True, slots=True)
class Either:
    """A body of one of two kinds, distinguished by a field that only the first has."""

    mark: str
    first: type[RequestBody]
    second: type[RequestBody]

    def kind_of(self, text: object) -> type[RequestBody]:
        marked = isinstance(text, dict) and self.mark in text
        return self.first if marked else self.second


class Query(BaseModel):
    """Query parameters: they are strings, so numbers are parsed; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def unsaid() -> Any:  # noqa: ANN401  (it stands for a value of whatever type)
    """Let a field of a PATCH be omitted; ``exclude_unset`` leaves it out of the dump."""
    return Field(default_factory=lambda: None)


def only(*, built: object) -> AfterValidator:
    """Refuse every value except the one that is supported; checked after the field's own rules."""
    params = {"built": json.dumps(built).strip('"')}

    def check(value: object) -> object:
        if value != built:
            raise PydanticCustomError(NOT_YET, "only {built} is available so far", params)
        return value

    return AfterValidator(check)


def below(place: str, faults: Sequence[Fault]) -> list[Fault]:
    """Return a rule's faults as those of the field at ``place``."""
    return [replace(fault, pointer=place + fault.pointer) for fault in faults]


def demand(faults: Sequence[Fault]) -> None:
    """Raise a rule's faults from within a validator; pointers begin at the field judged."""
    if faults:
        raise PydanticCustomError(RULE, "breaks a rule", {FAULTS: faults})


async def text_of(request: web.Request, *, needed: bool) -> object:
    """Read the body as JSON; ``None`` if there is none and none is needed."""
    raw = await _raw(request)
    return _parse(request, raw) if raw or needed else None


def body_of(
    text: object, model: type[RequestBody] | Either | None, knowledge: Mapping[str, object]
) -> RequestBody | None:
    """Validate a body; all invalid fields are reported at once.

    ``knowledge`` is what rules need besides the body.
    """
    if model is None:
        if text not in (None, {}):
            raise Invalid([Fault("", "unexpected_body", "this request takes no body")])
        return None
    if isinstance(model, Either):
        model = model.kind_of(text)
    made, faults = _tried(model, text, _pointer, knowledge)
    if isinstance(text, dict):
        faults = _beside(faults, model.rules(text))
    if made is None or faults:
        raise _invalid(faults)
    return made


def together(*verdicts: Invalid) -> Invalid:
    """Return one refusal with the faults of all."""
    return _invalid([fault for verdict in verdicts for fault in verdict.faults])


async def _raw(request: web.Request) -> bytes:
    if (request.content_length or 0) > LONGEST_BODY:
        raise TooLarge("The body must be at most 1 MiB.")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge("The body must be at most 1 MiB.") from error
    except web.RequestPayloadError as error:
        raise NotJson("The body is not encoded as its headers say.", note=str(error)) from error


def _parse(request: web.Request, raw: bytes) -> object:
    allowed = JSON_TYPES if request.method == "PATCH" else JSON_TYPES[:1]
    if raw and request.content_type not in allowed:
        raise WrongContentType(f"The Content-Type must be {' or '.join(allowed)}.")
    return parse(raw)


def query_of(request: web.Request, model: type[Model]) -> Model:
    """Parse and validate the query's parameters; only those that are tuples may be repeated."""
    fields = model.model_fields
    many = {name for name, field in fields.items() if get_origin(field.annotation) is tuple}
    said = {name: request.query.getall(name) for name in request.query}
    faults = [f for name in said if name in fields for f in _text_faults(name, said[name], many)]
    given = {name: texts if name in many else texts[0] for name, texts in said.items()}
    made, others = _tried(model, given, _parameter)
    faults = _beside(faults, others)
    if made is None or faults:
        raise _invalid(faults)
    return made


def _text_faults(name: str, texts: Sequence[str], many: set[str]) -> Iterator[Fault]:
    """Yield what the model would not see, or what PostgreSQL cannot store."""
    if any("\0" in text for text in texts):
        yield Fault(f"?{name}", "bad_character", NO_ZERO)
    elif len(texts) > 1 and name not in many:
        yield Fault(f"?{name}", "repeated_parameter", "is given more than once")


def _pointer(place: Place) -> str:
    """Return a place's pointer; for an invalid key, the pointer to its value."""
    return pointer_to(place[:-1] if place[-1:] == ("[key]",) else place)


def _parameter(place: Place) -> str:
    return f"?{place[0]}" if place else "?"


def _tried(
    model: type[Model],
    given: object,
    locate: Callable[[Place], str],
    knowledge: Mapping[str, object] | None = None,
) -> tuple[Model | None, list[Fault]]:
    """Return the model, or everything that is wrong with it."""
    try:
        return model.model_validate(given, context=dict(knowledge or {})), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [fault for one in details for fault in _faults(one, locate, model)]


def _beside(faults: Sequence[Fault], others: Sequence[Fault]) -> list[Fault]:
    """Return faults, and those of ``others`` whose fields have none yet."""
    named = {fault.pointer for fault in faults}
    return [*faults, *(other for other in others if other.pointer not in named)]


def _invalid(faults: Sequence[Fault]) -> Invalid:
    kind = NotAvailableYet if any(fault.code == NOT_YET for fault in faults) else Invalid
    return kind(faults)


def _faults(
    error: ErrorDetails, locate: Callable[[Place], str], model: type[BaseModel]
) -> list[Fault]:
    """Return the faults of one of Pydantic's errors; a rule's error may contain several."""
    place, kind = error["loc"], error["type"]
    if kind == RULE:
        return below(locate(place), error["ctx"][FAULTS])
    if kind == "extra_forbidden" and place[-1] in LATER_FIELDS:
        return [Fault(locate(place), NOT_YET, "is not available yet")]
    return [Fault(locate(place), code_of(kind), message_for(error, model))]


def id_in(request: web.Request, name: str) -> UUID:
    """Return an id from the path; raise ``NotFound`` for a malformed one, as for an unknown one."""
    try:
        return UUID(request.match_info[name])
    except ValueError as error:
        raise NotFound("There is nothing with that id.") from error


def id_or_name_in(request: web.Request, name: str) -> UUID | str:
    """Return an id from the path, or the name in ``name:prod``."""
    given = request.match_info[name]
    prefix, _, text = given.partition(":")
    if prefix == "name":
        if not re.fullmatch(LABEL, text):
            raise NotFound("There is nothing with that name.")
        return text
    try:
        return id_in(request, name)
    except NotFound as error:
        hint = f" To use a name, write name:{given}." if re.fullmatch(LABEL, given) else ""
        raise NotFound(f"{error.detail}{hint}") from error


def canonical(text: object, query_string: str) -> bytes:
    """Return the bytes by which requests are compared, regardless of white space."""
    return json.dumps([text, query_string], sort_keys=True).encode()


class ResponseBody(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)
