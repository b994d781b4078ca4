"""One gradient step, the same for every learner: a clipped norm, Adam, a step size that falls."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxcontract.learning.config import LearnerConfig

ADAM = optax.scale_by_adam(eps=1e-5)


def init_optimizer(weights: Any) -> Any:
    """The state of an optimizer that has not made a step.

    Adam sees all weights as one vector: a dozen small arrays would be a dozen kernels for each of its
    operations, which took twice as long to compile and 5 % of an update's time.
    """
    return ADAM.init(ravel_pytree(weights)[0])


def descend(
    gradient: Any, weights: Any, optimizer_state: Any, config: LearnerConfig, num_updates: jax.Array
) -> tuple[Any, Any, jax.Array]:
    """One step downhill: (weights, optimizer_state, norm of the gradient before clipping).

    The gradient is clipped by its global norm; Adam's step size is that of `step_size`.
    """
    flat, as_tree = ravel_pytree(gradient)
    clipped, _ = optax.clip_by_global_norm(config.max_gradient_norm).update(flat, optax.EmptyState())
    direction: Any
    direction, optimizer_state = ADAM.update(clipped, optimizer_state)
    step = as_tree(-step_size(config, num_updates) * direction)
    return jax.tree.map(jnp.add, weights, step), optimizer_state, optax.tree.norm(flat)


def step_size(config: LearnerConfig, num_updates: jax.Array | int) -> jax.Array:
    """Adam's step size in the update that follows so many.

    `learning_rate` in the first of the configured updates, `final_learning_rate` in the last and in any
    after it, linear between them. A single update is made at `learning_rate`.
    """
    progress = jnp.minimum(1.0, num_updates / max(1, config.num_updates - 1))
    between = config.learning_rate + (config.final_learning_rate - config.learning_rate) * progress
    # The sum above may miss its end by a rounding, which a rate of 0 would not survive.
    return jnp.where(progress < 1.0, between, config.final_learning_rate)
