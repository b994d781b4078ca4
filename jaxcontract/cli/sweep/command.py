"""Train a grid of settings, each with the same seeds: one compiled program for all that differ in numbers."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcontract.cli.options import OneLineParser, given_options, path
from jaxcontract.cli.processes.options import read_joining
from jaxcontract.cli.program import Program, name_command
from jaxcontract.cli.setting_options import add_setting_options, find_owner
from jaxcontract.cli.sweep.grid import Grid, Places, each_setting, read_grid
from jaxcontract.cli.train.command import Options
from jaxcontract.cli.train.options import ANEW, add_run_options, read_watching
from jaxcontract.cli.train.request import Request, request_new_run, request_told
from jaxcontract.cli.train.waves.command import run_large
from jaxcontract.cli.train.waves.members import Point
from jaxcontract.storage.run_directory import read_run
from jaxcontract.training.processes import ALONE, Processes

PROGRAM = name_command("sweep")
EPILOG = """\
examples:
  PROGRAM --sweep learning_rate=1e-3,3e-3,1e-2 --seeds 20
  PROGRAM --sweep num_types=2,8 --sweep unit_profit=50,100,200 --seeds 5
  PROGRAM --sweep "hidden_sizes=64,64;32" --seeds 5      values with commas stand between semicolons
  PROGRAM grid.toml --seeds 20 --out runs/grid
  PROGRAM --resume runs/grid                             goes on where that sweep stopped

grid.toml names options of `train` with underscores, each with a list of values:
  learning_rate = [1e-3, 3e-3, 1e-2]
  hidden_sizes = [[64, 64], [32]]

Every combination of the values is trained with the same seeds; the other options are those of `train`.
Settings that differ in numbers share a compiled program; sizes and names of another kind compile anew. A
seed that diverges, or a setting that the device cannot hold, is a row that says so, and the others go on.
In several processes (`launch -n 2 -- sweep ...`) each trains its share of every wave; there a setting that
the device cannot hold ends the run.

writes results.csv (a row for each seed of each setting, as its wave ends), curves.csv (quantiles over the
seeds), sweep.png, settings/ (the curves of each, for `plot`), waves/ (policies) and summary.json.

exit codes: those of `train`; 3 where a seed diverged or a setting failed
"""


def parse(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> tuple[list[Point], Grid]:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    return make_points(read_options(arguments, program), arguments, program)


def read_options(arguments: Sequence[str] | None, program: Program) -> Options:
    """Read the command line, and no file; on bad input, one line and exit code 2."""
    parser = make_parser(arguments, program)
    parsed = parser.parse_args(arguments)
    try:
        return Options(parsed, given_options(parser, arguments), parser, read_joining(parsed))
    except ValueError as error:
        parser.error(str(error))


def make_points(
    options: Options, arguments: Sequence[str] | None, program: Program
) -> tuple[list[Point], Grid]:
    """The settings asked for, and the grid, of the files too; on bad input, one line and exit code 2."""
    parsed, given = options.parsed, options.given
    try:
        read_watching(parsed).check_installed()
        if parsed.resume:
            others = given - ANEW
            if others or parsed.grid:
                option = "--" + min(others).replace("_", "-") if others else str(parsed.grid)
                raise ValueError(
                    f"{option}: --resume goes on with a sweep as it was asked for; leave this out"
                )
            return read_points(parsed)
        if parsed.init_from:
            raise ValueError("--init-from: not with a sweep")
        grid, places = read_grid(parsed.grid, parsed.sweep)
        refuse_names(grid, places, given)
        points = [
            Point(request_setting(values, places, parsed.grid, arguments, program), values)
            for values in each_setting(grid)
        ]
        refuse_twins(points)
    except ValueError as error:
        options.parser.error(str(error))
    return points, grid


def make_parser(arguments: Sequence[str] | None, program: Program, source: Path | str = "") -> OneLineParser:
    """The options of `train`, and what is varied. source: of the words that are not the command line's."""
    parser = OneLineParser(
        prog=program.name,
        description=__doc__,
        epilog=program.fill_in(EPILOG),
        find_owner=find_owner,
        source=source,
    )
    parser.add_argument(
        "grid",
        type=path,
        nargs="?",
        metavar="GRID",
        help="a TOML file of options, each with a list of values",
    )
    parser.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="NAME=V,V",
        help="an option of `train` and the values to give it; may be given several times",
    )
    add_run_options(parser)
    try:
        add_setting_options(parser, arguments)
    except ValueError as error:
        parser.error(str(error))
    return parser


