"""What an engineer must know before offering a contract: bounds that bind, losses, no quality. No JAX."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxcontract.cli.design.network_rows import CONSTANTS, NetworkRows
from jaxcontract.cli.design.writing import BOUNDS, Found, list_bound_types, loses


def no_quality(networks: NetworkRows, index: int) -> str:
    """The one line for a network that no contract can serve."""
    slot = networks.fields["slot_duration"][index]
    return (
        f"Row {networks.rows[index]}: no contract has a quality of data: with slots of t = {slot:g} s it is "
        "never fresh enough for these max_aoi and max_latency"
    )


def bound_lines(networks: NetworkRows, found: Found, index: int, scheme: str) -> list[str]:
    """Which bounds on f hold which items, in one line; and in another whether the base station loses."""
    limits = {name: f"{name} = {networks.fields[name][index]:g}" for name in BOUNDS.values()}
    size, held = found["frequency"].shape[1], list_bound_types(found, index)
    verb = "holds" if scheme == "learned" else "binds for"
    parts = [f"{limits[name]} {verb} {list_types(types, size)}" for name, types in held.items() if types]
    if len(held[BOUNDS[-1]]) == size > 1:
        parts = [f"all {size} items stand at {limits[BOUNDS[-1]]}, which does not tell the types apart"]
    lines = [f"bounds on f: {', '.join(parts)}{_without(found, index, scheme)}"] if parts else []
    if loses(found)[index]:
        earned = float(found["station_utility"][index])
        to_each = float(networks.fields["type_probs"][index] @ found["payment"][index])
        paid = float(networks.fields["num_devices"][index]) * to_each
        why = "the quality of data itself is below zero"
        why = "costs and unit_profit must be in one unit" if paid > abs(earned + paid) else why
        lines.append(f"the base station loses {-earned:.4f}, and offering nothing is better: {why}")
    return lines


def _without(found: Found, index: int, scheme: str) -> str:
    """What a scheme would earn with the widest bounds on f; of a policy that is not known."""
    if scheme == "learned":
        return ""
    low, high = (CONSTANTS[name].metadata["allowed"] for name in BOUNDS.values())
    free = float(found["utility_without_bounds"][index])
    return f"; with f between {low.low:g} and {high.high:g} the base station would earn {free:.4f}"


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
