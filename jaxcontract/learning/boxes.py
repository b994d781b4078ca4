"""The numbers of an environment as those of a network, and back: two fixed maps, known from the two Boxes."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.core.item_layout import ItemLayout
from jaxcontract.core.protocols import Space
from jaxcontract.core.pytree import register

FAR = 1e9  # some environments write "unbounded" as the largest float


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ObservationNormalizer:
    """Observations scaled to (o − center)/width: into [−1, 1] where the space has two bounds.

    center, width: [O]

    The scaling is fixed by the observation space, so it is part of the policy and never drifts.
    """

    center: jax.Array
    width: jax.Array

    def normalize(self, observation: Any) -> Any:
        """[O, ...] → [O, ...]."""
        return (observation - _column(self.center, observation)) / _column(self.width, observation)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ActionBijector:
    """All of R^A onto a Box of actions: by a sigmoid between two bounds, a softplus from one.

    low, high: [A]; infinite where unbounded

    A bijection, so densities of the raw action serve in the ratio (18): the Jacobian cancels.
    """

    low: jax.Array
    high: jax.Array

    def forward(self, raw: jax.Array) -> jax.Array:
        """A raw action [A, ...] as one in the Box, [A, ...]."""
        low, high = _column(self.low, raw), _column(self.high, raw)
        from_low, from_high = jnp.isfinite(low), jnp.isfinite(high)
        start, end = jnp.where(from_low, low, 0.0), jnp.where(from_high, high, 0.0)
        between = start + (end - start) * jax.nn.sigmoid(raw)
        above, below = start + jax.nn.softplus(raw), end - jax.nn.softplus(-raw)
        one_sided = jnp.where(from_low, above, jnp.where(from_high, below, raw))
        return jnp.where(from_low & from_high, between, one_sided)

    def scale(self, raw: jax.Array) -> jax.Array:
        """A raw action [A, ...] as one in the Box, scaled as observations are: into [−1, 1] by two bounds.

        By one bound it is the distance from there, by none the raw action itself.
        """
        from_low, from_high = self._sides(raw)
        above, below = jax.nn.softplus(raw), -jax.nn.softplus(-raw)
        one_sided = jnp.where(from_low, above, jnp.where(from_high, below, raw))
        return jnp.where(from_low & from_high, jnp.tanh(0.5 * raw), one_sided)

    def log_slope(self, raw: jax.Array) -> jax.Array:
        """ln of the derivative of `scale`, [A, ...]: what turns the density of a raw action into its own.

        1 − tanh²(x/2) and all the rest by logarithms, so that it is finite wherever x is.
        """
        from_low, from_high = self._sides(raw)
        rising, falling = jax.nn.log_sigmoid(raw), jax.nn.log_sigmoid(-raw)
        one_sided = jnp.where(from_low, rising, jnp.where(from_high, falling, 0.0))
        return jnp.where(from_low & from_high, math.log(2.0) + rising + falling, one_sided)

    def _sides(self, raw: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Whether there is a lower and an upper bound, [A, 1, …] each."""
        return jnp.isfinite(_column(self.low, raw)), jnp.isfinite(_column(self.high, raw))


def make_normalizer(space: Space, layout: ItemLayout | None = None) -> ObservationNormalizer:
    """The normalizer of a Box of observations.

    An entry with two bounds is scaled to [−1, 1], or to 0 where they coincide; any other is left as it is.

    layout: of a network that works on items: a feature is then scaled alike in all of them, by its bounds
        over all items, so that two items can be compared
    """
    low, high = box_bounds(space)
    if layout is not None:
        low, high = layout.spread(low, jnp.min), layout.spread(high, jnp.max)
    bounded = jnp.isfinite(low) & jnp.isfinite(high)
    low, high = jnp.where(bounded, low, 0.0), jnp.where(bounded, high, 0.0)
    width = jnp.where(high > low, 0.5 * (high - low), 1.0)
    return ObservationNormalizer(center=0.5 * (low + high), width=width)


def make_bijector(space: Space) -> ActionBijector:
    """The bijector onto a Box of actions."""
    low, high = box_bounds(space)
    return ActionBijector(low=low, high=high)


def box_bounds(space: Space) -> tuple[jax.Array, jax.Array]:
    """The bounds of a Box, [N] each; infinite where they are so far off that they bound nothing."""
    low, high = (
        jnp.broadcast_to(jnp.asarray(bound, float), space.shape) for bound in (space.low, space.high)
    )
    return jnp.where(low < -FAR, -jnp.inf, low), jnp.where(high > FAR, jnp.inf, high)


def _column(values: Any, batch: Any) -> Any:
    """[F] → [F, 1, …], to go with a batch [F, ...]; of NumPy's arrays one of NumPy's."""
    return values.reshape(values.shape + (1,) * (batch.ndim - 1))
