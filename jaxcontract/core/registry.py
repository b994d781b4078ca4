"""Words of a command line, and the record that each stands for. No JAX.

An entry is "module:Record". The record declares what a person can choose of it, and makes the thing when
asked; its module is imported when its word is used. Another package adds words by entry points of the
registry's group, one line each:

    [project.entry-points."jaxcontract.networks"]
    toy = "my_package.toy:Toy"
"""

import dataclasses
import functools
import importlib
from collections.abc import Mapping
from typing import Any

from jaxcontract.core.entry_points import find_entry_points
from jaxcontract.core.fields import first_line


def resolve(target: str) -> Any:
    """What "module:attribute" names; its module is imported.

    Raises:
        ImportError, AttributeError: when there is no such module, or no such thing in it.
    """
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclasses.dataclass(frozen=True, eq=False)
class Registry:
    """The records of one kind, by their names.

    kind:    what they are, a word for a person
    group:   of entry points, where other packages name theirs
    entries: this package's own, "module:Record" by name
    """

    kind: str
    group: str
    entries: Mapping[str, str]

    @functools.cached_property
    def targets(self) -> dict[str, str]:
        """ "module:Record" by name: this package's own, and those of other packages."""
        return {**find_entry_points(self.group), **self.entries}

    @property
    def names(self) -> tuple[str, ...]:
        """This package's own first."""
        return (*self.entries, *sorted(self.targets.keys() - self.entries.keys()))

    def record(self, name: Any) -> Any:
        """The class of the record with a name.

        Raises:
            ValueError: one line, when there is none of that name, or it cannot be imported.
        """
        target = self.targets.get(name) if isinstance(name, str) else None
        if target is None:
            raise ValueError(f"{self.kind} {name!r}: must be one of {', '.join(self.names)}")
        try:
            return resolve(target)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"{self.kind} {name}: {target} cannot be imported ({first_line(error)})"
            ) from None

    def name_of(self, record: Any) -> str:
        """The name of a record's class.

        Raises:
            ValueError: when it is not in the registry.
        """
        cls = type(record)
        wanted = f"{cls.__module__}:{cls.__qualname__}"
        for name, target in self.targets.items():
            if target == wanted:
                return name
        raise ValueError(f"{self.kind} {cls.__name__}: is not registered; known are {', '.join(self.names)}")
