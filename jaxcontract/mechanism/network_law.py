"""The law of the networks as a person chooses it. No JAX: `network_states.py` draws from it."""

import dataclasses

import numpy as np

from jaxcontract.core.fields import Allowed, Record, number, numbers, plain, refuse
from jaxcontract.mechanism.validation import PAPER_RANGE

LOWEST_TYPE, HIGHEST_TYPE = 1.0, 15.0  # the paper's range of φ
LEAST_TYPE = float(np.finfo(np.float32).tiny)  # below it the cost 1/φ of an update overflows
SIZE = Allowed("whole", "device types K", static=True, low=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkLaw(Record):
    """How every round draws its network; the defaults are the paper's Section V.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    aoi_range: tuple[float, ...] = numbers(
        PAPER_RANGE, "Ā_max is uniform between these two", unit="s", low=0, above=True
    )
    latency_range: tuple[float, ...] = numbers(
        PAPER_RANGE, "D̄_max is uniform between these two", unit="s", low=0, above=True
    )
    type_edges: tuple[float, ...] = numbers(
        (),
        "φ_k is uniform between edge k and edge k + 1 of these K + 1; without any, [1, 15] in equal bands",
        low=LEAST_TYPE,
        empty=True,
    )
    concentration: float = number(
        1.0, "Dirichlet concentration of the shares Q", low=0, above=True, static=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("aoi_range", "latency_range", "type_edges"):
            given = getattr(self, name)
            wanted = (name == "type_edges" and len(given) != 1) or len(given) == 2
            if not wanted or np.any(np.diff(given) < 0):
                count = "K + 1" if name == "type_edges" else "2"
                raise refuse(type(self).__name__, name, given, f"{count} positive numbers, ascending")

    def edges(self, num_types: int) -> tuple[float, ...]:
        """The edges of the bands of K device types."""
        return self.type_edges or equal_bands(num_types)


def equal_bands(num_types: int) -> tuple[float, ...]:
    """The paper's range of φ cut into K equal bands: K + 1 edges. Raises ValueError when K is none."""
    size = plain("equal_bands", "num_types", num_types, SIZE)
    return tuple(np.linspace(LOWEST_TYPE, HIGHEST_TYPE, size + 1).tolist())
