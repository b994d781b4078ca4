"""Play rounds with a policy: lines 4 to 8 of Algorithm 1, over many environments at once."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.protocols import Environment
from jaxcontract.core.pytree import register
from jaxcontract.core.rounds_last import find_rounds_last
from jaxcontract.learning.derivative_action import find_earlier_reward
from jaxcontract.learning.policies.network_policy import NetworkPolicy


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """What was played, the paper's D: every field has axes [T, ..., B].

    With groups of m actions the observations are [T, O, B/m], each followed by m rounds in the other fields.

    `draw` and `log_prob` are of the policy's head, before the bijector brings actions into their Box.
    """

    observation: jax.Array  # [T, O, B]
    draw: jax.Array  # [T, D, B]
    log_prob: jax.Array  # [T, B]
    reward: jax.Array  # [T, B]
    terminated: jax.Array  # [T, B]
    truncated: jax.Array  # [T, B]
    final_observation: jax.Array  # [T, O, B]  before a reset, where there was one
    earlier_reward: jax.Array | None = None  # [T, B]  against the rivals' trailing copies, where there are


def rollout(
    key: jax.Array,
    policy: NetworkPolicy,
    env: Environment,
    params: Any,
    env_state: Any,
    observation: jax.Array,
    length: int,
    group_size: int = 1,
    trailing: NetworkPolicy | None = None,
) -> tuple[Any, jax.Array, Trajectory]:
    """Play T = `length` rounds of each of B environments.

    env_state: [..., B], observation: [O, B]: where the last rollout left off. The key is consumed.
    group_size: m, actions that are tried in each state; those two are then [..., B/m], and what follows on
        the first action of each group goes on
    trailing: of games of several players, by which rivals act for `earlier_reward`

    Returns (env_state, observation, trajectory).
    """

    def play(carry, key):
        env_state, observation = carry
        key_action, key_env = jax.random.split(key)
        output = repeat_each(policy.output(observation), group_size)
        draw = policy.head.sample(key_action, output, policy.parameters)
        action = policy.bijector.forward(policy.head.raw_action(draw))
        before = repeat_each(env_state, group_size)
        earlier = None
        if trailing is not None:
            # From the same key: these actions differ by no more than the two policies do.
            rivals = trailing.sample(key_action, repeat_each(observation, group_size).T).T
            earlier = find_earlier_reward(key_env, env, params, before, action, rivals)
        following, env_state, reward, terminated, truncated, info = step(key_env, env, params, before, action)
        following, env_state = take_first((following, env_state), group_size)
        played = Trajectory(
            observation=observation,
            draw=draw,
            log_prob=policy.head.log_prob(draw, output, policy.parameters),
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            final_observation=info["final_observation"],
            earlier_reward=earlier,
        )
        return (env_state, following), played

    carry, trajectory = jax.lax.scan(play, (env_state, observation), jax.random.split(key, length))
    return *carry, trajectory


def repeat_each(batch: Any, count: int) -> Any:
    """[..., S] → [..., S · count], each entry of the last axis `count` times in a row."""
    return batch if count == 1 else jax.tree.map(lambda leaf: jnp.repeat(leaf, count, axis=-1), batch)


def take_first(batch: Any, count: int) -> Any:
    """[..., S · count] → [..., S], the first of each `count` entries."""
    return batch if count == 1 else jax.tree.map(lambda leaf: leaf[..., ::count], batch)


def start(key: jax.Array, env: Any, params: Any, count: int) -> tuple[Any, jax.Array]:
    """Reset B = `count` environments: (env_state, observation), each [..., B]. The key is consumed."""
    beside = find_rounds_last(env)
    if beside is not None:
        observation, env_state = beside.reset(key, params, count)
    else:
        keys = jax.random.split(key, count)
        observation, env_state = jax.vmap(env.reset, in_axes=(0, None), out_axes=-1)(keys, params)
    return env_state, jnp.asarray(observation)


def step(key: jax.Array, env: Any, params: Any, env_state: Any, action: jax.Array) -> tuple[Any, ...]:
    """One round of each of B environments, [..., B]: what `env.step` returns. The key is consumed."""
    beside = find_rounds_last(env)
    if beside is not None:
        return beside.step(key, env_state, action, params)
    keys = jax.random.split(key, action.shape[-1])
    return jax.vmap(env.step, in_axes=(0, -1, -1, None), out_axes=-1)(keys, env_state, action, params)
