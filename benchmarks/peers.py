"""Training speed, and the quality that it reaches, beside other libraries: side by side on this machine.

All play the same game with the same network (two layers of 64 tanh units, actor and critic apart), passes,
minibatches, step sizes and env steps, each training in a process of its own.
"""

import argparse
import math
import os
import shutil
import statistics
import sys
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from clock import described, make_parser, numbers, report
from jaxcontract.learning.config import PPOConfig
from jaxcontract.options import count, share
from rivals.plan import GAMES, Plan, our_own, run_child

LEARNERS = ("jaxcontract", "rejax", "sb3")
SB3_ENVS = ("sb3-vectorised", "sb3-gymnasium")  # the two ways to give stable-baselines3 the game
DEFAULT = Plan(name="jaxcontract")

EPILOG = """\
learners:
  jaxcontract  this package, at its own sizes and learning rate, and at those that all others have
  rejax        PPO in one JAX program, its seeds by vmap
  sb3          stable-baselines3: one seed at the first of --sizes, its environments stepped in one JAX
               call (sb3-vectorised) or one by one in gymnasium's shape (sb3-gymnasium), whichever is
               faster in a race of --repeats updates

games:
  default      feasible actions, centred reward: all learners, sizes and seeds
  paper        raw actions, reward (13): each learner once, for the quality that it reaches

exit codes: 0 done, 1 a learner failed, 2 bad input, 130 interrupted; one that is missing or hangs has a line
"""
TITLES = (
    f"{'learner':<15}{'game':<8}{'seeds':>6}{'sizes':>10}{'env steps':>11}{'import':>8}{'compile':>9}"
    f"{'train':>9}{'steps/s':>10} {'(min to max)':<22}{'feasible':>9}{'regret':>9}{'memory':>9}"
)


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    load = os.getloadavg()[0]  # on a busy machine speeds fall, and torch's the most
    print(TITLES)
    runs = []
    try:
        for run in contest(parsed):
            runs.append(run)
            print(row(run), flush=True)
    except KeyboardInterrupt:
        print("peers.py: interrupted", file=sys.stderr)
        return 130
    # Not before: on a GPU, asking JAX for its device takes the memory that the learners need.
    print(f"{described()}; load average before the start {load:.1f}")
    report({"load_average_before": load, "runs": runs}, parsed.json)
    return int(any(run["status"] == "failed" for run in runs))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; on bad input, one line and exit code 2."""
    parser = make_parser("peers.py", __doc__)
    parser.epilog = EPILOG
    add_contest_options(parser)
    add_training_options(parser)
    parsed = parser.parse_args(arguments)
    for envs, steps in parsed.sizes:
        try:
            PPOConfig(parallel_rounds=envs, rollout_length=steps, minibatches=parsed.minibatches)
        except ValueError as error:
            parser.error(f"--sizes {envs}x{steps}: {error}")
    return parsed


def add_contest_options(parser: argparse.ArgumentParser) -> None:
    """Who trains, at which sizes, and in which Python."""
    add = parser.add_argument
    add("--learners", type=learners, default=LEARNERS, metavar="NAMES", help="some of them (default all)")
    add("--game", choices=(*GAMES, "both"), default="both", help="(default both)")
    add("--seeds", type=numbers, default=[1, 5], metavar="LIST", help="how many at once (default 1,5)")
    add(
        "--sizes",
        type=sizes,
        default=[(512, 16), (4096, 16)],
        metavar="LIST",
        help="environments x steps of a rollout (default 512x16,4096x16)",
    )
    add(
        "--time-limit",
        type=seconds,
        default=120.0,
        metavar="SECONDS",
        help="end a process that has given no result by then (default 120)",
    )
    for library in ("rejax", "sb3"):
        add(
            f"--{library}-python",
            type=interpreter,
            default=sys.executable,
            metavar="PATH",
            help=f"the Python in which {library} is installed (default: this one)",
        )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """One option for each number of a `Plan` that a person may choose."""
    meanings: dict[str, tuple[Any, str, str]] = {
        "minibatches": (count, "N", "gradient steps per pass"),
        "learning_rate": (share, "RATE", "Adam's step size at the start"),
        "env_steps": (count, "N", "rounds of each seed, rounded up to whole updates"),
        "states": (count, "N", "unseen states on which the result is measured"),
        "budget": (seconds, "SECONDS", "begin no stretch of training later than this after the start"),
    }
    for name, (kind, metavar, meaning) in meanings.items():
        usual = getattr(DEFAULT, name)
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=kind,
            default=usual,
            metavar=metavar,
            help=f"{meaning} (default {usual})",
        )


def contest(parsed: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train them all, one after another: the result of each as it ends."""
    names = [name for name in parsed.learners if name != "sb3"]
    if "sb3" in parsed.learners:
        names += yield from race(parsed)
    games = [game for game in GAMES if parsed.game in (game, "both")]
    missing = set()
    for game in games:
        for name in names:
            for plan in plans(name, game, parsed):
                if name not in missing:
                    run = train(name, parsed, game=game, **plan)
                    yield run
                    missing |= {name} if run["status"] == "missing" else set()


