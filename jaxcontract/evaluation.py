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
BLOCK = 1024  # states judged side by side, which bounds the memory of the [K, K] tables


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
    keys = jax.random.split(jax.random.key(seed), num_states)
    return jax.jit(jax.vmap(sample_network, in_axes=(0, None)))(keys, distribution)


def make_yardstick(system: System, states: NetworkState) -> Yardstick:
    """Solve every state [N, ...] exactly, once, so that many policies can be held against it."""
    system, states = _in_float64((system, states))
    with jax.enable_x64(True):
        optimum, pooled = jax.device_get(_solve(system, states))
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
    inputs = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), yardstick.states)
    contracts = _offer(traceable, env, params, inputs)
    return judge(contracts, yardstick, penalty=params.penalty, tolerance=params.tolerance)


def judge(
    contracts: Contract, yardstick: Yardstick, *, penalty: Any = -500.0, tolerance: Any = 1e-6
) -> Report:
    """Measure contracts [N, K], one for each of the yardstick's states."""
    contracts, tolerance = _in_float64((contracts, tolerance))
    with jax.enable_x64(True):
        measured = _measure(yardstick.system, yardstick.states, contracts, tolerance)
        feasible, violation, utility, own = jax.device_get(measured)
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


def random_contracts(env: ContractEnv, params: EnvParams, states: NetworkState, *, seed: int = 0) -> Contract:
    """Contracts [N, K] of random actions: uniform in the raw box, or random feasible ones."""
    space = env.action_space(params)
    keys = jax.random.split(jax.random.key(seed), np.shape(states.max_aoi)[0])
    actions = jax.vmap(space.sample)(keys)
    return jax.vmap(env.contract, in_axes=(0, 0, None))(states, actions, params)


@partial(jax.jit, static_argnames="env")
def _offer(policy: Any, env: ContractEnv, params: EnvParams, states: NetworkState) -> Contract:
    def one(state):
        return env.contract(state, policy(observe(params.system, state)), params)

    return jax.vmap(one)(states)


@jax.jit
def _solve(system: System, states: NetworkState) -> tuple[jax.Array, jax.Array]:
    def one(state):
        return (
            station_utility(system, state, optimal_contract(system, state)),
            station_utility(system, state, pooled_contract(system, state)),
        )

    return jax.lax.map(one, states, batch_size=BLOCK)


@jax.jit
def _measure(system: System, states: NetworkState, contracts: Contract, tolerance: jax.Array) -> Any:
    def one(pair):
        state, contract = pair
        certificate = certify(system, state, contract, tolerance)
        return (
            certificate.feasible,
            certificate.max_violation,
            station_utility(system, state, contract),
            jnp.diagonal(device_utilities(state, contract)),
        )

    return jax.lax.map(one, (states, contracts), batch_size=BLOCK)


def _in_float64(tree: Any) -> Any:
    """The same records around NumPy arrays of double precision."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
