"""Numbers and other values of JSON, each read as it is written. No JAX."""

import json
import math
import re
from typing import Any

from jaxcontract.cli.input_files.json_documents import Twice
from jaxcontract.cli.input_files.numerals import NUMBER


class Unheld(str):
    """A number that a double cannot hold, or that JSON does not have, as it is written."""

    __slots__ = ()


def parse_value(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number that a double can hold, neither text nor true."""
    try:
        parse_value(value)
    except (ValueError, OverflowError):
        return False
    return True


def write_value(value: Any) -> str:
    """A value that is no number, as it is told: "" where there is none, in quotes if it looks like one."""
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, Unheld):
        return str(value) if isinstance(value, Unheld) else quote_value(value)
    return f'"{value}"' if NUMBER.fullmatch(value.strip()) else value


def quote_value(value: Any) -> str:
    """A value in a message, as JSON writes it."""
    text = str(value) if isinstance(value, Unheld) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _as_float(text: str) -> float | str:
    value = float(text)
    lost = not math.isfinite(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0]))
    return Unheld(text) if lost else value


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = Twice(found)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            twice.name = name
        seen.add(name)
    return twice


DECODER = json.JSONDecoder(object_pairs_hook=_as_object, parse_float=_as_float, parse_constant=Unheld)


def parse_json(text: str, row: int | None) -> Any:
    """A JSON value; a document when it is not one of many rows."""
    if not text.strip():
        raise ValueError("is empty")
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        line = error.lineno if row is None else row
        what = "a comma before it too many" if _comma_too_many(error) else error.msg
        raise ValueError(f"row {line}, character {error.colno}: is not JSON ({what})") from None
    except (RecursionError, ValueError):  # nested too deep, a number of too many digits
        raise ValueError("is not JSON of numbers" if row is None else f"row {row}: is no numbers") from None


def _comma_too_many(error: json.JSONDecodeError) -> bool:
    """Whether the object or the list ends right behind a comma; Python 3.13 points at the comma."""
    before, after = error.doc[: error.pos + 1].rstrip(), error.doc[error.pos :].lstrip(", \t\r\n")
    return after[:1] in ("}", "]") and before.rstrip("}] \t\r\n").endswith(",")
