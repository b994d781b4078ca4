"""Training speed, and the quality that it reaches, beside other libraries: side by side on this machine.

All play the same game with the same network (two layers of 64 tanh units, actor and critic apart), passes,
minibatches, step sizes and env steps, each training in a process of its own.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("peers.py")  # also while what follows is imported

import argparse
import math
import os
import statistics
import sys
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from command import check_device, describe_machine, make_parser, report
from learners.comparison import (
    SB3_ENVS,
    add_comparison_options,
    add_training_options,
    check_sizes,
    collect,
    describe,
    plans,
    shared_sizes,
    train,
)
from learners.plan import GAMES

EPILOG = """\
learners:
  jaxcontract  this package, at its own sizes and learning rate, and at those that all others have
  rejax        PPO in one JAX program, its seeds by vmap
  sb3          stable-baselines3: one seed at the first of --sizes, its environments stepped in one JAX
               call (sb3-vectorised) or one by one in gymnasium's shape (sb3-gymnasium), whichever is
               faster in a trial of --repeats updates

with --equal-time, each of the others trains for as many seconds since its process began as this package's
own training of as many types and seeds took: its env steps follow from a trial

games:
  default      feasible actions, centred reward: all learners, sizes and seeds
  paper        raw actions, reward (13): each learner once, for the quality that it reaches

exit codes: 0 done, 1 a learner failed, 2 bad input, 130 interrupted; one that is missing or hangs has a line
"""
TITLES = (
    f"{'learner':<16}{'game':<8}{'K':>4}{'seeds':>6}{'sizes':>10}{'env steps':>11}{'import':>8}{'compile':>9}"
    f"{'train':>9}{'steps/s':>10} {'(min to max)':<22}{'feasible':>9}{'regret':>9}{'gap':>8}{'memory':>9}"
)


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    load = os.getloadavg()[0]  # on a busy machine speeds fall, and torch's the most
    print(TITLES)
    runs = collect("peers.py", compare(parsed), row)
    if runs is None:
        return 130
    # Not before: on a GPU, asking JAX for its device takes the memory that the learners need.
    print(f"{describe_machine()}; load average before the start {load:.1f}")
    report({"load_average_before": load, "runs": runs}, parsed.json)
    return int(any(run["status"] == "failed" for run in runs))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; on bad input, one line and exit code 2."""
    parser = make_parser("peers.py", __doc__)
    parser.epilog = EPILOG
    add_comparison_options(parser, seeds=[1, 5], sizes=[(512, 16), (4096, 16)])
    add_training_options(parser)
    parser.add_argument("--equal-time", action="store_true", help="others train as long as we did")
    parsed = parser.parse_args(arguments)
    check_sizes(parser, parsed)
    check_device(parser, apart=True)
    return parsed


def compare(parsed: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train them all, one after another: the result of each as it ends."""
    names = [name for name in parsed.learners if name != "sb3"]
    if "sb3" in parsed.learners:
        names += yield from choose_envs(parsed)
    games = [game for game in GAMES if parsed.game in (game, "both")]
    missing = set()
    took: dict[Any, float] = {}
    for game in games:
        for name in names:
            for plan in plans(name, game, parsed):
                if name in missing:
                    continue
                steps = find_env_steps(name, parsed, plan, took)
                run = train(name, parsed, parsed.repeats, **plan | steps)
                yield run
                missing |= {name} if run["status"] == "missing" else set()
                if run["status"] == "done" and name == "jaxcontract":
                    took.setdefault(same_problem(run), run["curve"][-1]["seconds"])


def same_problem(run: dict[str, Any]) -> tuple[Any, ...]:
    """What trainings that stand side by side have in common."""
    return run["game"], run["num_types"], run["seeds"]


def find_env_steps(
    name: str, parsed: argparse.Namespace, plan: dict[str, Any], took: dict[Any, float]
) -> dict[str, int]:
    """The env steps with which another library ends when our own training did, from a trial of it."""
    seconds = took.get(same_problem(plan))
    if not parsed.equal_time or name == "jaxcontract" or seconds is None:
        return {}
    one_update = plan["num_envs"] * plan["num_steps"]
    trial = train(name, parsed, 2, **plan | {"env_steps": 2 * one_update, "states": 50})
    if trial["status"] != "done":
        return {}
    left = seconds - trial["curve"][0]["seconds"]
    steps = left * trial["env_steps_per_second"]["max"] / plan["seeds"]
    return {"env_steps": max(one_update, int(steps))}


def choose_envs(parsed: argparse.Namespace) -> Generator[dict[str, Any], None, list[str]]:
    """A few updates of stable-baselines3 with either kind of environment: the faster, if it is there."""
    envs, steps = parsed.sizes[0]
    speeds = {}
    for name in SB3_ENVS:
        run = train(
            name, parsed, parsed.repeats, **shared_sizes(parsed)[0], env_steps=parsed.repeats * envs * steps
        )
        yield run
        if run["status"] == "missing":
            return []
        if run["status"] == "done":
            speeds[name] = run["env_steps_per_second"]["max"]  # the first updates of torch are slow
    return sorted(speeds, key=speeds.__getitem__)[-1:]


def row(run: dict[str, Any]) -> str:
    """A result as a line of the table. Feasible and regret are means over the seeds."""
    size = f"{run['num_envs']}x{run['num_steps']}"
    what = f"{describe(run):<16}{run['game']:<8}{run['num_types']:>4}{run['seeds']:>6}{size:>10}"
    if run["status"] != "done":
        return f"{what}  {run['status']}: {run['message']}"
    speed = run["env_steps_per_second"]
    spread = f"({speed['min']:,.0f} to {speed['max']:,.0f})"
    regret, gap = _mean(run["regret"], ".5f"), _mean(run["screening_gap"], ".2%")
    return (
        f"{what}{run['env_steps']:>11,}{run['import_seconds']:>6.1f} s{run['compile_seconds']:>7.1f} s"
        f"{run['train_seconds']:>7.1f} s{speed['median']:>10,.0f} {spread:<22}"
        f"{statistics.fmean(run['feasible']):>9.5f}{regret:>9}{gap:>8}"
        f"{run['peak_memory_bytes'] / 1e6:>6.0f} MB"
    )


def _mean(values: Sequence[float], form: str) -> str:
    known = [value for value in values if math.isfinite(value)]
    return format(statistics.fmean(known), form) if known else "none"


if __name__ == "__main__":
    sys.exit(main())
