"""Pydantic's errors as we report them: a stable code, and what is asked for."""

from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from api.http.fields import A_TIME, BAD_FORMAT, FORMS, OUT_OF_RANGE

AN_OBJECT = "must be an object"
NOT_YET = "not_available_yet"
A_WHOLE_NUMBER = "must be a whole number"

WRONG_TYPE, BAD_LENGTH = "wrong_type", "bad_length"

ERRORS: dict[str, tuple[str, str]] = {
    "missing": ("required", "is missing"),
    "extra_forbidden": ("unknown_field", ""),
    "literal_error": ("unknown_value", ""),
    "model_type": (WRONG_TYPE, AN_OBJECT),
    "dict_type": (WRONG_TYPE, AN_OBJECT),
    "list_type": (WRONG_TYPE, "must be a list"),
    "string_type": (WRONG_TYPE, "must be a string"),
    "bool_type": (WRONG_TYPE, "must be true or false"),
    "int_type": (WRONG_TYPE, A_WHOLE_NUMBER),
    "int_parsing": (WRONG_TYPE, A_WHOLE_NUMBER),
    "int_parsing_size": (OUT_OF_RANGE, "has too many digits"),
    "greater_than_equal": (OUT_OF_RANGE, "must be at least {ge}"),
    "less_than_equal": (OUT_OF_RANGE, "must be at most {le}"),
    "string_pattern_mismatch": (BAD_FORMAT, ""),
    "uuid_parsing": (BAD_FORMAT, "must be a UUID"),
    "datetime_parsing": (BAD_FORMAT, A_TIME),
    "datetime_from_date_parsing": (BAD_FORMAT, A_TIME),
    "timezone_aware": (BAD_FORMAT, A_TIME),
    "string_too_long": (BAD_LENGTH, "must have at most {max_length} characters"),
    "too_long": (BAD_LENGTH, "must have at most {max_length} entries; it has {actual_length}"),
    "too_short": (BAD_LENGTH, "must have at least {min_length} entries; it has {actual_length}"),
    BAD_FORMAT: (BAD_FORMAT, ""),
    OUT_OF_RANGE: (OUT_OF_RANGE, ""),
    NOT_YET: (NOT_YET, ""),
}
"""Pydantic's error type → our stable code, and what to say; "" where that is made below, or is
the error's own.  Of what is not listed, ``…_type`` is a wrong type, and the rest is invalid."""


def code_of(kind: str) -> str:
    """Return the stable code of an error's type."""
    known = ERRORS.get(kind)
    return known[0] if known else WRONG_TYPE if "_type" in kind else "invalid"


def message_for(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Return the message of an error; ``model`` is what was validated."""
    whose = "its key " if error["loc"][-1:] == ("[key]",) else ""
    return whose + _sentence(error, model)


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    params = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown(_owner(model, error["loc"]))
        case "string_pattern_mismatch":
            return FORMS[params["pattern"]]
        case "literal_error":
            return "must be " + str(params["expected"]).replace("'", "")
        case kind if ERRORS.get(kind, ("", ""))[1]:
            return ERRORS[kind][1].format(**params)
        case _:
            return error["msg"]


def _unknown(model: type[BaseModel]) -> str:
    known = ", ".join(model.model_fields) or "none"
    return f"is not a known field; known fields: {known}"


def _owner(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model to which the last part of a place belongs."""
    for part in place[:-1]:
        if part in model.model_fields:
            model = _model_in(model.model_fields[str(part)].annotation) or model
    return model


def _model_in(kind: object) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for inner in get_args(kind) if (found := _model_in(inner))), None)
