"""A policy's contracts against the exact optimum of every state, state by state, in double precision."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.env import ContractEnv, EnvParams
from jaxcontract.learning.policy import Policy
from jaxcontract.mechanism.incentives import certify, device_utilities, station_utility
from jaxcontract.mechanism.networks import NetworkDistribution, observe, sample_network
from jaxcontract.mechanism.optimum import optimal_contract, pooled_contract
from jaxcontract.mechanism.records import Contract, NetworkState, System

UNSEEN = 20_000  # states, enough for a standard error of a mean regret near 1 % of its spread
BLOCK = 1024  # states computed side by side: one compiled program for any number of them, and bounded memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """How good a set of contracts is: whether they hold, and what they lose.

    An infeasible contract is counted and never averaged in: station_utility, device_utilities,
    regret and screening_gap are over feasible contracts only, NaN when there is none.

    reward:           mean of (13): U_B, or U_p where infeasible
    feasible:         share of states whose contract meets IR, IC and the domain
    max_violation:    the largest amount by which any of these is missed, over all states
    station_utility:  mean U_B
    optimum:          mean U_B* over all states
    regret:           mean of U_B* − U_B of the same state
    worst_regret:     its largest value
    screening_gap:    Σ regret / Σ (U_B* − U_B of the best pooled item): 0 optimal, 1 no screening;
                      NaN where screening is worth nothing, as at K = 1
    device_utilities: [K] mean of u[k, k], what each type earns
    regrets:          [N] by state, NaN where infeasible
    """

    num_states: int
    reward: float
    feasible: float
    max_violation: float
    station_utility: float
    optimum: float
    regret: float
    worst_regret: float
    screening_gap: float
    device_utilities: np.ndarray
    regrets: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Yardstick:
    """Network states with the numbers that contracts are measured against, all in float64.

    states: [N, ...]; optimum, pooled: [N]  U_B of the optimal and of the best pooled contract
    """

    system: System
    states: NetworkState
    optimum: np.ndarray
    pooled: np.ndarray


def unseen_states(
    distribution: NetworkDistribution, num_states: int = UNSEEN, *, seed: int = 2**31 - 1
) -> NetworkState:
    """Network states [N, ...] that no training draws: a stream of their own, the same every time."""
    numbers = np.arange(num_states, dtype=np.uint32)
    states: NetworkState = _in_blocks(_sample, numbers, jax.random.key(seed), distribution)
    return states


def make_yardstick(system: System, states: NetworkState) -> Yardstick:
    """Solve every state [N, ...] exactly, once, so that many policies can be held against it."""
    system, states = _in_float64((system, states))
    with jax.enable_x64(True):
        optimum, pooled = _in_blocks(_solve, states, system)
    return Yardstick(system=system, states=states, optimum=optimum, pooled=pooled)


def evaluate(
    policy: Callable[[jax.Array], jax.Array],
    env: ContractEnv,
    params: EnvParams | None = None,
    *,
    states: NetworkState | Yardstick | None = None,
) -> Report:
    """Measure a policy on fixed states, unseen in training, against the optimum of each.

    policy: a `Policy`, or any function from one observation [4 + 2K] to one action [2K]
    states: [N, ...], or a `Yardstick` made from them; by default 20,000 of the env's distribution

    Contracts are computed in the caller's precision and judged in float64. Rounding and the
    tolerance let regret fall below zero by at most M (K + 1) times the largest violation.

    >>> env = ContractEnv()
    >>> states = unseen_states(env.default_params.distribution, 100)
    >>> evaluate(lambda observation: jnp.zeros(4), env, states=states).feasible
    1.0
    """
    params = env.default_params if params is None else params
    if states is None:
        states = unseen_states(params.distribution)
    yardstick = states if isinstance(states, Yardstick) else make_yardstick(params.system, states)
    traceable = policy if isinstance(policy, Policy) else jax.tree_util.Partial(policy)
    contracts = offer(traceable, env, params, yardstick.states)
    return judge(contracts, yardstick, penalty=params.penalty, tolerance=params.tolerance)


def offer(policy: Any, env: ContractEnv, params: EnvParams, states: NetworkState) -> Contract:
    """The contracts [N, K] that a policy, a pytree, offers in network states [N, ...]."""
    contracts: Contract = _in_blocks(partial(_offer, env), _in_default_precision(states), policy, params)
    return contracts


def judge(
    contracts: Contract, yardstick: Yardstick, *, penalty: Any = -500.0, tolerance: Any = 1e-6
) -> Report:
    """Measure contracts [N, K], one for each of the yardstick's states."""
    contracts, tolerance = _in_float64((contracts, tolerance))
    with jax.enable_x64(True):
        pairs = yardstick.states, contracts
        feasible, violation, utility, own = _in_blocks(_measure, pairs, yardstick.system, tolerance)
    regrets = np.where(feasible, yardstick.optimum - utility, np.nan)
    worth = np.sum((yardstick.optimum - yardstick.pooled)[feasible])
    return Report(
        num_states=len(feasible),
        reward=float(np.mean(np.where(feasible, utility, float(penalty)))),
        feasible=float(np.mean(feasible)),
        max_violation=float(np.max(violation)),
        station_utility=_mean(utility[feasible]),
        optimum=_mean(yardstick.optimum),
        regret=_mean(regrets[feasible]),
        worst_regret=float(np.max(regrets[feasible])) if feasible.any() else float("nan"),
        screening_gap=float(np.sum(regrets[feasible]) / worth) if worth > 1e-9 else float("nan"),
        device_utilities=np.array([_mean(column) for column in own[feasible].T]),
        regrets=regrets,
    )


