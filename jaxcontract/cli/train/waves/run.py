"""A large run in its directory: programs compiled, waves trained one after another, results as they come."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxcontract.cli.console import make_console
from jaxcontract.cli.program import BAD_INPUT, NOT_LOADABLE, NOT_WRITTEN, PARTLY_DONE
from jaxcontract.cli.train.run import Run
from jaxcontract.cli.train.training import keep_programs, watch
from jaxcontract.cli.train.waves.members import Member, Point
from jaxcontract.cli.train.waves.outcome import finish, write_results
from jaxcontract.cli.train.waves.programs import (
    Share,
    compile_share,
    in_their_units,
    plan_wave,
    train_together,
)
from jaxcontract.cli.train.waves.progress import WavesProgress
from jaxcontract.cli.train.waves.wave import Context, Ended, Judge, Wave, fail_wave, read_ended, train_wave
from jaxcontract.core.fields import first_line
from jaxcontract.storage.checkpoints import NothingLoadableError
from jaxcontract.storage.files import read_json, write_durably_json
from jaxcontract.training.checkpointing import InterruptedRunError
from jaxcontract.training.cores import describe_devices, num_places, on_cpu
from jaxcontract.training.processes import leave
from jaxcontract.training.seeds import Program
from jaxcontract.training.signals import Interruption
from jaxcontract.training.team import Leader

PLAN = "plan.json"
# Of a device or a compiler, for one program: those of other shapes go on.
FAILURES = (jax.errors.JaxRuntimeError, MemoryError)


class LargeRun(NamedTuple):
    """A run of more than one wave: its settings, the options that they differ in, its programs."""

    run: Run
    points: Sequence[Point]
    grid: Mapping[str, Sequence[str]]
    shares: Sequence[Share]


def train_waves(large: LargeRun) -> int:
    """Train all members, wave by wave, and write what came of them: the exit code."""
    run, fail = large.run, large.run.program.fail
    if run.request.compilation_cache:
        keep_programs(run.request.compilation_cache)
    count, shares = sum(len(share.members) for share in large.shares), large.shares
    device = describe_devices(min(count, run.request.devices or num_places()))
    console = make_console()
    _announce(large, device, count, len(shares), console)
    ended: dict[Path, tuple[Wave, Ended]] = {}
    with Interruption(holding=False) as interruption, WavesProgress(console, count) as progress:
        context = Context(
            interruption,
            run.program.say,
            Leader(run.processes),
            progress.show_point,
            {point.name: Judge(point) for point in large.points},
        )
        try:
            for wave, outcome in _each_wave(large, shares, context, progress, device):
                ended[wave.folder] = wave, outcome
                write_results(run.out, ended.values())
        except NothingLoadableError as error:
            return fail(NOT_LOADABLE, str(error))
        except InterruptedRunError:
            return fail(interruption.exit_code, f"{interruption.told}; {run.how_to_go_on}")
        except ValueError as error:
            return fail(BAD_INPUT, str(error))
        except OSError as error:
            return fail(NOT_WRITTEN, f"{error}; {run.how_to_go_on}")
    return finish(
        run, large.points, list(ended.values()), {"device": device, "jax": jax.__version__}, console
    )


def _announce(large: LargeRun, device: str, count: int, programs: int, console: Any) -> None:
    """Say what is about to run."""
    request = large.run.request
    learner = request.learner
    if large.grid:
        what = (
            f"{len(large.points)} settings ({', '.join(large.grid)}) x {len(request.seeds)} seeds, "
            f"{programs} program{'s' * (programs > 1)} to compile"
        )
    else:
        what = (
            f"preset {request.preset}: {request.game}; {count:,} seeds x {learner.env_steps:,} env steps = "
            f"{learner.num_updates} updates of {learner.batch_size} rounds"
        )
    console.print(f"{device}, jax {jax.__version__}; {what}; compiling ...")
    for line in [] if large.grid else [*request.changes, *request.remarks]:
        console.print(f"  {line}", soft_wrap=True, markup=False)


def _each_wave(
    large: LargeRun, shares: Sequence[Share], context: Context, progress: WavesProgress, device: str
) -> Iterator[tuple[Wave, Ended]]:
    """Every wave with what came of it, those that have ended before among them."""
    for number, share in enumerate(shares):
        planned, program = _plan(large, number, share, progress)
        for wave in _cut(large, share, planned):
            outcome = read_ended(wave)
            before = outcome is not None
            if outcome is None:
                outcome, program = _train(large, share, wave, program, context, device)
            progress.end_wave(wave, outcome, before)
            yield wave, outcome


def _plan(large: LargeRun, number: int, share: Share, progress: WavesProgress) -> tuple[int, Program | None]:
    """How many members of a share to train at a time, as first planned, and the program if it was compiled.

    Raises:
        ValueError: when not even one fits.
    """
    path = large.run.out / PLAN
    sizes = _read_plan(path)
    if str(number) in sizes:
        return sizes[str(number)], None
    places = large.run.request.devices or num_places()
    try:
        program = compile_share(share, min(len(share.members), places))
    except FAILURES:
        return len(share.members), None  # and fails again where its wave is trained, which says so
    count, said = plan_wave(share, program, large.run.request.wave, large.run.processes.count)
    write_durably_json(path, {"at_a_time": {**sizes, str(number): count}})
    progress.say(f"compiled in {program.compile_seconds:.1f} s; {said}")
    return count, program if on_cpu() else None


def _read_plan(path: Path) -> dict[str, int]:
    """How many members of each share go at a time; of a file that is damaged, nothing: it is planned anew."""
    plan = read_json(path)
    sizes = plan.get("at_a_time") if isinstance(plan, dict) else None
    sizes = sizes if isinstance(sizes, dict) else {}
    return {name: size for name, size in sizes.items() if type(size) is int and size > 0}


def _cut(large: LargeRun, share: Share, count: int) -> Iterator[Wave]:
    """The waves of a share, each with its directory. Raises ValueError."""
    members: list[Member] = share.members
    out, needed = large.run.out, large.run.processes.count
    for start in range(0, len(members), count):
        chosen = members[start : start + count]
        if len(chosen) < needed:
            raise ValueError(
                f"--processes {needed}: a wave of this run has {len(chosen)} seeds, of which each process "
                f"trains one at least; start {len(chosen)} at most"
            )
        yield Wave(chosen, out / "waves" / f"{chosen[0].number:06}-{chosen[-1].number:06}")


def _train(
    large: LargeRun, share: Share, wave: Wave, program: Program | None, context: Context, device: str
) -> tuple[Ended, Program | None]:
    """What comes of a wave, and the program that the next one needs too."""
    leader, processes = context.leader, large.run.processes
    leader.say("wave", **_tell(wave))
    try:
        own = processes.share(wave.members)
        program = program or compile_share(share, len(own))
        whole = leader.lead(train_together(program, own), context.interruption)
        ended = train_wave(wave, watch(in_their_units(wave.members, whole), large.run, device), context)
        leader.say("end")
        return ended, program
    except FAILURES as error:
        what, fail = f"wave {wave.folder.name}: {type(error).__name__}", large.run.program.fail
        if processes.count > 1:  # the others do not know of it, and wait for this one's share
            leave(fail(PARTLY_DONE, f"{what}: {first_line(error)}; {large.run.how_to_go_on}"))
        fail(PARTLY_DONE, f"{what}; the others go on")
        return fail_wave(wave, error), program


def _tell(wave: Wave) -> dict[str, Any]:
    """A wave, as the other processes are told of it."""
    points = {member.point.name: member.point for member in wave.members}
    numbers = {name: number for number, name in enumerate(points)}
    return {
        "settings": [{"values": one.values, "run": one.request.configuration} for one in points.values()],
        "members": [(numbers[member.point.name], member.seed) for member in wave.members],
    }
