"""What an engineer must know before offering a contract: bounds that bind, losses, one item. No JAX."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxcontract.cli.design.writing import (
    BOUNDS,
    Decades,
    Found,
    are_dear,
    earns_less_than_one_item,
    is_one_item,
    list_bound_types,
    loses,
)
from jaxcontract.cli.input_files.network_rows import CONSTANTS, NetworkRows

ROUNDING = 1e-12  # of U_B


def no_quality(networks: NetworkRows, index: int) -> str:
    """The one line for a network that no contract can serve."""
    slot = networks.fields["slot_duration"][index]
    return (
        f"Row {networks.rows[index]}: no contract has a quality of data: with slots of t = {slot:g} s it is "
        "never fresh enough for these max_aoi and max_latency"
    )


def network_remarks(
    networks: NetworkRows, found: Found, index: int, scheme: str, decades: Decades
) -> list[str]:
    """What to know before offering a contract: bounds on f that hold items, a loss, items that are all one.

    decades: what wider bounds would earn, by the name of the bound
    """
    if not np.isfinite(found["station_utility"][index]):
        return []
    lines, held = _bound_lines(networks, found, index, scheme, decades), list_bound_types(found, index)
    size = found["frequency"].shape[1]
    if loses(found)[index]:
        lines.append(_tell_loss(networks, found, index))
    if are_dear(networks, found)[index]:
        cost, worth = 1 / networks.fields["device_types"][index, -1], found["greatest_worth"][index]
        lines.append(
            f"an update in every slot costs the cheapest type {cost:.4g}, and no data is worth more than "
            f"{worth:.4g}: costs and unit_profit must be in one unit"
        )
    if is_one_item(found)[index] and all(len(types) < size for types in held.values()):
        who = "the policy offers" if scheme == "learned" else "the optimum is"
        lines.append(f"{who} one item for all {size} types: telling them apart earns nothing here")
    if earns_less_than_one_item(found)[index]:
        more = found["pooled"][index] - found["station_utility"][index]
        lines.append(f"one item for all types would earn {more:.4g} more than this contract")
    return lines


def _bound_lines(networks: NetworkRows, found: Found, index: int, scheme: str, decades: Decades) -> list[str]:
    """Which bounds on f hold which items, and what wider ones would earn: one line or none."""
    limits = {name: f"{name} = {networks.fields[name][index]:g}" for name in BOUNDS.values()}
    size, held = found["frequency"].shape[1], list_bound_types(found, index)
    verb = "holds" if scheme == "learned" else "binds for"
    parts = [f"{limits[name]} {verb} {list_types(types, size)}" for name, types in held.items() if types]
    for name, types in held.items():
        if len(types) == size:
            apart = (
                f" ({size} of them), which does not tell the types apart" if size > 1 else ", the only one"
            )
            parts = [f"all items stand at {limits[name]}{apart}"]
    if not parts:
        return []
    wider = [_tell_decades(name, *decades[name]) for name in decades]
    if len(decades) > 1:
        low, high = (CONSTANTS[name].metadata["allowed"] for name in BOUNDS.values())
        free = float(found["utility_without_bounds"][index])
        wider.append(f"f between {low.low:g} and {high.high:g} would earn {free:+.4f}")
    return [f"bounds on f: {'; '.join([', '.join(parts), *wider])}"]


def _tell_decades(name: str, values: np.ndarray, earned: np.ndarray) -> str:
    """What the next decade of a bound would earn, and which decade the most."""
    most = int(np.argmax(earned >= earned.max() - ROUNDING * abs(earned.max())))
    told = f"{name} {values[0]:g} would earn {earned[0]:+.4f}"
    return told if most == 0 else f"{told}, and {values[most]:g} the most, {earned[most]:+.4f}"


def _tell_loss(networks: NetworkRows, found: Found, index: int) -> str:
    earned = float(found["station_utility"][index])
    to_each = float(networks.fields["type_probs"][index] @ found["payment"][index])
    paid = float(networks.fields["num_devices"][index]) * to_each
    why = "the quality of data itself is below zero"
    why = "costs and unit_profit must be in one unit" if paid > abs(earned + paid) else why
    return f"the base station loses {-earned:.4f}, and offering nothing is better: {why}"


def list_types(types: Sequence[int], size: int) -> str:
    """Numbers of types as `types 1 to 3 and 7 of 8`."""
    if len(types) == size:
        return f"all {size} types" if size > 1 else "the one type"
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in _runs(types)]
    told = ", ".join(parts[:5]) + f" and {len(parts) - 5} more" * (len(parts) > 5)
    return f"type{'s' * (len(types) > 1)} {told} of {size}"


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    """Neighbouring whole numbers together, ascending."""
    groups = itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    return [[number for _, number in group] for _, group in groups]


def total_lines(totals: Mapping[str, Any], scheme: str) -> list[str]:
    """The same of many networks, in how many each is so."""
    lines = []
    told = [
        f"{name} {'holds items' if scheme == 'learned' else 'binds'} in {totals[f'{name}_binding']:,}"
        for name in BOUNDS.values()
        if totals[f"{name}_binding"]
    ]
    if told:
        one = totals["all_at_min_frequency"]
        every = f", for all types in {one:,}" * (one > 0)
        lines.append(f"bounds on f: {', '.join(told)} of {totals['networks']:,} networks{every}")
    if totals["one_item"]:
        lines.append(
            f"one item for all types in {totals['one_item']:,}: telling them apart earns nothing there"
        )
    if totals["below_one_item"]:
        lines.append(
            f"one item for all types would earn more than the contract in {totals['below_one_item']:,} of "
            f"{totals['networks']:,} networks"
        )
    if totals["dear_everywhere"]:
        lines.append(
            f"an update in every slot costs each type ten times what any data is worth in "
            f"{totals['dear_everywhere']:,}: are costs and unit_profit in one unit?"
        )
    if totals["losing"]:
        lines.append(
            f"the base station loses in {totals['losing']:,}, where offering nothing is better: are costs "
            "and unit_profit in one unit?"
        )
    if totals["without_quality"]:
        lines.append(
            f"no contract has a quality of data in {totals['without_quality']:,}, the first of them row "
            f"{totals['first_without_quality_row']}: with such slots it is never fresh enough"
        )
    return lines
