"""Weighted antitonic regression: the non-increasing sequence nearest to a given one."""

import jax
import jax.numpy as jnp

DENSE_LIMIT = 64  # up to here a [K, K] table without a data-dependent loop is the faster way


def antitonic_regression(totals: jax.Array, weights: jax.Array, empty: jax.Array) -> jax.Array:
    """argmin_x Σ_k w_k (x_k − n_k/w_k)² subject to x_1 ≥ … ≥ x_K.

    totals:  [K]  n_k = w_k · value_k; given as totals so that a zero weight needs no infinite value
    weights: [K]  w_k ≥ 0
    empty:   [K]  the value of a block that starts at k and has no weight and no total at all,
                  where any value would do; non-increasing

    Returns [K]. Neighbours out of order share their weighted mean ("ironing", pooling of types).
    """
    if totals.shape[-1] <= DENSE_LIMIT:
        return _by_min_max(totals, weights, empty)
    return _by_pooling(totals, weights, empty)


def _block_mean(total: jax.Array, weight: jax.Array, empty: jax.Array) -> jax.Array:
    weighted = weight > 0
    mean = total / jnp.where(weighted, weight, 1.0)
    return jnp.where(weighted, mean, jnp.where(total > 0, jnp.inf, empty))


def _by_min_max(totals: jax.Array, weights: jax.Array, empty: jax.Array) -> jax.Array:
    """x_k = min_{i ≤ k} max_{j ≥ k} mean(i … j): O(K²) work, no loop."""
    size = totals.shape[-1]
    upper = jnp.triu(jnp.ones((size, size), bool))
    # Sums along each row rather than differences of prefix sums: all terms ≥ 0, no cancellation.
    total = jnp.cumsum(jnp.where(upper, totals[None, :], 0.0), axis=1)
    weight = jnp.cumsum(jnp.where(upper, weights[None, :], 0.0), axis=1)
    mean = jnp.where(upper, _block_mean(total, weight, empty[:, None]), -jnp.inf)
    largest = jax.lax.cummax(mean, axis=1, reverse=True)  # [i, k]: max over j ≥ k
    return jnp.min(jnp.where(upper, largest, jnp.inf), axis=0)


def _by_pooling(totals: jax.Array, weights: jax.Array, empty: jax.Array) -> jax.Array:
    """Pool adjacent violators with a stack of blocks: O(K) work and memory, one pass.

    The pass only decides who is pooled with whom; the means are then taken afresh, so derivatives
    do not go through its loop.
    """
    size = totals.shape[-1]
    start = _block_starts(*jax.lax.stop_gradient((totals, weights, empty)))
    total, weight = (jax.ops.segment_sum(part, start, size) for part in (totals, weights))
    return _block_mean(total, weight, empty)[start]


def _block_starts(totals: jax.Array, weights: jax.Array, empty: jax.Array) -> jax.Array:
    """The first position of the block in which each position is pooled, [K] integers."""
    size = totals.shape[-1]

    def mean(blocks, top):
        start, total, weight = blocks
        return _block_mean(total[top], weight[top], empty[start[top]])

    def out_of_order(carry):
        blocks, top = carry
        return (top > 0) & (mean(blocks, top) > mean(blocks, top - 1))

    def pool(carry):
        (start, total, weight), top = carry
        total = total.at[top - 1].add(total[top])
        weight = weight.at[top - 1].add(weight[top])
        return (start, total, weight), top - 1

    def push(carry, k):
        (start, total, weight), top = carry
        top = top + 1
        blocks = (start.at[top].set(k), total.at[top].set(totals[k]), weight.at[top].set(weights[k]))
        return jax.lax.while_loop(out_of_order, pool, (blocks, top)), None

    blocks = (jnp.zeros(size, int), jnp.zeros_like(totals), jnp.zeros_like(weights))
    ((start, _, _), top), _ = jax.lax.scan(push, (blocks, jnp.asarray(-1)), jnp.arange(size))
    positions = jnp.arange(size)
    used = jnp.where(positions > top, size, start)
    return start[jnp.searchsorted(used, positions, side="right") - 1]
