"""Problem (10) as one writes it for general solvers: CVXPY + Clarabel, and SciPy's SLSQP.

Both take one state at a time, in NumPy. They are imported when used: `pip install -e ".[test]"`.
"""

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxcontract.mechanism.system import System

if TYPE_CHECKING:  # it brings JAX
    from jaxcontract.mechanism.records import NetworkState

TIGHT = 1e-9  # Clarabel's tolerances


class UnsolvedError(RuntimeError):
    """A solver ended without a solution; says why."""


class Solution(NamedTuple):
    """What a solver returns: U_B, f [K], r [K], and the seconds by its own clock, NaN where it keeps none."""

    utility: float
    frequency: np.ndarray
    payment: np.ndarray
    seconds: float = np.nan


def solve_with_clarabel(system: System, state: "NetworkState", *, all_pairs: bool = False) -> Solution:
    """(10) as a conic program.

    all_pairs: with all K² constraints (8) and (9) as printed, not just the 2K − 1 that imply them

    Raises:
        UnsolvedError: Clarabel found no solution.
    """
    cvxpy: Any = import_module("cvxpy")
    size = len(state.type_probs)
    frequency, payment = cvxpy.Variable(size), cvxpy.Variable(size)
    slot, preference = system.slot_duration, system.aoi_preference
    age = slot * (frequency + 0.5 * cvxpy.inv_pos(frequency) + 0.5)
    latency = slot * (1 + frequency)
    index = preference * (state.max_aoi - age) + (1 - preference) * (state.max_latency - latency) + 1
    profit = state.type_probs @ (system.unit_profit * cvxpy.log(index) - payment)
    constraints = [
        truth_rows(state, all_pairs=all_pairs) @ cvxpy.hstack([frequency, payment]) >= 0,
        frequency >= system.min_frequency,
        frequency <= system.max_frequency,
        payment >= 0,
    ]
    problem = cvxpy.Problem(cvxpy.Maximize(profit), constraints)
    try:
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=TIGHT, tol_gap_rel=TIGHT, tol_feas=TIGHT)
    except cvxpy.error.SolverError as error:
        raise UnsolvedError(str(error)) from error
    utility = system.num_devices * problem.value
    return Solution(utility, frequency.value, payment.value, problem.solver_stats.solve_time)


def solve_with_slsqp(system: System, state: "NetworkState") -> Solution:
    """(10) with the 2K − 1 constraints that imply the others, by sequential quadratic programming.

    Raises:
        UnsolvedError: SLSQP found no solution.
    """
    minimize: Any = import_module("scipy.optimize").minimize
    size = len(state.type_probs)
    slot, preference = system.slot_duration, system.aoi_preference
    rows = truth_rows(state)

    def quality_index(frequency):
        age, latency = slot * (frequency + 0.5 / frequency + 0.5), slot * (1 + frequency)
        return 1 + preference * (state.max_aoi - age) + (1 - preference) * (state.max_latency - latency)

    def loss(items):
        frequency, payment = np.split(items, 2)
        return -state.type_probs @ (system.unit_profit * np.log(quality_index(frequency)) - payment)

    def slope(items):
        frequency = items[:size]
        rate = slot * (0.5 * preference / frequency**2 - 1) / quality_index(frequency)
        return np.concatenate([-state.type_probs * system.unit_profit * rate, state.type_probs])

    with np.errstate(invalid="ignore"):  # a step may try items without a defined quality
        result = minimize(
            loss,
            np.concatenate([np.full(size, 0.3), np.full(size, 0.3 / state.device_types[0])]),
            jac=slope,
            method="SLSQP",
            bounds=[(system.min_frequency, system.max_frequency)] * size + [(0, None)] * size,
            constraints=[{"type": "ineq", "fun": lambda items: rows @ items, "jac": lambda _: rows}],
            options={"maxiter": 1000, "ftol": 1e-13},
        )
    if not result.success:
        raise UnsolvedError(result.message)
    return Solution(-system.num_devices * result.fun, result.x[:size], result.x[size:])


def truth_rows(state: "NetworkState", *, all_pairs: bool = False) -> np.ndarray:
    """A with A [f, r] ≥ 0: IR of the lowest type and IC between neighbours, or IR and IC of all pairs.

    Returns [2K − 1, 2K] or [K², 2K].
    """
    costs = 1 / np.asarray(state.device_types)
    size = len(costs)
    own_utility = np.hstack([-np.diag(costs), np.eye(size)])
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    own, other = np.nonzero(distance > 0 if all_pairs else distance == 1)
    slack = own_utility[own]
    pair = np.arange(len(own))
    slack[pair, other] += costs[own]
    slack[pair, size + other] -= 1
    return np.concatenate([own_utility if all_pairs else own_utility[:1], slack])


class Peer(NamedTuple):
    """A general solver, what must be installed for it, and the constraints (8) and (9) that it is given.

    all_pairs: all K² of them as printed; else the 2K − 1 that imply the others
    """

    name: str
    packages: Sequence[str]
    solve: Callable[..., Solution]
    all_pairs: bool = False

    def constraints(self, num_types: int) -> dict[str, Any]:
        """Which form of the constraints, and how many there are."""
        form, count = ("K²", num_types**2) if self.all_pairs else ("2K − 1", 2 * num_types - 1)
        return {"form": form, "count": count}


AS_PRINTED = functools.partial(solve_with_clarabel, all_pairs=True)
PEERS = (
    Peer("CVXPY + Clarabel, K² constraints", ("cvxpy", "clarabel"), AS_PRINTED, all_pairs=True),
    Peer("CVXPY + Clarabel, 2K − 1", ("cvxpy", "clarabel"), solve_with_clarabel),
    Peer("SciPy SLSQP, 2K − 1", ("scipy",), solve_with_slsqp),
)
