"""What observed costs say of the number of types: their groups, and what fewer types lose."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.design.choosing import Study
from jaxcontract.cli.design.grouping import MOST_TYPES, Grouping, form_groups, group, group_rows
from jaxcontract.cli.design.held_out import GAIN
from jaxcontract.cli.design.request import Request
from jaxcontract.storage.files import write_csv


def show_history(request: Request, found: Study, console: Any) -> None:
    """How the observed costs were grouped."""
    from jaxcontract.cli.design.showing import grouping_table

    ties = request.grouping != "best"
    asked = request.types or 0
    console.print(grouping_table(found.observed, found.grouping, asked if ties else 0))
    whole = not console.is_terminal
    if found.said or found.remarks:
        console.print("\n".join([*found.said, *found.remarks]), soft_wrap=whole)
    console.print()


def study_history(request: Request, found: Study, out: Path, console: Any) -> Callable[[], None]:
    """What the number of types costs, printed and written: what draws it."""
    from jaxcontract.cli.design.resolution import find_finest, find_outcomes
    from jaxcontract.cli.design.showing import held_out_note, resolution_table
    from jaxcontract.cli.design.solving import Exact

    observed, network = found.observed, found.network
    scheme = Exact.from_name("optimum" if request.policy else request.scheme).scheme
    groupings, beyond = _group_in_sizes(request, found)
    outcomes = find_outcomes(observed, groupings, network, scheme)
    dearest = _find_dearest(request, found)
    best = find_finest(observed, network, scheme, dearest)
    # Where many devices cost the same, more types may be no other groups.
    rows = list(dict.fromkeys(outcomes))
    if best:
        rows = [*(row for row in rows if row.num_types < best.num_types), best]
    held_out: list[dict[str, float]] = [{} for _ in rows]
    if found.held_out:
        held_out = [found.held_out.describe(row.num_types, network["num_devices"]) for row in rows]
    console.print(resolution_table(rows, best, held_out, observed.word))
    if found.held_out:
        note = held_out_note(found.held_out, observed.num_devices, observed.word)
        console.print(note, soft_wrap=not console.is_terminal)
    if beyond:
        left_out = ", ".join(map(str, beyond))
        most = MOST_TYPES[request.grouping]
        console.print(f"left out: {left_out} types; --grouping {request.grouping} takes at most {most}")
    cells = [{**row._asdict(), **_empty(more)} for row, more in zip(rows, held_out, strict=True)]
    write_csv(out / "resolution.csv", cells)
    write_csv(out / "grouping.csv", group_rows(observed, found.grouping))
    return partial(draw_history, found, outcomes, best, out)


def _group_in_sizes(request: Request, found: Study) -> tuple[list[Grouping], list[int]]:
    """The groups of some numbers of types, and the numbers that there are no groups for."""
    from jaxcontract.cli.design.resolution import choose_sizes

    observed, size = found.observed, request.types or len(found.grouping.cost)
    if found.menus:
        sizes, _ = choose_sizes(observed, size, len(found.menus))
        ends = [found.menus[one - 1].highest for one in sizes]
        return [form_groups(observed, one, request.group_cost) for one in ends], []
    sizes, beyond = choose_sizes(observed, len(found.grouping.cost), MOST_TYPES[request.grouping])
    return [group(observed, one, request.grouping, request.group_cost) for one in sizes], beyond


def _find_dearest(request: Request, found: Study) -> float | None:
    """The highest cost that the best of all menus serves, where it may leave some out."""
    if not (request.leave_out and found.solve):
        return None
    from jaxcontract.mechanism.best_menus import find_dearest_served

    return find_dearest_served(found.observed.costs, found.observed.counts, found.solve)


def _empty(columns: Mapping[str, float]) -> dict[str, float | str]:
    """An empty cell for a number that there is not."""
    return {name: value if np.isfinite(value) else "" for name, value in columns.items()}


def draw_history(found: Study, outcomes: Sequence[Any], best: Any, out: Path) -> None:
    """`grouping.png` of the groups, and of what the number of types costs."""
    from jaxcontract import figures

    gains = None
    if found.held_out:
        devices = found.network["num_devices"]
        described = [found.held_out.describe(one.num_types, devices) for one in outcomes]
        gains = [[one[name] for one in described] for name in GAIN]
    curve = figures.Resolution(
        [one.num_types for one in outcomes],
        [one.observed for one in outcomes],
        [one.modelled for one in outcomes],
        best.observed if best else float("nan"),
        gains,
    )
    observed, grouping = found.observed, found.grouping
    grouped = figures.GroupedCosts(
        observed.costs, observed.counts, grouping.highest, grouping.cost, observed.word
    )
    figures.save(figures.grouping(grouped, curve), out / "grouping")
