"""What is measured of a policy of two stations of limited capacity and two device types."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from jaxcontract.core.fields import ByValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class MenuReport(ByValue):
    """How good a policy of both stations is, over S states.

    num_states:     S
    optimum:        mean of what a station can secure: (M − L) Σ Q_k (S_k − u_k) at the cheapest menu
    reward:         mean utility of a station, `utility` by the name that all games have
    utility:        the same
    exploitability: Σ exploitability / Σ of what can be secured over the states: what a station could gain at
        most by another menu, where the other draws its own from the policy
    mode_exploitability: the same of the policy's mode, one menu for each state; NaN where it has none
    regret:         mean exploitability, in units of payment
    worst_regret:   the largest of a state
    rent:           mean of x_1 = u_1/S_1
    feasible:       share of menus within IR and IC
    max_violation:  the largest amount by which one misses them
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
    }
    optimum_title: ClassVar[str] = "mean payoff that a station can secure"

    num_states: int
    optimum: float
    reward: float
    utility: float
    exploitability: float
    mode_exploitability: float
    regret: float
    worst_regret: float
    rent: float
    feasible: float
    max_violation: float
    screening_gap: float = float("nan")