def refuse_names(grid: Grid, places: Places, given: set[str]) -> None:
    """Raises ValueError when an option is varied that is not of a setting, or that is given too."""
    run = OneLineParser()
    add_run_options(run)
    own = {action.dest for action in run._actions}
    for name in grid:
        if name in own:
            raise ValueError(f"{places[name]}: is of the run, the same for all settings; leave it out")
        if name in given:
            raise ValueError(f"--{name.replace('_', '-')}: is varied by the sweep; leave it out")


def refuse_twins(points: Sequence[Point]) -> None:
    """Raises ValueError when two settings are one, written in two ways."""
    names: dict[str, str] = {}
    for point in points:
        twin = names.setdefault(json.dumps(point.request.setting.as_dict()), point.name)
        if twin != point.name:
            raise ValueError(f"{point.name}: is the setting {twin}, written otherwise; leave one out")


def request_setting(
    values: Mapping[str, str],
    places: Places,
    file: Path | None,
    arguments: Sequence[str] | None,
    program: Program,
) -> Request:
    """The run of one setting: the command line with these options. Raises ValueError.

    What is wrong with a value of the file is told with the file's name.
    """
    import sys

    base = list(sys.argv[2:] if arguments is None else arguments)
    of_file = [name for name in values if not places[name].startswith("--")]
    for name, value in values.items():
        if name not in of_file:
            base += as_option(name, value)
    parser = make_parser(base, program)
    refuse_kinds(parser, {name: value for name, value in values.items() if name not in of_file}, places)
    if of_file:
        parser.parse_args(base)  # so that what is wrong from here on is the file's
        base += [word for name in of_file for word in as_option(name, values[name])]
        parser = make_parser(base, program, file or "")
        refuse_kinds(parser, {name: values[name] for name in of_file}, places)
    parsed = parser.parse_args(base)
    try:
        return request_new_run(parsed)
    except ValueError as error:
        if any(name in str(error) for name in of_file):
            parser.error(str(error))
        raise


def refuse_kinds(parser: OneLineParser, values: Mapping[str, str], places: Places) -> None:
    """Raises ValueError where a flag has a value that is not true or false, or another option has one."""
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        action = next((one for one in parser._actions if option in one.option_strings), None)
        if action is None:
            continue  # which the parser tells
        is_flag = action.nargs == 0
        if is_flag != (value in ("true", "false")):
            allowed = "true or false" if is_flag else "a value, neither true nor false"
            raise ValueError(f"{places[name]} = {value}: must be {allowed}")


def as_option(name: str, value: str) -> list[str]:
    """`learning_rate`, `1e-3` → `--learning-rate 1e-3`; a flag by itself, or with `no-` before it."""
    flag = name.replace("_", "-")
    if value in ("true", "false"):
        return [f"--{'' if value == 'true' else 'no-'}{flag}"]
    return [f"--{flag}={value}"] if value.startswith("-") else [f"--{flag}", value]


def read_points(parsed: argparse.Namespace) -> tuple[list[Point], Grid]:
    """The settings of the sweep in a directory. Raises ValueError."""
    run: dict[str, Any] = read_run(parsed.resume)
    grid, settings = run.get("grid"), run.get("settings")
    if not isinstance(grid, dict) or not isinstance(settings, list):
        raise ValueError(
            f"--resume {parsed.resume}: holds no sweep; `train --resume` goes on with a training"
        )
    requests = [request_told(parsed, one)._replace(option="--resume") for one in settings]
    return [Point(*pair) for pair in zip(requests, each_setting(grid), strict=True)], grid


def main(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> int:
    """Sweep as the command line asks: the exit code."""
    options = read_options(arguments, program)

    def lead(called: Program, processes: Processes) -> int:
        points, grid = make_points(options, arguments, called)
        return run_large(points, called, processes, grid)

    if options.joining is None:
        return lead(program, ALONE)
    from jaxcontract.cli.train.several import run_as_one

    return run_as_one(options.joining, program, options.parsed, lead)
