"""A simulated market that checks the model by playing it out: requests in slots, devices that choose.

It shares no algebra with (1), (2) and (7): ages and latencies are differences of event times, and the
base station earns from whichever items the devices take.
"""

import dataclasses

import numpy as np

from jaxcontract.core.fields import Allowed, ByValue, concrete, plain, refuse
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import quality_of_data
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.rounds import check_round
from jaxcontract.mechanism.validation import TOLERANCE

# Between one request and the next, on average. So far apart, the ages of two successive requests have a
# correlation below 1/600, and `standard_error` holds; the means do not depend on it.
CYCLES_BETWEEN_REQUESTS = 4

CYCLE = Allowed("whole", "slots θ in an update cycle", static=True, low=1, high=1e6)  # as 1/f in `System`
SLOT_DURATION = Allowed("number", "duration t of a slot, in seconds", static=True, low=0, above=True)
TIES = Allowed("number", "utilities that differ by less are a tie", static=True, low=0)
COUNT = Allowed("whole", "how many to simulate", static=True, low=1)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Requests(ByValue):
    """What became of N requests, in the order in which they were made.

    slot:    [N]  1 … θ, the slot of the update cycle in which the request was made
    aoi:     [N]  seconds from the start of the collection of the data until its reception
    latency: [N]  seconds from the slot boundary at which the request is taken up until reception
    """

    slot: np.ndarray
    aoi: np.ndarray
    latency: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Market(ByValue):
    """What N rounds of the market brought.

    station_utility: [N]  what the base station earned in the round, of all devices that took part
    participation:   [N]  share of the M devices that took an item
    device_utility:  [N]  mean utility of the M devices; zero for one that stays out
    """

    station_utility: np.ndarray
    participation: np.ndarray
    device_utility: np.ndarray


