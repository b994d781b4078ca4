"""Equations (1) to (9) as the paper prints them, for NumPy arrays and plain numbers.

Nothing of the package is used. `system` and `state` may be any objects with the names of its records:
constants and limits [...], `type_probs` and `device_types` [..., K]; `frequency` and `payment` [..., K].
"""

import numpy as np


def average_aoi(frequency, slot_duration):
    """Ā(f) = t (f + 1/(2f) + 1/2)  (1), in the unit of t; in whole numbers only, which Decimals ask for."""
    return slot_duration * (frequency + (1 / frequency + 1) / 2)


def average_latency(frequency, slot_duration):
    """D̄(f) = t (1 + f)  (2)."""
    return slot_duration * (1 + frequency)


def quality_index(preference, slot_duration, max_aoi, max_latency, frequency):
    """W = α G + (1 − α) H + 1 of (4), with G = Ā_max − Ā and H = D̄_max − D̄ (3), of numbers of any kind."""
    gain = max_aoi - average_aoi(frequency, slot_duration)
    saving = max_latency - average_latency(frequency, slot_duration)
    return preference * gain + (1 - preference) * saving + 1


def quality_of_data(system, state, frequency):
    """QoD = ln W  (4); minus infinity where f ≤ 0 or W ≤ 0."""
    frequency = np.asarray(frequency, float)
    numbers = system.aoi_preference, system.slot_duration, state.max_aoi, state.max_latency
    with np.errstate(divide="ignore", invalid="ignore"):
        index = quality_index(*(np.asarray(number)[..., None] for number in numbers), frequency)
    defined = (frequency > 0) & (index > 0)
    return np.where(defined, np.log(np.where(defined, index, 1.0)), -np.inf)


def ideal_quality(system, state):
    """ln(1 + α Ā_max + (1 − α) D̄_max): the quality of data without age and latency, [...]."""
    preference = np.asarray(system.aoi_preference)
    return np.log(
        1 + preference * np.asarray(state.max_aoi) + (1 - preference) * np.asarray(state.max_latency)
    )


def device_utilities(device_types, frequency, payment):
    """u[k, j] = r_j − f_j/φ_k  (6), [..., K, K]."""
    types, frequency, payment = (np.asarray(column) for column in (device_types, frequency, payment))
    return payment[..., None, :] - frequency[..., None, :] / types[..., :, None]


def profit(system, state, frequency, payment):
    """β QoD(f) − r of one device under each item, [..., K]."""
    return np.asarray(system.unit_profit)[..., None] * quality_of_data(system, state, frequency) - payment


def station_utility(system, state, frequency, payment):
    """U_B = M Σ_k Q_k (β QoD(f_k) − r_k)  (7), [...]; a type that never occurs adds nothing."""
    probs, each = np.asarray(state.type_probs), profit(system, state, frequency, payment)
    return system.num_devices * np.sum(probs * np.where(probs > 0, each, 0.0), axis=-1)


def worst_violation(device_types, frequency, payment, low=None, high=None):
    """The most by which IR (8), IC (9) over all K² pairs or a bound on f is missed, [...]; 0 if none is."""
    table = device_utilities(device_types, frequency, payment)
    own = np.diagonal(table, axis1=-2, axis2=-1)
    missed = [np.max(-own, axis=-1), np.max(table - own[..., None], axis=(-2, -1))]
    if low is not None:
        missed.append(np.max(low - np.asarray(frequency), axis=-1))
    if high is not None:
        missed.append(np.max(np.asarray(frequency) - high, axis=-1))
    return np.max(np.stack(missed), axis=0)


def request_times(cycle, slot):
    """Age and latency, in slots, of a request in slot 1 … θ of an update cycle: the list of Section III-A."""
    age = 2 if slot in (1, cycle) else slot + 1
    latency = 2 if slot == cycle else 1
    return age, latency
