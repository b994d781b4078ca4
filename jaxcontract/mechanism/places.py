"""Networks of fewer types than there are places for: the places behind the last type are empty. No JAX.

An empty place repeats the type before it with a share of 0. A network padded so is a network of more types
with the same optimum, constraints and utilities: it adds items for a type that no device has.
"""

from typing import Any

EMPTY_LOGIT = -1e4  # of the step in f to an empty place: e^x is 0


def find_taken(type_probs: Any, device_types: Any) -> Any:
    """Which places are taken, [K, ...], of Q and φ, [K, ...] each: arrays of JAX or of NumPy.

    A last type of share 0 that ties with the one before it is no other than an empty place.
    """
    xp = type_probs.__array_namespace__()
    other = xp.concat([xp.ones_like(device_types[:1]) > 0, device_types[1:] != device_types[:-1]], axis=0)
    taken = xp.asarray((type_probs > 0) | other)
    behind = xp.cumulative_sum(xp.astype(xp.flip(taken, axis=0), xp.int32), axis=0)
    return xp.flip(behind, axis=0) > 0


def skip_empty(action: Any, taken: Any) -> Any:
    """An action [2K, ...] of the feasible map that takes no step in f to places [K, ...] that are empty."""
    xp = action.__array_namespace__()
    size = taken.shape[0]
    return xp.concat([xp.where(taken, action[:size], EMPTY_LOGIT), action[size:]], axis=0)


def pad_types(
    type_probs: Any, device_types: Any, num_places: int, owner: str = "pad_network"
) -> tuple[Any, Any]:
    """Q and φ, [..., K] each, with empty places behind: [..., num_places] each.

    owner: the function that is asked for it

    Raises:
        ValueError: when there are more types than places.
    """
    xp = type_probs.__array_namespace__()
    missing = num_places - type_probs.shape[-1]
    if missing < 0:
        raise ValueError(f"{owner}: {type_probs.shape[-1]} types: must be at most {num_places} places")
    shape = (*type_probs.shape[:-1], missing)
    empty = xp.zeros(shape, dtype=type_probs.dtype)
    repeated = xp.broadcast_to(device_types[..., -1:], shape)
    return xp.concat([type_probs, empty], axis=-1), xp.concat([device_types, repeated], axis=-1)
