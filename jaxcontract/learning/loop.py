"""Making many updates, by any algorithm."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Metrics = dict[str, jax.Array]


def repeat(
    update: Callable[..., tuple[Any, Metrics]],
    learner: Any,
    env: Any,
    params: Any,
    config: Any,
    count: jax.Array | int,
) -> tuple[Any, Metrics]:
    """Make `count` more updates: (learner, the mean of each metric over them).

    `count` is traced: one compiled program makes chunks of any length, and where they are cut
    changes no bit of the result.
    """

    def body(_, carry):
        learner, sums = carry
        learner, metrics = update(learner, env, params, config)
        return learner, jax.tree.map(jnp.add, sums, metrics)

    shapes = jax.eval_shape(lambda: update(learner, env, params, config)[1])
    sums = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    learner, sums = jax.lax.fori_loop(0, count, body, (learner, sums))
    return learner, jax.tree.map(lambda total: total / jnp.maximum(count, 1), sums)
