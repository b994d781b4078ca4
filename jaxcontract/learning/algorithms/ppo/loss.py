"""PPO's objective: (16) to (20)."""

import jax
import jax.numpy as jnp

LARGEST_LOG_RATIO = 80.0  # e⁸⁰ is still finite in float32, and clipped whatever ε is


def clipped_surrogate(log_ratio: jax.Array, advantage: jax.Array, clip_range: jax.Array | float) -> jax.Array:
    """L_C = E min(r A, g(ε, r) A), with g the ratio r kept within 1 − ε and 1 + ε  (17), (19).

    log_ratio: [N]  ln r = ln π_ω(a|s) − ln π_old(a|s)  (18)
    advantage: [N]  A

    Returns [], to be maximised.
    """
    ratio = jnp.exp(jnp.minimum(log_ratio, LARGEST_LOG_RATIO))
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    return jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))


def value_error(value: jax.Array, target: jax.Array) -> jax.Array:
    """L_V = E (V(s) − V_targ)²  (16). value, target: [N]. Returns []."""
    return jnp.mean(jnp.square(value - target))


def standardize(advantage: jax.Array) -> jax.Array:
    """Mean 0, deviation 1 over a minibatch [N]; the usual companion of (17), absent from the paper."""
    return (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + 1e-8)
