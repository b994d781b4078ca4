"""A simulated market of several stations: devices with a taste of their own choose a station and an item.

It shares no algebra with `competition.py`: tastes are drawn device by device, each looks at every item of
every station, and what stations and devices earn is added up.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from jaxcontract.core.fields import Allowed, ByValue, plain
from jaxcontract.mechanism.competition import check_stations
from jaxcontract.mechanism.effort import effort
from jaxcontract.mechanism.freshness import quality_of_data
from jaxcontract.mechanism.records import Contract, NetworkState, System
from jaxcontract.mechanism.simulation import COUNT, check_generator, whole_devices
from jaxcontract.mechanism.system import number_names

TASTE = Allowed("number", "taste scale μ", unit="units of payment", static=True, low=0, above=True)
TIE = 1e-6  # of a payment, which two items may differ by
DRAWS_AT_ONCE = 2_000_000  # of tastes, which bounds the memory


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TasteMarket(ByValue):
    """What R rounds of a market of N stations brought.

    station_utility: [R, N]  what each station earned in the round
    participation:   [R, N]  share of the M devices that came to each
    device_utility:  [R]     mean utility of the M devices, taste included; staying out is worth 0 on average
    """

    station_utility: np.ndarray
    participation: np.ndarray
    device_utility: np.ndarray


def simulate_competition(
    generator: np.random.Generator,
    system: System,
    states: NetworkState,
    contracts: Contract,
    taste_scale: float,
    num_rounds: int,
) -> TasteMarket:
    """Let `num_rounds` independent draws of M devices choose between the contracts of N stations.

    system:      one for all stations, or stacked, its numbers [N]
    states:      [N, ...]  of N stations, with the same `type_probs` and `device_types`
    contracts:   [N, K]
    taste_scale: μ, units of payment

    Every device has its type from `type_probs`, and draws a taste for each station and for staying out,
    independently: μ times a Gumbel variable less its mean. It takes the item of the greatest utility r − f/φ
    at each station, and goes where utility and taste together are greatest. Stations earn β quality − r.

    Raises:
        ValueError: naming the argument or the field, its value and what is allowed.
    """
    check_generator("simulate_competition", generator)
    num_rounds = plain("simulate_competition", "num_rounds", num_rounds, COUNT)
    check_stations("simulate_competition", system, states, taste_scale, contracts)
    taste_scale = plain("simulate_competition", "taste_scale", taste_scale, TASTE)
    utility, profit = _best_items(system, states, contracts)
    num_devices = whole_devices(_of_station(system, 0))
    probs = np.asarray(states.type_probs[0], float)
    at_once = max(1, DRAWS_AT_ONCE // (num_devices * (len(utility) + 1)))
    parts = [
        _play(generator, (min(at_once, num_rounds - begun), num_devices), probs, utility, profit, taste_scale)
        for begun in range(0, num_rounds, at_once)
    ]
    earned, came, gained = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return TasteMarket(station_utility=earned, participation=came / num_devices, device_utility=gained)


def _play(
    generator: np.random.Generator,
    shape: tuple[int, int],
    probs: np.ndarray,
    utility: np.ndarray,
    profit: np.ndarray,
    taste_scale: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rounds and devices [R, M]: what stations earned and who came [R, N], devices' mean utility [R]."""
    stations = len(utility)
    kind = generator.choice(len(probs), size=shape, p=probs / probs.sum())
    offers = np.concatenate([utility, np.zeros((1, len(probs)))])  # the last is staying out
    taste = taste_scale * (generator.gumbel(size=(*shape, stations + 1)) - np.euler_gamma)
    value = offers.T[kind] + taste
    choice = np.argmax(value, axis=2)
    brought = np.concatenate([profit, np.zeros((1, len(probs)))])[choice, kind]
    chosen = choice[:, :, None] == np.arange(stations)
    earned = np.where(chosen, brought[:, :, None], 0.0).sum(axis=1)
    return earned, chosen.sum(axis=1), value.max(axis=2).mean(axis=1)


def _best_items(system: System, states: NetworkState, menus: Contract) -> tuple[np.ndarray, np.ndarray]:
    """Each type's best utility at every station, and what its choice brings there. [N, K] twice."""
    utilities, profits = [], []
    for index in range(len(states.max_aoi)):
        own = _of_station(system, index)
        state: NetworkState = jax.tree.map(lambda leaf, index=index: leaf[index], states)
        cost = 1.0 / np.asarray(state.device_types, float)
        frequency, payment = menus.frequency[index], np.asarray(menus.payment[index], float)
        table = payment[None, :] - cost[:, None] * np.asarray(effort(own, frequency), float)[None, :]
        # Rounding must not decide where constraints bind: a tie goes to the item meant for the type.
        item = np.argmax(table + TIE * np.diag(1.0 + np.abs(payment)), axis=1)
        quality = np.asarray(quality_of_data(own, state, frequency), float)
        utilities.append(table[np.arange(len(cost)), item])
        profits.append((np.asarray(own.unit_profit, float) * quality - payment)[item])
    return np.stack(utilities), np.stack(profits)


def _of_station(system: System, index: int) -> System:
    """The constants of one station."""
    given = {name: getattr(system, name) for name in number_names(type(system))}
    own: dict[str, Any] = {name: value[index] if np.ndim(value) else value for name, value in given.items()}
    return dataclasses.replace(system, **own)
