"""What a learning algorithm is to those who run it, and running it for a while."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.learning.policies.gaussian import Frame

Metrics = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Carried:
    """What every learner carries from update to update: enough to go on exactly where it stopped.

    env_state:   [..., B] and observation: [O, B], the rounds under way
    num_updates: []  updates made so far
    divergence:  [2]  the first update after which something was not finite, and what; see `divergence.py`
    """

    weights: Any
    optimizer_state: Any
    env_state: Any
    observation: jax.Array
    key: jax.Array
    num_updates: jax.Array
    divergence: jax.Array
    frame: Frame
    hidden_sizes: tuple[int, ...] = dataclasses.field(metadata={"static": True})


class Algorithm(NamedTuple):
    """Two pure functions. A learner is a pytree with `.policy`, the function that has been learned.

    init(key, env, params, config)       → learner; the key is consumed
    update(learner, env, params, config) → (learner, metrics)
    """

    init: Callable[..., Any]
    update: Callable[..., tuple[Any, Metrics]]


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
