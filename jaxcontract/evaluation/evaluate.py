"""A policy measured on fixed states, unseen in training."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxcontract.core.fields import refuse
from jaxcontract.core.host_policy import HostPolicy
from jaxcontract.envs.contract import ContractEnv
from jaxcontract.envs.params import EnvParams, check_params
from jaxcontract.evaluation.offers import offer
from jaxcontract.evaluation.reference import ReferenceSolution, solve_reference
from jaxcontract.evaluation.report import Report, judge
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.mechanism.records import NetworkState, check_kind
from jaxcontract.mechanism.varied_types import pad_network


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
    states: [N, ...], or a `ReferenceSolution` made from them; by default 20,000 of the env's distribution.
        Where an env has networks of various sizes, those of a size within its range are padded

    Raises:
        ValueError: when a `HostPolicy` returns anything but [N, 2K], the states are not [N, ...] of the
            env's types, or an argument is of another kind.

    Contracts are computed in the caller's precision and judged in float64. Rounding and the
    tolerance let regret fall below zero by at most M (K + 1) times the largest violation.

    >>> import jax.numpy as jnp
    >>> env = ContractEnv()
    >>> states = unseen_states(env.default_params.distribution, 100)
    >>> evaluate(lambda observation: jnp.zeros(4), env, states=states).feasible
    1.0
    """
    check_kind("env", env, ContractEnv)
    params = env.default_params if params is None else params
    check_params(params)
    if states is None:
        states = unseen_states(params.distribution)
    given = states.states if isinstance(states, ReferenceSolution) else states
    shape = np.shape(given.type_probs)
    if len(shape) != 2 or shape[0] < 1 or not env.takes(shape[1]):
        raise refuse("evaluate", "states", f"type_probs of shape {shape}", f"of shape [N, {env.num_types}]")
    if shape[1] < env.num_types and isinstance(states, NetworkState):
        states = pad_network(states, env.num_types)
    solution = states if isinstance(states, ReferenceSolution) else solve_reference(params.system, states)
    if jax.tree_util.all_leaves([policy]) and not isinstance(policy, HostPolicy):
        policy = _unseen(policy)
    contracts = offer(policy, env, params, solution.states)
    return judge(contracts, solution, penalty=params.penalty, tolerance=params.allowed_violation)


def _unseen(function: Callable[[jax.Array], Any]) -> Any:
    """The function as a pytree that JAX has not seen: what it closes over may have changed since it did."""
    return jax.tree_util.Partial(lambda observation: function(observation))
