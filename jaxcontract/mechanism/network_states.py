"""Where network states come from, and how a learner sees them."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import (
    Allowed,
    Record,
    check_key,
    concrete,
    finite,
    number,
    plain,
    refuse,
    traced,
)
from jaxcontract.core.pytree import register
from jaxcontract.mechanism.network_law import LEAST_TYPE, SIZE, equal_bands
from jaxcontract.mechanism.records import NetworkState, System, check_kind
from jaxcontract.mechanism.rounds import check_rank, one_round
from jaxcontract.mechanism.validation import PAPER_RANGE

ROUNDS = Allowed("whole", "network states to draw from one key", static=True, low=0)


@register
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NetworkDistribution(Record):
    """The law by which every round draws its network state; the defaults are the paper's Section V.

    aoi_range:     [2]      Ā_max is uniform between these, seconds
    latency_range: [2]      D̄_max is uniform between these, seconds
    type_edges:    [K + 1]  φ_k is uniform between edge k and edge k + 1; ascending, positive
    concentration: Q is Dirichlet with this one parameter for every type (static)

    A subclass, registered with `jaxcontract.register`, may draw network states of its own within these
    bounds. Its method sample(self, key, num_rounds) returns one, or a batch [B, ...] when B = `num_rounds` is
    not None; the key is consumed.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    sample: ClassVar[Callable[..., NetworkState] | None] = None  # the paper's law

    aoi_range: Any = PAPER_RANGE
    latency_range: Any = PAPER_RANGE
    type_edges: Any = (1.0, 8.0, 15.0)
    concentration: float = number(1.0, "Dirichlet concentration of Q", low=0, above=True, static=True)

    @classmethod
    def equal_bands(cls, num_types: int, **others: Any) -> Self:
        """The paper's range of φ, [1, 15], cut into K equal bands, one type in each."""
        size = plain(cls.__name__, "num_types", num_types, SIZE)
        return cls(type_edges=equal_bands(size), **others)

    @property
    def num_types(self) -> int:
        """K."""
        return np.shape(self.type_edges)[-1] - 1

    def bands(self, num_types: int) -> Any:
        """The edges of the bands of so many types, [K + 1]: there is one K."""
        del num_types
        return self.type_edges

    def type_bounds(self) -> tuple[Any, Any]:
        """The least and the greatest φ of each type, [K] each."""
        return self.type_edges[:-1], self.type_edges[1:]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, length in (("aoi_range", 2), ("latency_range", 2), ("type_edges", None)):
            given = getattr(self, name)
            value = concrete(given)
            if value is None and traced(given):
                object.__setattr__(self, name, jnp.asarray(given))
                continue
            if value is None or not _ascending(value, length):
                count = f"{length}" if length else "K + 1"
                shown = given if value is None else value
                raise refuse(type(self).__name__, name, shown, f"{count} positive numbers, ascending")
            object.__setattr__(self, name, jnp.asarray(value).astype(float))


def _ascending(value: np.ndarray, length: int | None) -> bool:
    """Whether these are positive numbers in order, `length` of them (two or more if not given)."""
    if value.ndim == 0 or not finite(value):
        return False
    sized = value.shape[-1] == length if length else value.shape[-1] > 1
    return bool(sized and np.all(value >= LEAST_TYPE) and np.all(np.diff(value, axis=-1) >= 0))


