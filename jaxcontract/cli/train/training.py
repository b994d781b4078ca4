"""A run is trained in its directory: compiled, watched, saved as it goes, and told point by point."""

import dataclasses
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from jaxcontract.cli.console import TrainingProgress, make_console
from jaxcontract.cli.program import NOT_LOADABLE, NOT_WRITTEN
from jaxcontract.cli.train.measures import measures_of
from jaxcontract.cli.train.request import Request
from jaxcontract.cli.train.results import EndedTraining, finish
from jaxcontract.cli.train.run import Run
from jaxcontract.evaluation.statistics import finite_mean
from jaxcontract.storage.checkpoints import Checkpoints, NothingLoadableError
from jaxcontract.storage.files import append_json_line, json_lines, strict, write_text
from jaxcontract.storage.metrics import METRICS
from jaxcontract.storage.run_directory import version_changes
from jaxcontract.training import extension, warmstart
from jaxcontract.training.checkpointing import InterruptedRunError, Keeper
from jaxcontract.training.cores import describe_devices, num_places
from jaxcontract.training.data_parallel import compile_data_parallel
from jaxcontract.training.learning_curve import Underway, even_marks, measured_training
from jaxcontract.training.loggers import Observers
from jaxcontract.training.processes import Processes
from jaxcontract.training.seeds import Training, compile_training
from jaxcontract.training.signals import Interruption
from jaxcontract.training.team import Leader
from jaxcontract.training.units import play_in
from jaxcontract.training.watchdog import HUNG, Watchdog


def train(run: Run, observers: Observers, is_new: bool, initial: Sequence[Any] = ()) -> int:
    """Train, measure, print and write: the exit code.

    initial: the policies that the seeds begin with; none, and they are fresh
    """
    request, fail = run.request, run.program.fail
    if request.compilation_cache:
        keep_programs(request.compilation_cache)
    leader = Leader(run.processes)
    leader.say("begin", run=request.configuration)
    device = describe_places(run)
    console = make_console()
    announce(run, device, console)
    with Interruption(holding=False) as interruption:
        training = compile_watched(run, leader, interruption, device, console)
        if initial:
            training = warmstart.warm_started(training, initial)
        keeper = make_keeper(run, training, interruption)
        try:
            now = keeper.start()
            if now.update < max(request.extended_from, default=0):
                return fail(
                    NOT_LOADABLE, f"{run.out}: no checkpoint of what it was extended from can be loaded"
                )
            if not is_new:
                say_where_it_goes_on(run, keeper, now, console)
            advance(run, keeper, now, observers, console)
        except NothingLoadableError as error:
            return fail(NOT_LOADABLE, str(error))
        except InterruptedRunError:
            code = NOT_WRITTEN if keeper.unsaved else interruption.exit_code
            return fail(code, f"{interruption.told}; {run.how_to_go_on}")
        except OSError as error:
            return fail(NOT_WRITTEN, f"{error}; {run.how_to_go_on}")
    return finish(run, EndedTraining(keeper, now, measure_time(run, training, now, device)), console)


def describe_places(run: Run) -> str:
    """What the run is computed on, in words."""
    processes, request = run.processes, run.request
    here = describe_devices(min(len(processes.share(request.seeds)), request.devices or num_places()))
    return here if processes.count == 1 else f"{here} in each of {processes.count} processes"


def keep_programs(directory: Path) -> None:
    """Let JAX keep every program that it compiles, however small or quickly compiled, and find it again."""
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def announce(run: Run, device: str, console: Any) -> None:
    """Say what is about to run, and where it differs from its preset."""
    request, learner = run.request, run.request.learner
    console.print(
        f"{device}, jax {jax.__version__}; preset {request.preset}: {request.game}; "
        f"{len(request.seeds)} seeds x {learner.env_steps:,} env steps = {learner.num_updates} updates of "
        f"{learner.batch_size} rounds; compiling ..."
    )
    for change in request.changes:
        console.print(f"  {change}")
    for remark in request.remarks:
        console.print(f"  {remark}", soft_wrap=True, markup=False)


def compile_share(request: Request, processes: Processes) -> Training:
    """The training of the seeds that are one process's, compiled, in the units that it is learned in.

    Raises:
        ValueError: when the rounds of a seed cannot be spread over the devices as is asked for.
    """
    (env, params), seeds = request.setting.game.in_learner_units().make(), processes.share(request.seeds)
    if request.data_parallel:
        program = compile_data_parallel(env, params, request.learner, request.devices)
        return program.training(seeds, params, request.learner)
    return compile_training(seeds, env, params, request.learner, request.devices)