def race(parsed: argparse.Namespace) -> Generator[dict[str, Any], None, list[str]]:
    """A few updates of stable-baselines3 with either kind of environment: the faster, if it is there."""
    envs, steps = parsed.sizes[0]
    speeds = {}
    for name in SB3_ENVS:
        run = train(name, parsed, **shared(parsed)[0], env_steps=parsed.repeats * envs * steps)
        yield run
        if run["status"] == "missing":
            return []
        if run["status"] == "done":
            speeds[name] = run["env_steps_per_second"]["median"]
    return sorted(speeds, key=speeds.__getitem__)[-1:]


def plans(name: str, game: str, parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """The sizes and numbers of seeds at which a learner trains on a game."""
    chosen, seeds = shared(parsed), parsed.seeds
    if name in SB3_ENVS:
        chosen, seeds = chosen[:1], [1]
    elif game == "paper":
        chosen, seeds = chosen[:1], seeds[:1]
    elif name == "jaxcontract":
        chosen.insert(0, our_own() | {"env_steps": parsed.env_steps})
    return [{**plan, "seeds": number} for plan in chosen for number in seeds]


def shared(parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """The sizes at which all learners train."""
    common = {"minibatches": parsed.minibatches, "learning_rate": parsed.learning_rate}
    return [{"parallel_rounds": envs, "rollout_length": steps, **common} for envs, steps in parsed.sizes]


def train(name: str, parsed: argparse.Namespace, **plan: Any) -> dict[str, Any]:
    """One training, in the learner's own Python."""
    pythons = {"rejax": parsed.rejax_python, **dict.fromkeys(SB3_ENVS, parsed.sb3_python)}
    common = {
        "env_steps": parsed.env_steps,
        "stretches": parsed.repeats,
        "budget": parsed.budget,
        "states": parsed.states,
    }
    python = pythons.get(name, sys.executable)
    return run_child(name, python=python, time_limit=parsed.time_limit, **common | plan)


def row(run: dict[str, Any]) -> str:
    """A result as a line of the table. Feasible and regret are means over the seeds."""
    size = f"{run['parallel_rounds']}x{run['rollout_length']}"
    what = f"{run['name']:<15}{run['game']:<8}{run['seeds']:>6}{size:>10}"
    if run["status"] != "done":
        return f"{what}  {run['status']}: {run['message']}"
    speed = run["env_steps_per_second"]
    spread = f"({speed['min']:,.0f} to {speed['max']:,.0f})"
    regrets = [regret for regret in run["regret"] if math.isfinite(regret)]
    regret = f"{statistics.fmean(regrets):.5f}" if regrets else "none"
    return (
        f"{what}{run['env_steps']:>11,}{run['import_seconds']:>6.1f} s{run['compile_seconds']:>7.1f} s"
        f"{run['train_seconds']:>7.1f} s{speed['median']:>10,.0f} {spread:<22}"
        f"{statistics.fmean(run['feasible']):>9.5f}{regret:>9}{run['peak_memory_bytes'] / 1e6:>6.0f} MB"
    )


def learners(text: str) -> list[str]:
    """An option's value as some of `LEARNERS`."""
    chosen = text.split(",")
    if not set(chosen) <= set(LEARNERS):
        raise argparse.ArgumentTypeError(f"{text!r} must be some of {','.join(LEARNERS)}")
    return chosen


def sizes(text: str) -> list[tuple[int, int]]:
    """An option's value as pairs of counts: 512x16,4096x16."""
    try:
        pairs = [tuple(count(number) for number in part.split("x")) for part in text.split(",")]
        return [(envs, steps) for envs, steps in pairs]
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text!r} must be sizes such as 512x16,4096x16") from None


def seconds(text: str) -> float:
    """An option's value as a span of time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number in (0, inf]")
    return value


def interpreter(text: str) -> str:
    """An option's value as a program that can be run."""
    found = shutil.which(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} must be a Python interpreter")
    return found


if __name__ == "__main__":
    sys.exit(main())
