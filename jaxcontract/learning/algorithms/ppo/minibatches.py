"""Which of the collected rounds a gradient step learns from."""

from typing import Any

import jax
import jax.numpy as jnp


def cut(leaf: jax.Array, minibatches: int) -> jax.Array:
    """[T, ..., B] → [minibatches, ..., T · B/minibatches], each environment in one minibatch only.

    Environments are independent, and where rounds are too a fixed partition is as good as a shuffle, which
    costs as much as an epoch.
    """
    length, *features, count = leaf.shape
    leaf = leaf.reshape(length, *features, minibatches, count // minibatches)
    leaf = jnp.moveaxis(leaf, (-2, 0), (0, -2))  # [minibatches, ..., T, B/minibatches]
    return leaf.reshape(minibatches, *features, length * count // minibatches)


def draw_minibatches(key: jax.Array, batch: Any, partition: str, minibatches: int) -> Any:
    """Rounds [T, ..., B] in minibatches that are drawn anew: [minibatches, ..., T · B/minibatches].

    partition: `environments`, all rounds of B/minibatches of them, or `rounds`, any
    """
    rounds, count = jax.tree.leaves(batch)[0].shape[0], jax.tree.leaves(batch)[0].shape[-1]
    if partition == "environments":
        order = jax.random.permutation(key, count)
        return jax.tree.map(lambda leaf: cut(leaf[..., order], minibatches), batch)
    order = jax.random.permutation(key, rounds * count)

    def draw(leaf: jax.Array) -> jax.Array:
        line = jnp.moveaxis(leaf, 0, -2).reshape(1, *leaf.shape[1:-1], rounds * count)
        return cut(line[..., order], minibatches)

    return jax.tree.map(draw, batch)
