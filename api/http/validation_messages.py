"""Pydantic's errors in a person's words: what is asked for, to be said after a field's name."""

from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from api.http.fields import A_TIME, FORMS

AN_OBJECT = "must be an object"
A_WHOLE_NUMBER = "must be a whole number"

SENTENCES = {
    "missing": "is missing",
    "model_type": AN_OBJECT,
    "dict_type": AN_OBJECT,
    "list_type": "must be a list",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": A_WHOLE_NUMBER,
    "int_parsing": A_WHOLE_NUMBER,
    "int_parsing_size": "has too many digits",
    "uuid_parsing": "must be a UUID",
    "datetime_parsing": A_TIME,
    "datetime_from_date_parsing": A_TIME,
    "timezone_aware": A_TIME,
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "has {actual_length} entries, and may have {max_length}",
    "too_short": "has {actual_length} entries, and needs {min_length}",
    "greater_than_equal": "must be {ge} at least",
    "less_than_equal": "must be {le} at most",
}
"""Pydantic's error types → our words.  Errors of our own bring theirs along."""


def message_for(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what is asked for; ``model`` is what was judged."""
    whose = "its key " if error["loc"][-1:] == ("[key]",) else ""
    return whose + _sentence(error, model)


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    told = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown(_owner(model, error["loc"]))
        case "string_pattern_mismatch":
            return FORMS[told["pattern"]]
        case "literal_error":
            return "must be " + str(told["expected"]).replace("'", "")
        case kind if kind in SENTENCES:
            return SENTENCES[kind].format(**told)
        case _:
            return error["msg"]


def _unknown(model: type[BaseModel]) -> str:
    known = ", ".join(model.model_fields) or "none"
    return f"is unknown here; known: {known}"


def _owner(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model to which the last part of a place would belong."""
    for part in place[:-1]:
        if part in model.model_fields:
            model = _model_in(model.model_fields[str(part)].annotation) or model
    return model


def _model_in(kind: object) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for inner in get_args(kind) if (found := _model_in(inner))), None)