def standard_error(values: np.ndarray) -> float:
    """Of the mean of [N] independent values: their spread over √N. NaN for fewer than two."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float("nan")
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def simulate_requests(
    generator: np.random.Generator, cycle: int, slot_duration: float, num_requests: int
) -> Requests:
    """Requests made at random times to a device that refreshes its cache every `cycle` slots.

    cycle:         θ, whole slots from the start of one refresh to the start of the next
    slot_duration: t, seconds
    num_requests:  N; ages and latencies are [N], seconds

    A refresh takes the first slot of its cycle. Requests are a Poisson process in continuous time, one
    in 4 cycles on average. A request is taken up at the end of the slot in which it is made. If
    a refresh begins at that moment, the upload waits until it has finished; the upload takes one slot
    and delivers the data of the latest refresh that had finished when it began.

    At θ = 1 every request finds a refresh beginning. It waits for that one only, while the next one
    runs beside its upload: age and latency are 2t, which is what (1) and (2) give.

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    >>> requests = simulate_requests(np.random.default_rng(0), 4, 1e-3, 100_000)
    >>> round(1e3 * float(requests.aoi.mean()), 2), round(1e3 * float(requests.latency.mean()), 2)
    (2.75, 1.25)
    """
    check_generator("simulate_requests", generator)
    cycle = plain("simulate_requests", "cycle", cycle, CYCLE)
    slot_duration = plain("simulate_requests", "slot_duration", slot_duration, SLOT_DURATION)
    num_requests = plain("simulate_requests", "num_requests", num_requests, COUNT)

    # Moments are slot boundaries, whole numbers of slots since the start of the first refresh.
    made_in = _arrival_slots(generator, cycle, num_requests)
    taken_up = made_in + 1
    refresh_begins = taken_up % cycle == 0
    upload_begins = taken_up + refresh_begins
    received = upload_begins + 1
    finished_before = (upload_begins - 1) // cycle  # the latest refresh, counted from 0
    collected = finished_before * cycle
    return Requests(
        slot=made_in % cycle + 1,
        aoi=slot_duration * (received - collected),
        latency=slot_duration * (received - taken_up),
    )


def simulate_market(
    generator: np.random.Generator,
    system: System,
    state: NetworkState,
    contract: Contract,
    num_rounds: int,
    *,
    quality: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
) -> Market:
    """Offer one contract to `num_rounds` independent draws of M devices, each of which does as it likes.

    state, contract: of one round, K types and as many items
    quality:         [K]  of the data that each item brings, as measured; by default `quality_of_data`
    tolerance:       in units of payment; utilities that differ by less are a tie

    Every device has its type from `type_probs`, independently of the others. It takes the item of the
    greatest utility r_j − f_j/φ, its own on a tie, or stays out when none gives it zero or more; an effort
    of the system's own stands for f. The base station earns β quality_j − r_j of a device that takes item
    j: minus infinity where the quality of data is undefined.

    Raises:
        ValueError: naming the argument or the field, its value and what is allowed.
    """
    check_generator("simulate_market", generator)
    check_round(system=system, state=state, contract=contract)
    num_rounds = plain("simulate_market", "num_rounds", num_rounds, COUNT)
    tolerance = plain("simulate_market", "tolerance", tolerance, TIES)
    num_devices = whole_devices(system)
    probs, types = np.asarray(state.type_probs, float), np.asarray(state.device_types, float)
    payment = np.asarray(contract.payment, float)
    analytic = quality_of_data(system, state, contract.frequency)
    quality = np.asarray(analytic if quality is None else quality, float)
    if quality.shape != probs.shape or np.isnan(quality).any():
        raise refuse("simulate_market", "quality", quality, f"one number for each of {len(probs)} items")

    # [K]: devices of one type have one mind.
    taken = np.asarray(effort(system, contract.frequency), float)
    item, utility = _choose(types, taken, payment, tolerance)
    takes_part = utility >= -tolerance
    utility = np.where(takes_part, utility, 0.0)
    profit = np.where(takes_part, float(system.unit_profit) * quality[item] - payment[item], 0.0)

    # float32 shares sum to one only roughly, which NumPy refuses.
    devices = generator.multinomial(num_devices, probs / probs.sum(), size=num_rounds)  # [N, K]
    # A type without devices in a round earns nothing there, even if its quality is minus infinity.
    earned = np.multiply(devices, profit, out=np.zeros(devices.shape), where=devices > 0)
    return Market(
        station_utility=earned.sum(axis=1),
        participation=devices @ takes_part / num_devices,
        device_utility=devices @ utility / num_devices,
    )


def _arrival_slots(generator: np.random.Generator, cycle: int, num_requests: int) -> np.ndarray:
    """The slots [N], counted from 0 without end, in which the requests of a Poisson process are made."""
    gaps = generator.exponential(CYCLES_BETWEEN_REQUESTS * cycle, num_requests)
    # Whole slots are added up as integers: a clock of floats loses the fractions as it runs on.
    fraction, whole = np.modf(gaps)
    carried: np.ndarray = np.floor(np.cumsum(fraction)).astype(np.int64)
    return np.cumsum(whole.astype(np.int64)) + carried


def _choose(
    types: np.ndarray, taken: np.ndarray, payment: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """The item that each type likes best, [K], and its utility from it, [K]."""
    utilities = payment[None, :] - taken[None, :] / types[:, None]
    # The best contract leaves a type indifferent between its own item and its neighbour's: rounding
    # must not decide.
    item = np.argmax(utilities + tolerance * np.eye(len(types)), axis=1)
    return item, utilities[np.arange(len(types)), item]


def whole_devices(system: System) -> int:
    """M, a whole number; raises ValueError, in one line, when it is none."""
    devices = concrete(system.num_devices)
    if devices is None or devices.ndim != 0 or devices % 1 != 0:
        raise refuse("System", "num_devices", system.num_devices, "a whole number, to simulate each device")
    return int(devices)


def check_generator(function: str, generator: object) -> None:
    """Raises ValueError, in one line, when this is no generator of NumPy."""
    if not isinstance(generator, np.random.Generator | np.random.RandomState):
        allowed = "a numpy.random.Generator, such as numpy.random.default_rng(0)"
        raise refuse(function, "generator", generator, allowed)
