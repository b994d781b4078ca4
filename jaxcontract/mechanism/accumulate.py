"""Sums along the types."""

import jax
import jax.numpy as jnp


def running_sum(terms: jax.Array) -> jax.Array:
    """Σ_{j ≤ k} terms_j along axis 0: [K, ...] → [K, ...].

    A loop over the types. On a CPU `jnp.cumsum` is a window of K terms for each of the K sums, which
    XLA moreover computes again inside every consumer: ten times slower at K = 64.
    """

    def add(total, term):
        total = total + term
        return total, total

    _, sums = jax.lax.scan(add, jnp.zeros_like(terms[0]), terms)
    return sums
