"""The contracts of a file's networks: solved and written block by block, shown and drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.design.inputs import Input, stream_networks
from jaxcontract.cli.design.network_rows import NetworkRows
from jaxcontract.cli.design.request import Request
from jaxcontract.cli.design.writing import Found, Tables, Totals, make_record
from jaxcontract.storage.files import write_json

SHOWN = 3  # networks up to which every contract is printed item by item; as many are drawn
DRAWN = 32  # types
IN_JSON = 1000  # items up to which contract.json holds networks, one at least; the CSV files hold all


class Shown(NamedTuple):
    """A network, by its place in its block, with what was found for it."""

    networks: NetworkRows
    found: Found
    place: int
    slacks: tuple[float, float]  # the least of IR and of IC, NaN of very many types


def choose_scheme(request: Request, num_types: int) -> Any:
    """What gives a network its contract. Raises ValueError when it is a policy that will not do."""
    from jaxcontract.cli.design.solving import Exact, Learned

    if request.policy:
        from jaxcontract.storage.policy_files import refuse_diverged

        refuse_diverged(request.policy)
        return Learned.load(request.policy, num_types)
    return Exact.from_name(request.scheme)


def solve(request: Request, given: Input, contracts: Any, out: Path) -> tuple[dict[str, Any], list[Shown]]:
    """Every network's contract, written as it comes: the totals, and the first few networks."""
    from jaxcontract.cli.design.solving import Solver, find_least_slacks

    solver, totals, unlike = Solver(contracts), Totals(), 0
    shown: list[Shown] = []
    records: list[dict[str, Any]] = []
    most = max(1, IN_JSON // given.num_types)
    with Tables(out) as tables:
        for block in stream_networks(request, given.grouping):
            found = solver(block)
            tables.add(block, found)
            totals.add(block, found)
            unlike += int(contracts.find_unlike(block).sum())
            places = range(len(block.rows))
            first = places[: SHOWN - len(shown)]
            shown += [Shown(block, found, index, find_least_slacks(block, found, index)) for index in first]
            records += [make_record(block, found, index) for index in places[: most - len(records)]]
    summed = {"contracts": request.scheme, "read_as": given.read_as, **totals.as_dict()}
    summed["unlike_training"] = unlike
    if given.observed:
        summed["observed"] = dict(given.observed.record)
    left_out = given.total - len(records)
    write_json(out / "contract.json", {**summed, "left_out_here": left_out, "contract_of": records})
    return summed, shown


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
        lines = verdict(*one[:3], request.scheme, one.slacks)
        console.print("\n".join(lines), "", sep="\n", soft_wrap=whole)
    if totals["unlike_training"]:
        many = f"{totals['unlike_training']:,} of {totals['networks']:,} networks"
        console.print(f"{many} are unlike those that the policy was trained on")


def draw_contracts(request: Request, total: int, shown: Sequence[Shown], out: Path) -> None:
    """`contract.png` of networks, each with a quality of data; of very many types some."""
    from jaxcontract.figures import Design, designs, save

    rows = []
    for block, found, place, slacks in shown:
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
