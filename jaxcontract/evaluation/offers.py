"""The contracts that a policy, a scheme or chance offers in a batch of network states."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxcontract.core.host_policy import HostPolicy
from jaxcontract.envs.contract import ContractEnv, EnvParams
from jaxcontract.evaluation.acting import act_on_batch
from jaxcontract.evaluation.blocks import in_blocks, in_default_precision, in_float32
from jaxcontract.evaluation.reference import ReferenceSolution
from jaxcontract.evaluation.states import make_stream, same_draws
from jaxcontract.mechanism.network_states import observe
from jaxcontract.mechanism.records import Contract, NetworkState, System


def offer(policy: Any, env: ContractEnv, params: EnvParams, states: NetworkState) -> Contract:
    """The contracts [N, K] that a policy, a pytree or a `HostPolicy`, offers in network states [N, ...]."""
    states = in_default_precision(states)
    contracts: Contract
    if isinstance(policy, HostPolicy):
        observation = in_blocks(_observations, states, params.system)
        pairs = states, _actions(policy, observation, env.num_actions)
        contracts = in_blocks(partial(_contracts, env), pairs, params)
    else:
        contracts = in_blocks(partial(_offer, env), states, policy, params)
    return contracts


def scheme_contracts(
    scheme: Callable[[System, NetworkState], Contract], solution: ReferenceSolution
) -> Contract:
    """The contracts [N, K] of a scheme such as `optimal_contract` in every state, in float64."""
    with jax.enable_x64(True):
        contracts: Contract = in_blocks(partial(_scheme, scheme), solution.states, solution.system)
    return contracts


def random_contracts(env: ContractEnv, params: EnvParams, states: NetworkState, *, seed: int = 0) -> Contract:
    """Contracts [N, K] of random actions: uniform in the raw box, or random feasible ones.

    The same actions in whatever precision JAX now computes, as `unseen_states` are the same states.
    """
    numbers = np.arange(np.shape(states.max_aoi)[0], dtype=np.uint32)
    with same_draws():
        actions = in_blocks(partial(_random_actions, env), numbers, make_stream(seed), in_float32(params))
    pairs = in_default_precision((states, actions))
    contracts: Contract = in_blocks(partial(_contracts, env), pairs, params)
    return contracts


def _actions(policy: HostPolicy, observation: np.ndarray, num_actions: int) -> np.ndarray:
    """The actions [N, 2K] of a policy for observations [N, 4 + 2K], if that is what they are."""
    actions = np.asarray(policy.act(observation), observation.dtype)
    wanted = len(observation), num_actions
    if actions.shape != wanted:
        raise ValueError(f"HostPolicy.act returned an array of shape {actions.shape}: must be {wanted}")
    return actions


@partial(jax.jit, static_argnums=0)
def _offer(env: ContractEnv, states: NetworkState, policy: Any, params: EnvParams) -> Contract:
    observations = jax.vmap(observe, in_axes=(None, 0))(params.system, states)
    actions = act_on_batch(policy, observations)
    contracts: Contract = jax.vmap(env.contract, in_axes=(0, 0, None))(states, actions, params)
    return contracts


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
