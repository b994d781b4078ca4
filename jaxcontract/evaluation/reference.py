"""What contracts are measured against: the exact optimum of every state."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.evaluation.blocks import in_blocks, in_float64
from jaxcontract.mechanism.incentives import station_utility
from jaxcontract.mechanism.optimum import optimal_contract, pooled_contract
from jaxcontract.mechanism.records import NetworkState, System
from jaxcontract.mechanism.rounds import check_system


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceSolution:
    """Network states with the numbers that contracts are measured against, all in float64.

    states: [N, ...]; optimum, pooled: [N]  U_B of the optimal and of the best pooled contract, minus infinity
        where no contract has a quality of data; bound_binds: [N]  whether the optimum has an f at a bound
    """

    system: System
    states: NetworkState
    optimum: np.ndarray
    pooled: np.ndarray
    bound_binds: np.ndarray


def solve_reference(system: System, states: NetworkState) -> ReferenceSolution:
    """Solve every state [N, ...] exactly, once, so that many policies can be held against it.

    Raises:
        ValueError: when the system is none, or a batch of them.
    """
    check_system(system)
    system, states = in_float64((system, states))
    with jax.enable_x64(True):
        optimum, pooled, bound_binds = in_blocks(_solve, states, system)
    return ReferenceSolution(
        system=system, states=states, optimum=optimum, pooled=pooled, bound_binds=bound_binds
    )


@jax.jit
def _solve(states: NetworkState, system: System) -> tuple[jax.Array, jax.Array, jax.Array]:
    def one(state):
        best = optimal_contract(system, state)
        at_bound = (best.frequency <= system.min_frequency) | (best.frequency >= system.max_frequency)
        return (
            station_utility(system, state, best),
            station_utility(system, state, pooled_contract(system, state)),
            jnp.any(at_bound),
        )

    return jax.vmap(one)(states)
