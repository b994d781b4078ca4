"""A policy's contracts against the exact optimum of every state, state by state, in double precision."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import Allowed, ByValue, plain, refuse
from jaxcontract.core.host_policy import HostPolicy
from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.mechanism.incentives import centred_utility, certify, station_utility
from jaxcontract.mechanism.network_states import NetworkDistribution, observe, sample_network
from jaxcontract.mechanism.optimum import optimal_contract, pooled_contract
from jaxcontract.mechanism.records import Contract, NetworkState, System, check_kind
from jaxcontract.mechanism.schemes import realised_utility
from jaxcontract.mechanism.validation import TOLERANCE

UNSEEN = 20_000  # states, enough for a standard error of a mean regret near 1 % of its spread
STATES = Allowed("whole", "network states", static=True, low=1, high=2**32 - 1)
TEST_SEED = 2**31 - 1  # of the states of the final measurement
CURVE_SEED = 2**31 - 2  # of a learning curve's states: other than those of the final measurement
BLOCK = 4096  # states computed side by side: one compiled program for any number of them, and bounded memory


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
    screening_gap:    Σ regret / Σ (U_B* − U_B of the best pooled item): 0 optimal, 1 no screening;
                      NaN where screening is worth nothing, as at K = 1
    device_utilities: [K] mean of u[k, k], what each type earns
    device_utility:   mean of Σ Q_k u[k, k], what a device earns: the information rent
    centred_utility:  mean of U_B − M β ln W₀, U_B less what no contract can change
    centred_welfare:  mean of the same plus M Σ Q_k u[k, k], what the BS and all devices gain together
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
    screening_gap: float
    device_utilities: np.ndarray
    device_utility: float
    centred_utility: float
    centred_welfare: float
    realised_regret: float
    regrets: np.ndarray


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


def unseen_states(
    distribution: NetworkDistribution, num_states: int = UNSEEN, *, seed: int = TEST_SEED
) -> NetworkState:
    """Network states [N, ...] that no training draws: a stream of their own, the same every time.

    num_states: N; the first of more states are these states
    seed:       of the stream; not for a training's use

    They are drawn in single precision: the same numbers in whatever precision and with whatever random
    keys JAX now computes, returned in its present precision.

    Raises:
        ValueError: when num_states is less than 1.
    """
    num_states = plain("unseen_states", "num_states", num_states, STATES)
    numbers = np.arange(num_states, dtype=np.uint32)
    with _the_same_draws():
        states = _in_blocks(_sample, numbers, _stream(seed), _in_float32(distribution))
    drawn: NetworkState = _in_default_precision(states)
    return drawn


def solve_reference(system: System, states: NetworkState) -> ReferenceSolution:
    """Solve every state [N, ...] exactly, once, so that many policies can be held against it."""
    system, states = _in_float64((system, states))
    with jax.enable_x64(True):
        optimum, pooled, bound_binds = _in_blocks(_solve, states, system)
    return ReferenceSolution(
        system=system, states=states, optimum=optimum, pooled=pooled, bound_binds=bound_binds
    )


def evaluate(
    policy: Callable[[jax.Array], Any],
    env: ContractEnv,
    params: EnvParams | None = None,
    *,
    states: NetworkState | ReferenceSolution | None = None,
) -> Report:
    """Measure a policy on fixed states, unseen in training, against the optimum of each.

    policy: a `Policy`, any function from one observation [4 + 2K] to one action [2K] that JAX can trace,
        or a `HostPolicy` around one that it cannot
    params: the game's numbers; by default the env's
    states: [N, ...], or a `ReferenceSolution` made from them; by default 20,000 of the env's distribution

    Raises:
        ValueError: when a `HostPolicy` returns anything but [N, 2K], the states are not [N, ...] of the
            env's types, or an argument is of another kind.

    Contracts are computed in the caller's precision and judged in float64. Rounding and the
    tolerance let regret fall below zero by at most M (K + 1) times the largest violation.

    >>> env = ContractEnv()
    >>> states = unseen_states(env.default_params.distribution, 100)
    >>> evaluate(lambda observation: jnp.zeros(4), env, states=states).feasible
    1.0
    """
    check_kind("env", env, ContractEnv)
    params = env.default_params if params is None else params
    check_kind("params", params, EnvParams)
    if states is None:
        states = unseen_states(params.distribution)
    given = states.states if isinstance(states, ReferenceSolution) else states
    shape = np.shape(given.type_probs)
    if len(shape) != 2 or shape[0] < 1 or shape[1] != env.num_types:
        raise refuse("evaluate", "states", f"type_probs of shape {shape}", f"of shape [N, {env.num_types}]")
    solution = states if isinstance(states, ReferenceSolution) else solve_reference(params.system, states)
    if jax.tree_util.all_leaves([policy]) and not isinstance(policy, HostPolicy):
        policy = _unseen(policy)
    contracts = offer(policy, env, params, solution.states)
    return judge(contracts, solution, penalty=params.penalty, tolerance=params.tolerance)


def _unseen(function: Callable[[jax.Array], Any]) -> Any:
    """The function as a pytree that JAX has not seen: what it closes over may have changed since it did."""
    return jax.tree_util.Partial(lambda observation: function(observation))


def offer(policy: Any, env: ContractEnv, params: EnvParams, states: NetworkState) -> Contract:
    """The contracts [N, K] that a policy, a pytree or a `HostPolicy`, offers in network states [N, ...]."""
    states = _in_default_precision(states)
    contracts: Contract
    if isinstance(policy, HostPolicy):
        observation = _in_blocks(_observations, states, params.system)
        pairs = states, _actions(policy, observation, env.num_actions)
        contracts = _in_blocks(partial(_contracts, env), pairs, params)
    else:
        contracts = _in_blocks(partial(_offer, env), states, policy, params)
    return contracts


def _actions(policy: HostPolicy, observation: np.ndarray, num_actions: int) -> np.ndarray:
    """The actions [N, 2K] of a policy for observations [N, 4 + 2K], if that is what they are."""
    actions = np.asarray(policy.act(observation), observation.dtype)
    wanted = len(observation), num_actions
    if actions.shape != wanted:
        raise ValueError(f"HostPolicy.act returned an array of shape {actions.shape}: must be {wanted}")
    return actions


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
    contracts, tolerance = _in_float64((contracts, tolerance))
    with jax.enable_x64(True):
        pairs = solution.states, contracts
        measured = _in_blocks(partial(_measure, known_types), pairs, solution.system, tolerance)
    feasible, own = measured["feasible"], measured["own_utilities"]
    utility, device = measured["station_utility"], measured["device_utility"]
    regrets = np.full(len(feasible), np.nan)
    regrets[feasible] = solution.optimum[feasible] - utility[feasible]
    worth = np.sum(solution.optimum[feasible] - solution.pooled[feasible])
    solved = np.isfinite(solution.optimum)
    welfare = measured["centred_utility"] + float(solution.system.num_devices) * device
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
        screening_gap=float(np.sum(regrets[feasible]) / worth) if worth > 1e-9 else float("nan"),
        device_utilities=np.array([_mean(column) for column in own[feasible].T]),
        device_utility=_mean(device[feasible]),
        centred_utility=_mean(measured["centred_utility"][feasible]),
        centred_welfare=_mean(welfare[feasible]),
        realised_regret=_mean(solution.optimum[solved] - measured["realised_utility"][solved]),
        regrets=regrets,
    )


def scheme_contracts(
    scheme: Callable[[System, NetworkState], Contract], solution: ReferenceSolution
) -> Contract:
    """The contracts [N, K] of a scheme such as `optimal_contract` in every state, in float64."""
    with jax.enable_x64(True):
        contracts: Contract = _in_blocks(partial(_scheme, scheme), solution.states, solution.system)
    return contracts


def random_contracts(env: ContractEnv, params: EnvParams, states: NetworkState, *, seed: int = 0) -> Contract:
    """Contracts [N, K] of random actions: uniform in the raw box, or random feasible ones.

    The same actions in whatever precision JAX now computes, as `unseen_states` are the same states.
    """
    numbers = np.arange(np.shape(states.max_aoi)[0], dtype=np.uint32)
    with _the_same_draws():
        actions = _in_blocks(partial(_random_actions, env), numbers, _stream(seed), _in_float32(params))
    pairs = _in_default_precision((states, actions))
    contracts: Contract = _in_blocks(partial(_contracts, env), pairs, params)
    return contracts


def _stream(seed: int) -> jax.Array:
    """The key of a stream of draws that does not depend on JAX's settings."""
    return jax.random.key(seed, impl="threefry2x32")


