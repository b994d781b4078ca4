"""Train the paper's contract designer with PPO and measure every contract against the exact optimum."""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.cli.options import (
    OneLineParser,
    count,
    given_options,
    path,
    seconds,
)
from jaxcontract.cli.pictures import attempt
from jaxcontract.cli.setting_options import add_setting_options, setting_from_options
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import Setting, change, differences, setting_from_dict
from jaxcontract.learning.algorithms.registry import ALGORITHMS
from jaxcontract.storage.files import (
    append_json_line,
    ensure_private,
    json_lines,
    read_json,
    strict,
    write_json,
    write_text,
)
from jaxcontract.storage.metrics import METRICS
from jaxcontract.storage.policy_files import read_head
from jaxcontract.storage.run_directory import (
    SUMMARY,
    RunDirectory,
    abandon_run,
    close_run,
    open_run,
    read_run,
    version_changes,
)
from jaxcontract.training import extension, warmstart
from jaxcontract.training.devices import require_device
from jaxcontract.training.loggers import Observers, Watching, open_observers
from jaxcontract.training.remarks import at_their_limit, unmoved, without_effect
from jaxcontract.training.signals import before_leaving, say_when_interrupted

EPILOG = """\
examples:
  python experiments/run_ppo.py --seeds 5                                  finds the optimum
  python experiments/run_ppo.py --seeds 5 --actions raw --reward centred   without the feasible map
  python experiments/run_ppo.py --seeds 5 --preset paper                   Algorithm 1 as printed
  python experiments/run_ppo.py --num-types 8 --num-updates 1200           eight device types
  python experiments/run_ppo.py --resume runs/default-20260101-120000      goes on where that run stopped
  python experiments/run_ppo.py --resume runs/first --num-updates 1200     extends a run that has ended
  python experiments/run_ppo.py --init-from runs/first --out runs/second   begins with that run's policies

A run is saved as it goes. Killed at any moment, --resume DIR, or the same command with the same --out, goes
on and ends with the same bits. Ctrl-C and SIGTERM end the chunk that is under way and save.

An extended run keeps what it had in DIR/updates-N. It is not what one longer run gives, unless the step size
is constant: the earlier updates were made at the step sizes of a shorter run. A run with --init-from begins
with networks and deviations; its critics, optimisers, step sizes and random numbers begin anew.

exit codes:
  0    done
  2    bad input, a directory that holds something else or is in use, or no device of the kind that
       JAX_PLATFORMS asks for
  3    a seed diverged; the others are as they would be without it
  4    there are checkpoints, and none can be loaded
  5    the last checkpoint, or the results, could not be saved
  75   the device does not answer
  130  interrupted by Ctrl-C, 143 by SIGTERM
"""
# What may differ when a run goes on.
ANEW = {"resume", "devices", "compilation_cache", "stall_limit", "tensorboard", "wandb", "wandb_project"}
EXTENDS = "num_updates"  # and a run that has ended goes on to so many


class Request(NamedTuple):
    """What a person asked for on the command line."""

    seeds: list[int]
    out: Path | None
    curve_points: int
    eval_states: int
    curve_states: int
    checkpoint_every: int
    preset: str
    setting: Setting
    devices: int | None
    compilation_cache: Path | None
    stall_limit: float
    watching: Watching
    init_from: dict[str, Any] | None = None  # as `warmstart.described` has it
    extended_from: Sequence[int] = ()  # the updates at which it had ended before
    extend_to: int | None = None  # updates, where it is to be extended now
    option: str = "--out"  # what names `out`

    @property
    def configuration(self) -> dict[str, Any]:
        """All that makes the run, for `config.json`: with the same, the same results."""
        names = ("preset", "seeds", "eval_states", "curve_states", "curve_points", "checkpoint_every")
        return {
            "jaxcontract": version("jaxcontract"),
            **{name: getattr(self, name) for name in names},
            "setting": self.setting.as_dict(),
            **({"init_from": self.init_from} if self.init_from else {}),
            **({"extended_from": list(self.extended_from)} if self.extended_from else {}),
        }

    @property
    def remarks(self) -> list[str]:
        """What the run is not, bit for bit."""
        begun = warmstart.remarks(self.init_from, self.setting, self.seeds) if self.init_from else []
        more = [extension.remark(self.setting.algorithm, self.extended_from)] if self.extended_from else []
        return begun + more


