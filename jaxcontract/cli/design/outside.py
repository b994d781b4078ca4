"""Networks outside of what a policy was trained on: how many, how far, and what that costs."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.design.writing import Found
from jaxcontract.cli.input_files.network_rows import CONSTANTS, NetworkRows
from jaxcontract.mechanism.places import find_taken

ROUNDING = 1e-6  # of a number, by which a file may differ from what was trained on


class Outside(NamedTuple):
    """Where each of some networks [n] lies beside those of a training.

    distance: [n]  how far outside the ranges of the law for its number of types, in widths of the range;
        0 inside
    quantity: [n]  what is farthest outside: an index into `names`
    constants: [n] whether a constant of the deployment is another
    num_types: [n] its number of types, without empty places where the policy takes these
    other_size: [n] whether no network of that number of types was trained on
    """

    distance: np.ndarray
    quantity: np.ndarray
    names: tuple[str, ...]
    constants: np.ndarray
    num_types: np.ndarray
    other_size: np.ndarray


def find_outside(networks: NetworkRows, params: Any) -> Outside:
    """Hold networks against the numbers of the game that a policy was trained in."""
    fields, law = networks.fields, params.distribution
    num_types = _count_types(fields, law)
    low, high = _find_bands(num_types, fields["device_types"].shape[1], law)
    columns = [
        ("max_aoi", fields["max_aoi"], *np.asarray(law.aoi_range, np.float64)),
        ("max_latency", fields["max_latency"], *np.asarray(law.latency_range, np.float64)),
        *(
            (f"device_types_{k + 1}", fields["device_types"][:, k], low[:, k], high[:, k])
            for k in range(low.shape[1])
        ),
    ]
    distances = np.stack([_measure_distance(*column[1:]) for column in columns], axis=1)
    other = [
        ~np.isclose(fields[name], float(getattr(params.system, name)), rtol=ROUNDING, atol=0)
        for name in CONSTANTS
    ]
    return Outside(
        distance=distances.max(axis=1),
        quantity=distances.argmax(axis=1),
        names=tuple(column[0] for column in columns),
        constants=np.any(other, axis=0),
        num_types=num_types,
        other_size=~np.isin(num_types, _trained_sizes(law)),
    )


def _trained_sizes(law: Any) -> tuple[int, ...]:
    """The numbers of types that networks of a law have, ascending."""
    sizes: tuple[int, ...] = getattr(law, "sizes", (law.num_types,))
    return sizes


def _count_types(fields: Any, law: Any) -> np.ndarray:
    """The number of types of each network, [n]: without the empty places of a law that pads its own."""
    types = fields["device_types"]
    if not hasattr(law, "sizes"):
        return np.full(len(types), types.shape[1])
    return np.asarray(find_taken(fields["type_probs"].T, types.T).sum(axis=0))


def _find_bands(num_types: np.ndarray, places: int, law: Any) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest φ in each place for networks of so many types [n], [n, places] each.

    Places behind the last type have no bounds.
    """
    low = np.zeros((len(num_types), places))
    high = np.full_like(low, np.inf)
    for size in np.unique(num_types):
        edges, rows = np.asarray(law.bands(int(size)), np.float64), num_types == size
        low[rows, :size], high[rows, :size] = edges[:-1], edges[1:]
    return low, high


def _measure_distance(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """How far values [n] lie outside ranges, [n] or one, in widths of these, or of their ends where none."""
    beyond = np.maximum(low - values, values - high)
    bounded = np.isfinite(high)
    end = np.where(bounded, high, 1.0)
    width = np.where(end - low > ROUNDING * end, end - low, end)
    return np.where(bounded & (beyond > ROUNDING * end), beyond / width, 0.0)


def _shorten(sizes: tuple[int, ...]) -> str:
    """`2-4, 6-64` for ascending whole numbers."""
    ends = [[size, size] for size in sizes[:1]]
    for size in sizes[1:]:
        if size == ends[-1][1] + 1:
            ends[-1][1] = size
        else:
            ends.append([size, size])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ends)


class OutsideTotals:
    """What the networks outside lose beside those inside, over all blocks of a file."""

    def __init__(self) -> None:
        self.outside = self.constants = 0
        self._sizes: Counter[int] = Counter()  # numbers of types not trained on, and how many networks
        self._trained: tuple[int, ...] = ()
        self._farthest: tuple[float, int, str] = (0.0, 0, "")
        self._regret = {True: [0.0, 0], False: [0.0, 0]}  # of those outside, inside: sum and number

    def add(self, networks: NetworkRows, found: Found, params: Any) -> None:
        """Count a block. params: of the game that the policy was trained in."""
        where = find_outside(networks, params)
        outside = where.distance > 0
        self.outside += int(outside.sum())
        self.constants += int(where.constants.sum())
        self._sizes.update(where.num_types[where.other_size].tolist())
        self._trained = _trained_sizes(params.distribution)
        far = int(where.distance.argmax())
        if where.distance[far] > self._farthest[0]:
            name = where.names[where.quantity[far]]
            self._farthest = (float(where.distance[far]), int(networks.rows[far]), name)
        for side, counts in self._regret.items():
            chosen = found["feasible"] & ((outside | where.constants | where.other_size) == side)
            counts[0] += float(found["regret"][chosen].sum())
            counts[1] += int(chosen.sum())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `contract.json`."""
        distance, row, name = self._farthest
        means = {side: total / count if count else None for side, (total, count) in self._regret.items()}
        return {
            "outside_law": self.outside,
            "other_constants": self.constants,
            "other_num_types": self._sizes.total(),
            "farthest": {"row": row, "quantity": name, "widths_outside": distance} if row else None,
            "regret_unlike": means[True],
            "regret_alike": means[False],
        }

    def describe(self, networks: int) -> list[str]:
        """Lines for a person; none where all are like those of the training. networks: how many there are"""
        told, (distance, row, name) = self.as_dict(), self._farthest
        lines = []
        if self.outside:
            far = f"{distance:.0%} of a range" if distance < 1 else f"{distance:.3g} times a range"
            lines.append(
                f"{self.outside:,} of {networks:,} networks lie outside of what the policy was trained on, "
                f"by up to {far} ({name} in row {row})"
            )
        if self._sizes:
            sizes = ", ".join(f"K = {size}" for size in sorted(self._sizes))
            lines.append(
                f"{self._sizes.total():,} of {networks:,} networks have a number of types that the policy "
                f"was not trained on: {sizes} (it was on {_shorten(self._trained)})"
            )
        if self.constants:
            lines.append(
                f"{self.constants:,} of {networks:,} networks have other constants than the deployment that "
                "the policy was trained for"
            )
        if lines and told["regret_unlike"] is not None:
            alike = told["regret_alike"]
            beside = "" if alike is None else f", of the others {alike:.4g}"
            lines.append(f"mean regret of such networks {told['regret_unlike']:.4g}{beside}")
        return lines
