"""From your network to its contract: item by item, certified, beside what complete information would give."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcontract.cli.design.columns import Remarks
from jaxcontract.cli.design.grouping import (
    MOST_TYPES,
    STAND_FOR,
    WAYS,
    Grouping,
    Observed,
    group,
    group_rows,
    read_costs,
)
from jaxcontract.cli.design.networks import Networks, networks
from jaxcontract.cli.design.writing import ITEMS, NETWORKS, Found, Tables, Totals, as_record
from jaxcontract.cli.options import OneLineParser, count, path
from jaxcontract.cli.pictures import attempt
from jaxcontract.storage.files import write_csv, write_json
from jaxcontract.storage.run_directory import close_run, open_run
from jaxcontract.training.devices import require_device

EPILOG = """\
network files:
  .json   {"system": {constants}, "states": [{"max_aoi": 0.95, "max_latency": 0.73,
           "type_probs": [0.84, 0.16], "device_types": [2, 12]}, ...]}
  .jsonl  one such state on each line
  .csv    columns max_aoi, max_latency, type_probs_1, ..., device_types_1, ...; .tsv the same
  max_aoi and max_latency in seconds; type_probs sum to 1; device_types ascend, each 1 / the cost of an
  update per slot. The constants num_devices, aoi_preference, unit_profit, slot_duration, min_frequency and
  max_frequency may stand beside them, as columns too; the paper's are taken for what is left out.
  Networks are called by their row in the file; the header of a .csv file is row 1, or 2 behind sep=.

observed costs: such a file with a column named cost, a row for each device

how files are read; what is not plain to see is said in one line and in contract.json:
  cells     separated by commas, semicolons or tabs: whatever stands between the names, or sep=; before them
  names     in either case; other columns (name, note) are not read, names like ours are refused as slips
  numbers   0.5, .5, 1.5e-3; with decimal commas where no number has a point. 1,234 may be a thousand: refused
            unless another number shows the comma to be decimal; so is 1.234 where no commas separate cells.
            No 1_000, 1 000, 50%, 0x10, nan, inf, 1e400, and no digits but 0 to 9
  rows      as long as the header, but for empty cells behind the last name; blank rows do not count
  JSON      numbers are no text; no key twice, no comma too many

examples, from the root of the repository:
  python experiments/design_contract.py experiments/examples/network.json
  python experiments/design_contract.py experiments/examples/network.json --integer-cycles
  python experiments/design_contract.py experiments/examples/networks.csv --policy runs/first/policy
  python experiments/design_contract.py experiments/examples/network.json \\
      --history experiments/examples/costs.csv --types 4

It writes contract.json, items.csv, networks.csv and contract.png; with --history also grouping.csv,
resolution.csv and grouping.png.

A policy of a seed that diverged is refused.