def parse(arguments: Sequence[str] | None = None) -> Request:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog="run_ppo.py", description=__doc__, epilog=EPILOG)
    add_run_options(parser)
    try:
        add_setting_options(parser, arguments)
    except ValueError as error:
        parser.error(str(error))
    parsed = parser.parse_args(arguments)
    try:
        watching(parsed).check_installed()
        if parsed.resume:
            return resumed(parsed, given_options(parser, arguments) - ANEW - {EXTENDS})
        return requested(parsed)
    except ValueError as error:
        parser.error(str(error))


def add_run_options(parser: OneLineParser) -> None:
    """Everything that is not part of a setting."""
    add = parser.add_argument
    add("--seeds", type=count, default=5, metavar="N", help="how many seeds (default 5)")
    add("--first-seed", type=int, default=0, metavar="SEED", help="they are SEED, SEED + 1, … (default 0)")
    add("--out", type=path, metavar="DIR", help="where to write (default runs/<preset>-<time>)")
    add(
        "--resume",
        type=path,
        metavar="DIR",
        help="go on with the run in DIR, as it was asked for; --num-updates N extends one that has ended",
    )
    add(
        "--init-from",
        type=path,
        metavar="DIR",
        help="begin with the policies of the run in DIR, seed by seed (default: with fresh ones)",
    )
    counts = {
        "--checkpoint-every": (None, "updates between checkpoints (default: a tenth of the training)"),
        "--eval-states": (20_000, "unseen states on which the result is measured (default 20000)"),
        "--curve-states": (1024, "fixed states for the learning curve (default 1024)"),
        "--curve-points": (None, "points on the learning curve, and progress reports (default 24, or all)"),
        "--devices": (None, "devices, on a CPU cores, to spread the seeds over (default: all)"),
    }
    for option, (default, meaning) in counts.items():
        add(option, type=count, default=default, metavar="N", help=meaning)
    add(
        "--compilation-cache",
        type=path,
        metavar="DIR",
        help="keep compiled programs here: the same run starts faster the next time (default: none kept)",
    )
    add(
        "--stall-limit",
        type=seconds,
        default=300.0,
        metavar="SECONDS",
        help="give up on a device that has not ended a chunk, about 1 s of work, by then (default 300)",
    )
    add("--tensorboard", action="store_true", help="write events for TensorBoard into DIR/tensorboard")
    add("--wandb", action="store_true", help="tell Weights & Biases, or its files with WANDB_MODE=offline")
    add("--wandb-project", metavar="NAME", help="its project there (default: WANDB_PROJECT, or jaxcontract)")


def watching(parsed: Any) -> Watching:
    """Who is to watch. Raises ValueError."""
    if parsed.wandb_project and not parsed.wandb:
        raise ValueError("--wandb-project: goes with --wandb")
    return Watching(parsed.tensorboard, parsed.wandb, parsed.wandb_project)


