"""Network states drawn with NumPy, and picked out of a batch."""

import jax
import numpy as np

from jaxcontract import NetworkState


def random_states(seed, count, num_types, concentration=1.0):
    """A batch of states [count]: sorted uniform types in [1, 15] and Dirichlet shares."""
    rng = np.random.default_rng(seed)
    return NetworkState(
        max_aoi=rng.uniform(0.5, 1.0, count),
        max_latency=rng.uniform(0.5, 1.0, count),
        type_probs=rng.dirichlet(np.full(num_types, concentration), count),
        device_types=np.sort(rng.uniform(1.0, 15.0, (count, num_types)), axis=1),
    )


def pick(batch, index):
    """One member of a batch of records."""
    return jax.tree.map(lambda leaf: leaf[index], batch)
