"""Examples of every operation, as the running API gave them (``make examples``).

``tests/api/reference/test_examples.py`` plays the same scenes again and holds these against them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("examples.json")


@dataclass(frozen=True, slots=True)
class Examples:
    """Operation's id → what it was sent, where it takes a body, and what it answered.

    ``problems``: status → a refusal with it.
    """

    requests: dict[str, Any]
    answers: dict[str, Any]
    problems: dict[str, Any]


def load() -> Examples:
    return Examples(**json.loads(FILE.read_text(encoding="utf-8")))
