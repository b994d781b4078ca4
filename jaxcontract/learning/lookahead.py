"""Lookahead: after some updates weights go back most of the way to where these began."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class LookaheadState(NamedTuple):
    """slow: the weights at which the present period began. since: gradient steps made since then."""

    slow: Any
    since: jax.Array


def look_ahead(
    period: int, rate: jax.Array | float, steps: int, num_updates: jax.Array | int, last: int
) -> optax.GradientTransformation:
    """θ ← φ + α (θ − φ) at the end of each period, φ the weights at its beginning, and φ ← θ.

    period: updates, of `steps` gradient steps each, in one period
    rate:   α, in (0, 1]
    last:   the update that ends a period whatever has been made of it, counted from 1

    Zhang et al. (arXiv:1907.08610), who find it steadies any optimizer. Where players learn against one
    another the weights turn around the equilibrium, and the average over a turn is nearer to it than any
    weights on the way (Chavdarova et al., arXiv:2006.14567). optax's own keeps slow weights beside the fast
    ones, in place of weights; here they are in the optimizer's state.
    """

    def init(weights):
        return LookaheadState(slow=jax.tree.map(jnp.asarray, weights), since=jnp.asarray(0))

    def update(moves, state, weights=None):
        slow = jax.tree.map(lambda old, now: jnp.where(state.since == 0, now, old), state.slow, weights)
        since = state.since + 1
        ends = (since == period * steps) | ((since % steps == 0) & (num_updates + 1 == last))
        back = jax.tree.map(
            lambda old, now, move: rate * move - (1.0 - rate) * (now - old), slow, weights, moves
        )
        moves = jax.tree.map(lambda held, move: jnp.where(ends, held, move), back, moves)
        return moves, LookaheadState(slow=slow, since=jnp.where(ends, 0, since))

    return optax.GradientTransformation(init, update)
