"""Contracts and groupings as a person reads them in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcontract.cli.design.grouping import Grouping, group_rows
from jaxcontract.cli.design.held_out import HeldOut
from jaxcontract.cli.design.resolution import Outcome
from jaxcontract.cli.design.telling import list_types, total_lines
from jaxcontract.cli.design.writing import Found, item_columns, take_one
from jaxcontract.cli.input_files.network_rows import NetworkRows
from jaxcontract.cli.input_files.observed import Observed
from jaxcontract.cli.text_tables import FittedTable, plain_table

MOST_ITEMS = 40  # of a table
OBSERVED = {"devices": "the observed devices", "observations": "a device for each observation"}
CHOSEN = {
    "optimum": "the exact optimum",
    "whole cycles": "the best whole-number cycles",
    "learned": "the policy",
}


def items_table(networks: NetworkRows, found: Found, index: int, scheme: str) -> FittedTable:
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
    values = item_columns(*take_one(networks, found, index))
    values["complete_cycle"] = 1.0 / values["complete_frequency"]
    told = f"Row {networks.rows[index]}: {CHOSEN[scheme]}; {_describe(networks, index)}"
    table = plain_table(told, ["type", *columns])
    for k in range(min(len(values["type"]), MOST_ITEMS)):
        cells = (_cell(values[name][k], form) for name, form in columns.values())
        table.add_row(str(k + 1), *cells)
    return table


def _cell(value: float, form: str = "{:.4f}") -> str:
    """A number, a dash where there is none."""
    told = form.format(value) if np.isfinite(value) else "-"
    return told.removeprefix("-") if told.startswith("-0") and not told.strip("-0.") else told


def _describe(networks: NetworkRows, index: int) -> str:
    one = {name: field[index] for name, field in networks.fields.items()}
    return (
        f"M = {one['num_devices']:g}, α = {one['aoi_preference']:g}, β = {one['unit_profit']:g}, "
        f"t = {one['slot_duration']:g} s, age ≤ {one['max_aoi']:g} s, latency ≤ {one['max_latency']:g} s"
    )


def verdict(
    found: Found,
    index: int,
    scheme: str,
    slacks: tuple[float, float],
    remarks: Sequence[str] = (),
) -> list[str]:
    """What the contract of one network brings, and whether it holds."""
    one = {name: float(value[index]) for name, value in found.items() if np.ndim(value[index]) == 0}
    earned, num_types = one["station_utility"], found["frequency"].shape[1]
    lines = [f"and {num_types - MOST_ITEMS} more types, in items.csv"] * (num_types > MOST_ITEMS)
    if np.isfinite(earned):
        lost = "" if scheme == "optimum" else f"; regret, what the optimum earns more: {one['regret']:.4f}"
        lines += [
            f"the base station earns {earned:.4f} per round{lost}",
            f"beside it: {_compare(one, scheme)}",
            f"a device earns {one['device_utility']:.6f} on average: its rent for the type that it hides",
            *remarks,
        ]
    else:
        lines.append(f"beside it: {_compare(one, scheme)}")
    least = f" (least slack: {_list_slacks(slacks)})" if np.isfinite(slacks[0]) else ""
    if one["feasible"]:
        held = f"{_count_constraints(num_types)} within {found['tolerance'][index]:.3g}"
        return [*lines, f"certificate, in float64: {held}{least}"]
    return [*lines, f"NOT FEASIBLE: {_explain(found, index)}{least}"]


def _count_constraints(num_types: int) -> str:
    if num_types == 1:
        return "its IR constraint holds, and of one type no IC is asked,"
    return f"all {num_types} IR and {num_types * (num_types - 1)} IC constraints hold"


def _list_slacks(slacks: tuple[float, float]) -> str:
    """IR's and IC's; of one type there is no IC."""
    named = zip(("IR", "IC"), slacks, strict=True)
    return ", ".join(f"{name} {slack:.1e}" for name, slack in named if np.isfinite(slack))


def _compare(one: Mapping[str, float], scheme: str) -> str:
    """The other contracts' U_B of the same network."""
    others = {"the optimum": "optimum", "complete information": "complete_information", "one item": "pooled"}
    if scheme == "optimum":
        del others["the optimum"]
    earned = one["station_utility"]
    return ", ".join(
        f"{title} {_cell(one[name])}"
        + (f" ({one[name] - earned:+.4f})" if np.isfinite(one[name] - earned) else "")
        for title, name in others.items()
    )


