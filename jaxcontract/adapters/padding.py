"""Which places of an observation are empty, where networks have various numbers of types."""

from typing import Any

import numpy as np

from jaxcontract.core.item_layout import find_item_layout
from jaxcontract.envs.wrappers import ScaledEnv
from jaxcontract.mechanism.places import find_taken


def find_empty(env: ScaledEnv, observation: Any) -> np.ndarray:
    """Which of the K places of observations are empty: [..., K] of bool for [..., 4 + 2K].

    env: of the contract game; observation: as a learner sees it, Q and φ scaled to [−1, 1]

    Raises:
        ValueError: when the game has no items, or an observation has another length.
    """
    layout = find_item_layout(env)
    if layout is None or not layout.weighted:
        raise ValueError(f"find_empty: {env.name} has no types, so none of its places is empty")
    seen = np.asarray(observation)
    length = layout.num_shared + 2 * layout.num_items
    if seen.shape[-1:] != (length,):
        raise ValueError(f"find_empty: observations of shape {seen.shape}: must be [..., {length}]")
    share, device_type = np.split(np.moveaxis(seen, -1, 0)[layout.num_shared :], 2)
    return np.moveaxis(~find_taken(share + 1, device_type), 0, -1)  # a share of 0 is seen as −1
