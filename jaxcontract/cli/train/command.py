"""Train policies that offer contracts; measure each by an optimum, an equilibrium or a certified bound."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.cli.options import OneLineParser, given_options
from jaxcontract.cli.processes.options import Joining, read_joining
from jaxcontract.cli.program import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    PARTLY_DONE,
    Program,
    name_command,
)
from jaxcontract.cli.setting_options import add_setting_options, find_owner
from jaxcontract.cli.train.options import ANEW, EPILOG, EXTENDS, add_run_options, read_watching
from jaxcontract.cli.train.request import Request, check_place, request_new_run, request_resumed_run
from jaxcontract.cli.train.run import Run, describe_divergence
from jaxcontract.cli.train.waves.command import run_large
from jaxcontract.cli.train.waves.members import Point, is_large
from jaxcontract.storage.files import read_json
from jaxcontract.storage.policy_files import read_head
from jaxcontract.storage.run_directory import SUMMARY, RunDirectory, abandon_run, close_run, open_run
from jaxcontract.training import extension, warmstart
from jaxcontract.training.devices import require_device
from jaxcontract.training.loggers import open_observers
from jaxcontract.training.processes import ALONE, Processes
from jaxcontract.training.signals import before_leaving, say_when_interrupted

PROGRAM = name_command("train")


class Options(NamedTuple):
    """A command line that is well formed; nothing that it names has been looked at."""

    parsed: Any
    given: set[str]
    parser: OneLineParser
    joining: Joining | None


def parse(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> Request:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    return make_request(read_options(arguments, program))


def read_options(arguments: Sequence[str] | None, program: Program) -> Options:
    """Read the command line, and no file; on bad input, one line and exit code 2."""
    parser = OneLineParser(
        prog=program.name,
        description=__doc__,
        epilog=program.fill_in(EPILOG),
        find_owner=find_owner,
    )
    add_run_options(parser)
    try:
        add_setting_options(parser, arguments)
        parsed = parser.parse_args(arguments)
        return Options(parsed, given_options(parser, arguments), parser, read_joining(parsed))
    except ValueError as error:
        parser.error(str(error))


def make_request(options: Options) -> Request:
    """What is asked for, of the files that the command line names; on bad input, one line and exit code 2."""
    parsed = options.parsed
    try:
        read_watching(parsed).check_installed()
        if parsed.resume:
            return request_resumed_run(parsed, options.given - ANEW - {EXTENDS})
        return request_new_run(parsed)
    except ValueError as error:
        options.parser.error(str(error))


def main(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> int:
    """Train as the command line asks: the exit code."""
    options = read_options(arguments, program)

    def lead(called: Program, processes: Processes) -> int:
        return run(make_request(options), called, processes)

    if options.joining is None:
        return lead(program, ALONE)
    from jaxcontract.cli.train.several import run_as_one

    return run_as_one(options.joining, program, options.parsed, lead)


def run(request: Request, program: Program, processes: Processes) -> int:
    """Train in a directory, as the only process or as process 0 of several: the exit code."""
    if is_large(request):
        return run_large([Point(request)], program, processes)
    try:
        if len(request.seeds) < processes.count:
            raise ValueError(
                f"--seeds {len(request.seeds)}: must be in [{processes.count}, inf), one for each process"
            )
        check_place(request)
        initial = warmstart.initial_policies(request.out, request.init_from) if request.init_from else []
        opened = open_run(request.out, request.preset, request.configuration, request.option)
    except (ValueError, OSError) as error:
        return program.fail(BAD_INPUT, str(error))
    begun = Run(request, opened.path, program, processes)
    try:
        return go_on(begun, opened, initial)
    except KeyboardInterrupt:
        return program.fail(INTERRUPTED, f"interrupted; {begun.how_to_go_on}")
    finally:
        close_run(opened)


def go_on(run: Run, opened: RunDirectory, initial: list[Any]) -> int:
    """Do what is left to do in a run's directory, begun with these policies or fresh ones: the exit code."""
    out = run.out
    try:
        run, state = extend(run, opened.state)
        if state == "finished":
            return say_that_it_ended(run)
        say_when_interrupted(run.how_to_go_on)
        require_device()
        request = run.request
        observers = open_observers(
            request.watching, out, request.seeds, request.configuration, run.program.say
        )
    except (ValueError, OSError) as error:
        abandon_run(opened)
        return run.program.fail(BAD_INPUT, str(error))
    with closing(observers), before_leaving(observers.close):
        if request.init_from:
            warmstart.keep_initial_policies(out, request.init_from)
        from jaxcontract.cli.train.training import train

        return train(run, observers, is_new=state == "new", initial=initial)


def extend(run: Run, state: str) -> tuple[Run, str]:
    """The run and its state after the extension that is asked for, or that was interrupted.

    Raises ValueError and OSError.
    """
    request, out = run.request, run.out
    if state == "finished" and request.extended_from:
        state = "begun" if extension.forget_earlier_results(out, request.extended_from[-1]) else state
    if request.extend_to is None:
        return run, state
    end = request.num_updates
    if state != "finished":
        raise ValueError(
            f"--resume {out}: has not come to its end, update {end}; first resume it without more"
        )
    require_device()  # before anything is moved
    require_precision(out)
    more = request.extend()
    kept = extension.extend(out, more.configuration)
    run.program.say(
        f"{out}: extended from {end} to {request.extend_to} updates; its results so far are in {kept}"
    )
    return run._replace(request=more), "begun"


def require_precision(out: Path) -> None:
    """See to it that JAX computes in the precision of a run that has ended. Raises ValueError."""
    import jax.numpy as jnp

    was, now = read_head(out / "policy").precision, str(jnp.result_type(float))
    if was != now:
        raise ValueError(f"--resume {out}: computed in {was}, and JAX does in {now} now; see JAX_ENABLE_X64")


def say_that_it_ended(run: Run) -> int:
    """Say that a run has ended, and again which of its seeds diverged: the exit code that it had."""
    from jaxcontract.cli.console import make_console

    line = f"{run.out}: this run has ended; its results are in {SUMMARY}"
    make_console().print(line, soft_wrap=True, markup=False)
    found = read_json(run.out / SUMMARY)
    diverged = found.get("diverged") if isinstance(found, dict) else None
    for one in diverged or []:
        run.program.fail(PARTLY_DONE, describe_divergence(**one))
    return PARTLY_DONE if diverged else DONE
