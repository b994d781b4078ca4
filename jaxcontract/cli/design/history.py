"""What observed costs say of the number of types: their groups, and what fewer types lose."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jaxcontract.cli.design.grouping import MOST_TYPES, Grouping, group, group_rows
from jaxcontract.cli.design.inputs import stream_networks
from jaxcontract.cli.design.observed import Observed
from jaxcontract.cli.design.request import Request
from jaxcontract.storage.files import write_csv


def show_history(request: Request, observed: Observed, grouping: Grouping, console: Any) -> None:
    """How the observed costs were grouped."""
    from jaxcontract.cli.design.showing import grouping_table

    console.print(grouping_table(observed, grouping, request.types or 0))
    console.print()


def study_history(
    request: Request, observed: Observed, grouping: Grouping, out: Path, console: Any
) -> Callable[[], None]:
    """What the number of types costs, printed and written: what draws it."""
    from jaxcontract.cli.design.resolution import choose_sizes, find_finest, find_outcomes
    from jaxcontract.cli.design.showing import resolution_table
    from jaxcontract.cli.design.solving import Exact

    block = next(stream_networks(request, grouping))
    network = {name: float(column[0]) for name, column in block.fields.items() if column.ndim == 1}
    scheme = Exact.from_name("optimum" if request.policy else request.scheme).scheme
    sizes, beyond = choose_sizes(observed, len(grouping.cost), MOST_TYPES[request.grouping])
    groupings = [group(observed, size, request.grouping, request.group_cost) for size in sizes]
    found, best = find_outcomes(observed, groupings, network, scheme), find_finest(observed, network, scheme)
    rows = list(dict.fromkeys(found))  # where many devices cost the same, more types may be no other groups
    if best:
        rows = [*(row for row in rows if row.num_types < best.num_types), best]
    console.print(resolution_table(rows, best, observed.word))
    if beyond:
        left_out = ", ".join(map(str, beyond))
        most = MOST_TYPES[request.grouping]
        console.print(f"left out: {left_out} types; --grouping {request.grouping} takes at most {most}")
    write_csv(out / "resolution.csv", [row._asdict() for row in rows])
    write_csv(out / "grouping.csv", group_rows(observed, grouping))
    return partial(draw_history, observed, grouping, found, best, out)


def draw_history(observed: Observed, grouping: Grouping, found: Sequence[Any], best: Any, out: Path) -> None:
    """`grouping.png` of the groups, and of what the number of types costs."""
    from jaxcontract import figures

    curve = figures.Resolution(
        [one.num_types for one in found],
        [one.observed for one in found],
        [one.modelled for one in found],
        best.observed if best else float("nan"),
    )
    grouped = figures.GroupedCosts(
        observed.costs, observed.counts, grouping.highest, grouping.cost, observed.word
    )
    figures.save(figures.grouping(grouped, curve), out / "grouping")
