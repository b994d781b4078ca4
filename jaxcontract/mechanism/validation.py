"""What a network state must be, said of NumPy arrays. Imports no JAX: `records.py` and NumPy's policy ask."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcontract.core.fields import refuse
from jaxcontract.mechanism.system import System

PAPER_RANGE = (0.5, 1.0)  # seconds, of Ā_max and of D̄_max in the paper's Section V
TOLERANCE = 1e-6  # of a certificate: the best contract's constraints bind, and rounding misses a strict ≥ 0
SUM_TOLERANCE = 1e-6  # of `type_probs`; float32 sums of a few thousand terms stay within it


def network_fields(owner: str, state: object, given: Mapping[str, object]) -> dict[str, Any]:
    """The four fields of one network state, or of a batch, given as a `NetworkState` or by their names.

    owner: what was called; given: the fields by name, None where there is none

    Raises:
        ValueError: when some are missing, or both forms are used at once.
    """
    missing = [name for name, value in given.items() if value is None]
    if state is None and not missing:
        return dict(given)
    if state is not None and len(missing) == len(given):
        if all(hasattr(state, name) for name in given):
            return {name: getattr(state, name) for name in given}
        wrong = f"not with a {type(state).__name__}"
    else:
        wrong = f"{', '.join(missing)} missing" if state is None else "not with both"
    allowed = f"a NetworkState, or {', '.join(given)} by name"
    raise ValueError(f"{owner}: must be called with {allowed}; {wrong}")


def check_network(aoi: np.ndarray, latency: np.ndarray, probs: np.ndarray, types: np.ndarray) -> None:
    """Check finite numbers that are to be one network state, or a batch of them.

    aoi, latency: [...]; probs, types: [..., K]; the fields of `NetworkState`

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """
    for name, value in (("max_aoi", aoi), ("max_latency", latency)):
        require(np.all(value > 0), "NetworkState", name, value, "positive, in seconds")
    _check_probs(probs)
    for name, value, shape in (
        ("device_types", types, probs.shape),
        ("max_aoi", aoi, probs.shape[:-1]),
        ("max_latency", latency, probs.shape[:-1]),
    ):
        expected = f"of shape {shape}, to go with type_probs of shape {probs.shape}"
        require(value.shape == shape, "NetworkState", name, value, expected)
    _check_types(types)


def _check_probs(probs: np.ndarray) -> None:
    shaped = probs.ndim > 0 and probs.shape[-1] > 0
    require(shaped, "NetworkState", "type_probs", probs, "one probability for each device type")
    require(np.all(probs >= 0), "NetworkState", "type_probs", probs, "non-negative")
    totals = probs.astype(np.float64).sum(axis=-1)
    expected = f"numbers that sum to 1 within {SUM_TOLERANCE:g} (they sum to {totals.tolist()})"
    require(np.all(np.abs(totals - 1) <= SUM_TOLERANCE), "NetworkState", "type_probs", probs, expected)


def _check_types(types: np.ndarray) -> None:
    # Below the smallest normal float32 the cost 1/φ of an update overflows.
    positive = np.all(types >= np.finfo(np.float32).tiny)
    require(positive, "NetworkState", "device_types", types, "positive (the inverse of a cost)")
    ascending = np.all(np.diff(types, axis=-1) >= 0)
    require(ascending, "NetworkState", "device_types", types, "in ascending order, ties allowed")


def greatest_index(system: System, max_aoi: Any, max_latency: Any) -> np.ndarray:
    """The greatest W (3) over all f within the system's bounds: at f = √(α/2), or the bound next to it.

    system: with the paper's quality, numbers [...]; max_aoi, max_latency: [...]. Returns [...]; where it is
    not positive, no contract has a quality of data (4).
    """
    weight = np.asarray(system.aoi_preference)
    frequency = np.clip(np.sqrt(0.5 * weight), system.min_frequency, system.max_frequency)
    slots = weight * (frequency + 0.5 / frequency + 0.5) + (1.0 - weight) * (1.0 + frequency)
    index: np.ndarray = 1.0 + weight * max_aoi + (1.0 - weight) * max_latency - system.slot_duration * slots
    return index


def check_quality(system: System, max_aoi: float, max_latency: float) -> None:
    """See to it that data can have a quality where its requirements are at most these.

    Raises:
        ValueError: when no f in the system's bounds gives W > 0, with the numbers that this follows from.
    """
    if system.quality is None and not np.all(greatest_index(system, max_aoi, max_latency) > 0):
        slot = np.max(system.slot_duration)
        asked = f"max_aoi = {float(max_aoi):g} s and max_latency = {float(max_latency):g} s"
        allowed = f"short enough for a quality of data (4): with {asked} W ≤ 0 for every update frequency"
        raise refuse(type(system).__name__, "slot_duration", float(slot), allowed)


def require(condition: object, owner: str, name: str, value: object, allowed: str) -> None:
    """Refuse a value, in one line, unless the condition holds."""
    if not condition:
        raise refuse(owner, name, value, allowed)
