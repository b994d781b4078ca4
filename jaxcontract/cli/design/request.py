"""What a person asks of the contract designer. No JAX."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from jaxcontract.cli.design.grouping import STAND_FOR, WAYS
from jaxcontract.cli.input_files.cost_options import (
    MEAN,
    CostOptions,
    add_cost_options,
    check_cost_options,
    unit_value,
)
from jaxcontract.cli.options import OneLineParser, count, path
from jaxcontract.cli.program import Program, name_command

PROGRAM = name_command("design")
DESCRIPTION = """\
From your network to its contract: item by item, certified, beside what complete information would give.
"""
EPILOG = """\
network files:
  .json   {"system": {constants}, "states":
          [{"max_aoi": 0.95, "max_latency": 0.73,
            "type_probs": [0.84, 0.16], "device_types": [2, 12]}, ...]}
  .jsonl  one such state on each line
  .csv    columns max_aoi, max_latency, type_probs_1, ...,
          device_types_1, ...; .tsv the same

max_aoi and max_latency in seconds; type_probs sum to 1; device_types ascend, each 1 / the cost of an update
per slot. The constants num_devices, aoi_preference, unit_profit, slot_duration, min_frequency and
max_frequency may stand beside them, as columns too; the paper's are taken for what is left out. Networks are
called by their row in the file; the header of a .csv file is row 1, or 2 behind sep=.

observed costs: such a file with a column named cost, or as --cost-column says; or a JSON list [0.12, 0.3].
With a column named device, or as --device-column says, a device counts once, at the mean of its rows or
as --device-cost says; without one, each row counts: observations. Costs are in units of payment, as
unit_profit is; in another unit, say what it is worth: --cost-unit-value. Rows without a positive number
are counted and refused, or left out by --skip-unusable; how many stands in contract.json.
Devices choose freely among the K items; --grouping best finds the K that earn most, exactly, and drops
items that earn nothing more. What each K earns is also measured on observations that its menu was not
made from (200 resamples).

devices that may walk away: --taste-scale MU, and with --rivals FILE also go elsewhere. A row of FILE is an
item that another station offers: columns frequency (updates per slot), payment and, where there are several
stations, station. A device takes the item it likes best at each. No contract earns more than the bound that
is written beside what is earned.

files: .csv, .tsv, .txt (cells as below), .json, .jsonl, all of them also packed (.csv.gz); .xlsx and .parquet
with pip install "jaxcontract[tables]"

how files are read; what is not plain to see is said in one line and in contract.json:
  cells     separated by commas, semicolons or tabs: whatever stands between the names, or sep=; before them
  names     in either case; other columns (name, note) are not read, names like ours are refused as slips
  numbers   0.5, .5, 1.5e-3; with decimal commas where no number has a point. 1,234 may be a thousand: refused
            unless another number shows the comma to be decimal; so is 1.234 where no commas separate cells.
            No 1_000, 1 000, 50%, 0x10, nan, inf, 1e400, and no digits but 0 to 9
  rows      as long as the header, but for empty cells behind the last name; blank rows do not count
  JSON      numbers are no text; no key twice, no comma too many

examples:
  PROGRAM --example > network.json   a file to begin with
  PROGRAM network.json
  PROGRAM network.json --integer-cycles
  PROGRAM networks.csv --policy runs/first
  PROGRAM network.json --taste-scale 1 --rivals offers.csv
  PROGRAM network.json --history costs.csv
  PROGRAM network.json --history costs.csv --types 4 --leave-out
  PROGRAM network.json --history log.csv --cost-column energy_J --device-column phone
  PROGRAM network.json --history log.xlsx --cost-unit-value 0.0003 --skip-unusable

It writes contract.json, items.csv, networks.csv and contract.png; with --history also grouping.csv,
resolution.csv, grouping.png and train_on.json, networks of these types to train a policy on.

A policy of a seed that diverged is refused.

remarks, a line each and in contract.json: items that stand at a bound on f, and what wider bounds would earn;
a base station that loses; costs that no data is worth; one item for all types; with --history outliers among
the costs, types of one observation, and items that earn nothing more

