"""Fields that know their range: one declaration serves validation, `--help`, JSON and the docstring.

Imports no JAX, so that a command line can be parsed, and refused, in a few milliseconds.
"""

import dataclasses
import functools
import inspect
import math
import sys
from typing import Any, Self, TypeVar

import numpy as np

from jaxcontract.core.protocols import require_members

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What a field may hold: a kind, a range, a unit.

    kind:  "number", "whole", "choice", "flag", "sizes" (whole numbers) or "numbers"
    above, below: the range is without its lower end, without its upper end
    empty: a field of kind "numbers" may have none
    """

    kind: str
    meaning: str
    static: bool
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    choices: tuple[str, ...] = ()
    empty: bool = False
    below: bool = False

    def __str__(self) -> str:
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "flag":
            return "true or false"
        noun = {
            "number": "a number",
            "whole": "a whole number",
            "sizes": "whole numbers",
            "numbers": "numbers",
        }[self.kind]
        opening = "(" if self.above or math.isinf(self.low) else "["
        closing = ")" if self.below or math.isinf(self.high) else "]"
        return f"{noun} in {opening}{self.low:g}, {self.high:g}{closing}"

    def admits(self, value: np.ndarray) -> bool:
        """Whether every element of a concrete `value` is of the kind and within the range."""
        if self.kind == "choice":
            return value.ndim == 0 and value.item() in self.choices
        if self.kind == "flag":
            return value.ndim == 0 and value.dtype == bool
        if self.empty and value.shape == (0,):
            return True  # nothing is of any kind
        if value.dtype.kind not in ("iu" if self.kind in ("whole", "sizes") else "iuf"):
            return False
        wanted_rank = 1 if self.kind in ("sizes", "numbers") else 0
        if (value.size == 0 and not self.empty) or (self.static and value.ndim != wanted_rank):
            return False  # only a traced number may be an array, for a sweep
        above_low = value > self.low if self.above else value >= self.low
        below_high = value < self.high if self.below else value <= self.high
        return bool(np.all(above_low & below_high) and finite(value))


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


def numbers(default: tuple[float, ...], meaning: str, **range_: Any) -> Any:
    """A field for a tuple of real numbers, static under JAX. empty: whether there may be none."""
    return _field(default, Allowed("numbers", meaning, True, **range_))


def part(default: Any, protocol: type) -> Any:
    """A field for a value with every member of a protocol, static under JAX."""
    return dataclasses.field(default=default, metadata={"protocol": protocol, "static": True})


def _field(default: Any, allowed: Allowed) -> Any:
    return dataclasses.field(default=default, metadata={"allowed": allowed, "static": allowed.static})


def concrete(value: Any) -> np.ndarray | None:
    """`value` as a NumPy array, or None while JAX holds a tracer or a placeholder in its place."""
    if isinstance(value, bool | int | float | str | tuple | list | range | np.ndarray | np.generic):
        items = value if isinstance(value, tuple | list) else ()
        return None if any(concrete(item) is None for item in items) else _as_array(value)
    if not on_device(value):
        return _of_another_library(value)
    jax = sys.modules["jax"]
    if isinstance(value, jax.core.Tracer):
        return None
    # NumPy does not know JAX's short floating-point numbers as numbers.
    short = jax.numpy.issubdtype(value.dtype, np.floating) and value.dtype.kind == "V"
    return np.asarray(value, np.float32 if short else None)


def on_device(value: Any) -> bool:
    """Whether this is a JAX array, or a tracer in the place of one."""
    jax = sys.modules.get("jax")  # a JAX array cannot exist unless JAX has been imported
    return jax is not None and isinstance(value, jax.Array)


def _as_array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # ragged nesting
        return np.asarray(value, dtype=object)


def _of_another_library(value: Any) -> np.ndarray | None:
    """What says of itself how it becomes a NumPy array: a column of pandas, a tensor; None for all else."""
    if not hasattr(value, "__array__"):
        return None
    try:
        return np.asarray(value)
    except Exception:  # a tensor on a GPU, or one that is derived by: whatever errors that library has
        return None


def finite(value: np.ndarray) -> bool:
    """Whether these are real numbers that float32 holds."""
    return value.dtype.kind in "iuf" and bool(np.all(np.abs(value) <= np.finfo(np.float32).max))


def traced(value: Any) -> bool:
    """Whether JAX is tracing this value, or part of it, so that its number is not known yet."""
    if isinstance(value, list | tuple):
        return any(traced(item) for item in value)
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def check_parts(record: Any, **kinds: type) -> None:
    """Raises ValueError, in one line, when a field of a record is not of its kind. kinds: by field."""
    for name, kind in kinds.items():
        given = getattr(record, name)
        if not isinstance(given, kind):
            article = "an" if kind.__name__[0] in "AEIOU" else "a"
            raise refuse(type(record).__name__, name, given, f"{article} {kind.__name__}")


def refuse(owner: str, name: str, value: Any, allowed: Any) -> ValueError:
    """The one line that bad input gets: where, what, and what is allowed."""
    shown = value.tolist() if isinstance(value, np.ndarray) else value
    text = " ".join(repr(shown).split())
    text = text if len(text) <= 120 else text[:117] + "..."
    return ValueError(f"{owner}.{name} = {text}: must be {allowed}")


def plain(owner: str, name: str, value: Any, allowed: Allowed) -> Any:
    """An argument as a plain Python value, NumPy's scalars included.

    owner, name: of the function and of its argument

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    given = concrete(value)
    if given is None or not allowed.admits(given):
        raise refuse(owner, name, value, allowed)
    return given.tolist()


