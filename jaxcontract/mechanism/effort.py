"""What an update frequency takes of a device, and whether that and what it is worth have the right shape."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.mechanism.freshness import frequency_bounds, marginal_quality, quality_of_data
from jaxcontract.mechanism.records import NetworkState, Numbers, System
from jaxcontract.mechanism.rounds import one_round

GRID = 257  # frequencies at which a shape is looked at
SLACK = 1e-4  # of the greatest marginal, which rounding may break the order by


def effort(system: System, frequency: Numbers) -> jax.Array:
    """e(f), of which a type-k device bears e(f)/φ_k as a cost: f itself in the paper, (5). [...] to [...]."""
    frequency = jnp.asarray(frequency)
    return frequency if system.effort is None else system.effort(frequency)


def marginal_value(system: System, state: NetworkState, frequency: jax.Array) -> jax.Array:
    """QoD′(f)/e′(f), what one more unit of effort adds to the quality of data. Shapes [...] to [...]."""
    slope = marginal_quality(system, state, frequency)
    if system.effort is None:
        return slope
    _, rise = jax.jvp(system.effort, (frequency,), (jnp.ones_like(frequency),))
    return slope / rise


def falls(marginals: jax.Array) -> jax.Array:
    """Whether marginal values [N, ...] do not rise along axis 0, up to rounding. Returns [...].

    Not so where one is NaN, which each comparison sees and a maximum need not: XLA's lose NaN on a CPU.
    """
    most = SLACK * jnp.max(jnp.abs(marginals), axis=0, keepdims=True)
    return jnp.all(jnp.diff(marginals, axis=0) <= most, axis=0)


def over_frequencies(function: Callable[..., Any], system: System, state: NetworkState, count: int) -> Any:
    """A function of f along frequencies that have a quality, evenly in their logarithm: [N, ...]."""
    low, high = frequency_bounds(system, state)
    return jax.vmap(lambda share: function(low * (high / low) ** share))(jnp.linspace(0.0, 1.0, count))


@one_round()
def check_shape(system: System, state: NetworkState) -> None:
    """See to it that the types of one network state can be screened under a system of one's own.

    Raises:
        ValueError: naming the system, what has the wrong shape, and where.

    >>> check_shape(System(), NetworkState(max_aoi=1, max_latency=1, type_probs=[1], device_types=[2]))
    """
    name = type(system).__name__
    along = partial(over_frequencies, system=system, state=state, count=GRID)
    frequency = np.asarray(along(jnp.asarray))
    taken = np.asarray(along(partial(effort, system)))
    worth = np.asarray(along(partial(quality_of_data, system, state)))
    _require(
        np.isfinite(worth), frequency, f"{name}.quality", "a finite number, if need be from min_frequency on"
    )
    _require(np.isfinite(taken) & (taken >= 0), frequency, f"{name}.effort", "a finite number, at least 0")
    _require(np.diff(taken) > 0, frequency, f"{name}.effort", "rising in f: no single crossing otherwise")
    value = np.asarray(along(partial(marginal_value, system, state)))
    allowed = "concave in effort: QoD′/e′ must not rise"
    _require(np.diff(value) <= SLACK * np.abs(value).max(), frequency, f"{name}.quality", allowed)


def _require(holds: np.ndarray, frequency: np.ndarray, what: str, allowed: str) -> None:
    if not holds.all():
        where = float(frequency[int(np.argmin(holds))])
        raise ValueError(f"{what}: must be {allowed}; it is not at f = {where:.4g}")
