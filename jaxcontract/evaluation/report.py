"""How good contracts are, state by state, against the exact optimum and in double precision."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import ByValue
from jaxcontract.evaluation.blocks import in_blocks, in_float64
from jaxcontract.evaluation.reference import ReferenceSolution
from jaxcontract.mechanism.incentives import centred_utility, certify, station_utility
from jaxcontract.mechanism.records import Contract, System
from jaxcontract.mechanism.schemes import realised_utility
from jaxcontract.mechanism.validation import TOLERANCE

ROUNDING = 1e-13  # of U_B in float64, relative


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report(ByValue):
    """How good a set of contracts is: whether they hold, and what they lose.

    An infeasible contract is counted and never averaged in: all but reward, feasible, max_violation,
    optimum, realised_regret and the two shares of states is over feasible contracts only, NaN when there is
    none. A state in which no contract has a quality of data has no optimum and no regret.

    num_states:       N
    without_quality:  share of states in which no contract has a quality of data: W ≤ 0 for every f
    bound_binds:      share of states whose optimum has an f at `min_frequency` or `max_frequency`, so that
                      U_B* is the best within these bounds
    reward:           mean of (13): U_B, or U_p where infeasible
    feasible:         share of states whose contract meets IR, IC and the domain
    max_violation:    the largest amount by which any of these is missed, over all states
    station_utility:  mean U_B
    optimum:          mean U_B* over all states that have one
    regret:           mean of U_B* − U_B of the same state
    worst_regret:     its largest value
    screening_worth:  mean of U_B* − U_B of the best pooled item, over the same states
    screening_gap:    Σ regret / Σ (U_B* − U_B of the best pooled item): 0 optimal, 1 no screening;
                      NaN where screening is worth nothing, as at K = 1
    device_utilities: [K] mean of u[k, k], what each type earns
    device_utility:   mean of Σ Q_k u[k, k], what a device earns: the information rent
    centred_utility:  mean of U_B − M β ln W₀, U_B less what no contract can change
    realised_regret:  mean of U_B* less what the BS earns when every device picks its best item or
                      stays out: over all states that have an optimum, feasible or not
    regrets:          [N] by state, NaN where infeasible
    """

    num_states: int
    without_quality: float
    bound_binds: float
    reward: float
    feasible: float
    max_violation: float
    station_utility: float
    optimum: float
    regret: float
    worst_regret: float
    screening_worth: float
    screening_gap: float
    device_utilities: np.ndarray
    device_utility: float
    centred_utility: float
    realised_regret: float
    regrets: np.ndarray


def judge(
    contracts: Contract,
    solution: ReferenceSolution,
    *,
    penalty: Any = -500.0,
    tolerance: Any = TOLERANCE,
    known_types: bool = False,
) -> Report:
    """Measure contracts [N, K], one for each of the solution's states.

    known_types: the BS sees every device's type and deals it its item, so IC asks nothing and nobody
        chooses: for the complete-information contract, whose regret is negative.
    """
    contracts, tolerance = in_float64((contracts, tolerance))
    with jax.enable_x64(True):
        pairs = solution.states, contracts
        measured = in_blocks(partial(_measure, known_types), pairs, solution.system, tolerance)
    feasible, own = measured["feasible"], measured["own_utilities"]
    utility, device = measured["station_utility"], measured["device_utility"]
    regrets = np.full(len(feasible), np.nan)
    regrets[feasible] = solution.optimum[feasible] - utility[feasible]
    worth = solution.optimum[feasible] - solution.pooled[feasible]
    gap = np.sum(regrets[feasible]) / np.sum(worth) if worth_something(worth, solution.optimum) else np.nan
    solved = np.isfinite(solution.optimum)
    return Report(
        num_states=len(feasible),
        without_quality=float(np.mean(~solved)),
        bound_binds=float(np.mean(solution.bound_binds)),
        reward=float(np.mean(np.where(feasible, utility, float(penalty)))),
        feasible=float(np.mean(feasible)),
        max_violation=float(np.max(measured["max_violation"])),
        station_utility=_mean(utility[feasible]),
        optimum=_mean(solution.optimum[solved]),
        regret=_mean(regrets[feasible]),
        worst_regret=float(np.max(regrets[feasible])) if feasible.any() else float("nan"),
        screening_worth=_mean(worth),
        screening_gap=float(gap),
        device_utilities=np.array([_mean(column) for column in own[feasible].T]),
        device_utility=_mean(device[feasible]),
        centred_utility=_mean(measured["centred_utility"][feasible]),
        realised_regret=_mean(solution.optimum[solved] - measured["realised_utility"][solved]),
        regrets=regrets,
    )


def worth_something(worth: np.ndarray, optimum: np.ndarray) -> bool:
    """Whether what screening is worth in some states is more than rounding of their U_B*."""
    return bool(np.sum(worth) > ROUNDING * np.sum(np.abs(optimum[np.isfinite(optimum)])))


@partial(jax.jit, static_argnums=0)
def _measure(known_types: bool, pairs: Any, system: System, tolerance: jax.Array) -> dict[str, jax.Array]:
    def one(state, contract):
        certificate = certify(system, state, contract, tolerance)
        own = certificate.ir_slack
        missed, domain = certificate.max_violation, certificate.domain
        utility = station_utility(system, state, contract)
        realised = utility
        if known_types:
            # XLA's maxima over long arrays lose NaN on a CPU.
            missed = jnp.where(jnp.any(jnp.isnan(own)), jnp.nan, jnp.maximum(0.0, jnp.max(-own)))
        else:
            realised = realised_utility(system, state, contract, tolerance)
        return {
            "feasible": jnp.all(domain) & (missed <= tolerance),
            "max_violation": missed,
            "station_utility": utility,
            "own_utilities": own,
            "device_utility": jnp.sum(state.type_probs * own),
            "centred_utility": centred_utility(system, state, contract),
            "realised_utility": realised,
        }

    return jax.vmap(one)(*pairs)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
