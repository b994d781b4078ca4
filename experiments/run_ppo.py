"""Train the paper's contract designer with PPO and measure every contract against the exact optimum."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.files import append_json_line, ensure_directory, make_directory, write_json
from jaxcontract.options import (
    OneLineParser,
    add_setting_options,
    count,
    differences,
    setting_from_options,
)
from jaxcontract.settings import PRESETS, Setting

EPILOG = """\
examples:
  python experiments/run_ppo.py --seeds 5                                  finds the optimum
  python experiments/run_ppo.py --seeds 5 --actions raw --reward centred   without the feasible map
  python experiments/run_ppo.py --seeds 5 --preset paper                   Algorithm 1 as printed
  python experiments/run_ppo.py --num-types 8 --num-updates 1200           eight device types

exit codes: 0 done, 2 bad input, 3 a seed diverged, 130 interrupted
"""


class Request(NamedTuple):
    """What a person asked for on the command line."""

    seeds: list[int]
    out: Path | None
    curve_points: int
    eval_states: int
    curve_states: int
    devices: int | None
    compilation_cache: Path | None
    preset: str
    setting: Setting


def parse(arguments: list[str] | None = None) -> Request:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog="run_ppo.py", description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("--seeds", type=count, default=5, metavar="N", help="how many seeds (default 5)")
    add("--first-seed", type=int, default=0, metavar="SEED", help="they are SEED, SEED + 1, … (default 0)")
    add("--out", type=Path, metavar="DIR", help="where to write (default runs/<preset>-<time>)")
    add(
        "--eval-states",
        type=count,
        default=20_000,
        metavar="N",
        help="unseen states on which the result is measured (default 20000)",
    )
    add(
        "--curve-states",
        type=count,
        default=1024,
        metavar="N",
        help="fixed states for the learning curve (default 1024)",
    )
    add(
        "--curve-points",
        type=count,
        default=24,
        metavar="N",
        help="points on the learning curve, and progress reports (default 24)",
    )
    add(
        "--devices",
        type=count,
        metavar="N",
        help="devices, on a CPU cores, to spread the seeds over (default: all)",
    )
    add(
        "--compilation-cache",
        type=Path,
        metavar="DIR",
        help="keep compiled programs here: the same run starts faster the next time (default: none kept)",
    )
    add_setting_options(parser)
    parsed = parser.parse_args(arguments)
    if not 0 <= parsed.first_seed <= 2**31 - 1 - parsed.seeds:
        parser.error(f"--first-seed {parsed.first_seed}: must be in [0, {2**31 - 1 - parsed.seeds}]")
    try:
        preset, setting = setting_from_options(parsed)
    except ValueError as error:
        parser.error(str(error))
    return Request(
        seeds=list(range(parsed.first_seed, parsed.first_seed + parsed.seeds)),
        out=parsed.out,
        curve_points=min(parsed.curve_points, setting.ppo.num_updates),
        eval_states=parsed.eval_states,
        curve_states=parsed.curve_states,
        devices=parsed.devices,
        compilation_cache=parsed.compilation_cache,
        preset=preset,
        setting=setting,
    )


def main() -> int:
    request = parse()
    try:
        if request.compilation_cache:
            ensure_directory(request.compilation_cache, "--compilation-cache")
        out = make_directory(request.out, request.preset)
    except ValueError as error:
        print(f"run_ppo.py: error: {error}", file=sys.stderr)
        return 2
    try:
        return run(request, out)
    except KeyboardInterrupt:
        print(f"\nrun_ppo.py: interrupted; the curve so far is in {out}/metrics.jsonl", file=sys.stderr)
        return 130


def run(request: Request, out: Path) -> int:
    """Train, measure, print and write: the exit code."""
    from jaxcontract.console import make_console
    from jaxcontract.learning.cores import described, num_places
    from jaxcontract.learning.seeds import compile_training
    from jaxcontract.runs import make_env

    if request.compilation_cache:
        keep_programs(request.compilation_cache)
    device = described(min(len(request.seeds), request.devices or num_places()))
    console = make_console()
    announce(console, request, device)
    write_json(out / "config.json", configuration(request, device))

    env, params = make_env(request.setting)
    training = compile_training(request.seeds, env, params, request.setting.ppo, request.devices)
    console.print(f"compiled in {training.compile_seconds:.1f} s")
    curve = train(request, out, training, env, params, console)
    last = curve[-1]
    speed = len(request.seeds) * last.env_steps / last.train_seconds
    timing = {
        "device": device,
        "num_devices": training.num_devices,
        "num_seeds": len(request.seeds),
        "env_steps_per_seed": last.env_steps,
        "compile_seconds": training.compile_seconds,
        "train_seconds": last.train_seconds,
        "env_steps_per_second": speed,
    }
    finish(request, out, timing, curve, console)
    for position in last.diverged:
        print(f"run_ppo.py: error: seed {request.seeds[position]} diverged", file=sys.stderr)
    return 3 if last.diverged else 0


def keep_programs(directory: Path) -> None:
    """Let JAX keep every program that it compiles, however small or quickly compiled, and find it again."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def announce(console: Any, request: Request, device: str) -> None:
    """Say what is about to run, and where it differs from its preset."""
    import jax

    options, config = request.setting.options, request.setting.ppo
    console.print(
        f"{device}, jax {jax.__version__}; preset {request.preset}: K = {options.num_types}, "
        f"{options.actions} actions, {options.reward} reward; {len(request.seeds)} seeds x "
        f"{config.env_steps:,} env steps = {config.num_updates} updates of {config.batch_size} rounds; "
        "compiling ..."
    )
    for name, (value, usual) in differences(request.setting, PRESETS[request.preset]).items():
        console.print(f"  {name} = {value} (preset: {usual})")


