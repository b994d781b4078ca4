"""Fresh weights of a network for an environment."""

from typing import Any

from jaxcontract.core.item_layout import find_item_layout
from jaxcontract.core.protocols import Network


def init_network(network: Network, key: Any, env: Any, num_inputs: int, num_outputs: int) -> Any:
    """Fresh weights of a network; one that works on items is told how they lie. The key is consumed.

    Raises:
        ValueError: one line, when it works on items and the environment says nothing of them.
    """
    if not needs_items(network):
        return network.init(key, num_inputs, num_outputs)
    layout = find_item_layout(env)
    if layout is None:
        raise ValueError(
            f"{type(network).__name__}: needs observations that are lists of items, and {type(env).__name__} "
            "has no item_layout()"
        )
    return network.init(key, num_inputs, num_outputs, layout)  # type: ignore[call-arg]


def needs_items(network: Network) -> bool:
    """Whether a network works on a list of items, and is to be told how they lie."""
    return bool(getattr(network, "needs_items", False))