@contextmanager
def _the_same_draws() -> Iterator[None]:
    """JAX's own settings for random numbers, whatever those of this process are."""
    with jax.enable_x64(False), jax.threefry_partitionable(True):
        yield


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


@jax.jit
def _observations(states: NetworkState, system: System) -> jax.Array:
    return jax.vmap(observe, in_axes=(None, 0))(system, states)


@partial(jax.jit, static_argnums=0)
def _contracts(env: ContractEnv, pairs: Any, params: EnvParams) -> Contract:
    states, actions = pairs
    return jax.vmap(env.contract, in_axes=(0, 0, None))(states, actions, params)


@partial(jax.jit, static_argnums=0)
def _scheme(scheme: Any, states: NetworkState, system: System) -> Contract:
    contracts: Contract = jax.vmap(scheme, in_axes=(None, 0))(system, states)
    return contracts


@partial(jax.jit, static_argnums=0)
def _random_actions(env: ContractEnv, numbers: jax.Array, key: jax.Array, params: EnvParams) -> jax.Array:
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)
    return jax.vmap(env.action_space(params).sample)(keys)


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


def _in_float64(tree: Any) -> Any:
    """The same records around NumPy arrays of double precision."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def _in_float32(tree: Any) -> Any:
    """The same records, their real numbers NumPy arrays of single precision."""

    def single(leaf: Any) -> Any:
        is_real = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return np.asarray(leaf, np.float32) if is_real else leaf

    return jax.tree.map(single, tree)


def _in_default_precision(tree: Any) -> Any:
    """The same records around NumPy arrays of the precision that JAX now computes in."""
    dtype = jnp.result_type(float)
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), tree)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
