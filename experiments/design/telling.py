"""What an engineer must know before offering a contract: bounds that bind, losses, no quality. No JAX."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from design.networks import Networks
from design.writing import BOUNDS, Found, bound_types


def no_quality(networks: Networks, index: int) -> str:
    """The one line for a network that no contract can serve."""
    slot = networks.fields["slot_duration"][index]
    return (
        f"Row {networks.rows[index]}: no contract has a quality of data: with slots of t = {slot:g} s it is "
        "never fresh enough for these max_aoi and max_latency"
    )


def bound_lines(networks: Networks, found: Found, index: int, scheme: str) -> list[str]:
    """Which bound on f holds which items, and whether the base station loses; a line each."""
    earned = float(found["station_utility"][index])
    free = float(found["utility_without_bounds"][index])
    limits = {name: float(networks.fields[name][index]) for name in BOUNDS.values()}
    size = found["frequency"].shape[1]
    held = {name: types for name, types in bound_types(found, index).items() if types}
    verb = "items stand at it" if scheme == "learned" else "it binds"
    parts = [
        f"{name} = {limits[name]:g}: {verb} for {types_listed(types, size)}" for name, types in held.items()
    ]
    lines = []
    if parts:
        more = f"; without bounds on f {free:.4f} would be earned" if scheme != "learned" else ""
        lines.append("bounds on f: " + "; ".join(parts) + more)
    if len(held.get(BOUNDS[-1], [])) == size > 1:
        lines.append(f"all {size} items are one, at min_frequency: it does not tell the types apart")
    if earned < 0:
        lines.append(
            "the base station loses: it earns more, 0, by offering nothing; are the devices' costs and "
            "unit_profit in one unit?"
        )
    return lines


def types_listed(types: Sequence[int], size: int) -> str:
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
    if totals["losing"]:
        lines.append(
            f"the base station loses in {totals['losing']:,}, where offering nothing earns more; are the "
            "devices' costs and unit_profit in one unit?"
        )
    if totals["without_quality"]:
        lines.append(
            f"no contract has a quality of data in {totals['without_quality']:,}, the first of them row "
            f"{totals['first_without_quality_row']}: with such slots it is never fresh enough"
        )
    return lines
