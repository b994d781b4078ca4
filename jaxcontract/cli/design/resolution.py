"""What a number of types costs: menus for few types, offered to the devices that were observed."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxcontract as jc
from jaxcontract.cli.design.grouping import Grouping, form_groups
from jaxcontract.cli.design.solving import EXACT_TOLERANCE, Scheme
from jaxcontract.cli.input_files.network_rows import CONSTANTS
from jaxcontract.cli.input_files.observed import Observed
from jaxcontract.mechanism.best_menus import hull_costs

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
FINEST = 10_000  # items of a menu that is still solved
TABLE = 2**22  # utilities in memory at once, of devices that choose


class Outcome(NamedTuple):
    """What the menu for so many types brings.

    modelled:    U_B (7), as if every device had the cost that its group stands for; none of those in no group
    observed:    U_B when every observed device takes the item it likes best or stays out, for M devices
    taking_part: share of the observed devices
    as_meant:    share that takes the item of its own group
    """

    num_types: int
    modelled: float
    observed: float
    taking_part: float
    as_meant: float


def choose_sizes(observed: Observed, num_types: int, most: int) -> tuple[list[int], list[int]]:
    """Numbers of types to compare, some small ones, the one asked for and twice that; and those left out.

    most: how many types the way of grouping finds at most
    """
    sizes = sorted(size for size in {*SIZES, num_types, 2 * num_types} if size <= len(observed.costs))
    return [size for size in sizes if size <= most], [size for size in sizes if size > most]


def find_outcomes(
    observed: Observed, groupings: Sequence[Grouping], network: Mapping[str, float], scheme: Scheme
) -> list[Outcome]:
    """The outcome of each grouping.

    network: the constants of `System`, max_aoi and max_latency
    """
    most = max(len(grouping.cost) for grouping in groupings)
    probs, types = (np.stack(rows) for rows in zip(*(_pad(one, most) for one in groupings), strict=True))
    with jax.enable_x64(True):
        system = jc.System(**{name: float(network[name]) for name in CONSTANTS})
        state = jc.NetworkState(
            max_aoi=np.full(len(groupings), float(network["max_aoi"])),
            max_latency=np.full(len(groupings), float(network["max_latency"])),
            type_probs=probs,
            device_types=types,
        )
        menus = jax.device_get(_make_menus(scheme, system, state))
    found = []
    for index, grouping in enumerate(groupings):
        size = len(grouping.cost)
        menu = {name: values[index][:size][::-1] for name, values in menus.items() if name != "utility"}
        found.append(_measure_choices(observed, grouping, menu, menus["utility"][index], network))
    return found


def find_finest(
    observed: Observed, network: Mapping[str, float], scheme: Scheme, dearest: float | None = None
) -> Outcome | None:
    """The best of all menus: an item for every cost, or of very many costs for those that need one.

    dearest: the highest cost that it serves, all of them without it

    Returns None where even those are too many.
    """
    served = observed.costs if dearest is None else observed.costs[observed.costs <= dearest]
    if len(served) > FINEST:
        served = hull_costs(served, observed.counts[: len(served)])
    if len(served) > FINEST:
        return None
    return find_outcomes(observed, [form_groups(observed, served)], network, scheme)[0]


def _pad(grouping: Grouping, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares and types [size]: the last type again and again, of no devices, so that all have one shape."""
    more = size - len(grouping.cost)
    types = grouping.device_types
    return np.pad(grouping.type_probs, (0, more)), np.pad(types, (0, more), mode="edge")


@partial(jax.jit, static_argnums=0)
def _make_menus(scheme: Scheme, system: jc.System, states: jc.NetworkState) -> dict[str, jax.Array]:
    """Items [n, K] from the dearest type on, with their quality of data, and U_B [n]."""

    def one(state):
        contract = scheme(system, state)
        return {
            "frequency": contract.frequency,
            "payment": contract.payment,
            "quality": jc.quality_of_data(system, state, contract.frequency),
            "utility": jc.station_utility(system, state, contract),
        }

    menus: dict[str, jax.Array] = jax.vmap(one)(states)
    return menus


def _measure_choices(
    observed: Observed,
    grouping: Grouping,
    menu: Mapping[str, np.ndarray],
    modelled: float,
    network: Mapping[str, float],
) -> Outcome:
    """Let the observed devices choose: menu [G], in the order of the grouping."""
    size, counts = len(grouping.cost), observed.counts
    profit = network["unit_profit"] * menu["quality"] - menu["payment"]
    earned, taking_part, as_meant = 0.0, 0, 0
    tie = EXACT_TOLERANCE * max(1.0, float(menu["payment"].max()))
    step = max(1, TABLE // size)
    for start in range(0, len(observed.costs), step):
        part = slice(start, start + step)
        # What is in no group gains from no item, the dearest group's included.
        costs, meant = observed.costs[part], np.minimum(grouping.member[part], size - 1)
        item = choose_items(costs, meant, menu["frequency"], menu["payment"], tie)
        takes = item >= 0
        earned += float(counts[part][takes] @ profit[item[takes]])
        taking_part += int(counts[part][takes].sum())
        as_meant += int(counts[part][item == grouping.member[part]].sum())
    devices = observed.num_devices
    return Outcome(
        num_types=size,
        modelled=float(modelled) * grouping.covered,
        observed=float(network["num_devices"]) * earned / devices,
        taking_part=taking_part / devices,
        as_meant=as_meant / devices,
    )


def choose_items(
    costs: np.ndarray,
    meant: np.ndarray,
    frequency: np.ndarray,
    payment: np.ndarray,
    tolerance: float = EXACT_TOLERANCE,
) -> np.ndarray:
    """The item [D] that a device of each cost [D] takes of a menu [G], or −1: as `jaxcontract.chosen_items`.

    meant: [D]  the item that wins a tie. Many devices, few items: a table [D, G], where `chosen_items`
    has one of devices by devices.
    """
    utilities = payment[None, :] - costs[:, None] * frequency[None, :]
    best = utilities.max(axis=1)
    own = utilities[np.arange(len(costs)), meant]
    item: Any = np.where(best - own > tolerance, utilities.argmax(axis=1), meant)
    return np.where(best < -tolerance, -1, item)