def _explain(found: Found, index: int) -> str:
    if not np.isfinite([found["frequency"][index], found["payment"][index]]).all():
        return "it has items that are no numbers"
    without = np.flatnonzero(~found["has_quality"][index]) + 1
    if without.size:
        told = list_types(without.tolist(), len(found["has_quality"][index]))
        return f"data has no quality at the frequency of {told}"
    return f"a constraint or a bound on f is missed by {found['max_violation'][index]:.2g}"


def summary_lines(totals: Mapping[str, Any], scheme: str, tolerance: float) -> list[str]:
    """Many networks in few lines."""
    count, holds = totals["networks"], totals["feasible"]
    lines = [
        f"{count:,} networks, {CHOSEN[scheme]} of each; {holds:,} feasible within {tolerance:g} in float64, "
        f"largest violation {_cell(totals['max_violation'], '{:.1e}')}",
        *total_lines(totals, scheme),
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
        f"{observed.describe(grouping.covered)}, in {size} type{'s' * (size > 1)}{fewer}; "
        f"{grouping.explained:.1%} of the variance of their costs lies between the types",
        ["type", "share", "lowest cost", "highest cost", "stands for", "phi"],
    )
    shown = ("share", "lowest_cost", "highest_cost", "stands_for", "device_type")
    for row in group_rows(observed, grouping)[:MOST_ITEMS]:
        table.add_row(str(row["type"]), *(f"{row[name]:.4g}" for name in shown))
    if size > MOST_ITEMS:
        table.add_note(f"and {size - MOST_ITEMS} more types, in grouping.csv")
    return table


def resolution_table(
    outcomes: Sequence[Outcome],
    best: Outcome | None,
    held_out: Sequence[Mapping[str, Any]],
    word: str = "devices",
) -> FittedTable:
    """What each number of types costs.

    outcomes: of growing numbers of types; best: of all menus, where that is known
    held_out: what each earns on other observations; empty where that was not measured
    word: what has been observed
    """
    measured = any(held_out)
    table = plain_table(
        f"What the number of types costs: U_B as modelled, and of {OBSERVED[word]} choosing freely",
        ["types", "as modelled", "observed", "lost", "taking part", "as meant"]
        + ["held out", "over one type (90 %)"] * measured,
    )
    top = best.observed if best else float("nan")
    for one, other in zip(outcomes, held_out, strict=True):
        amounts = map(_cell, (one.modelled, one.observed, top - one.observed))
        shares = f"{one.taking_part:.2%}", f"{one.as_meant:.2%}"
        table.add_row(str(one.num_types), *amounts, *shares, *(_held_out_cells(other) if measured else ()))
    return table


def _held_out_cells(columns: Mapping[str, Any]) -> tuple[str, str]:
    mean, gain, low, high = columns.values()
    told = f"{gain:+.4f} ({low:+.4f} to {high:+.4f})"
    return _cell(mean), _cell(gain, told) if low < high else "-"  # one type earns nothing over itself


def held_out_note(held_out: HeldOut, total: int, word: str) -> str:
    """How the held-out columns were measured. total, word: how many were observed of what"""
    count, size = len(held_out.profit), held_out.size
    of = f"{size:,} of the {total:,}" if size < total else "the"
    wider = "; intervals are those of so few" if size < total else ""
    return (
        f"held out: menus made from {count} resamples of {of} {word}, on those not drawn; who costs "
        f"more than all drawn stays out{wider}"
    )
