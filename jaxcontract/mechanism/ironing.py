"""Weighted antitonic regression: the non-increasing sequence nearest to a given one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.records import Numbers

UNROLLED = 3  # up to here a pass is one fused kernel; XLA's fusions recompute, twofold per step, beyond


class Blocks(NamedTuple):
    """Neighbours pooled so far, all [K, ...].

    total, weight, mean: of a block, at its position that the next pass meets first; anything elsewhere
    joined:              whether a position and its neighbour on the side where the last pass came from
                         are in one block
    """

    total: jax.Array
    weight: jax.Array
    mean: jax.Array
    joined: jax.Array


@jax.custom_jvp
def antitonic_regression(totals: jax.Array, weights: jax.Array, empty: jax.Array) -> jax.Array:
    """argmin_x Σ_k w_k (x_k − n_k/w_k)² subject to x_1 ≥ … ≥ x_K.

    totals:  [K, ...]  n_k = w_k · value_k; given as totals so that a zero weight needs no infinite value
    weights: [K, ...]  w_k ≥ 0
    empty:   [K, ...]  the value of a block that starts at k and has no weight and no total at all,
                       where any value would do; non-increasing in k

    Returns [K, ...]. Neighbours out of order share their weighted mean ("ironing", pooling of types).
    """
    return _pooled(totals, weights, empty).mean


@antitonic_regression.defjvp
def _derivative(primals, tangents):
    """The passes only decide who is pooled with whom; the means are then taken afresh."""
    joined = _pooled(*jax.lax.stop_gradient(primals)).joined

    def means(totals, weights, empty):
        return _mean(_block_sums(joined, totals), _block_sums(joined, weights), empty)

    return jax.jvp(means, primals, tangents)


def _mean(total: jax.Array, weight: jax.Array, empty: Numbers) -> jax.Array:
    least = jnp.finfo(weight.dtype).tiny  # a device may take what is less for zero
    weighted = weight >= least
    mean = _ratio(total, jnp.where(weighted, weight, 1.0))
    return jnp.where(weighted, mean, jnp.where(total >= least, jnp.inf, empty))


@jax.custom_jvp
def _ratio(total: jax.Array, weight: jax.Array) -> jax.Array:
    return total / weight


@_ratio.defjvp
def _ratio_derivative(primals, tangents):
    """JAX's own takes the inverse of w², which overflows for weights that are small and yet count."""
    (_, weight), (total_dot, weight_dot) = primals, tangents
    ratio = _ratio(*primals)
    return ratio, (total_dot - jnp.where(jnp.isfinite(ratio), ratio, 0.0) * weight_dot) / weight


def _pooled(totals: jax.Array, weights: jax.Array, empty: jax.Array) -> Blocks:
    """Pool adjacent violators, by passes up and down until one finds all in order.

    Every pass is O(K) and does the same for all rounds side by side; 2 to 6 of them will do for random
    states of 2 to 256 types.
    """
    dtype = jnp.result_type(totals, weights, empty)
    totals, weights, empty = (part.astype(dtype) for part in (totals, weights, empty))
    alone = Blocks(totals, weights, _mean(totals, weights, empty), jnp.zeros_like(totals, bool))

    def up_and_down(carry):
        blocks, _ = carry
        blocks, _ = _pass(blocks, downwards=False)
        return _pass(blocks, downwards=True)

    # Made of the data, not of a constant: under `shard_map` it varies over devices as the next one does.
    begin = jnp.any(alone.joined) | True
    blocks, _ = jax.lax.while_loop(lambda carry: carry[1], up_and_down, (alone, begin))
    return blocks  # the last pass pooled nothing, so it carried each block's mean through all of it


def _pass(blocks: Blocks, *, downwards: bool) -> tuple[Blocks, jax.Array]:
    """Visit all positions, pooling a block with the one before it where the two are out of order.

    Returns the blocks, ready for a pass in the opposite direction, and whether any were pooled.
    """

    def visit(carry, here):
        (total, weight, mean, inside), pooled = carry
        out_of_order = mean > here.mean if downwards else here.mean > mean
        pool = out_of_order & ~inside
        total = jnp.where(inside, total, here.total + jnp.where(pool, total, 0.0))
        weight = jnp.where(inside, weight, here.weight + jnp.where(pool, weight, 0.0))
        mean = jnp.where(inside, mean, jnp.where(pool, _mean(total, weight, jnp.inf), here.mean))
        reached = Blocks(total, weight, mean, here.joined)
        return (reached, pooled | pool), reached._replace(joined=inside | pool)

    nothing = jax.tree.map(lambda part: jnp.zeros_like(part[0]), blocks)
    limit = jnp.full_like(nothing.mean, -jnp.inf if downwards else jnp.inf)  # in order with every block
    start = nothing._replace(mean=limit), jnp.zeros_like(nothing.joined)
    (_, pooled), blocks = jax.lax.scan(
        visit, start, blocks, reverse=downwards, unroll=blocks.total.shape[0] <= UNROLLED
    )
    return blocks, jnp.any(pooled)


def _block_sums(joined: jax.Array, values: jax.Array) -> jax.Array:
    """Σ of the values over the block of each position; `joined` says who is with the next one. [K, ...]."""

    def add(carry, here):
        total, inside = carry
        value, joined = here
        total = value + jnp.where(inside, total, 0.0)
        return (total, joined), total

    def spread(after, here):
        total, joined = here
        total = jnp.where(joined, after, total)
        return total, total

    nothing = jnp.zeros_like(values[0])
    _, totals = jax.lax.scan(add, (nothing, jnp.zeros_like(joined[0])), (values, joined))
    return jax.lax.scan(spread, nothing, (totals, joined), reverse=True)[1]
