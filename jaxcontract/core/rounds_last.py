"""What an environment offers that plays many rounds at once faster than `jax.vmap` would."""

from typing import Any, Protocol, runtime_checkable

import jax


@runtime_checkable
class RoundsLastEnvironment(Protocol):
    """An environment of gymnax's shape that plays B rounds from one key, with the axis of rounds last.

    An environment offers it by a method of its class, `rounds_last()`, that returns one, or None. It must
    play by the same rules as the environment's own `reset` and `step`.
    """

    def reset(self, key: jax.Array, params: Any, count: int) -> tuple[jax.Array, Any]:
        """Begin B = `count` episodes: (observation [O, B], state [..., B]). The key is consumed."""
        ...

    def step(
        self, key: jax.Array, state: Any, action: jax.Array, params: Any
    ) -> tuple[jax.Array, Any, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """Play one round of each, for actions [A, B]: what `step` returns, [..., B]. The key is consumed."""
        ...


def find_rounds_last(env: Any) -> RoundsLastEnvironment | None:
    """What an environment offers; None if nothing, as a wrapper does that only passes attributes on.

    Raises:
        ValueError: when what it offers has no `reset` or no `step`.
    """
    offer = getattr(type(env), "rounds_last", None)
    found = offer(env) if callable(offer) else None
    if found is None or isinstance(found, RoundsLastEnvironment):
        return found
    wrong = f"not a {type(found).__name__}"
    raise ValueError(f"{type(env).__name__}.rounds_last: must return reset and step, or None, {wrong}")
