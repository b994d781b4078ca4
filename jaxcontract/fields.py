"""Fields that know their range: one declaration serves validation, `--help`, JSON and the docstring.

Imports no JAX, so that a command line can be parsed, and refused, in a few milliseconds.
"""

import dataclasses
import inspect
import math
import sys
from typing import Any, Self, TypeVar

import numpy as np

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What a field may hold: a kind ("number", "whole", "choice", "flag", "sizes"), a range, a unit."""

    kind: str
    meaning: str
    static: bool
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "flag":
            return "true or false"
        noun = {"number": "a number", "whole": "a whole number", "sizes": "whole numbers"}[self.kind]
        opening = "(" if self.above or math.isinf(self.low) else "["
        closing = ")" if math.isinf(self.high) else "]"
        return f"{noun} in {opening}{self.low:g}, {self.high:g}{closing}"

    def admits(self, value: np.ndarray) -> bool:
        """Whether every element of a concrete `value` is of the kind and within the range."""
        if self.kind == "choice":
            return value.ndim == 0 and value.item() in self.choices
        if self.kind == "flag":
            return value.ndim == 0 and value.dtype == bool
        if value.dtype.kind not in ("iu" if self.kind in ("whole", "sizes") else "iuf"):
            return False
        wanted_rank = 1 if self.kind == "sizes" else 0
        if value.size == 0 or (self.static and value.ndim != wanted_rank):
            return False  # only a traced number may be an array, for a sweep
        above_low = value > self.low if self.above else value >= self.low
        return bool(np.all(above_low & (value <= self.high)) and finite(value))


def number(default: float, meaning: str, *, static: bool = False, **range_: Any) -> Any:
    """A field for a real number, traced by JAX unless `static`."""
    return _field(default, Allowed("number", meaning, static, **range_))


def whole(default: int, meaning: str, *, static: bool = True, **range_: Any) -> Any:
    """A field for a whole number: a size, static under JAX unless said otherwise."""
    return _field(default, Allowed("whole", meaning, static, **range_))


def choice(default: str, meaning: str, choices: tuple[str, ...]) -> Any:
    """A field for one of a few words, static under JAX."""
    return _field(default, Allowed("choice", meaning, True, choices=choices))


def flag(default: bool, meaning: str) -> Any:
    """A field for a switch, static under JAX."""
    return _field(default, Allowed("flag", meaning, True))


def sizes(default: tuple[int, ...], meaning: str, **range_: Any) -> Any:
    """A field for a tuple of whole numbers, static under JAX."""
    return _field(default, Allowed("sizes", meaning, True, **range_))


def _field(default: Any, allowed: Allowed) -> Any:
    return dataclasses.field(default=default, metadata={"allowed": allowed, "static": allowed.static})


def concrete(value: Any) -> np.ndarray | None:
    """`value` as a NumPy array, or None while JAX holds a tracer or a placeholder in its place."""
    if isinstance(value, bool | int | float | str | tuple | list | np.ndarray | np.generic):
        items = value if isinstance(value, tuple | list) else ()
        return None if any(concrete(item) is None for item in items) else _as_array(value)
    jax = sys.modules.get("jax")  # a JAX array cannot exist unless JAX has been imported
    if jax is None or not isinstance(value, jax.Array) or isinstance(value, jax.core.Tracer):
        return None
    # NumPy does not know JAX's short floating-point numbers as numbers.
    short = jax.numpy.issubdtype(value.dtype, np.floating) and value.dtype.kind == "V"
    return np.asarray(value, np.float32 if short else None)


def _as_array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # ragged nesting
        return np.asarray(value, dtype=object)


def finite(value: np.ndarray) -> bool:
    """Whether these are real numbers that float32 holds."""
    return value.dtype.kind in "iuf" and bool(np.all(np.abs(value) <= np.finfo(np.float32).max))


def traced(value: Any) -> bool:
    """Whether JAX is tracing this value, or part of it, so that its number is not known yet."""
    if isinstance(value, list | tuple):
        return any(traced(item) for item in value)
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def refuse(owner: str, name: str, value: Any, allowed: Any) -> ValueError:
    """The one line that bad input gets: where, what, and what is allowed."""
    shown = value.tolist() if isinstance(value, np.ndarray) else value
    text = repr(shown)
    text = text if len(text) <= 120 else text[:117] + "..."
    return ValueError(f"{owner}.{name} = {text}: must be {allowed}")


def first_line(error: Exception) -> str:
    """What an error of another library says, where there is room for one line of it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def documented(cls: type[T]) -> type[T]:
    """Add to a record's docstring what its declared fields mean, their units, ranges and defaults."""
    lines = []
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        allowed = field.metadata.get("allowed")
        if allowed is not None:
            unit = f" [{allowed.unit}]" if allowed.unit else ""
            lines.append(f"{field.name}: {allowed.meaning}{unit}: {allowed} (default {field.default})")
    if cls.__doc__:  # there is none under `python -OO`
        table = "".join(f"\n    {line}" for line in lines)
        cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}\n\nFields:{table}\n"
    return cls


class Record:
    """A frozen dataclass that checks its declared fields when a person builds it.

    Static fields become plain Python values, so that equal records hash alike; lists of numbers
    become arrays.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            allowed = field.metadata.get("allowed")
            given = getattr(self, field.name)
            value = concrete(given)
            if allowed is None or (value is None and not allowed.static and traced(given)):
                continue
            if value is None or not allowed.admits(value):
                shown = given if value is None or isinstance(given, list | tuple) else value
                raise refuse(type(self).__name__, field.name, shown, allowed)
            if allowed.static:
                plain = value.tolist()
                plain = tuple(plain) if isinstance(plain, list) else plain
                object.__setattr__(self, field.name, plain)
            elif isinstance(given, list | tuple):
                object.__setattr__(self, field.name, value)  # left a list, it would be many leaves
            elif allowed.kind == "number" and value.dtype.kind in "iu":
                object.__setattr__(self, field.name, 1.0 * given)  # what one can derive by

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]
