"""How fresh data is, and what that is worth: (1) to (4)."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxcontract.mechanism.records import NetworkState, Numbers, System, floats
from jaxcontract.mechanism.rounds import each_round, one_round

NEVER = 1e-9  # a frequency below it is no updating at all; 1/f² is finite in float32 above it
LEAST_SHARE = 0.01  # of W₀, below which the extended quality is a straight line
ROUNDINGS = 64  # of W₀: what W must exceed, lest rounding of f or of W takes it to zero


@one_round(slot_duration=0)
def average_aoi(frequency: Numbers, slot_duration: Numbers) -> jax.Array:
    """Ā = t (f + 1/(2f) + 1/2), the mean age of information in seconds  (1). Returns [...].

    frequency:     [...]  f = 1/θ, updates per slot; infinite age at f = 0
    slot_duration: []     t, seconds

    The paper's sum over slots, closed for every θ ≥ 2; at θ = 1 the closed form is used (2t).

    Raises:
        ValueError: when these are not numbers.
    """
    frequency = floats(frequency, "average_aoi", "frequency")
    return _age(frequency, floats(slot_duration, "average_aoi", "slot_duration"))


@one_round(slot_duration=0)
def average_latency(frequency: Numbers, slot_duration: Numbers) -> jax.Array:
    """D̄ = t (1 + f), the mean service latency in seconds  (2). Returns [...].

    frequency:     [...]  f = 1/θ, updates per slot
    slot_duration: []     t, seconds

    Raises:
        ValueError: when these are not numbers.
    """
    frequency = floats(frequency, "average_latency", "frequency")
    return _latency(frequency, floats(slot_duration, "average_latency", "slot_duration"))


def _age(frequency: jax.Array, slot_duration: Numbers) -> jax.Array:
    return slot_duration * (frequency + 0.5 / frequency + 0.5)


def _latency(frequency: jax.Array, slot_duration: Numbers) -> jax.Array:
    return slot_duration * (1.0 + frequency)


def ideal_quality_index(system: System, state: NetworkState) -> jax.Array:
    """W₀ = 1 + α Ā_max + (1 − α) D̄_max: the quality index that data of no age or latency would have.

    It depends on the state alone, whatever the contract.
    """
    preference = system.aoi_preference
    return 1.0 + preference * state.max_aoi + (1.0 - preference) * state.max_latency


def quality_shortfall(system: System, frequency: Numbers) -> jax.Array:
    """W₀ − W(f) = α Ā(f) + (1 − α) D̄(f) in seconds, the age and latency as they are weighed in (4).

    frequency: [...]  f, positive. Returns [...].
    """
    preference, frequency = system.aoi_preference, jnp.asarray(frequency)
    age, latency = _age(frequency, system.slot_duration), _latency(frequency, system.slot_duration)
    return preference * age + (1.0 - preference) * latency


def quality_index(system: System, state: NetworkState, frequency: Numbers) -> jax.Array:
    """W = α G + (1 − α) H + 1 with G = Ā_max − Ā and H = D̄_max − D̄  (3), the argument of the log in (4).

    frequency: [...]  f. Returns [...], minus infinity for data that is never updated (f < 1e-9).
    """
    updated = jnp.asarray(frequency) >= NEVER
    # A divisor that is safe before the `where` keeps the gradient finite at f = 0.
    index = ideal_quality_index(system, state) - quality_shortfall(system, jnp.where(updated, frequency, 1.0))
    return jnp.where(updated, index, -jnp.inf)


@one_round()
def quality_of_data(system: System, state: NetworkState, frequency: Numbers) -> jax.Array:
    """QoD = ln(α (G − H) + H + 1) = ln W  (4).

    frequency: [...]  f, updates per slot. Returns [...].

    Where W ≤ 0, or f < 1e-9, the metric is undefined: minus infinity, with a gradient of zero.

    Raises:
        ValueError: when f is not made of numbers.

    >>> state = NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[1.0], device_types=[2.0])
    >>> round(float(quality_of_data(System(), state, 0.25)), 4)
    0.638
    """
    return log_quality(system, state, floats(frequency, "quality_of_data", "frequency"))


def log_quality(system: System, state: NetworkState, frequency: jax.Array) -> jax.Array:
    """`quality_of_data` of arguments that are in order already."""
    if system.quality is not None:
        own: jax.Array = each_round(system.quality, state, frequency)
        return own
    index = quality_index(system, state, frequency)
    defined = index > 0
    return jnp.where(defined, jnp.log(jnp.where(defined, index, 1.0)), -jnp.inf)


def has_quality(system: System, state: NetworkState, frequency: Numbers) -> jax.Array:
    """Whether data updated at f has a defined quality: W > 0. Shapes as in `quality_of_data`."""
    if system.quality is not None:
        return jnp.isfinite(log_quality(system, state, frequency))
    return quality_index(system, state, frequency) > 0


def centred_quality(system: System, state: NetworkState, frequency: Numbers) -> jax.Array:
    """QoD(f) − ln W₀, which is ln(W / W₀) ≤ 0, without the digits that a difference of logs loses.

    frequency: [...]  f. Returns [...], minus infinity where the quality of data is undefined. A system's
    own quality has no such term, and is as it is.
    """
    if system.quality is not None:
        return log_quality(system, state, frequency)
    defined = quality_index(system, state, frequency) > 0
    shortfall = quality_shortfall(system, jnp.where(defined, frequency, 1.0))
    share = shortfall / ideal_quality_index(system, state)
    return jnp.where(defined, jnp.log1p(-jnp.where(defined, share, 0.0)), -jnp.inf)


def extended_centred_quality(system: System, state: NetworkState, frequency: Numbers) -> jax.Array:
    """`centred_quality`, going on along its tangent below W = W₀/100: finite, with a slope, for f > 0.

    frequency: [...]  f, positive. Returns [...]. A system's own quality is as it is.
    """
    if system.quality is not None:
        return log_quality(system, state, frequency)
    share = quality_shortfall(system, frequency) / ideal_quality_index(system, state)
    kept = 1.0 - LEAST_SHARE
    beyond = jnp.maximum(share - kept, 0.0)
    return jnp.log1p(-jnp.minimum(share, kept)) - beyond / LEAST_SHARE


def least_defined(dtype: Any) -> float:
    """W/W₀ below which rounding may make W zero: 7.6e-6 in float32, 1.4e-14 in float64."""
    return float(ROUNDINGS * jnp.finfo(dtype).eps)


def frequency_bounds(system: System, state: NetworkState) -> tuple[jax.Array, jax.Array]:
    """The least and the greatest f within the system's bounds whose W is surely positive. Returns [], [].

    W ≥ W₀ · `least_defined`, a quadratic in f. With the paper's slots of 1 ms its roots are near 2e-4 and
    beyond 1; with slots of 0.1 s data that is updated seldom has no defined quality. Where no f will do, as
    with slots of 2 s, both are the f of the greatest W, √(α/2), as far as the system's bounds allow. With a
    quality of its own they are the system's bounds.
    """
    aoi = jnp.asarray(state.max_aoi)
    if system.quality is not None:
        like = jnp.zeros_like(aoi)
        return like + system.min_frequency, like + system.max_frequency
    slot, preference = system.slot_duration, system.aoi_preference
    constant = (1.0 - least_defined(aoi.dtype)) * ideal_quality_index(system, state)
    linear = constant - slot * (1.0 - 0.5 * preference)
    discriminant = linear**2 - 2.0 * preference * slot**2
    exists = (linear > 0) & (discriminant > 0)
    total = linear + jnp.sqrt(jnp.where(exists, discriminant, 1.0))
    total = jnp.where(exists, total, slot)
    peak = jnp.sqrt(jnp.maximum(0.5 * preference, NEVER**2))  # its slope is finite at α = 0
    ends = preference * slot / total, 0.5 * total / slot
    low, high = (
        jnp.clip(jnp.where(exists, end, peak), system.min_frequency, system.max_frequency) for end in ends
    )
    return low, high


def marginal_quality(system: System, state: NetworkState, frequency: Numbers) -> jax.Array:
    """QoD′(f) = W′/W with W′ = t (α/(2f²) − 1), what one more update per slot adds.

    frequency: [...]  f, in the domain where W > 0. Returns [...].
    """
    frequency = jnp.asarray(frequency)
    if system.quality is not None:
        along = partial(log_quality, system, state)
        own_slope: jax.Array = jax.jvp(along, (frequency,), (jnp.ones_like(frequency),))[1]
        return own_slope
    slope = system.slot_duration * (0.5 * system.aoi_preference / frequency**2 - 1.0)
    return slope / quality_index(system, state, frequency)
