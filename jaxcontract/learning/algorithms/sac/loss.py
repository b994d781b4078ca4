"""Soft actor-critic's objectives (Haarnoja et al., arXiv:1812.05905)."""

from typing import Any

import jax
import jax.numpy as jnp


def critic_target(
    reward: jax.Array,
    terminated: jax.Array,
    next_value: jax.Array,
    next_entropy: jax.Array,
    *,
    discount: float,
    temperature: jax.Array,
) -> jax.Array:
    """y = r + γ (1 − d) (Q̄(s', a') − α ln π(a'|s'))  (eqs. 2, 3 and 5), a' drawn at s'.

    reward, terminated: [N]  d, whether the round ended its episode for good; a truncated one goes on
    next_value:         [N]  the lesser of the target critics at (s', a')
    next_entropy:       [N] or []  −ln π(a'|s'), or an estimate of its mean

    Returns [N].
    """
    soft_value = next_value + temperature * next_entropy
    return reward + jnp.where(terminated, 0.0, discount * soft_value)


def critic_loss(values: jax.Array, target: jax.Array) -> jax.Array:
    """J_Q = E ½ (Q_i(s, a) − y)²  (eq. 5), summed over the critics i. values: [critics, N], target: [N].

    Returns [].
    """
    return 0.5 * jnp.sum(jnp.mean(jnp.square(values - target[None]), axis=1))


def actor_loss(value: jax.Array, entropy: jax.Array, temperature: jax.Array) -> jax.Array:
    """J_π = E (α ln π(a|s) − Q(s, a))  (eqs. 7 and 9), a drawn so that it has a derivative by the weights.

    value:   [N]        the lesser of the critics at (s, a)
    entropy: [N] or []  −ln π(a|s), or an estimate of its mean

    Returns [].
    """
    return -jnp.mean(value) - temperature * jnp.mean(entropy)


def temperature_loss(log_temperature: jax.Array, entropy: jax.Array, target: float) -> jax.Array:
    """J_α = α (H − H̄)  (eq. 18): downhill α falls where entropy H is above its target H̄. Returns []."""
    return jnp.exp(log_temperature) * (jnp.mean(entropy) - target)


def follow(target: Any, weights: Any, rate: jax.Array | float) -> Any:
    """θ̄ ← τ θ + (1 − τ) θ̄  (Algorithm 1), τ = `rate`."""
    return jax.tree.map(lambda old, new: old + rate * (new - old), target, weights)
