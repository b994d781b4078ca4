"""The contracts of a file's networks: solved and written block by block, shown and drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.design.choosing import Study, stream_served
from jaxcontract.cli.design.inputs import Input
from jaxcontract.cli.design.outside import OutsideTotals
from jaxcontract.cli.design.request import Request
from jaxcontract.cli.design.writing import Found, Tables, Totals, make_record
from jaxcontract.cli.input_files.network_rows import NetworkRows
from jaxcontract.storage.files import write_json

SHOWN = 3  # networks up to which every contract is printed item by item; as many are drawn
DRAWN = 32  # types
IN_JSON = 1000  # items up to which contract.json holds networks, one at least; the CSV files hold all


class Shown(NamedTuple):
    """A network, by its place in its block, with what was found for it."""

    networks: NetworkRows
    found: Found
    place: int
    remarks: list[str]
    slacks: tuple[float, float] = (np.nan, np.nan)  # the least of IR and of IC; NaN: not looked at


def choose_scheme(request: Request, num_types: int) -> Any:
    """What gives a network its contract. Raises ValueError when it is a policy that will not do."""
    from jaxcontract.cli.design.solving import Exact, Learned

    if request.policy:
        from jaxcontract.storage.policy_files import refuse_diverged

        refuse_diverged(request.policy)
        return Learned.load(request.policy, num_types)
    return Exact.from_name(request.scheme)


def solve(
    request: Request, given: Input, found_of: Study | None, contracts: Any, out: Path
) -> tuple[dict[str, Any], list[Shown]]:
    """Every network's contract, written as it comes: the totals, and the first few networks.

    found_of: what was found of observed costs, where there are any
    """
    from jaxcontract.cli.design.solving import Solver, find_least_slacks

    solver, totals, outside = Solver(contracts), Totals(), OutsideTotals()
    shown: list[Shown] = []
    records: list[dict[str, Any]] = []
    num_types = len(found_of.grouping.cost) if found_of else given.num_types
    most = max(1, IN_JSON // num_types)
    with Tables(out) as tables:
        for block in stream_served(request, found_of):
            found = solver(block)
            tables.add(block, found)
            totals.add(block, found)
            if contracts.params is not None:
                outside.add(block, found, contracts.params)
            new = max(SHOWN - len(shown), most - len(records), 0)
            told = [
                _look_at(request, contracts, block, found, place, found_of)
                for place in range(len(block.rows))[:new]
            ]
            shown += [one._replace(slacks=find_least_slacks(*one[:3])) for one in told[: SHOWN - len(shown)]]
            records += [make_record(*one[:3], one.remarks) for one in told[: most - len(records)]]
    summed = {"contracts": request.scheme, "read_as": given.read_as, **totals.as_dict()}
    if request.policy:
        summed["unlike_training"] = outside.as_dict()
    if given.observed:
        summed["observed"] = dict(given.observed.record)
    summed["remarks_on_costs"] = list(found_of.remarks) if found_of else []
    left_out = given.total - len(records)
    write_json(out / "contract.json", {**summed, "left_out_here": left_out, "contract_of": records})
    summed["outside_lines"] = outside.describe(totals.count)
    return summed, shown


def _look_at(
    request: Request, contracts: Any, block: NetworkRows, found: Found, place: int, found_of: Study | None
) -> Shown:
    """One network of a block, with what is said of it."""
    from jaxcontract.cli.design.decades import find_decades
    from jaxcontract.cli.design.telling import network_remarks

    decades = find_decades(contracts, block, found, place, found_of)
    remarks = network_remarks(block, found, place, request.scheme, decades)
    return Shown(block, found, place, remarks)


def show_contracts(
    request: Request, totals: Mapping[str, Any], shown: Sequence[Shown], contracts: Any, console: Any
) -> None:
    """Few networks item by item, many in a summary."""
    from jaxcontract.cli.design.showing import items_table, summary_lines, verdict
    from jaxcontract.cli.design.telling import no_quality

    whole = not console.is_terminal  # a line of a file or a pipe stays one line
    if totals["networks"] > SHOWN:
        lines = summary_lines(totals, request.scheme, contracts.tolerance)
        console.print("\n".join(lines), soft_wrap=whole)
        shown = []
    for one in shown:
        if not one.found["any_quality"][one.place]:
            console.print(no_quality(one.networks, one.place), "", sep="\n", soft_wrap=whole)
            continue
        console.print(items_table(*one[:3], request.scheme))
        lines = verdict(one.found, one.place, request.scheme, one.slacks, one.remarks)
        console.print("\n".join(lines), "", sep="\n", soft_wrap=whole)
    for line in totals["outside_lines"]:
        console.print(line, soft_wrap=whole)


def draw_contracts(request: Request, total: int, shown: Sequence[Shown], out: Path) -> None:
    """`contract.png` of networks, each with a quality of data; of very many types some."""
    from jaxcontract.figures import Design, designs, save

    rows = []
    for block, found, place, _, slacks in shown:
        size = found["frequency"].shape[1]
        some = np.unique(np.linspace(0, size - 1, min(size, DRAWN)).round().astype(int))
        told = f"row {block.rows[place]}" + f" (of {total:,})" * (total > SHOWN)
        if len(some) < size:
            told += f", {len(some)} of its {size:,} types"
        pairs = {
            request.scheme: (found["frequency"][place, some], found["payment"][place, some]),
            "complete information": (
                found["complete_frequency"][place, some],
                found["complete_payment"][place, some],
            ),
        }
        checked = {"least slack: IR": slacks[0], "IC": slacks[1]}
        if np.isnan(slacks[0]):
            checked = {"largest violation:": float(found["max_violation"][place])}
        rows.append(Design(told, block.fields["device_types"][place, some], pairs, some + 1, checked))
    save(designs(rows), out / "contract")
