"""A body's bytes as JSON (RFC 8259), and what is wrong with them if they are not.

An unpaired surrogate cannot be encoded in UTF-8, and parsers disagree about an object that repeats
a key (RFC 7493, section 2): both are refused.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from api.http.problems import NotJson
from cks.domain.refusals import Fault, Invalid

NO_ZERO = "must not contain the character U+0000"
LONGEST_QUOTE = 80

Place = Sequence[str | int]


def parse(raw: bytes) -> object:
    """Return a parsed body; raise ``NotJson`` with the reason, or ``Invalid`` for U+0000."""
    if not raw.strip():
        raise NotJson("The body is missing: this request takes a JSON object.")
    try:
        text = raw.decode("utf-8")
        parsed = json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
        written = json.dumps(parsed, ensure_ascii=False).encode("utf-8")
        zero = _place_of_zero(parsed) if rb"\u0000" in written else None
    except (ValueError, RecursionError) as error:
        raise NotJson(_why(error), note=str(error)) from error
    if zero is not None:
        raise Invalid([Fault(pointer_to(zero), "bad_character", NO_ZERO)])
    return parsed


def pointer_to(place: Place) -> str:
    """Return an RFC 6901 pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _why(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"The body is not valid UTF-8 at byte {error.start + 1}."
        case UnicodeEncodeError():
            return "The body contains an unpaired surrogate."
        case json.JSONDecodeError():
            return f"The body is not valid JSON at line {error.lineno}, column {error.colno}."
        case RecursionError():
            return "The body is nested too deeply."
        case _:
            return "The body contains a number with too many digits."


def _no_number(name: str) -> object:
    raise NotJson(f"The body is not JSON: {name} is not a JSON number.")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        quoted = json.dumps(key)[:LONGEST_QUOTE]
        raise NotJson(f"The key {quoted} appears more than once in one object.")
    return made


def _place_of_zero(value: object) -> Place | None:
    """Return the place of the first string with U+0000; for a key, that of its object."""
    if isinstance(value, str):
        return () if "\0" in value else None
    if isinstance(value, dict) and any("\0" in key for key in value):
        return ()
    for part, inner in _parts(value):
        if isinstance(inner, str | dict | list):
            found = _place_of_zero(inner)
            if found is not None:
                return (part, *found)
    return None


def _parts(value: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()
