"""Networks outside of what a policy was trained on: how many, how far, and what that costs."""

from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.design.writing import Found
from jaxcontract.cli.input_files.network_rows import CONSTANTS, NetworkRows

ROUNDING = 1e-6  # of a number, by which a file may differ from what was trained on


class Outside(NamedTuple):
    """Where each of some networks [n] lies beside those of a training.

    distance: [n]  how far outside the ranges of the law, in widths of the range; 0 inside
    quantity: [n]  what is farthest outside: an index into `names`
    constants: [n] whether a constant of the deployment is another
    """

    distance: np.ndarray
    quantity: np.ndarray
    names: tuple[str, ...]
    constants: np.ndarray


def find_outside(networks: NetworkRows, params: Any) -> Outside:
    """Hold networks against the numbers of the game that a policy was trained in."""
    fields, law = networks.fields, params.distribution
    edges = np.asarray(law.bands(fields["device_types"].shape[1]), np.float64)
    columns = [
        ("max_aoi", fields["max_aoi"], *np.asarray(law.aoi_range, np.float64)),
        ("max_latency", fields["max_latency"], *np.asarray(law.latency_range, np.float64)),
        *(
            (f"device_types_{k + 1}", fields["device_types"][:, k], edges[k], edges[k + 1])
            for k in range(len(edges) - 1)
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
    )


def _measure_distance(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """How far values [n] lie outside a range, in widths of it, or of its ends where it has none."""
    beyond = np.maximum(low - values, values - high)
    width = high - low if high - low > ROUNDING * high else high
    return np.where(beyond > ROUNDING * abs(high), beyond / width, 0.0)


class OutsideTotals:
    """What the networks outside lose beside those inside, over all blocks of a file."""

    def __init__(self) -> None:
        self.outside = self.constants = 0
        self._farthest: tuple[float, int, str] = (0.0, 0, "")
        self._regret = {True: [0.0, 0], False: [0.0, 0]}  # of those outside, inside: sum and number

    def add(self, networks: NetworkRows, found: Found, params: Any) -> None:
        """Count a block. params: of the game that the policy was trained in."""
        where = find_outside(networks, params)
        outside = where.distance > 0
        self.outside += int(outside.sum())
        self.constants += int(where.constants.sum())
        far = int(where.distance.argmax())
        if where.distance[far] > self._farthest[0]:
            name = where.names[where.quantity[far]]
            self._farthest = (float(where.distance[far]), int(networks.rows[far]), name)
        for side, counts in self._regret.items():
            chosen = found["feasible"] & ((outside | where.constants) == side)
            counts[0] += float(found["regret"][chosen].sum())
            counts[1] += int(chosen.sum())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `contract.json`."""
        distance, row, name = self._farthest
        means = {side: total / count if count else None for side, (total, count) in self._regret.items()}
        return {
            "outside_law": self.outside,
            "other_constants": self.constants,
            "farthest": {"row": row, "quantity": name, "widths_outside": distance} if row else None,
            "regret_unlike": means[True],
            "regret_alike": means[False],
        }

    def describe(self, networks: int) -> list[str]:
        """Lines for a person; none where all are like those of the training. networks: how many there are"""
        told, (distance, row, name) = self.as_dict(), self._farthest
        lines = []
        if self.outside:
            lines.append(
                f"{self.outside:,} of {networks:,} networks lie outside of what the policy was trained on, "
                f"by up to {distance:.0%} of a range ({name} in row {row})"
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