def scheme_contracts(scheme: Callable[[System, NetworkState], Contract], yardstick: Yardstick) -> Contract:
    """The contracts [N, K] of a scheme such as `optimal_contract` in every state, in float64."""
    with jax.enable_x64(True):
        contracts: Contract = _in_blocks(partial(_scheme, scheme), yardstick.states, yardstick.system)
    return contracts


def random_contracts(env: ContractEnv, params: EnvParams, states: NetworkState, *, seed: int = 0) -> Contract:
    """Contracts [N, K] of random actions: uniform in the raw box, or random feasible ones."""
    numbers = np.arange(np.shape(states.max_aoi)[0], dtype=np.uint32)
    pairs = numbers, _in_default_precision(states)
    contracts: Contract = _in_blocks(partial(_random, env), pairs, jax.random.key(seed), params)
    return contracts


def _in_blocks(function: Callable[..., Any], batch: Any, *shared: Any) -> Any:
    """`function(batch, *shared)` of a batch [N, ...], a block at a time: NumPy arrays [N, ...].

    The last block is filled up with copies of its last row.
    """
    size = len(jax.tree.leaves(batch)[0])
    parts = []
    for start in range(0, size, BLOCK):
        rows = np.minimum(np.arange(start, start + BLOCK), size - 1)
        block = jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[rows], batch)
        parts.append(jax.device_get(function(block, *shared)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:size], *parts)


@jax.jit
def _sample(numbers: jax.Array, key: jax.Array, distribution: NetworkDistribution) -> NetworkState:
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)
    return jax.vmap(sample_network, in_axes=(0, None))(keys, distribution)


@partial(jax.jit, static_argnums=0)
def _offer(env: ContractEnv, states: NetworkState, policy: Any, params: EnvParams) -> Contract:
    def one(state):
        return env.contract(state, policy(observe(params.system, state)), params)

    return jax.vmap(one)(states)


@partial(jax.jit, static_argnums=0)
def _scheme(scheme: Any, states: NetworkState, system: System) -> Contract:
    contracts: Contract = jax.vmap(scheme, in_axes=(None, 0))(system, states)
    return contracts


@partial(jax.jit, static_argnums=0)
def _random(env: ContractEnv, pairs: Any, key: jax.Array, params: EnvParams) -> Contract:
    def one(number, state):
        action = env.action_space(params).sample(jax.random.fold_in(key, number))
        return env.contract(state, action, params)

    return jax.vmap(one)(*pairs)


@jax.jit
def _solve(states: NetworkState, system: System) -> tuple[jax.Array, jax.Array]:
    def one(state):
        return (
            station_utility(system, state, optimal_contract(system, state)),
            station_utility(system, state, pooled_contract(system, state)),
        )

    return jax.vmap(one)(states)


@jax.jit
def _measure(pairs: Any, system: System, tolerance: jax.Array) -> Any:
    def one(state, contract):
        certificate = certify(system, state, contract, tolerance)
        return (
            certificate.feasible,
            certificate.max_violation,
            station_utility(system, state, contract),
            jnp.diagonal(device_utilities(state, contract)),
        )

    return jax.vmap(one)(*pairs)


def _in_float64(tree: Any) -> Any:
    """The same records around NumPy arrays of double precision."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def _in_default_precision(tree: Any) -> Any:
    """The same records around NumPy arrays of the precision that JAX now computes in."""
    dtype = jnp.result_type(float)
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), tree)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
