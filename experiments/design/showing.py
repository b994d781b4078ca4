"""Contracts and groupings as a person reads them in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from design.grouping import Grouping, Observed, group_rows
from design.networks import Networks
from design.resolution import Outcome
from design.writing import Found, item_columns, only
from jaxcontract.layout import FittedTable, plain_table

MOST_ITEMS = 40  # of a table
CHOSEN = {
    "optimum": "the exact optimum",
    "whole cycles": "the best whole-number cycles",
    "learned": "the policy",
}


def items_table(networks: Networks, found: Found, index: int, scheme: str) -> FittedTable:
    """One network's contract, item by item."""
    columns = {
        "share": ("type_prob", "{:.4g}"),
        "phi": ("device_type", "{:.4g}"),
        "cycle (slots)": ("cycle_slots", "{:.0f}" if scheme == "whole cycles" else "{:.4f}"),
        "rate (Hz)": ("rate_hz", "{:.4g}"),
        "payment": ("payment", "{:.6g}"),
        "rent": ("rent", "{:.6f}"),
        "complete inf. cycle": ("complete_cycle", "{:.4f}"),
        "its payment": ("complete_payment", "{:.6g}"),
    }
    values = item_columns(*only(networks, found, index))
    values["complete_cycle"] = 1.0 / values["complete_frequency"]
    told = f"Row {networks.rows[index]}: {CHOSEN[scheme]}; {_described(networks, index)}"
    table = plain_table(told, ["type", *columns])
    for k in range(min(len(values["type"]), MOST_ITEMS)):
        cells = (form.format(values[name][k]) for name, form in columns.values())
        table.add_row(str(k + 1), *cells)
    return table


def _described(networks: Networks, index: int) -> str:
    one = {name: field[index] for name, field in networks.fields.items()}
    return (
        f"M = {one['num_devices']:g}, α = {one['aoi_preference']:g}, β = {one['unit_profit']:g}, "
        f"t = {one['slot_duration']:g} s, age ≤ {one['max_aoi']:g} s, latency ≤ {one['max_latency']:g} s"
    )


def verdict(
    found: Found, index: int, scheme: str, slacks: tuple[float, float], tolerance: float
) -> list[str]:
    """What the contract of one network brings, and whether it holds."""
    one = {name: float(value[index]) for name, value in found.items() if np.ndim(value[index]) == 0}
    earned, num_types = one["station_utility"], found["frequency"].shape[1]
    lost = "" if scheme == "optimum" else f"; regret, what the optimum earns more: {one['regret']:.4f}"
    lines = [
        f"the base station earns {earned:.4f} per round{lost}",
        f"beside it: {_against(one, scheme)}",
        f"a device earns {one['device_utility']:.6f} on average: its rent for the type that it hides",
    ]
    if num_types > MOST_ITEMS:
        lines.insert(0, f"and {num_types - MOST_ITEMS} more types, in items.csv")
    least = "" if np.isnan(slacks[0]) else f" (least slack: IR {slacks[0]:.1e}, IC {slacks[1]:.1e})"
    if one["feasible"]:
        held = (
            f"all {num_types} IR and {num_types * (num_types - 1)} IC constraints hold within {tolerance:g}"
        )
        return [*lines, f"certificate, in float64: {held}{least}"]
    return [*lines, f"NOT FEASIBLE: {_why(found, index)}{least}"]


def _against(one: Mapping[str, float], scheme: str) -> str:
    """The other contracts' U_B of the same network."""
    others = {"the optimum": "optimum", "complete information": "complete_information", "one item": "pooled"}
    if scheme == "optimum":
        del others["the optimum"]
    earned = one["station_utility"]
    return ", ".join(f"{title} {one[name]:.4f} ({one[name] - earned:+.4f})" for title, name in others.items())


def _why(found: Found, index: int) -> str:
    if not np.isfinite(found["station_utility"][index]):
        return "data of such slots is never fresh enough to have a quality"
    return f"a constraint or a bound on f is missed by {found['max_violation'][index]:.2g}"


def summary_lines(totals: Mapping[str, Any], scheme: str, tolerance: float) -> list[str]:
    """Many networks in few lines."""
    count, holds = totals["networks"], totals["feasible"]
    lines = [
        f"{count:,} networks, {CHOSEN[scheme]} of each; {holds:,} feasible within {tolerance:g} in float64, "
        f"largest violation {totals['max_violation']:.1e}"
    ]
    if not holds:
        return lines
    earned = totals["mean_station_utility"]
    others = {"complete information": "complete_information", "one item for all": "pooled"}
    told = ", ".join(f"{title} {totals['mean_' + name] - earned:+.4f}" for title, name in others.items())
    lines.append(f"means: the base station earns {earned:.4f} per round; {told}")
    lines.append(f"a device earns {totals['mean_device_utility']:.6f}: its rent")
    if scheme != "optimum":
        mean, worst, where = (totals[name] for name in ("mean_regret", "worst_regret", "worst_regret_row"))
        lines.append(f"regret: mean {mean:.4g}, worst {worst:.4g} (row {where})")
    return lines


def grouping_table(observed: Observed, grouping: Grouping, asked: int) -> FittedTable:
    """What the groups are, the dearest first, as the types are numbered."""
    size = len(grouping.cost)
    fewer = f" (not {asked}, as many devices cost the same)" if size < asked else ""
    table = plain_table(
        f"{observed.num_devices:,} observed devices in {size} types{fewer}; "
        f"{grouping.explained:.1%} of the variance of their costs lies between the types",
        ["type", "share", "lowest cost", "highest cost", "stands for", "phi"],
    )
    for row in group_rows(observed, grouping)[:MOST_ITEMS]:
        table.add_row(str(row["type"]), *(f"{value:.4g}" for name, value in row.items() if name != "type"))
    if size > MOST_ITEMS:
        table.add_note(f"and {size - MOST_ITEMS} more types, in grouping.csv")
    return table


def resolution_table(outcomes: Sequence[Outcome], best: Outcome | None) -> FittedTable:
    """What each number of types costs."""
    table = plain_table(
        "What the number of types costs: U_B as modelled, and of the observed devices choosing freely",
        ["types", "as modelled", "observed", "lost", "taking part", "as meant"],
    )
    top = best.observed if best else float("nan")
    for one in [*outcomes, *([best] if best else [])]:
        lost = f"{top - one.observed:.4f}" if best else "-"
        shares = f"{one.taking_part:.2%}", f"{one.as_meant:.2%}"
        table.add_row(str(one.num_types), f"{one.modelled:.4f}", f"{one.observed:.4f}", lost, *shares)
    return table
