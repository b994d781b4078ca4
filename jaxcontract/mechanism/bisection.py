"""The best frequency under a quality of data or a device cost that has no closed form."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.effort import falls, marginal_value, over_frequencies
from jaxcontract.mechanism.freshness import frequency_bounds
from jaxcontract.mechanism.records import NetworkState, System

LOOKED_AT = 65  # frequencies at which quality is seen to be concave in effort


def best_by_bisection(system: System, state: NetworkState, cost: jax.Array) -> jax.Array:
    """argmax_f β QoD(f) − cost · e(f) within the bounds on f: the root of β QoD′/e′ = cost.

    cost: [K, ...], non-negative; an infinite cost buys as little as it can. Returns its shape: NaN where
    QoD′/e′ rises, for the root would be no optimum (`check_shape` says where). Differentiable once, by
    one Newton step from the root.
    """
    low, high = frequency_bounds(system, state)
    fixed, held, limit = jax.lax.stop_gradient((system, state, cost))

    def halve(_, bracket):
        least, most = bracket
        middle = 0.5 * (least + most)
        rises = fixed.unit_profit * marginal_value(fixed, held, middle) > limit
        return jnp.where(rises, middle, least), jnp.where(rises, most, middle)

    zero = jnp.zeros_like(cost)
    bracket = jax.lax.stop_gradient((low + zero, high + zero))
    root = 0.5 * sum(jax.lax.fori_loop(0, jnp.finfo(cost.dtype).nmant + 8, halve, bracket))

    def excess(frequency):
        return system.unit_profit * marginal_value(system, state, frequency) - cost

    value, slope = jax.jvp(excess, (root,), (jnp.ones_like(root),))
    edge = 1e-6 * (high - low)
    inside = (root > low + edge) & (root < high - edge) & (slope < 0)
    polished = root - value / jnp.where(inside, slope, -1.0)
    bound = jnp.where(root < 0.5 * (low + high), low, high)
    marginals = over_frequencies(partial(marginal_value, fixed, held), fixed, held, LOOKED_AT)
    return jnp.where(falls(marginals), jnp.where(inside, polished, bound), jnp.nan)
