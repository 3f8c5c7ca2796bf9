"""The formats of strings and numbers, each with the message for values that do not match."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

BAD_FORMAT = "bad_format"
OUT_OF_RANGE = "out_of_range"
A_TIME = "must be a time with a time zone, such as 2026-01-31T09:30:00Z"

LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
LABEL_KEY = rf"^({DNS_LABEL}(\.{DNS_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
TAG_KEY = r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$"
IDENTIFIER = r"^[A-Za-z][-A-Za-z0-9_]*$"
VERSION = r"^[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?$"
TEXT = r"^[^\x00-\x1f\x7f]*$"
SAID = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"

FORMS = {
    LABEL: "must be at most 63 lowercase letters, digits or hyphens, and start and end with a"
    " letter or digit",
    LABEL_KEY: "must be at most 63 letters, digits, hyphens, dots or underscores, and start and end"
    " with a letter or digit; a DNS name and a slash may come first",
    LABEL_VALUE: "must be empty, or at most 63 letters, digits, hyphens, dots or underscores that"
    " start and end with a letter or digit",
    TAG_KEY: "must be at most 63 letters, digits, hyphens, dots, underscores or slashes, and start"
    " and end with a letter or digit",
    IDENTIFIER: "must be at most 32 letters, digits, hyphens or underscores, and start with a"
    " letter",
    VERSION: "must be a version such as 1.35 or 1.35.8",
    TEXT: "must not contain control characters",
    SAID: "must not be empty, start or end with a space, or contain control characters",
}
"""Pattern → the sentence that asks for it, to follow a field's name."""

Label = Annotated[str, StringConstraints(pattern=LABEL, max_length=63)]
"""An RFC 1123 label, as Kubernetes requires of names (apimachinery's ``IsDNS1123Label``)."""
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY, max_length=253)]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE, max_length=63)]
TagKey = Annotated[str, StringConstraints(pattern=TAG_KEY, max_length=63)]
Id = Annotated[UUID, Field(strict=False)]
Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER, max_length=32)]
Version = Annotated[str, StringConstraints(pattern=VERSION)]
Text = Annotated[str, StringConstraints(pattern=TEXT, max_length=255)]
Name = Annotated[str, StringConstraints(max_length=64)]


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer as JSON Schema has it: ``16`` and ``16.0``, not ``"16"`` or ``true``.

    Pydantic's lax mode accepts ``false`` as a number, and its strict mode refuses ``16.0``.
    """

    least: int
    most: int

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        whole = core_schema.no_info_before_validator_function(_whole, handler(source))
        return core_schema.no_info_after_validator_function(self._check, whole)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "minimum": self.least, "maximum": self.most}

    def _check(self, number: int) -> int:
        if not self.least <= number <= self.most:
            bounds = {"least": self.least, "most": self.most}
            raise PydanticCustomError(OUT_OF_RANGE, "must be between {least} and {most}", bounds)
        return number


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written(text: object) -> object:
    if not isinstance(text, str) or not re.match(r"\d{4}-\d\d-\d\dT", text):
        raise PydanticCustomError(BAD_FORMAT, A_TIME)
    return text


ERAS = Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(9000, 1, 1, tzinfo=UTC))
Instant = Annotated[AwareDatetime, ERAS, BeforeValidator(_written), Field(strict=False)]
"""A time in RFC 3339; bare numbers, which Pydantic reads as seconds since 1970, are refused."""
