"""One training in a process of its own: `python -m learners.child --name=rejax …` prints a line of JSON."""

import argparse
import dataclasses
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from learners.plan import GAMES, LEARNERS, LEVELS, OWN, SHARED, Plan

Policy = Callable[[Any], Any]  # observations [N, O], as the env gives them → actions [N, A], as it takes them


class Learner(Protocol):
    """A training that is compiled and ready to run."""

    compile_seconds: float

    def advance(self, num_updates: int) -> None:
        """Make more updates, and wait until they are made."""

    def policies(self) -> Sequence[Policy]:
        """What each seed has learned so far, the mode of its policy; later updates leave it alone."""


def main() -> None:
    plan, started = parse()
    entry = LEARNERS[plan.name]
    try:
        module = importlib.import_module(f"learners.{entry.module}")
    except ImportError as error:
        if entry.install is None:
            raise
        answer({"status": "missing", "message": f"{error}; {entry.install}"})
        return
    import_seconds = time.time() - started
    learner = getattr(module, entry.maker)(plan)
    result = learn(learner, plan, started)
    answer({"status": "done", "import_seconds": import_seconds, **result})


def parse() -> tuple[Plan, float]:
    """The plan that the command line asks for, and when the process was started."""
    parser = argparse.ArgumentParser(description=__doc__)
    choices = {"name": tuple(LEARNERS), "game": tuple(GAMES), "numbers": (SHARED, *OWN)}
    for field in dataclasses.fields(Plan):
        required = field.default is dataclasses.MISSING
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            type=field.type,
            choices=choices.get(field.name),
            required=required,
            default=None if required else field.default,
        )
    parser.add_argument("--started", type=float, default=time.time(), help="seconds since the epoch")
    values = vars(parser.parse_args())
    started = values.pop("started")
    return Plan(**values), started


def learn(learner: Learner, plan: Plan, started: float) -> dict[str, Any]:
    """Train stretch by stretch until the env steps are played or the budget is spent.

    Policies are kept as they come and measured when training is over, so that measuring costs a learner
    neither time nor memory. Seconds of the curve count from the start of the process: imports,
    compilation and training.
    """
    seconds: list[float] = []
    kept = [(time.time() - started, learner.policies())]
    while len(seconds) < plan.stretches and kept[-1][0] < plan.budget:
        began = time.perf_counter()
        learner.advance(plan.updates_per_stretch)
        seconds.append(time.perf_counter() - began)
        kept.append((time.time() - started, learner.policies()))
    memory = peak_memory()
    return {
        "compile_seconds": learner.compile_seconds,
        "train_seconds": sum(seconds),
        "peak_memory_bytes": memory,
        **measure(plan, seconds, kept),
    }


def measure(
    plan: Plan, seconds: Sequence[float], kept: Sequence[tuple[float, Sequence[Policy]]]
) -> dict[str, Any]:
    """The speed of the stretches, the curve and the final quality on unseen states.

    kept: for each point of the curve the seconds since the process began, and the policies
    """
    from clock import Timing
    from learners.game import Evaluator

    evaluator = Evaluator(plan)
    idle = dict.fromkeys(("median", "min", "max"), 0.0)  # the budget was spent before training began
    steps = plan.updates_per_stretch * plan.config.batch_size  # of each seed, per stretch
    curve = [
        {"seconds": moment, "env_steps": number * steps, **evaluator.on_curve(policies)}
        for number, (moment, policies) in enumerate(kept)
    ]
    return {
        "env_steps": curve[-1]["env_steps"],
        "env_steps_per_second": Timing(0.0, seconds).rate(plan.seeds * steps) if seconds else idle,
        **evaluator.on_unseen(kept[-1][1]),
        **{
            f"seconds_to_{name}": {str(level): first_time(curve, level, name) for level in levels}
            for name, levels in LEVELS.items()
        },
        "curve": curve,
    }


def first_time(curve: Sequence[dict[str, Any]], level: float, measure: str = "regret") -> float | None:
    """Seconds to the first point at which all contracts hold, with `measure` at most `level` in each seed."""
    reached = (
        point["seconds"] for point in curve if min(point["feasible"]) == 1.0 and max(point[measure]) <= level
    )
    return next(reached, None)


def peak_memory() -> int:
    """The largest resident set of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, Linux KiB


def answer(values: dict[str, Any]) -> None:
    print(json.dumps(values))


if __name__ == "__main__":
    main()
