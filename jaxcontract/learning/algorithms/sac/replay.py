"""The rounds that were played last, in a ring of fixed size, and minibatches drawn from them."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxcontract.core.pytree import register


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Transitions:
    """N rounds as the critics need them.

    Networks take features first; the ring has rounds first, so that one round lies in one place.
    """

    observation: jax.Array  # [O, N]  normalized
    action: jax.Array  # [A, N]  as `ActionBijector.scale` has it
    reward: jax.Array  # [N]
    terminated: jax.Array | None  # [N]  None where nothing follows that counts
    following: jax.Array | None  # [O, N]  normalized, before a reset; None as above


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """The last rounds, in a ring of C."""

    rounds: Transitions  # [C, ...]
    position: jax.Array  # []  where the next rounds go
    filled: jax.Array  # []  how many there are


def make_replay(like: Transitions, size: int) -> Replay:
    """An empty ring of at least `size` rounds, a multiple of the rounds of `like` that come at a time."""
    count = like.reward.shape[-1]
    capacity = -(-size // count) * count
    rounds = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape[:-1]), leaf.dtype), like)
    return Replay(rounds=rounds, position=jnp.asarray(0), filled=jnp.asarray(0))


def add(replay: Replay, played: Transitions) -> Replay:
    """The ring with N more rounds in the place of the oldest ones. N divides its size."""

    def put(ring: jax.Array, leaf: jax.Array) -> jax.Array:
        return jax.lax.dynamic_update_slice_in_dim(ring, jnp.moveaxis(leaf, -1, 0), replay.position, 0)

    capacity, count = replay.rounds.reward.shape[0], played.reward.shape[-1]
    return Replay(
        rounds=jax.tree.map(put, replay.rounds, played),
        position=(replay.position + count) % capacity,
        filled=jnp.minimum(replay.filled + count, capacity),
    )


def draw(key: jax.Array, replay: Replay, minibatches: int, size: int) -> Transitions:
    """Minibatches of rounds, any with equal chance, [minibatches, ..., size]. The key is consumed."""
    chosen = jax.random.randint(key, (minibatches, size), 0, replay.filled)
    return jax.tree.map(lambda ring: jnp.moveaxis(ring[chosen], 1, -1), replay.rounds)
