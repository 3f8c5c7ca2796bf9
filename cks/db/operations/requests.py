"""The ``request`` column, typed: what was asked for, as its operation type declares it."""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from cks.domain.operations.state import OperationState
from cks.domain.registry import TYPES

Request = TypeVar("Request")


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(TYPES[kind].request)


def document_of(kind: str, asked: object) -> dict[str, Any]:
    """Return a request of that operation type as the JSON that its row keeps and tenants read."""
    document: dict[str, Any] = _adapter(kind).dump_python(asked, mode="json")
    return document


def request_of(operation: OperationState, expected: type[Request]) -> Request:
    """Return what an operation's row asks for; raise ``TypeError`` where it is of another type."""
    found = _adapter(operation.type).validate_python(operation.request)
    if not isinstance(found, expected):
        raise TypeError(f"{operation.type} asks for {type(found).__name__}")
    return found
