"""The constants of a deployment. Imports no JAX: `records.py` makes it a pytree."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from jaxcontract.core.fields import Record, concrete, documented, number, refuse


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class System(Record):
    """What stays the same from round to round; the defaults are the paper's Section V.

    Every field is a traced number. An array in one of them makes a batch of systems, for a sweep by
    `jax.vmap`: all other fields are repeated along its axes. Functions of one system refuse it.

    A subclass, registered with `jaxcontract.register`, may bring a quality of data and a cost of its own, as
    methods of arrays that broadcast; everything else follows:

    quality(self, state, frequency) → what data updated at f [...] is worth, in the units of QoD (4); the
                                      state is of one round
    effort(self, frequency)         → what updating at f [...] takes: a type-k device bears effort/φ_k

    Quality must be concave in effort, and effort positive and increasing in f, or types cannot be screened
    by frequencies that rise: `check_shape` says whether they are.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    quality: ClassVar[Callable[..., Any] | None] = None  # the paper's, (4)
    effort: ClassVar[Callable[..., Any] | None] = None  # the paper's, f itself

    num_devices: Any = number(40.0, "mobile devices M", unit="devices", low=1)
    aoi_preference: Any = number(0.75, "preference α for freshness over latency", low=0, high=1)
    unit_profit: Any = number(100.0, "profit β per unit of quality of data", low=0, above=True)
    slot_duration: Any = number(1e-3, "duration t = l/τ of a slot", unit="s", low=0, above=True)
    min_frequency: Any = number(
        1e-4, "least update frequency 1/θ_max", unit="updates per slot", low=1e-6, high=1
    )
    max_frequency: Any = number(1.0, "greatest update frequency", unit="updates per slot", low=1e-6, high=1)

    @property
    def brings_its_own(self) -> bool:
        """Whether quality or effort are not the paper's."""
        return self.quality is not None or self.effort is not None

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = concrete(self.min_frequency), concrete(self.max_frequency)
        if low is not None and high is not None and not (low <= high).all():
            raise refuse("System", "min_frequency", low, f"at most max_frequency = {high.tolist()}")
        self._repeat_along_batch()

    def _repeat_along_batch(self) -> None:
        """Give all numbers the axes that one of them has, so that `jax.vmap` finds them in each."""
        given = {name: getattr(self, name) for name in number_names(type(self))}
        shapes = {name: np.shape(value) for name, value in given.items() if np.ndim(value)}
        if not shapes:
            return
        first, shape = next(iter(shapes.items()))
        for name, other in shapes.items():
            if other != shape:
                allowed = f"a number, or of shape {shape} as {first} is"
                raise ValueError(f"{type(self).__name__}.{name} of shape {other}: must be {allowed}")
        dtype = np.result_type(*(getattr(given[name], "dtype", float) for name in shapes))
        for name in given.keys() - shapes.keys():
            zeros = np.zeros(shape, getattr(given[name], "dtype", dtype))
            object.__setattr__(self, name, given[name] + zeros)


def number_names(kind: Any) -> tuple[str, ...]:
    """The fields of a kind of system that hold one number each: all but what a subclass says is none."""
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if not field.metadata.get("static")
        and ("allowed" in field.metadata or isinstance(field.default, int | float))
    )
