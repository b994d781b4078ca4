"""Who trains what: the options of a comparison, and the plans that come of them."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from command import numbers
from jaxcontract.cli.options import count, path, seconds, share
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from learners.plan import GAMES, SHARED, Plan, own_plan, run_child

NAMES = ("jaxcontract", "rejax", "sb3")
SB3_ENVS = ("sb3-vectorised", "sb3-gymnasium")  # the two ways to give stable-baselines3 the game
DEFAULT = Plan(name="jaxcontract")


def add_comparison_options(
    parser: argparse.ArgumentParser, seeds: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> None:
    """Who trains, how many seeds at which sizes when nothing is said, and in which Python."""
    add = parser.add_argument
    usual_seeds = ",".join(map(str, seeds))
    usual_sizes = ",".join(f"{envs}x{steps}" for envs, steps in sizes)
    add("--learners", type=learner_names, default=NAMES, metavar="NAMES", help="some of them (default all)")
    add("--game", choices=(*GAMES, "both"), default="both", help="(default both)")
    add(
        "--seeds",
        type=numbers,
        default=usual_seeds,
        metavar="LIST",
        help=f"how many at once (default {usual_seeds})",
    )
    add(
        "--sizes",
        type=pairs,
        default=usual_sizes,
        metavar="LIST",
        help=f"environments x steps of a rollout (default {usual_sizes})",
    )
    add(
        "--num-types",
        type=numbers,
        default="2",
        metavar="LIST",
        help="numbers of device types K (default 2)",
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
        said = "our own training's" if name == "env_steps" else usual
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=kind,
            default=None if name == "env_steps" else usual,
            metavar=metavar,
            help=f"{meaning} (default {said})",
        )


def collect(
    program: str, runs: Iterator[dict[str, Any]], line: Callable[[dict[str, Any]], str]
) -> list[dict[str, Any]] | None:
    """All runs, each printed as it ends; None, with a line that says so, when a person stops them."""
    ended = []
    try:
        for run in runs:
            ended.append(run)
            print(line(run), flush=True)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return None
    return ended


def check_sizes(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """End with one line where `--sizes` and `--minibatches` do not go together."""
    for envs, steps in parsed.sizes:
        try:
            PPOConfig(num_envs=envs, num_steps=steps, minibatches=parsed.minibatches)
        except ValueError as error:
            parser.error(f"--sizes {envs}x{steps}: {error}")


def plans(
    name: str, game: str, parsed: argparse.Namespace, own: Sequence[str] = ("ppo",)
) -> list[dict[str, Any]]:
    """The sizes and numbers of seeds at which a learner trains on a game, for each number of types.

    own: this package's learners that train with their own numbers too
    """
    chosen, seeds = shared_sizes(parsed), parsed.seeds
    if name in SB3_ENVS:
        chosen, seeds = chosen[:1], [1]
    elif game == "paper":
        chosen, seeds = chosen[:1], seeds[:1]
    found = [{**plan, "num_types": types} for types in parsed.num_types for plan in chosen]
    if name == "jaxcontract" and game != "paper":
        asked = {} if parsed.env_steps is None else {"env_steps": parsed.env_steps}
        ours = [own_plan(learner, types) | asked for types in parsed.num_types for learner in own]
        found = ours + found
    return [{**plan, "game": game, "seeds": number} for plan in found for number in seeds]


def shared_sizes(parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """The sizes at which all learners train."""
    common = {"minibatches": parsed.minibatches, "learning_rate": parsed.learning_rate}
    return [{"num_envs": envs, "num_steps": steps, **common} for envs, steps in parsed.sizes]


def train(name: str, parsed: argparse.Namespace, stretches: int, **plan: Any) -> dict[str, Any]:
    """One training, in the learner's own Python, timed and kept in so many stretches."""
    pythons = {"rejax": parsed.rejax_python, **dict.fromkeys(SB3_ENVS, parsed.sb3_python)}
    common = {
        "env_steps": parsed.env_steps or DEFAULT.env_steps,
        "stretches": stretches,
        "budget": parsed.budget,
        "states": parsed.states,
    }
    python = pythons.get(name, sys.executable)
    return run_child(name, python=python, time_limit=parsed.time_limit, **common | plan)


def describe(run: dict[str, Any]) -> str:
    """Who trains, and with whose numbers where these are not those that all have."""
    return run["name"] if run["numbers"] == SHARED else f"{run['name']} {run['numbers']}"


def learner_names(text: str) -> list[str]:
    """An option's value as some of `NAMES`."""
    chosen = text.split(",")
    if not set(chosen) <= set(NAMES):
        raise argparse.ArgumentTypeError(f"{text!r} must be some of {','.join(NAMES)}")
    return chosen


def pairs(text: str) -> list[tuple[int, int]]:
    """An option's value as pairs of counts: 512x16,4096x16."""
    try:
        counts = [tuple(count(number) for number in part.split("x")) for part in text.split(",")]
        return [(envs, steps) for envs, steps in counts]
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text!r} must be sizes such as 512x16,4096x16") from None


def interpreter(text: str) -> str:
    """An option's value as a program that can be run."""
    found = shutil.which(path(text))
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} must be a Python interpreter")
    return found
