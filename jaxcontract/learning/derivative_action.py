"""Derivative action: learn against where rivals are going, not only against where they are."""

from typing import Any, NamedTuple

import jax

from jaxcontract.core.rounds_last import find_rounds_last


class Trailing(NamedTuple):
    """A copy of what a policy learns, `weights` and `parameters`, which follows it at a rate."""

    weights: Any
    parameters: Any


def follow(trailing: Trailing, now: Trailing, rate: jax.Array | float) -> Trailing:
    """θ̄ ← θ̄ + rate (θ − θ̄): the copy after an update of the policy to `now`."""
    followed: Trailing = jax.tree.map(lambda old, new: old + rate * (new - old), trailing, now)
    return followed


def find_earlier_reward(
    key: jax.Array, env: Any, params: Any, env_state: Any, action: jax.Array, rivals: jax.Array
) -> jax.Array:
    """What each player of each round earns by its action [A, R] against `rivals`, which all others take: [R].

    The key is that of the round that is played with `action`.

    Raises:
        ValueError: when the environment has no rivals.
    """
    reward_against = getattr(find_rounds_last(env), "reward_against", None)
    if reward_against is None:
        raise ValueError(f"{type(env).__name__}: derivative_gain must be 0: it is no game of several players")
    reward: jax.Array = reward_against(key, env_state, action, rivals, params)
    return reward


def lead(reward: jax.Array, earlier: jax.Array, gain: jax.Array | float) -> jax.Array:
    """r + κ (r − r̄): a reward [...], and that against the rivals' trailing copies, r̄ [...].

    Where the equilibrium repels all who follow their own gain, players who turn around it come to it if
    they answer what their rivals will do (Shamma and Arslan, IEEE Trans. Automatic Control 50:312, 2005):
    κ over the copy's rate is how many updates they look ahead. r is linear in the law of a rival's action,
    so that no law need be extrapolated. Draws of a policy and its copy come from one key, and differ by no
    more than the two do.
    """
    return reward + gain * (reward - earlier)
