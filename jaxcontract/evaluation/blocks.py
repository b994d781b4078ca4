"""Batches of any size by one compiled program, in the precision that is asked for."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 4096  # states computed side by side: one compiled program for any number of them, and bounded memory


def in_blocks(function: Callable[..., Any], batch: Any, *shared: Any, block_size: int = BLOCK) -> Any:
    """`function(batch, *shared)` of a batch [N, ...], a block at a time: NumPy arrays [N, ...].

    The last block is filled up with copies of its last row.
    """
    size = len(jax.tree.leaves(batch)[0])
    parts = []
    for start in range(0, size, block_size):
        rows = np.minimum(np.arange(start, start + block_size), size - 1)
        block = jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[rows], batch)
        parts.append(jax.device_get(function(block, *shared)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:size], *parts)


def in_float64(tree: Any) -> Any:
    """The same records around NumPy arrays of double precision."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def in_float32(tree: Any) -> Any:
    """The same records, their real numbers NumPy arrays of single precision."""

    def single(leaf: Any) -> Any:
        is_real = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return np.asarray(leaf, np.float32) if is_real else leaf

    return jax.tree.map(single, tree)


def in_default_precision(tree: Any) -> Any:
    """The same records around NumPy arrays of the precision that JAX now computes in."""
    dtype = jnp.result_type(float)
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), tree)
