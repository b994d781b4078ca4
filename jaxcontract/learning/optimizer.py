"""One gradient step, the same for every learner: a clipped norm, Adam, a step size that falls, averages."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxcontract.learning.averaging import average_last
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.learning.lookahead import look_ahead

FULL_WIDTH = 64  # units of the widest layer of a network that takes the whole of a step


class Beside(NamedTuple):
    """Weights that are learned beside the policy's, such as a critic's.

    They take part in neither lookahead nor averages, and start at another step size.

    learning_rate: at the start; it falls as the policy's does
    width:         units of the widest layer
    """

    learning_rate: Any
    width: int


def make_optimizer(
    config: LearnerConfig, num_updates: jax.Array | int, beside: Beside | None = None
) -> optax.GradientTransformation:
    """The optimizer in the update that follows so many. Its numbers may be traced; its state keeps its shape.

    beside: what the weights are, where they are not the policy's

    Adam sees all weights as one vector: a dozen small arrays would be a dozen kernels for each of its
    operations, which took twice as long to compile and 5 % of an update's time.
    """
    parts = [
        optax.clip_by_global_norm(config.max_gradient_norm),
        optax.scale_by_adam(eps=1e-5),
        optax.scale(-step_size(config, num_updates, beside)),
    ]
    steady = _steady(config, num_updates) if beside is None else []
    times = getattr(config, "head_step", 1.0)
    if beside is not None or times == 1.0:
        return optax.flatten(optax.chain(*parts, *steady))
    # Ahead of lookahead and averages, which are of the weights that the whole of a step leads to.
    return optax.chain(optax.flatten(optax.chain(*parts)), _scale_head(times), *map(optax.flatten, steady))


def _steady(config: LearnerConfig, num_updates: jax.Array | int) -> list[optax.GradientTransformation]:
    """What keeps the policy from turning around an equilibrium, where that is asked for."""
    parts = []
    if config.lookahead_updates:
        period, rate, steps = config.lookahead_updates, config.lookahead_rate, config.gradient_steps
        parts.append(look_ahead(period, rate, steps, num_updates, config.num_updates))
    if config.averaged_updates:
        parts.append(
            average_last(config.averaged_updates, config.gradient_steps, num_updates, config.num_updates)
        )
    return parts


def _scale_head(times: float) -> optax.GradientTransformation:
    """Moves of the weights {"head", ...} with those of the head's own parameters so many times as large.

    Adam moves all weights alike. What comes out of a network moves by the sum of its weights' steps, a
    parameter of the head by its own step alone: a mixture's means go dozens of times as far in a step as its
    deviations, which are still wide when the means have closed up.
    """

    def scale(moves: Any, weights: Any) -> Any:
        del weights
        return {**moves, "head": jax.tree.map(lambda move: times * move, moves["head"])}

    return optax.stateless(scale)


def descend(
    gradient: Any,
    weights: Any,
    optimizer_state: Any,
    config: LearnerConfig,
    num_updates: jax.Array,
    beside: Beside | None = None,
) -> tuple[Any, Any, jax.Array]:
    """One step downhill: (weights, optimizer_state, norm of the gradient before clipping)."""
    optimizer = make_optimizer(config, num_updates, beside)
    steps, optimizer_state = optimizer.update(gradient, optimizer_state, weights)
    norm = optax.tree.norm(ravel_pytree(gradient)[0])
    return optax.apply_updates(weights, steps), optimizer_state, norm


def step_size(config: LearnerConfig, num_updates: jax.Array | int, beside: Beside | None = None) -> jax.Array:
    """Adam's step size in the update that follows so many.

    `learning_rate` in the first of the configured updates, `final_learning_rate` in the last and in any
    after it, linear between them. A single update is made at `learning_rate`. Of weights beside the
    policy's it is as many times that as their own rate is at the start.

    A network wider than `FULL_WIDTH` takes a step as much smaller: Adam moves every weight alike, and what
    comes out of a layer moves by the sum of its weights' steps.
    """
    progress = jnp.minimum(1.0, num_updates / max(1, config.num_updates - 1))
    between = config.learning_rate + (config.final_learning_rate - config.learning_rate) * progress
    # The sum above may miss its end by a rounding, which a rate of 0 would not survive.
    size = jnp.where(progress < 1.0, between, config.final_learning_rate)
    if beside is not None:
        size *= beside.learning_rate / config.learning_rate
    width = getattr(config.network, "width", FULL_WIDTH) if beside is None else beside.width
    return size * (FULL_WIDTH / width) if width > FULL_WIDTH else size
