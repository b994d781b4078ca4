"""How observations and actions that are lists of items lie in one vector. No JAX."""

from typing import Any, NamedTuple


class ItemLayout(NamedTuple):
    """An observation [G + F K]: G numbers of the whole, then F features, each of K items in their order.

    An action [A], A a multiple of K, lies in the same way: each of A/K numbers for the K items in turn.

    num_shared: G
    num_items:  K
    weighted:   whether the first feature says how much an item counts. It has two bounds: an item counts by
        where it stands between them, and not at all at the lower one. Where not, all items count alike
    """

    num_shared: int
    num_items: int
    weighted: bool = False

    def num_features(self, num_inputs: int) -> int:
        """F of an observation of so many numbers.

        Raises:
            ValueError: when it is not of this layout.
        """
        features, rest = divmod(num_inputs - self.num_shared, self.num_items)
        if rest or features < 1:
            raise ValueError(
                f"ItemLayout: an observation of {num_inputs} numbers: must be {self.num_shared} and a "
                f"multiple of {self.num_items}"
            )
        return features

    def spread(self, observation: Any, reduce: Any) -> Any:
        """An observation [G + F K] with one number in each feature of all items, as `jnp.min` finds it."""
        of_items = observation[self.num_shared :].reshape(-1, self.num_items)
        same = reduce(of_items, axis=1, keepdims=True) + 0 * of_items
        return observation.at[self.num_shared :].set(same.reshape(-1))


def find_item_layout(env: Any) -> ItemLayout | None:
    """What an environment offers by `item_layout()`, a method of its class; None if nothing."""
    offer = getattr(type(env), "item_layout", None)
    return offer(env) if callable(offer) else None
