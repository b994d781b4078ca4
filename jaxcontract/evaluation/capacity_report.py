"""What is measured of a policy of two stations of limited capacity."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from jaxcontract.core.fields import ByValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityReport(ByValue):
    """How good a policy of both stations is, over S states.

    num_states:     S
    optimum:        mean payoff of a station at the equilibrium, (M − L) S
    reward:         mean utility of a station, `utility` by the name that all games have
    utility:        the same
    exploitability: Σ exploitability / Σ (M − L) S over the states: what a station could gain at most by
        another payment, where the other draws its own from the policy
    mode_exploitability: the same of the policy's mode, one payment for each state; NaN where it has none
    regret:         mean exploitability, in units of payment
    worst_regret:   the largest of a state
    rent:           mean of x = (r − c_0)/S
    distance:       mean over the states of the Kolmogorov–Smirnov distance between the law of x and the
        equilibrium F, max |C(x) − F(x)|
    feasible:       share of payments that are at least the device's cost
    max_violation:  the largest amount by which one is below it
    screening_gap:  NaN: of no meaning here
    """

    measures: ClassVar[Mapping[str, tuple[str, str]]] = {
        "feasible": ("feasible", "{:.5f}"),
        "utility": ("utility", "{:.3f}"),
        "exploitability": ("exploitability", "{:.3%}"),
        "mode_exploitability": ("of its mode", "{:.3%}"),
        "regret": ("in payment", "{:.3f}"),
        "worst_regret": ("worst", "{:.3f}"),
        "rent": ("mean rent", "{:.4f}"),
        "distance": ("distance to F", "{:.4f}"),
    }
    optimum_title: ClassVar[str] = "mean equilibrium payoff of a station"

    num_states: int
    optimum: float
    reward: float
    utility: float
    exploitability: float
    mode_exploitability: float
    regret: float
    worst_regret: float
    rent: float
    distance: float
    feasible: float
    max_violation: float
    screening_gap: float = float("nan")
