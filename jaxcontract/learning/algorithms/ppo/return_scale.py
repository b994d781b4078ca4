"""The mean and the deviation of the critic's targets so far, in which it counts: a running average."""

import jax
import jax.numpy as jnp

KEPT = 0.99  # of what is known, when another rollout's targets come


def no_returns() -> jax.Array:
    """Nothing known: sums of the weights, of the targets and of their squares, [3]."""
    return jnp.zeros(3)


def add_returns(known: jax.Array, target: jax.Array) -> jax.Array:
    """With the targets of another rollout, of any shape. Returns [3]."""
    now = jnp.stack([jnp.ones(()), jnp.mean(target), jnp.mean(jnp.square(target))])
    return KEPT * known + (1.0 - KEPT) * now


def find_scale(known: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and deviation, [] each: 0 while nothing is known, so that a fresh critic says nothing."""
    weight = jnp.where(known[0] > 0, known[0], 1.0)
    mean = known[1] / weight
    return mean, jnp.sqrt(jnp.maximum(known[2] / weight - jnp.square(mean), 0.0))


def to_values(known: jax.Array | None, output: jax.Array) -> jax.Array:
    """What the critic's output stands for; itself where returns are not normalised."""
    if known is None:
        return output
    mean, deviation = find_scale(known)
    return mean + deviation * output


def to_outputs(known: jax.Array | None, value: jax.Array) -> jax.Array:
    """The inverse of `to_values`: what the critic should have said."""
    if known is None:
        return value
    mean, deviation = find_scale(known)
    return (value - mean) / jnp.where(deviation > 0, deviation, 1.0)
