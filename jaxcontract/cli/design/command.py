"""From your network to its contract: item by item, certified, beside what complete information would give."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jaxcontract.cli.design.choice import run_with_choice
from jaxcontract.cli.design.choosing import Study, study
from jaxcontract.cli.design.contracts import choose_scheme, draw_contracts, show_contracts, solve
from jaxcontract.cli.design.grouping import group_rows
from jaxcontract.cli.design.history import show_history, study_history
from jaxcontract.cli.design.inputs import Input, read
from jaxcontract.cli.design.request import PROGRAM, Request, parse
from jaxcontract.cli.design.training_file import NAME as TRAINING_FILE
from jaxcontract.cli.design.training_file import write_training_file
from jaxcontract.cli.design.writing import ITEMS, NETWORKS
from jaxcontract.cli.pictures import attempt
from jaxcontract.cli.program import BAD_INPUT, DONE, INTERRUPTED, NOT_WRITTEN, PARTLY_DONE, REMARKED, Program
from jaxcontract.storage.files import write_csv
from jaxcontract.storage.run_directory import RunDirectory, abandon_run, close_run, open_run
from jaxcontract.training.devices import require_device


def main(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> int:
    """Design as the command line asks: the exit code."""
    request = parse(arguments, program)
    try:
        given = read(request)
        require_device()
        read_as = {"observed": dict(given.observed.record)} if given.observed else {}
        opened = open_run(request.out, "contract", request.configuration | read_as)
        try:
            found, contracts = prepare(request, given, opened)
        except BaseException:
            abandon_run(opened)
            raise
        try:
            return run(request, given, found, contracts, opened.path, program)
        finally:
            close_run(opened)
    except ValueError as error:
        return program.fail(BAD_INPUT, str(error))
    except OSError as error:
        return program.fail(NOT_WRITTEN, f"the results could not be written ({error})")
    except KeyboardInterrupt:
        return program.fail(INTERRUPTED, "interrupted")


def prepare(request: Request, given: Input, opened: RunDirectory) -> tuple[Study | None, Any]:
    """What was found of observed costs, and what chooses contracts. Raises ValueError."""
    if opened.state != "new":
        raise ValueError(f"--out {opened.path}: is not empty; name a new directory")
    found = study(request, given)
    return found, choose_scheme(request, len(found.grouping.cost) if found else given.num_types)


def run(
    request: Request, given: Input, found: Study | None, contracts: Any, out: Path, program: Program
) -> int:
    """Solve, write and print: the exit code."""
    if request.taste_scale is not None:
        return run_with_choice(request, given, out, program)
    from jaxcontract.cli.console import make_console

    console = make_console()
    for file, said in given.read_as.items():
        console.print(f"{file}: {'; '.join(said)}", soft_wrap=True, markup=False)
    if found:
        show_history(request, found, console)
    totals, shown = solve(request, given, found, contracts, out)
    show_contracts(request, totals, shown, contracts, console)
    written = ["contract.json", ITEMS, NETWORKS]
    served = [one for one in shown if one.found["any_quality"][one.place]]
    pictures: dict[str, Callable[[], None]] = {}
    if served:
        pictures["contract.png"] = partial(draw_contracts, request, totals["networks"], served, out)
    if found and not shown[0].found["any_quality"][0]:
        write_csv(out / "grouping.csv", group_rows(found.observed, found.grouping))
        written.append("grouping.csv")
    elif found:
        pictures["grouping.png"] = study_history(request, found, out, console)
        console.print(f"\n{write_training_file(out, found)}", soft_wrap=True)
        written += ["grouping.csv", "resolution.csv", TRAINING_FILE]
    for name, draw in pictures.items():
        written += attempt(name, draw, program.say)
    console.print(f"\nwritten to {out}/: {', '.join(written)}", soft_wrap=True)
    if totals["feasible"] < totals["networks"]:
        return PARTLY_DONE
    amiss = totals["remarked"] or totals["remarks_on_costs"] or totals["outside_lines"]
    return REMARKED if request.strict and amiss else DONE