exit codes: 0 done, 2 bad input, a directory in use, or no device of the kind that JAX_PLATFORMS asks for,
3 a contract is not feasible, or no contract has a quality of data, 5 the results could not be written,
6 done, and with --strict: something was remarked, 130 interrupted
"""
EXAMPLE = """\
{
  "system": {"num_devices": 40, "aoi_preference": 0.75, "unit_profit": 100, "slot_duration": 0.001},
  "states": [
    {
      "max_aoi": 0.95, "max_latency": 0.73,
      "type_probs": [0.3, 0.3, 0.25, 0.15], "device_types": [2, 4, 7, 12]
    }
  ]
}
"""


class Request(NamedTuple):
    """What a person asked for on the command line."""

    network: Path
    history: Path | None
    types: int | None
    grouping: str
    group_cost: str
    leave_out: bool
    strict: bool
    integer_cycles: bool
    policy: Path | None
    out: Path | None
    cost_column: str | None
    device_column: str | None
    device_cost: float | str
    cost_unit_value: float
    skip_unusable: bool
    taste_scale: float | None
    rivals: Path | None

    @property
    def scheme(self) -> str:
        return "learned" if self.policy else "whole cycles" if self.integer_cycles else "optimum"

    @property
    def cost_options(self) -> CostOptions:
        """How the file of observed costs is read."""
        return CostOptions(
            self.cost_column,
            self.device_column,
            self.device_cost,
            self.cost_unit_value,
            self.skip_unusable,
        )

    @property
    def configuration(self) -> dict[str, Any]:
        """All that makes the contracts, for `config.json`."""
        asked = {name: value for name, value in self._asdict().items() if name != "out"}
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
        return {"jaxcontract": version("jaxcontract"), **plain}


class PrintExample(argparse.Action):
    """Prints a network file to begin with and ends, as `--help` does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(EXAMPLE, end="")
        parser.exit()


def add_options(parser: OneLineParser) -> None:
    """Add all that the command takes."""
    add = parser.add_argument
    add("network", type=path, metavar="NETWORK", help="file of one or many networks: .json, .jsonl, .csv ...")
    add("--history", type=path, metavar="FILE", help="observed update costs, to group into types")
    _add_grouping_options(parser)
    add_cost_options(parser)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--integer-cycles", action="store_true", help="the best contract of whole-number cycles"
    )
    kinds.add_argument(
        "--policy", type=path, metavar="DIR", help="the contract of a trained policy, with its regret"
    )
    add(
        "--taste-scale",
        type=unit_value,
        metavar="MU",
        help="devices may walk away: a logit choice of scale μ, units of payment, between this station, its "
        "rivals and none",
    )
    add("--rivals", type=path, metavar="FILE", help="what other stations offer, with --taste-scale")
    add("--strict", action="store_true", help="exit code 6 when there is a remark")
    add("--out", type=path, metavar="DIR", help="a new directory to write to (default runs/contract-<time>)")
    add(
        "--example",
        action=PrintExample,
        nargs=0,
        default=argparse.SUPPRESS,
        help="print a network file to begin with, and exit",
    )


def _add_grouping_options(parser: OneLineParser) -> None:
    """Add what goes with --history."""
    add = parser.add_argument
    add(
        "--types",
        type=count,
        metavar="K",
        help="how many types to group them into (default: the fewest that do no worse than the best number "
        "of types on held-out observations)",
    )
    add(
        "--grouping",
        choices=tuple(WAYS),
        help="best (default): what earns most; quantiles: as many devices in each; kmeans: least squares",
    )
    add(
        "--group-cost",
        choices=STAND_FOR,
        help="the cost that a group stands for. highest (default): all take part; mean: some stay out",
    )
    add(
        "--leave-out",
        action="store_true",
        help="leave the dearest devices without an item where that earns more; with --grouping best",
    )


def _check_choice(parser: OneLineParser, parsed: argparse.Namespace) -> None:
    """Refuse what does not go with devices that choose."""
    if parsed.rivals and parsed.taste_scale is None:
        parser.error("--rivals: goes with --taste-scale")
    for option in ("history", "policy", "integer_cycles"):
        if parsed.taste_scale is not None and getattr(parsed, option):
            parser.error(f"--taste-scale: does not go with --{option.replace('_', '-')}")


def parse(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> Request:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=program.name, description=DESCRIPTION, epilog=program.fill_in(EPILOG))
    add_options(parser)
    parsed = parser.parse_args(arguments)
    for option in ("types", "grouping", "group_cost", "leave_out"):
        if getattr(parsed, option) and not parsed.history:
            parser.error(f"--{option.replace('_', '-')}: goes with --history")
    _check_choice(parser, parsed)
    check_cost_options(parser, parsed)
    defaults = {"grouping": parsed.grouping or "best", "group_cost": parsed.group_cost or STAND_FOR[0]}
    if parsed.leave_out and list(defaults.values()) != ["best", STAND_FOR[0]]:
        parser.error("--leave-out: goes with --grouping best and --group-cost highest")
    if parsed.history and not parsed.types and (parsed.policy or defaults["grouping"] != "best"):
        found = "--policy" if parsed.policy else f"--grouping {defaults['grouping']}"
        parser.error(f"{found}: with --history, goes with --types K")
    read_by = {
        "device_cost": MEAN if parsed.device_cost is None else parsed.device_cost,
        "cost_unit_value": parsed.cost_unit_value or 1.0,
    }
    return Request(**{**vars(parsed), **read_by, **defaults})