def requested(parsed: Any) -> Request:
    """The run that the options ask for. Raises ValueError."""
    # The last two seeds below 2^31 are those of the states that policies are tested on.
    most = 2**31 - 2 - parsed.seeds
    if not 0 <= parsed.first_seed <= most:
        raise ValueError(f"--first-seed {parsed.first_seed}: must be in [0, {most}]")
    preset, setting = setting_from_options(parsed)
    num_updates = setting.algorithm.num_updates
    if (parsed.curve_points or 1) > num_updates:
        raise ValueError(
            f"--curve-points {parsed.curve_points}: must be in [1, {num_updates}], no more than updates"
        )
    if parsed.init_from and hasattr(parsed, "initial_std"):
        raise ValueError("--initial-std: is of fresh policies, and those of --init-from have their own")
    seeds = list(range(parsed.first_seed, parsed.first_seed + parsed.seeds))
    return Request(
        seeds=seeds,
        out=parsed.out,
        curve_points=parsed.curve_points or min(24, num_updates),
        eval_states=parsed.eval_states,
        curve_states=parsed.curve_states,
        checkpoint_every=parsed.checkpoint_every or -(-num_updates // 10),
        preset=preset,
        setting=setting,
        devices=parsed.devices,
        compilation_cache=parsed.compilation_cache,
        stall_limit=parsed.stall_limit,
        watching=watching(parsed),
        init_from=warmstart.described(parsed.init_from, setting, seeds) if parsed.init_from else None,
    )


def resumed(parsed: Any, others: set[str]) -> Request:
    """The run that a directory holds. Raises ValueError."""
    if others:
        option = "--" + min(others).replace("_", "-")
        raise ValueError(f"{option}: --resume goes on with a run as it was asked for; leave this out")
    run = read_run(parsed.resume)
    numbers = ("eval_states", "curve_states", "curve_points", "checkpoint_every")
    seeds: Any = run.get("seeds")
    well_formed = run.get("preset") in list(PRESETS) and isinstance(seeds, list) and seeds
    if not well_formed or not all(_is_count(run.get(name)) for name in numbers):
        raise ValueError(f"--resume {parsed.resume}: holds no run of this program")
    if not all(seed == 0 or _is_count(seed) for seed in seeds):
        raise ValueError(f"--resume {parsed.resume}: its seeds must be whole numbers in [0, 2^31)")
    setting = setting_from_dict(run.get("setting"))
    init, ends = run.get("init_from"), run.get("extended_from", [])
    begun_well = init is None or warmstart.is_well_formed(init, len(seeds))
    if not begun_well or not extension.is_well_formed(ends, setting.algorithm.num_updates):
        raise ValueError(f"--resume {parsed.resume}: holds no run of this program")
    return Request(
        seeds=seeds,
        out=parsed.resume,
        **{name: run[name] for name in numbers},
        preset=run["preset"],
        setting=setting,
        devices=parsed.devices,
        compilation_cache=parsed.compilation_cache,
        stall_limit=parsed.stall_limit,
        watching=watching(parsed),
        init_from=init,
        extended_from=ends,
        extend_to=extension.asked_for(parsed.resume, setting, getattr(parsed, EXTENDS, None)),
        option="--resume",
    )


def extended(request: Request, out: Path, state: str) -> tuple[Request, str]:
    """The run and its state after the extension that is asked for, or that was interrupted.

    Raises ValueError and OSError.
    """
    if state == "finished" and request.extended_from:
        state = "begun" if extension.forget_earlier_results(out, request.extended_from[-1]) else state
    if request.extend_to is None:
        return request, state
    end = request.setting.algorithm.num_updates
    if state != "finished":
        raise ValueError(
            f"--resume {out}: has not come to its end, update {end}; first resume it without more"
        )
    require_device()  # before anything is moved
    require_precision(out)
    more = request._replace(
        setting=change(request.setting, {EXTENDS: request.extend_to}),
        extended_from=[*request.extended_from, end],
        extend_to=None,
    )
    kept = extension.extend(out, more.configuration)
    say(f"{out}: extended from {end} to {request.extend_to} updates; its results so far are in {kept}")
    return more, "begun"


def require_precision(out: Path) -> None:
    """See to it that JAX computes in the precision of a run that has ended. Raises ValueError."""
    import jax.numpy as jnp

    was, now = read_head(out / "policy").precision, str(jnp.result_type(float))
    if was != now:
        raise ValueError(f"--resume {out}: computed in {was}, and JAX does in {now} now; see JAX_ENABLE_X64")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def main() -> int:
    request = parse()
    try:
        if not (request.out and request.out.exists()):
            require_device()  # before there is a directory to leave behind
        if request.compilation_cache:
            ensure_private(request.compilation_cache, "--compilation-cache")
        initial = warmstart.initial_policies(request.out, request.init_from) if request.init_from else []
        opened = open_run(request.out, request.preset, request.configuration, request.option)
    except (ValueError, OSError) as error:
        return failed(2, str(error))
    try:
        return go_on(request, opened, initial)
    except KeyboardInterrupt:
        return failed(130, f"interrupted; {how_to_go_on(opened.path)}")
    finally:
        close_run(opened)


def go_on(request: Request, opened: RunDirectory, initial: list[Any]) -> int:
    """Do what is left to do in a run's directory, begun with these policies or fresh ones: the exit code."""
    out = opened.path
    try:
        request, state = extended(request, out, opened.state)
        if state == "finished":
            return ended(out)
        say_when_interrupted(how_to_go_on(out))
        require_device()
        observers = open_observers(request.watching, out, request.seeds, request.configuration, say)
    except (ValueError, OSError) as error:
        abandon_run(opened)
        return failed(2, str(error))
    with closing(observers), before_leaving(observers.close):
        if request.init_from:
            warmstart.keep_initial_policies(out, request.init_from)
        return run(request, out, observers, is_new=state == "new", initial=initial)


def ended(out: Path) -> int:
    """Say that a run has ended, and again which of its seeds diverged: the exit code that it had."""
    from jaxcontract.cli.console import make_console

    line = f"{out}: this run has ended; its results are in {SUMMARY}"
    make_console().print(line, soft_wrap=True, markup=False)
    found = read_json(out / SUMMARY)
    diverged = found.get("diverged") if isinstance(found, dict) else None
    for one in diverged or []:
        failed(3, told(**one))
    return 3 if diverged else 0


def failed(code: int, message: str) -> int:
    """Say in one line what is wrong: the exit code."""
    print(f"run_ppo.py: {'' if code in (130, 143) else 'error: '}{message}", file=sys.stderr)
    return code


def say(line: str) -> None:
    """Tell what a person should know while the run goes on."""
    print(f"run_ppo.py: {line}", file=sys.stderr)


def how_to_go_on(out: Path) -> str:
    """What a person can copy."""
    return f"to go on: python {shlex.join([sys.argv[0], '--resume', str(out)])}"


def run(request: Request, out: Path, observers: Observers, is_new: bool, initial: Sequence[Any] = ()) -> int:
    """Train, measure, print and write: the exit code.

    initial: the policies that the seeds begin with; none, and they are fresh
    """
    from jaxcontract.cli.console import make_console
    from jaxcontract.storage.checkpoints import NothingLoadableError
    from jaxcontract.training.checkpointing import InterruptedRunError
    from jaxcontract.training.cores import described, num_places
    from jaxcontract.training.signals import Interruption

    if request.compilation_cache:
        keep_programs(request.compilation_cache)
    device = described(min(len(request.seeds), request.devices or num_places()))
    console = make_console()
    announce(console, request, device)
    with Interruption(holding=False) as interruption:
        training = compiled(request, out, console, device)
        if initial:
            training = warmstart.warm_started(training, initial)
        keeper = make_keeper(request, out, training, interruption)
        try:
            now = keeper.start()
            if now.update < max(request.extended_from, default=0):
                return failed(4, f"{out}: no checkpoint of what it was extended from can be loaded")
            if not is_new:
                console.print(f"going on at update {now.update} of {request.setting.algorithm.num_updates}")
                for library in version_changes(out):
                    keeper.say(f"{library}: the last bits may differ from an undisturbed run's")
            train(request, out, keeper, now, observers, console)
        except NothingLoadableError as error:
            return failed(4, str(error))
        except InterruptedRunError:
            code = 5 if keeper.unsaved else interruption.exit_code
            return failed(code, f"{interruption.told}; {how_to_go_on(out)}")
        except OSError as error:
            return failed(5, f"{error}; {how_to_go_on(out)}")
    timing = {
        "device": device,
        "num_devices": training.num_devices,
        "num_seeds": len(request.seeds),
        "jax": version("jax"),
        "env_steps_per_seed": request.setting.algorithm.env_steps,
        "compile_seconds": training.compile_seconds,
        "train_seconds": now.seconds,
        "env_steps_per_second": len(request.seeds) * request.setting.algorithm.env_steps / now.seconds,
    }
    try:
        finish(request, out, timing, keeper, now, console)
    except OSError as error:
        return failed(5, f"the results could not be written ({error}); {how_to_go_on(out)}")
    return verdict(keeper)


def verdict(keeper: Any) -> int:
    """Say what is amiss with a run that has come to its end: the exit code."""
    for seed, divergence in keeper.diverged.items():
        failed(3, told(seed, *divergence))
    if keeper.unsaved:
        return failed(5, keeper.unsaved)
    return 3 if keeper.diverged else 0


def told(seed: int, update: int, quantity: str) -> str:
    """What became of a seed that diverged."""
    what = f"seed {seed} diverged in update {update}: its {quantity} is not finite"
    return f"{what}; policy/ has the last one that was saved"


def compiled(request: Request, out: Path, console: Any, device: str) -> Any:
    """The training, compiled and under the eyes of a watchdog."""
    from jaxcontract.training.seeds import compile_training
    from jaxcontract.training.watchdog import HUNG, Watchdog

    env, params = request.setting.game.make()
    training = compile_training(request.seeds, env, params, request.setting.algorithm, request.devices)
    console.print(f"compiled in {training.compile_seconds:.1f} s")

    def report(waited: float, expected: float | None) -> None:
        usual = "" if expected is None else f", where {expected:.1f} s are usual"
        what = f"{device} has not ended a chunk of updates in {waited:.0f} s{usual}"
        failed(HUNG, f"{what}; {how_to_go_on(out)}")

    watchdog, advance = Watchdog(request.stall_limit, report), training.advance
    return dataclasses.replace(
        training, advance=lambda learners, units: watchdog.run(lambda: advance(learners, units), units)
    )


def make_reference(request: Request) -> Any:
    """What the policies of the run's game are measured against."""
    game = request.setting.game
    return game.make_reference(*game.make())


def make_keeper(request: Request, out: Path, training: Any, interruption: Any) -> Any:
    """What saves the training as it goes."""
    from jaxcontract.storage.checkpoints import Checkpoints
    from jaxcontract.training.checkpointing import Keeper

    num_updates, step = request.setting.algorithm.num_updates, request.checkpoint_every
    return Keeper(
        Checkpoints(
            out / "checkpoints", request.configuration, extension.earlier_runs(request.configuration)
        ),
        training,
        request.seeds,
        breaks=[*range(step, num_updates, step), num_updates],
        interruption=interruption,
        say=say,
    )


def keep_programs(directory: Path) -> None:
    """Let JAX keep every program that it compiles, however small or quickly compiled, and find it again."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def announce(console: Any, request: Request, device: str) -> None:
    """Say what is about to run, and where it differs from its preset."""
    import jax

    config = request.setting.algorithm
    console.print(
        f"{device}, jax {jax.__version__}; preset {request.preset}: {request.setting.game.describe()}; "
        f"{len(request.seeds)} seeds x {config.env_steps:,} env steps = {config.num_updates} updates of "
        f"{config.batch_size} rounds; compiling ..."
    )
    idle = without_effect(request.setting)
    for name, (value, usual) in differences(request.setting, PRESETS[request.preset]).items():
        effect = f"; changes nothing where {idle[name]}" if name in idle else ""
        console.print(f"  {name} = {value} (preset: {usual}{effect})")
    for remark in request.remarks:
        console.print(f"  {remark}", soft_wrap=True, markup=False)


def train(request: Request, out: Path, keeper: Any, now: Any, observers: Observers, console: Any) -> None:
    """Train to the end, showing, writing and telling every point of the learning curve."""
    from jaxcontract.cli.console import TrainingProgress
    from jaxcontract.evaluation.states import CURVE_SEED
    from jaxcontract.evaluation.statistics import finite_mean
    from jaxcontract.training.learning_curve import even_marks, measured_training

    reference = make_reference(request)
    states = reference.test_states(request.curve_states, CURVE_SEED)
    num_seeds, num_updates = len(request.seeds), request.setting.algorithm.num_updates
    write_text(out / METRICS, json_lines(keeper.curve))
    for point in keeper.curve:
        observers.note(point)
    points = measured_training(
        keeper.training,
        lambda _, policy: reference.evaluate(policy, states),
        marks=even_marks(num_updates, request.curve_points),
        underway=now,
        breaks=keeper.breaks,
        between=keeper,
    )
    with TrainingProgress(console, num_updates) as progress:
        for point in points:
            keeper.curve.append(strict(point.as_dict()))
            note(out / METRICS, keeper.curve[-1])
            observers.note(keeper.curve[-1])
            speed = num_seeds * point.env_steps / point.train_seconds if point.train_seconds else 0.0
            feasible, regret = (finite_mean(point.column(name)) for name in ("feasible", "regret"))
            progress.show(point.update, speed, feasible, regret)


def note(path: Path, row: dict[str, Any]) -> None:
    """Add a point of the curve to the file that people watch; what resumes is in the checkpoints."""
    try:
        append_json_line(path, row)
    except OSError as error:
        say(f"{path}: a line could not be written ({error.strerror}); training goes on")


def finish(request: Request, out: Path, timing: dict[str, Any], keeper: Any, now: Any, console: Any) -> None:
    """Measure the result on unseen states, print the tables and write the files."""
    from jaxcontract.cli.tables import printed_states_table, seeds_table
    from jaxcontract.envs.contract import ContractEnv
    from jaxcontract.evaluation.states import TEST_SEED
    from jaxcontract.storage.policies import save_policies
    from jaxcontract.training.summary import printed_items, results

    env, params = request.setting.game.make()
    own = dict(zip(request.seeds, keeper.policies(now), strict=True))
    save_policies(out / "policy", own, request.setting, keeper.diverged)
    policies = keeper.training.policies(now.learners)
    reference = make_reference(request)
    states = reference.test_states(request.eval_states, TEST_SEED)
    reports = [reference.evaluate(policy, states) for policy in policies]
    references = reference.baselines(states)
    write_text(out / METRICS, json_lines(keeper.curve))
    found = results(request.seeds, reports, references)
    printed = env if isinstance(env, ContractEnv) and env.num_types == 2 else None  # as in the paper
    if printed:
        items = printed_items(policies[0], printed, params)
        found["printed_states"] = {"seed": request.seeds[0], "contracts": items}
    amiss = [
        *reference.remarks(reports[0]),
        *unmoved(keeper.curve, request.seeds, request.setting.algorithm),
        *(at_their_limit(policies, request.seeds) if request.setting.algorithm.learns_head else []),
    ]
    for line in amiss:
        say(line)
    found["diverged"] = [{"seed": seed, **one._asdict()} for seed, one in keeper.diverged.items()]
    write_json(out / SUMMARY, summary(request, timing, found, [*request.remarks, *amiss]))
    say_when_interrupted(f"the run has ended, its results are in {out / SUMMARY}")

    console.print()
    console.print(seeds_table(request.seeds, reports, references))
    if printed:
        console.print()
        console.print(printed_states_table(policies[0], printed, params))
    drawn = attempt("learning_curve.png", lambda: draw(request, out, keeper.curve), say)
    written = ["config.json", METRICS, "policy/", "checkpoints/", *drawn, SUMMARY]
    console.print(
        f"\ntrained in {timing['train_seconds']:.1f} s ({timing['env_steps_per_second']:,.0f} env "
        f"steps/s), compiled in {timing['compile_seconds']:.1f} s; written to {out}/: {', '.join(written)}"
    )


def summary(
    request: Request, timing: dict[str, Any], found: dict[str, Any], remarks: list[str]
) -> dict[str, Any]:
    """What is shown of a run, for `summary.json`. `found`: what was measured."""
    return {
        "preset": request.preset,
        "setting": request.setting.as_dict(),
        "num_updates": request.setting.algorithm.num_updates,
        "rounds_per_update": request.setting.algorithm.batch_size,
        "init_from": request.init_from,
        "extended_from": list(request.extended_from),
        **timing,
        **found,
        "remarks": remarks,
    }


def draw(request: Request, out: Path, curve: list[dict[str, Any]]) -> None:
    """Write `learning_curve.png`: the curve beside what needs no learning, on the same states."""
    import numpy as np

    from jaxcontract.evaluation.states import CURVE_SEED
    from jaxcontract.figures import learning_curve, save

    setting, reference = request.setting, make_reference(request)
    references = reference.baselines(reference.test_states(request.curve_states, CURVE_SEED))
    columns = {
        name: np.transpose(np.array([row[name] for row in curve], float))
        for name in ("reward", "regret", "feasible")
    }

    def levels(measure: str, names: Sequence[str]) -> dict[str, float]:
        return {name: getattr(references[name], measure) for name in names if name in references}

    figure = learning_curve(
        [row["env_steps"] for row in curve],
        columns["reward"],
        columns["regret"],
        feasible=columns["feasible"],
        reward_lines={"optimum": curve[-1]["optimum"], **levels("reward", ("random",))},
        regret_lines=levels("regret", ("pooled", "random feasible")),
        title=f"{ALGORITHMS.name_of(setting.algorithm)}, preset {request.preset}: {setting.game.describe()}; "
        f"{request.curve_states:,} fixed states",
    )
    save(figure, out / "learning_curve")
