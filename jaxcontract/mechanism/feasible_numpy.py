"""`feasible_contract` again in NumPy, for where a policy is used and JAX is not. Imports no JAX.

Batches lie in front here: all that is [K] may be [..., K].
"""

import dataclasses

import numpy as np

from jaxcontract.core.fields import Record, number
from jaxcontract.mechanism.system import System


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeasibleMap(Record):
    """The numbers of the map that a policy was trained with; an exported policy keeps them.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    least_defined: float = number(2.0**-17, "W/W₀ that W exceeds", static=True, low=0, high=1)
    payment_unit: float = number(
        1.0, "what rents and raw payments are multiplied by", unit="units of payment", static=True, low=0
    )
    rent_scale: float = number(0.01, "scale of the rent", static=True, low=0)
    rent_gain: float = number(2.0, "gain of the rent's softplus", static=True)
    rent_offset: float = number(3.0, "offset of the rent's softplus", static=True)
    frequency_shift: float = number(0.0, "added to the logits of the frequencies", static=True)
    share_gain: float = number(2.0, "gain of the shares' sigmoid", static=True)
    share_offset: float = number(4.0, "offset of the shares' sigmoid", static=True)


def feasible_items(
    system: System,
    numbers: FeasibleMap,
    max_aoi: np.ndarray,
    max_latency: np.ndarray,
    device_types: np.ndarray,
    vector: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The feasible contract that a vector [..., 2K] stands for: (frequency, payment), [..., K] each.

    max_aoi, max_latency: [...]  seconds; device_types: [..., K]

    The arithmetic is that of `feasible_contract`, which explains it.
    """
    size = device_types.shape[-1]
    logits, rent, shares = np.split(vector, [size, size + 1], axis=-1)
    logits = logits + numbers.frequency_shift
    gaps = _softmax(np.concatenate([logits, np.zeros_like(rent)], axis=-1))[..., :-1]
    low, high = frequency_bounds(system, numbers, max_aoi, max_latency)
    width = (high - low)[..., None]
    frequency = low[..., None] + width * np.cumsum(gaps, axis=-1)
    cost = 1.0 / device_types
    share = sigmoid(numbers.share_gain * shares - numbers.share_offset)
    step_cost = share * cost[..., :-1] + (1.0 - share) * cost[..., 1:]
    rent = (
        numbers.payment_unit
        * numbers.rent_scale
        * np.logaddexp(0.0, numbers.rent_gain * rent - numbers.rent_offset)
    )
    first = frequency[..., :1] * cost[..., :1] + rent
    increments = width * gaps[..., 1:] * step_cost
    return frequency, np.cumsum(np.concatenate([first, increments], axis=-1), axis=-1)


def frequency_bounds(
    system: System, numbers: FeasibleMap, max_aoi: np.ndarray, max_latency: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest f in the system's bounds whose W is surely positive, [...] each."""
    slot, preference = system.slot_duration, system.aoi_preference
    ideal = 1.0 + preference * max_aoi + (1.0 - preference) * max_latency
    linear = (1.0 - numbers.least_defined) * ideal - slot * (1.0 - 0.5 * preference)
    discriminant = linear**2 - 2.0 * preference * slot**2
    exists = (linear > 0) & (discriminant > 0)
    total = np.where(exists, linear + np.sqrt(np.where(exists, discriminant, 1.0)), slot)
    peak = np.sqrt(0.5 * preference)
    low = np.where(exists, preference * slot / total, peak)
    high = np.where(exists, 0.5 * total / slot, peak)
    return tuple(np.clip(end, system.min_frequency, system.max_frequency) for end in (low, high))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1/(1 + exp(−x)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -x))


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
