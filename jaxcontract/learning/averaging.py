"""An average of the weights along the last updates, which a training then ends with."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class AverageState(NamedTuple):
    """mean: of the weights after so many updates, `seen`. since: gradient steps of the update under way."""

    mean: Any
    seen: jax.Array
    since: jax.Array


def average_last(
    updates: int, steps: int, num_updates: jax.Array | int, last: int
) -> optax.GradientTransformation:
    """θ ← the mean of θ after each of the last updates, at the end of the last of them.

    updates: of which the mean is
    steps:   gradient steps in an update
    last:    the update that the training ends with, counted from 1

    Polyak and Juditsky (SIAM J. Control Optim. 30:838, 1992). Where players learn against one another each
    iterate may be far from the equilibrium around which they turn.
    """

    def init(weights):
        return AverageState(jax.tree.map(jnp.zeros_like, weights), jnp.asarray(0), jnp.asarray(0))

    def update(moves, state, weights=None):
        since = (state.since + 1) % steps
        counted = (since == 0) & (num_updates >= last - updates)
        seen = state.seen + counted
        share = jnp.where(counted, 1.0 / jnp.maximum(seen, 1), 0.0)
        mean = jax.tree.map(
            lambda mean, now, move: mean + (share * (now + move - mean)).astype(mean.dtype),
            state.mean,
            weights,
            moves,
        )
        ends = (since == 0) & (num_updates + 1 == last)
        moves = jax.tree.map(lambda mean, now, move: jnp.where(ends, mean - now, move), mean, weights, moves)
        return moves, AverageState(mean, seen, since)

    return optax.GradientTransformation(init, update)
