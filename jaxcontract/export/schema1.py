"""The description of an exported policy as jaxcontract 0.2 wrote it, the weights in it as lists. No JAX."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxcontract.core.pytree import Arrays


def parse_weights(body: dict[str, Any]) -> "Arrays":
    """The weights in the body of such a description, by the paths that they have in an archive.

    Raises:
        ValueError, KeyError or TypeError: when it has none.
    """
    return {
        f"params/Dense_{index}/{name}": np.asarray(layer[name], np.float64)
        for index, layer in enumerate(body["layers"])
        for name in ("kernel", "bias")
    }