def configuration(request: Request, device: str) -> dict[str, Any]:
    """What made this run, for `config.json`."""
    return {
        "preset": request.preset,
        "seeds": request.seeds,
        "setting": request.setting.as_dict(),
        "eval_states": request.eval_states,
        "curve_states": request.curve_states,
        "device": device,
        "versions": {
            **{name: version(name) for name in ("jaxcontract", "jax", "jaxlib", "flax", "optax")},
            "python": sys.version.split()[0],
        },
    }


def train(request: Request, out: Path, training: Any, env: Any, params: Any, console: Any) -> list[Any]:
    """Train to the end, showing and writing every point of the learning curve: the points."""
    import numpy as np

    from jaxcontract.console import TrainingProgress
    from jaxcontract.evaluation import CURVE_SEED, evaluate, make_yardstick, unseen_states
    from jaxcontract.experiment import even_marks, measured_training

    states = unseen_states(params.distribution, request.curve_states, seed=CURVE_SEED)
    yardstick = make_yardstick(params.system, states)
    num_seeds, num_updates = len(request.seeds), request.setting.ppo.num_updates
    points = measured_training(
        training,
        lambda _, policy: evaluate(policy, env, params, states=yardstick),
        marks=even_marks(num_updates, request.curve_points),
    )
    curve = []
    with TrainingProgress(console, num_updates) as progress:
        for point in points:
            curve.append(point)
            append_json_line(out / "metrics.jsonl", point.as_dict())
            speed = num_seeds * point.env_steps / point.train_seconds if point.train_seconds else 0.0
            feasible, regret = (float(np.mean(point.column(name))) for name in ("feasible", "regret"))
            progress.show(point.update, speed, feasible, regret)
    return curve


def finish(request: Request, out: Path, timing: dict[str, Any], curve: list[Any], console: Any) -> None:
    """Measure the result on unseen states, print the tables and write the files."""
    from jaxcontract.evaluation import evaluate, make_yardstick, unseen_states
    from jaxcontract.experiment import reference_reports
    from jaxcontract.runs import make_env, save_policies
    from jaxcontract.tables import printed_states_table, seeds_table

    env, params = make_env(request.setting)
    policies = curve[-1].policies
    save_policies(out / "policy", dict(zip(request.seeds, policies, strict=True)), request.setting)
    yardstick = make_yardstick(params.system, unseen_states(params.distribution, request.eval_states))
    reports = [evaluate(policy, env, params, states=yardstick) for policy in policies]
    references = reference_reports(params, yardstick)
    write_json(out / "summary.json", summary(request, timing, reports, references["random"]))
    draw(request, out, curve, references)

    console.print()
    console.print(seeds_table(request.seeds, reports, references))
    if env.num_types == 2:
        console.print()
        console.print(printed_states_table(policies[0], env, params))
    console.print(
        f"\ntrained in {timing['train_seconds']:.1f} s ({timing['env_steps_per_second']:,.0f} env "
        f"steps/s), compiled in {timing['compile_seconds']:.1f} s; written to {out}/: config.json, "
        "metrics.jsonl, policy/, learning_curve.png, summary.json"
    )


def summary(request: Request, timing: dict[str, Any], reports: list[Any], random: Any) -> dict[str, Any]:
    """The numbers of `summary.json`."""
    measures = ("reward", "feasible", "regret", "screening_gap", "max_violation")
    return {
        "preset": request.preset,
        **timing,
        "seeds": [
            {"seed": seed, **{name: getattr(report, name) for name in measures}}
            for seed, report in zip(request.seeds, reports, strict=True)
        ],
        "random": {"reward": random.reward, "feasible": random.feasible},
    }


def draw(request: Request, out: Path, curve: list[Any], references: dict[str, Any]) -> None:
    """Write `learning_curve.png`."""
    import numpy as np

    from jaxcontract.figures import learning_curve, save

    options = request.setting.options
    figure = learning_curve(
        [point.env_steps for point in curve],
        np.transpose([point.column("reward") for point in curve]),
        np.transpose([point.column("regret") for point in curve]),
        reward_lines={
            "optimum": curve[-1].reports[0].optimum,
            "random": references["random"].reward,
        },
        regret_lines={name: references[name].regret for name in ("pooled", "random feasible")},
        title=f"PPO, preset {request.preset}: K = {options.num_types}, {options.actions} actions, "
        f"{options.reward} reward",
    )
    save(figure, out / "learning_curve")


if __name__ == "__main__":
    sys.exit(main())