def check_key(owner: str, key: Any) -> None:
    """Raises ValueError, in one line, when what should be a key of JAX is a seed, or two are exchanged.

    owner: the function that takes it
    """
    if not hasattr(key, "dtype"):
        raise refuse(owner, "key", key, "a key of JAX, such as jax.random.key(0)")


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


class ByValue:
    """A dataclass that is equal to another of its class when all their fields are: one bool, arrays and all.

    Arrays are equal when they have one shape and the same numbers, NaN beside NaN; precision does not
    matter. The hash is of the class and the static fields, so equal records hash alike, and a record can
    be looked up whatever it holds.

    Raises:
        TypeError: under JAX's tracing, where numbers are not known yet.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Written into the class itself: a dataclass would put its own there, which arrays break.
        for name in ("__eq__", "__hash__"):
            if name not in cls.__dict__:
                setattr(cls, name, getattr(ByValue, name))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        return all(same(getattr(self, name), getattr(other, name), type(self).__name__) for name in names)

    def __hash__(self) -> int:
        cls: Any = type(self)
        return hash((cls, *(getattr(self, name) for name in _static_names(cls))))


def same(one: Any, other: Any, owner: str) -> bool:
    """Whether two values of a field are equal, in one bool."""
    if one is other:
        return True
    if traced(one) or traced(other):
        raise TypeError(
            f"{owner}: == compares numbers, which JAX is still tracing; use jnp.array_equal on fields"
        )
    values = concrete(one), concrete(other)
    if values[0] is None or values[1] is None:
        return bool(one == other)
    if values[0].shape != values[1].shape:
        return False
    unordered = (values[0] != values[0]) & (values[1] != values[1])  # NaN
    return bool(np.all((values[0] == values[1]) | unordered))


@functools.cache
def _static_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls) if field.metadata.get("static"))


class Record(ByValue):
    """A frozen dataclass that checks its declared fields when a person builds it.

    Static fields become plain Python values, so that equal records hash alike; lists of numbers
    become arrays. Records are equal by value (`ByValue`).
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            allowed = field.metadata.get("allowed")
            given = getattr(self, field.name)
            if "protocol" in field.metadata:
                require_members(type(self).__name__, field.name, given, field.metadata["protocol"])
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
            elif not isinstance(given, int | float | np.ndarray | np.generic) and not on_device(given):
                object.__setattr__(self, field.name, value)  # left a list, it would be many leaves
            elif allowed.kind == "number" and value.dtype.kind in "iu":
                object.__setattr__(self, field.name, 1.0 * given)  # what one can derive by

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]
