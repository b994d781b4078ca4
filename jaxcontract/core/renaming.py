"""Old names of a record's fields: its constructor still takes them, and says the new ones. No JAX."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Moved(NamedTuple):
    """An old field whose value is now part of another.

    field: that it is part of now; make: its value from the old field's; spelling: what to write instead
    """

    field: str
    make: Callable[[Any], Any]
    spelling: str


def accept_old_names(old: Mapping[str, str | Moved]) -> Callable[[type[T]], type[T]]:
    """Let a record's constructor take the old names of its fields, and warn of each (`FutureWarning`).

    Subclasses that are dataclasses make a constructor of their own: decorate them as well.
    """

    def decorate(cls: type[T]) -> type[T]:
        construct: Any = cls.__init__

        @functools.wraps(construct)
        def init(self: Any, *arguments: Any, **given: Any) -> None:
            for name in old.keys() & given.keys():
                value = given.pop(name)
                field, value = translate(cls.__name__, old[name], name, value)
                if field in given:
                    raise TypeError(f"{cls.__name__}: {name} and {field} are the same; give one of them")
                given[field] = value
            construct(self, *arguments, **given)

        cls.__init__ = init  # type: ignore[method-assign]
        return cls

    return decorate


def translate(owner: str, new: str | Moved, name: str, value: Any) -> tuple[str, Any]:
    """The field and the value that an old name and its value stand for, with a warning."""
    if isinstance(new, str):
        warnings.warn(f"{owner}: {name} is called {new} now", FutureWarning, stacklevel=4)
        return new, value
    warnings.warn(f"{owner}: {name} is part of {new.field} now: {new.spelling}", FutureWarning, stacklevel=4)
    return new.field, new.make(value)
