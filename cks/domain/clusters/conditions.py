"""Conditions, in Kubernetes' grammar (API conventions, "Typical status properties")."""

from datetime import datetime
from typing import Literal

from cks.domain.instants import rfc3339

Truth = Literal["True", "False", "Unknown"]


def ready(
    status: Truth, reason: str, message: str, at: datetime, generation: int
) -> dict[str, object]:
    """Return the condition ``Ready``; ``reason`` is one CamelCase word."""
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "last_transition_time": rfc3339(at),
        "observed_generation": generation,
    }
