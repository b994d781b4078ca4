"""How much better a round went than its state promised: GAE, and (15), (16) as the paper prints them."""

import chex
import jax
import jax.numpy as jnp


def advantages(
    reward: jax.Array, discount: jax.Array, value: jax.Array, *, gae_lambda: jax.Array | float
) -> jax.Array:
    """Â_t = δ_t + γ_t λ Â_{t+1}, with δ_t = r_t + γ_t V_{t+1} − V_t  (arXiv:1506.02438, eq. 16).

    reward:   [T, ...]      r_t, earned on leaving round t
    discount: [T, ...]      γ_t, already zero where round t ended an episode
    value:    [T + 1, ...]  V_t; the last row bootstraps

    Returns [T, ...]; add `value[:-1]` for the critic's targets. λ = 1 gives the sum in (15).
    """
    chex.assert_equal_shape([reward, discount, value[:-1]])
    delta = reward + discount * value[1:] - value[:-1]

    def backward(following, now):
        delta, discount = now
        advantage = delta + discount * gae_lambda * following
        return advantage, advantage

    _, result = jax.lax.scan(backward, jnp.zeros_like(delta[0]), (delta, discount), reverse=True)
    return result


def end_episodes(
    reward: jax.Array,
    terminated: jax.Array,
    truncated: jax.Array,
    final_value: jax.Array,
    *,
    discount: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """Turn the two ways in which an episode ends into one reward and one discount per round.

    reward, terminated, truncated: [T, ...]
    final_value: [T, ...]  V of the observation with which the round ended its episode

    A terminated round has no future. A truncated one has: γ V(final observation) joins its reward,
    which equals the recursion that treats truncation apart. Returns (reward, discount), [T, ...].
    """
    bootstrapped = truncated & ~terminated
    reward = reward + jnp.where(bootstrapped, discount * final_value, 0.0)
    return reward, jnp.where(terminated | truncated, 0.0, discount)


def printed_advantages(reward: jax.Array, discount: jax.Array, value: jax.Array) -> jax.Array:
    """A^(z) = γ^{Z−z} V(s^(Z)) − V(s^(z)) + Σ_{y=z}^{Z−1} γ^{y−z} R^(y)  (15), as printed.

    reward, discount, value: [Z, ...]; the rollout is the episode. Returns [Z, ...].

    Printed so, the sum stops before the last reward and the last advantage is zero.
    """
    if len(reward) == 1:
        return jnp.zeros_like(value)
    head = advantages(reward[:-1], discount[:-1], value, gae_lambda=1.0)
    return jnp.concatenate([head, jnp.zeros_like(value[-1:])])


def discounted_returns(reward: jax.Array, discount: jax.Array) -> jax.Array:
    """V_targ^(z) = Σ_{y=z}^{Z} γ^{y−z} R^(y), the target in (16).

    reward, discount: [Z, ...]; the rollout is the episode, nothing bootstraps. Returns [Z, ...].
    The paper: "the total discount reward from the round z until the end of the episode".
    """
    return advantages(reward, discount, jnp.zeros((len(reward) + 1, *reward.shape[1:])), gae_lambda=1.0)


def group_advantages(reward: jax.Array, group_size: int) -> jax.Array:
    """Each reward less the mean of the other rewards of its group: A = r − (Σ r − r)/(m − 1).

    reward: [..., B]  m = `group_size` rounds of one state after another

    Returns [..., B]. What the others earn does not depend on an action, so this baseline leaves the gradient
    unbiased, as V(s) does, and takes out all that the state alone is worth.
    """
    grouped = reward.reshape(*reward.shape[:-1], -1, group_size)
    mean = jnp.mean(grouped, axis=-1, keepdims=True)
    return ((grouped - mean) * (group_size / (group_size - 1))).reshape(reward.shape)
