"""The set of arrays that an action or an observation may be, in gymnax's shape."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.fields import ByValue


@dataclasses.dataclass(frozen=True, eq=False)
class Box(ByValue):
    """Arrays between `low` and `high` (scalars or of `shape`; infinite where there is no bound)."""

    low: Any
    high: Any
    shape: tuple[int, ...]
    dtype: Any = jnp.float32

    def sample(self, key: jax.Array) -> jax.Array:
        """Uniform where both bounds are finite, standard normal where neither is. The key is consumed."""
        bounded = jnp.isfinite(jnp.asarray(self.low)) & jnp.isfinite(jnp.asarray(self.high))
        low = jnp.where(bounded, self.low, 0.0)
        high = jnp.where(bounded, self.high, 1.0)
        share = jax.random.uniform(key, self.shape, minval=jnp.finfo(jnp.float32).tiny)
        normal = jax.scipy.special.ndtri(share)
        return jnp.where(bounded, low + (high - low) * share, normal).astype(self.dtype)

    def contains(self, value: jax.Array) -> jax.Array:
        """Whether every element is within the bounds."""
        return jnp.all(value >= self.low) & jnp.all(value <= self.high)