exit codes: 0 done, 2 bad input, a directory in use, or no device of the kind that JAX_PLATFORMS asks for,
3 a contract is not feasible, or no contract has a quality of data, 5 the results could not be written,
130 interrupted
"""
SHOWN = 3  # networks up to which every contract is printed item by item; as many are drawn
DRAWN = 32  # types
IN_JSON = 1000  # items up to which contract.json holds networks, one at least; the CSV files hold all


class Request(NamedTuple):
    """What a person asked for on the command line."""

    network: Path
    history: Path | None
    types: int | None
    grouping: str
    group_cost: str
    integer_cycles: bool
    policy: Path | None
    out: Path | None

    @property
    def scheme(self) -> str:
        return "learned" if self.policy else "whole cycles" if self.integer_cycles else "optimum"

    @property
    def configuration(self) -> dict[str, Any]:
        """All that makes the contracts, for `config.json`."""
        asked = {name: value for name, value in self._asdict().items() if name != "out"}
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
        return {"jaxcontract": version("jaxcontract"), **plain}


def parse(arguments: Sequence[str] | None = None) -> Request:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog="design_contract.py", description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("network", type=path, metavar="NETWORK", help="file of one or many networks: .json, .jsonl or .csv")
    add("--history", type=path, metavar="FILE", help="observed update costs, to group into types")
    add("--types", type=count, metavar="K", help="how many types to group them into")
    add(
        "--grouping",
        choices=tuple(WAYS),
        help="quantiles: as many devices in each (default); kmeans: least squares",
    )
    add(
        "--group-cost",
        choices=STAND_FOR,
        help="the cost that a group stands for. highest (default): all take part; mean: some stay out",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--integer-cycles", action="store_true", help="the best contract of whole-number cycles"
    )
    kinds.add_argument(
        "--policy", type=path, metavar="DIR", help="the contract of a trained policy, with its regret"
    )
    add("--out", type=path, metavar="DIR", help="a new directory to write to (default runs/contract-<time>)")
    parsed = parser.parse_args(arguments)
    for option in ("types", "grouping", "group_cost"):
        if getattr(parsed, option) and not parsed.history:
            parser.error(f"--{option.replace('_', '-')}: goes with --history")
    if parsed.history and not parsed.types:
        parser.error("--history: goes with --types K")
    defaults = {"grouping": parsed.grouping or "quantiles", "group_cost": parsed.group_cost or STAND_FOR[0]}
    return Request(**{**vars(parsed), **defaults})


class Input(NamedTuple):
    """What has been read, all of it found in order.

    total, num_types: how many networks there are, of how many types
    read_as: how each file was read where that is not plain to see, by its path
    """

    total: int
    num_types: int
    read_as: Mapping[str, list[str]]
    observed: Observed | None = None
    grouping: Grouping | None = None


class Shown(NamedTuple):
    """A network, by its place in its block, with what was found for it."""

    networks: Networks
    found: Found
    place: int
    slacks: tuple[float, float]  # the least of IR and of IC, NaN of very many types


def main(arguments: Sequence[str] | None = None) -> int:
    request = parse(arguments)
    try:
        given = read(request)
        require_device()
        contracts = chooser(request, given.num_types)
        opened = open_run(request.out, "contract", request.configuration)
        try:
            if opened.state != "new":
                raise ValueError(f"--out {opened.path}: is not empty; name a new directory")
            return run(request, given, contracts, opened.path)
        finally:
            close_run(opened)
    except ValueError as error:
        return failed(2, f"error: {error}")
    except OSError as error:
        return failed(5, f"error: the results could not be written ({error})")
    except KeyboardInterrupt:
        return failed(130, "interrupted")


def failed(code: int, message: str) -> int:
    """Say in one line what is wrong: the exit code."""
    say(message)
    return code


def say(line: str) -> None:
    """Tell a person what is amiss."""
    print(f"design_contract.py: {line}", file=sys.stderr)


def read(request: Request) -> Input:
    """Read and check everything, before JAX is imported. Raises ValueError."""
    observed = grouping = None
    remarks = {str(path): Remarks() for path in (request.network, request.history) if path}
    if request.history and request.types:
        observed = read_costs(request.history, remarks[str(request.history)])
        grouping = group(observed, request.types, request.grouping, request.group_cost)
    total, num_types = 0, 0
    for block in source(request, grouping, remarks[str(request.network)]):
        total += len(block.rows)
        num_types = block.fields["type_probs"].shape[1]
    if request.history and total > 1:
        raise ValueError(f"{request.network}: --history goes with one network, this file has {total:,}")
    read_as = {path: said for path, one in remarks.items() if (said := one.as_list())}
    return Input(total, num_types, read_as, observed, grouping)


def source(request: Request, grouping: Grouping | None, remarks: Remarks | None = None) -> Iterator[Networks]:
    """The networks, block by block; of the types that were observed, where there are any."""
    for block in networks(request.network, typed=grouping is None, remarks=remarks):
        if grouping is None:
            yield block
            continue
        types = {"type_probs": grouping.type_probs, "device_types": grouping.device_types}
        rows = len(block.rows)
        yield block._replace(
            fields=block.fields | {name: np.tile(column, (rows, 1)) for name, column in types.items()}
        )


def chooser(request: Request, num_types: int) -> Any:
    """What gives a network its contract. Raises ValueError when it is a policy that will not do."""
    from jaxcontract.cli.design.solving import Exact, Learned

    if request.policy:
        from jaxcontract.storage.policy_files import refuse_diverged

        refuse_diverged(request.policy)
        return Learned.load(request.policy, num_types)
    return Exact.named(request.scheme)


def run(request: Request, given: Input, contracts: Any, out: Path) -> int:
    """Solve, write and print: the exit code."""
    from jaxcontract.cli.console import make_console

    console = make_console()
    for file, said in given.read_as.items():
        console.print(f"{file}: {'; '.join(said)}", soft_wrap=True, markup=False)
    if given.observed and given.grouping:
        show_history(request, given.observed, given.grouping, console)
    totals, shown = solve(request, given, contracts, out)
    show_contracts(request, totals, shown, contracts, console)
    written = ["contract.json", ITEMS, NETWORKS]
    served = [one for one in shown if one.found["any_quality"][one.place]]
    pictures: dict[str, Callable[[], None]] = {}
    if served:
        pictures["contract.png"] = partial(draw_contracts, request, totals["networks"], served, out)
    if given.observed and given.grouping and not shown[0].found["any_quality"][0]:
        write_csv(out / "grouping.csv", group_rows(given.observed, given.grouping))
        written.append("grouping.csv")
    elif given.observed and given.grouping:
        pictures["grouping.png"] = study_history(request, given.observed, given.grouping, out, console)
        written += ["grouping.csv", "resolution.csv"]
    for name, draw in pictures.items():
        written += attempt(name, draw, say)
    console.print(f"\nwritten to {out}/: {', '.join(written)}", soft_wrap=True)
    return 0 if totals["feasible"] == totals["networks"] else 3


def solve(request: Request, given: Input, contracts: Any, out: Path) -> tuple[dict[str, Any], list[Shown]]:
    """Every network's contract, written as it comes: the totals, and the first few networks."""
    from jaxcontract.cli.design.solving import Solver, least_slacks

    solver, totals, unlike = Solver(contracts), Totals(), 0
    shown: list[Shown] = []
    records: list[dict[str, Any]] = []
    most = max(1, IN_JSON // given.num_types)
    with Tables(out) as tables:
        for block in source(request, given.grouping):
            found = solver(block)
            tables.add(block, found)
            totals.add(block, found)
            unlike += int(contracts.unlike(block).sum())
            places = range(len(block.rows))
            first = places[: SHOWN - len(shown)]
            shown += [Shown(block, found, index, least_slacks(block, found, index)) for index in first]
            records += [as_record(block, found, index) for index in places[: most - len(records)]]
    summed = {"contracts": request.scheme, "read_as": given.read_as, **totals.as_dict()}
    summed["unlike_training"] = unlike
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


def show_history(request: Request, observed: Observed, grouping: Grouping, console: Any) -> None:
    """How the observed costs were grouped."""
    from jaxcontract.cli.design.showing import grouping_table

    console.print(grouping_table(observed, grouping, request.types or 0))
    console.print()


def study_history(
    request: Request, observed: Observed, grouping: Grouping, out: Path, console: Any
) -> Callable[[], None]:
    """What the number of types costs, printed and written: what draws it."""
    from jaxcontract.cli.design.resolution import finest, outcomes, sizes_for
    from jaxcontract.cli.design.showing import resolution_table
    from jaxcontract.cli.design.solving import Exact

    block = next(source(request, grouping))
    network = {name: float(column[0]) for name, column in block.fields.items() if column.ndim == 1}
    scheme = Exact.named("optimum" if request.policy else request.scheme).scheme
    sizes, beyond = sizes_for(observed, len(grouping.cost), MOST_TYPES[request.grouping])
    groupings = [group(observed, size, request.grouping, request.group_cost) for size in sizes]
    found, best = outcomes(observed, groupings, network, scheme), finest(observed, network, scheme)
    rows = list(dict.fromkeys(found))  # where many devices cost the same, more types may be no other groups
    if best:
        rows = [*(row for row in rows if row.num_types < best.num_types), best]
    console.print(resolution_table(rows, best))
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
    grouped = figures.GroupedCosts(*observed, grouping.highest, grouping.cost)
    figures.save(figures.grouping(grouped, curve), out / "grouping")
