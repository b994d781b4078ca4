"""Which update made a learner's numbers infinite or undefined, and which number it was."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# In the order in which one spoils the next.
QUANTITIES = ("observation", "reward", "gradient", "weights", "optimizer state")


class Divergence(NamedTuple):
    """The first update, counted from 1, after which a quantity was not finite."""

    update: int
    quantity: str


def never() -> jax.Array:
    """What a fresh learner carries as `divergence`, [2]: no update, no quantity."""
    return jnp.full(2, -1)


def watch_divergence(learner: Any, metrics: dict[str, jax.Array]) -> Any:
    """A learner after an update that remembers the first quantity that was not finite.

    learner: its `num_updates` counts the update; metrics: with "reward" and "gradient_norm"
    """
    seen = (
        learner.observation,
        metrics["reward"],
        metrics["gradient_norm"],
        learner.weights,
        learner.optimizer_state,
    )
    finite = jnp.stack([_all_finite(quantity) for quantity in seen])
    found = jnp.stack([learner.num_updates, jnp.argmin(finite)])  # the first that is not
    is_new = (learner.divergence[0] < 0) & ~jnp.all(finite)
    return dataclasses.replace(learner, divergence=jnp.where(is_new, found, learner.divergence))


def as_divergence(remembered: np.ndarray) -> Divergence | None:
    """What a learner's `divergence` [2] says."""
    update, quantity = remembered.tolist()
    return None if update < 0 else Divergence(update, QUANTITIES[quantity])


def as_array(divergence: Divergence) -> jax.Array:
    """The inverse of `as_divergence`."""
    return jnp.array([divergence.update, QUANTITIES.index(divergence.quantity)])


def _all_finite(quantity: Any) -> jax.Array:
    floats = [leaf for leaf in jax.tree.leaves(quantity) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in floats]))