def sample_network(
    key: jax.Array, distribution: NetworkDistribution, num_rounds: int | None = None
) -> NetworkState:
    """Draw one network state, or B = `num_rounds` of them, [B, ...], from one key. The key is consumed.

    All of it is independent: Ā_max, D̄_max, each φ_k uniform, Q Dirichlet; or as the distribution's own
    `sample` has it.

    Raises:
        ValueError: when the distribution or the key is none, or num_rounds not a whole number.
    """
    check_distribution(distribution)
    check_key("sample_network", key)
    if num_rounds is not None:
        num_rounds = plain("sample_network", "num_rounds", num_rounds, ROUNDS)
    if distribution.sample is not None:
        return distribution.sample(key, num_rounds)
    size = distribution.num_types
    batch = () if num_rounds is None else (num_rounds,)
    if distribution.concentration == 1.0:
        # Normalised exponentials are Dirichlet(1): fifty times cheaper than the rejection sampler.
        uniforms = jax.random.uniform(key, (2 * size + 2, *batch))
        weights = -jnp.log1p(-uniforms[size + 2 :])
        # u = 0 in every coordinate at once would leave nothing to normalise.
        weights = jnp.maximum(weights, jnp.finfo(weights.dtype).tiny)
        probs = weights / jnp.sum(weights, axis=0, keepdims=True)
    else:
        key_uniforms, key_probs = jax.random.split(key)
        uniforms = jax.random.uniform(key_uniforms, (size + 2, *batch))
        alpha = jnp.full(size, distribution.concentration)
        probs = jnp.moveaxis(jax.random.dirichlet(key_probs, alpha, batch), -1, 0)
    edges = jnp.reshape(distribution.type_edges, (size + 1, *(1 for _ in batch)))
    types = _between(edges[:-1], edges[1:], uniforms[2 : size + 2])
    return NetworkState(
        max_aoi=_between(distribution.aoi_range[0], distribution.aoi_range[1], uniforms[0]),
        max_latency=_between(distribution.latency_range[0], distribution.latency_range[1], uniforms[1]),
        type_probs=jnp.moveaxis(probs, 0, -1),
        device_types=jnp.moveaxis(types, 0, -1),
    )


def check_distribution(distribution: Any) -> None:
    """Raises ValueError, in one line, when this is no distribution, or several of them."""
    check_kind("distribution", distribution, NetworkDistribution)
    for name in ("aoi_range", "latency_range", "type_edges"):
        check_rank(f"{type(distribution).__name__}.{name}", getattr(distribution, name), 1)


def _between(low: jax.Array, high: jax.Array, share: jax.Array) -> jax.Array:
    return low + (high - low) * share


@one_round()
def observe(system: System, state: NetworkState) -> jax.Array:
    """s = [M, K, Ā_max, D̄_max, Q_1 … Q_K, φ_1 … φ_K]  (11). Returns [4 + 2K]."""
    probs = state.type_probs
    head = [system.num_devices, probs.shape[0], state.max_aoi, state.max_latency]
    rows = [jnp.broadcast_to(jnp.asarray(value, probs.dtype), probs[:1].shape) for value in head]
    return jnp.concatenate([*rows, probs, state.device_types])


def corners(distribution: NetworkDistribution) -> tuple[NetworkState, NetworkState]:
    """The network states of the least and of the greatest numbers that a distribution can give."""
    size, (least, greatest) = distribution.num_types, distribution.type_bounds()
    low, high = (
        NetworkState(
            max_aoi=distribution.aoi_range[side],
            max_latency=distribution.latency_range[side],
            type_probs=jnp.full(size, 1.0 / size),
            device_types=types,
        )
        for side, types in ((0, least), (1, greatest))
    )
    return low, high


def observation_bounds(system: System, distribution: NetworkDistribution) -> tuple[jax.Array, jax.Array]:
    """The least and the greatest observation that a distribution can give, [4 + 2K] each."""
    low, high = corners(distribution)
    probs = slice(4, 4 + distribution.num_types)
    return observe(system, low).at[probs].set(0.0), observe(system, high).at[probs].set(1.0)


def printed_states() -> NetworkState:
    """The three network states printed with the paper's Fig. 2(b), a batch [3]."""
    return NetworkState(
        max_aoi=[0.95, 0.94, 0.95],
        max_latency=[0.73, 0.85, 0.81],
        type_probs=[[0.84, 0.16], [0.80, 0.20], [0.43, 0.57]],
        device_types=[[2.0, 12.0], [2.0, 12.0], [2.0, 13.0]],
    )
