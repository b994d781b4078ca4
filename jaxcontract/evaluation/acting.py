"""The actions of a policy for a batch of observations."""

import math
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxcontract.core.host_policy import HostPolicy
from jaxcontract.evaluation.blocks import in_blocks, in_default_precision
from jaxcontract.learning.policies.network_policy import NetworkPolicy

# Observations that a network sees side by side: features first, as it was trained, and few enough for the
# processor's caches. At K = 100 this is seven times as fast as `jax.vmap` over one observation.
PIECE = 64


def act_on_batch(policy: Any, observations: jax.Array) -> jax.Array:
    """The actions [N, ..., A] for observations [N, ..., O], by any function from [..., O] to [..., A]."""
    *batch, length = observations.shape
    if not isinstance(policy, NetworkPolicy) or math.prod(batch) % PIECE:
        return jax.vmap(policy)(observations)
    actions: jax.Array = jax.lax.map(policy, observations.reshape(-1, PIECE, length))
    return actions.reshape(*batch, -1)


def act_in_states(env: Any, params: Any, policy: Any, states: Any) -> np.ndarray:
    """The actions [S, A] of any policy in network states [S, ...] of a game with `observe`, float64."""
    given = in_default_precision(states)
    if isinstance(policy, HostPolicy):
        return np.asarray(policy.act(in_blocks(partial(_observe, env), given, params)), np.float64)
    if jax.tree_util.all_leaves([policy]):
        function = policy
        policy = jax.tree_util.Partial(lambda observation: function(observation))
    return np.asarray(in_blocks(partial(_act, env), given, policy, params), np.float64)


@partial(jax.jit, static_argnums=0)
def _observe(env: Any, states: Any, params: Any) -> jax.Array:
    return jax.vmap(lambda state: env.observe(state, params))(states)


@partial(jax.jit, static_argnums=0)
def _act(env: Any, states: Any, policy: Any, params: Any) -> jax.Array:
    return act_on_batch(policy, _observe(env, states, params))
