"""A law of networks whose number of types is drawn anew for each."""

import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import plain, refuse
from jaxcontract.core.fields import sizes as numbers_of
from jaxcontract.core.pytree import register
from jaxcontract.mechanism.network_law import SIZE
from jaxcontract.mechanism.network_states import NetworkDistribution
from jaxcontract.mechanism.places import pad_types
from jaxcontract.mechanism.records import NetworkState, check_kind


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class VariedTypes(NetworkDistribution):
    """The paper's law with a random number of types, padded to the greatest (`mechanism/places.py`).

    aoi_range:     [2]  Ā_max is uniform between these, seconds
    latency_range: [2]  D̄_max is uniform between these, seconds
    type_edges:    [2]  φ_k is uniform in the k-th of K equal bands between these
    concentration: Q is Dirichlet with this one parameter for every type (static)
    sizes:         the numbers of types K that are drawn, ascending (static); K with probability in proportion
        to 1/K, so that as many networks have 2 to 4 types as have 4 to 8, or 32 to 64

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    sizes: tuple[int, ...] = numbers_of((2,), "numbers of types K that are drawn, ascending", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(following <= size for size, following in pairwise(self.sizes)):
            raise refuse("VariedTypes", "sizes", self.sizes, "whole numbers, ascending")

    @property
    def num_types(self) -> int:
        """The places of a network, the greatest K."""
        return self.sizes[-1]

    def bands(self, num_types: int) -> jax.Array:
        """The edges of the bands of so many types, [K + 1]."""
        return jnp.linspace(self.type_edges[0], self.type_edges[-1], num_types + 1)

    def type_bounds(self) -> tuple[jax.Array, jax.Array]:
        """The least and the greatest φ in each place, [K] each."""
        ends = self.type_edges[0], self.type_edges[-1]
        return jnp.full(self.num_types, ends[0]), jnp.full(self.num_types, ends[1])

    def sample(self, key: jax.Array, num_rounds: int | None) -> NetworkState:
        """One network, or B = `num_rounds` of them, [B, ...]. The key is consumed."""
        rounds, places = (1 if num_rounds is None else num_rounds), self.num_types
        key_size, key_uniforms, key_probs = jax.random.split(key, 3)
        size = _draw_size(key_size, self.sizes, rounds)[None]
        uniforms = jax.random.uniform(key_uniforms, (places + 2, rounds))
        place = jnp.arange(places)[:, None]
        low, high = self.type_edges[0], self.type_edges[-1]
        types = low + (high - low) * (place + uniforms[2:]) / size
        last = jnp.take_along_axis(types, size - 1, axis=0)
        weights = jnp.where(place < size, _draw_weights(key_probs, self.concentration, (places, rounds)), 0.0)
        state = NetworkState(
            max_aoi=self.aoi_range[0] + (self.aoi_range[1] - self.aoi_range[0]) * uniforms[0],
            max_latency=self.latency_range[0] + (self.latency_range[1] - self.latency_range[0]) * uniforms[1],
            type_probs=(weights / jnp.sum(weights, axis=0, keepdims=True)).T,
            device_types=jnp.where(place < size, types, last).T,
        )
        return state if num_rounds is not None else jax.tree.map(lambda leaf: leaf[0], state)


def _draw_size(key: jax.Array, sizes: tuple[int, ...], rounds: int) -> jax.Array:
    """K of so many rounds, [B]."""
    up_to = np.cumsum(1.0 / np.asarray(sizes, float))
    index = jnp.searchsorted(jnp.asarray(up_to[:-1] / up_to[-1]), jax.random.uniform(key, (rounds,)))
    return jnp.asarray(sizes)[index]


def _draw_weights(key: jax.Array, concentration: float, shape: tuple[int, ...]) -> jax.Array:
    """What shares are in proportion to: gamma draws, exponential ones at a concentration of 1."""
    if concentration == 1.0:
        drawn = -jnp.log1p(-jax.random.uniform(key, shape))
    else:
        drawn = jax.random.gamma(key, concentration, shape)
    return jnp.maximum(drawn, jnp.finfo(drawn.dtype).tiny)


def with_types(distribution: NetworkDistribution, num_types: int) -> NetworkDistribution:
    """The same law of networks that all have so many types, in bands of the same width."""
    return NetworkDistribution(
        aoi_range=distribution.aoi_range,
        latency_range=distribution.latency_range,
        type_edges=distribution.bands(num_types),
        concentration=distribution.concentration,
    )


def pad_network(state: NetworkState, num_places: int) -> NetworkState:
    """A network of K types, or a batch of them, with empty places behind its types.

    state:      type_probs and device_types [..., K]
    num_places: P, of the result

    Returns type_probs and device_types [P], of a batch [..., P]. The optimum and utilities stay; items in
    empty places repeat the last type's.

    Raises:
        ValueError: when it has more types than places, or an argument is of another kind.
    """
    check_kind("state", state, NetworkState)
    num_places = plain("pad_network", "num_places", num_places, SIZE)
    probs, types = (jnp.asarray(values) for values in (state.type_probs, state.device_types))
    probs, types = pad_types(probs, types, num_places)
    return dataclasses.replace(state, type_probs=probs, device_types=types)