def seen_in_its_units(request: Request, training: Training) -> Training:
    """The training with policies that play the game as it was asked for."""
    game = request.setting.game
    own = [game.make()] * len(request.seeds)
    return training if game.in_learner_units() is game else play_in(own, training)


def compile_watched(
    run: Run, leader: Leader, interruption: Interruption, device: str, console: Any
) -> Training:
    """The training of all seeds, compiled, with a time limit."""
    request = run.request
    own = compile_share(request, run.processes)
    training = seen_in_its_units(request, leader.lead(own, interruption))
    console.print(f"compiled in {training.compile_seconds:.1f} s")
    return watch(training, run, device)


def watch(training: Training, run: Run, device: str) -> Training:
    """The training with a time limit for each chunk of its updates, after which the program ends."""

    def report(waited: float, expected: float | None) -> None:
        usual = "" if expected is None else f", where {expected:.1f} s are usual"
        what = f"{device} has not ended a chunk of updates in {waited:.0f} s{usual}"
        run.program.fail(HUNG, f"{what}; {run.how_to_go_on}")

    watchdog, unwatched = Watchdog(run.request.stall_limit, report), training.advance
    return dataclasses.replace(
        training, advance=lambda learners, units: watchdog.run(lambda: unwatched(learners, units), units)
    )


def make_keeper(run: Run, training: Training, interruption: Interruption) -> Keeper:
    """What saves the training as it goes."""
    request = run.request
    num_updates, step = request.num_updates, request.checkpoint_every
    earlier = extension.earlier_runs(request.configuration)
    return Keeper(
        Checkpoints(run.out / "checkpoints", request.configuration, earlier),
        training,
        request.seeds,
        breaks=[*range(step, num_updates, step), num_updates],
        interruption=interruption,
        say=run.program.say,
    )


def say_where_it_goes_on(run: Run, keeper: Keeper, now: Underway, console: Any) -> None:
    """Say from which update a run goes on, and which libraries have changed since it began."""
    console.print(f"going on at update {now.update} of {run.request.num_updates}")
    for library in version_changes(run.out):
        keeper.say(f"{library}: the last bits may differ from an undisturbed run's")


def advance(run: Run, keeper: Keeper, now: Underway, observers: Observers, console: Any) -> None:
    """Train to the end, showing, writing and telling every point of the learning curve."""
    request, metrics = run.request, run.out / METRICS
    write_text(metrics, json_lines(keeper.curve))
    for told in keeper.curve:
        observers.note(told)
    evaluate = measures_of(request)["curve"]
    points = measured_training(
        keeper.training,
        lambda policies: Leader(run.processes).measure("curve", evaluate, policies),
        marks=even_marks(request.num_updates, request.curve_points),
        underway=now,
        breaks=keeper.breaks,
        between=keeper,
    )
    with TrainingProgress(console, request.num_updates) as progress:
        for point in points:
            keeper.curve.append(strict(point.as_dict()))
            add_line(run, metrics, keeper.curve[-1])
            observers.note(keeper.curve[-1])
            env_steps = len(request.seeds) * point.env_steps
            speed = env_steps / point.train_seconds if point.train_seconds else 0.0
            feasible, regret = (finite_mean(point.column(name)) for name in ("feasible", "regret"))
            progress.show(point.update, speed, feasible, regret)


def add_line(run: Run, path: Path, row: dict[str, Any]) -> None:
    """Add a point of the curve to the file that people watch; what resumes is in the checkpoints."""
    try:
        append_json_line(path, row)
    except OSError as error:
        run.program.say(f"{path}: a line could not be written ({error.strerror}); training goes on")


def measure_time(run: Run, training: Training, now: Underway, device: str) -> dict[str, Any]:
    """How long the run took on what, for `summary.json`."""
    env_steps, num_seeds = run.request.learner.env_steps, len(run.request.seeds)
    return {
        "device": device,
        "num_devices": training.num_devices,
        "num_seeds": num_seeds,
        "jax": version("jax"),
        "env_steps_per_seed": env_steps,
        "compile_seconds": training.compile_seconds,
        "train_seconds": now.seconds,
        "env_steps_per_second": num_seeds * env_steps / now.seconds,
    }
