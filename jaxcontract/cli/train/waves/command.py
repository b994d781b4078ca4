"""A large run from what was asked for to its exit code: its directory opened, and closed again."""

from collections.abc import Mapping, Sequence

from jaxcontract.cli.program import BAD_INPUT, DONE, INTERRUPTED, PARTLY_DONE, Program
from jaxcontract.cli.train.request import Request, check_place
from jaxcontract.cli.train.run import Run
from jaxcontract.cli.train.waves.members import Point, configuration_of, list_members
from jaxcontract.storage.files import read_json
from jaxcontract.storage.run_directory import SUMMARY, RunDirectory, abandon_run, close_run, open_run
from jaxcontract.training.devices import require_device
from jaxcontract.training.processes import ALONE, Processes
from jaxcontract.training.signals import say_when_interrupted


def run_large(
    points: Sequence[Point],
    program: Program,
    processes: Processes = ALONE,
    grid: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """Train all seeds of all settings: the exit code.

    grid: the options that are varied, with their values as they were written
    """
    grid, request = grid or {}, points[0].request
    try:
        refuse_unsuited(request, "a sweep" if grid else "seeds that are trained in waves, more than --wave")
        check_place(request)
        name = "sweep" if grid else request.preset
        opened = open_run(request.out, name, configuration_of(points, grid), request.option)
    except (ValueError, OSError) as error:
        return program.fail(BAD_INPUT, str(error))
    run = Run(request, opened.path, program, processes)
    try:
        return _go_on(run, opened, points, grid)
    except KeyboardInterrupt:
        return program.fail(INTERRUPTED, f"interrupted; {run.how_to_go_on}")
    finally:
        close_run(opened)


def refuse_unsuited(request: Request, kind: str) -> None:
    """Raises ValueError where a large run cannot be what is asked for. kind: of the run, for a person."""
    watched = request.watching.tensorboard or request.watching.wandb
    for option, given in (
        ("--init-from", request.init_from),
        ("--tensorboard and --wandb", watched),
        ("--num-updates", request.extend_to),
    ):
        if given:
            raise ValueError(f"{option}: not with {kind}")


def _go_on(run: Run, opened: RunDirectory, points: Sequence[Point], grid: Mapping[str, Sequence[str]]) -> int:
    if opened.state == "finished":
        print(f"{run.out}: this run has ended; its results are in {SUMMARY}")
        return DONE if _all_done(run) else PARTLY_DONE
    say_when_interrupted(run.how_to_go_on)
    try:
        require_device()
        from jaxcontract.cli.train.waves.programs import refuse_small, share_programs

        shares = share_programs(list_members(points))
        refuse_small(shares, run.processes.count)
    except ValueError as error:
        abandon_run(opened)
        return run.program.fail(BAD_INPUT, str(error))
    from jaxcontract.cli.train.waves.run import LargeRun, train_waves

    return train_waves(LargeRun(run, points, grid, shares))


def _all_done(run: Run) -> bool:
    found = read_json(run.out / SUMMARY)
    settings = found.get("settings", [found]) if isinstance(found, dict) else []
    return all(one.get("num_done") == one.get("num_seeds") for one in settings)
