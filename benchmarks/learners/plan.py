"""What one training is asked for, and the process of its own that it runs in. No JAX."""

import dataclasses
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jaxcontract.config.many_types import begin_with_types
from jaxcontract.config.presets import PRESETS
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.config import LearnerConfig
from jaxcontract.training.signals import before_leaving

BENCHMARKS = Path(__file__).resolve().parent.parent
# Whose first time is looked for on the curve: mean regrets, and parts of what screening is worth.
LEVELS = {"regret": (1.0, 0.1, 0.01, 0.002), "screening_gap": (0.1, 0.03, 0.02)}
SHARED = "shared"
OWN: dict[str, LearnerConfig] = {"ppo": PRESETS["default"].algorithm, "gradient": GradientConfig()}
_TO_INSTALL = "install it with: pip install -e '.[peers]', or name the Python that has it by"


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a learner's adapter lies.

    module, maker: `maker(plan)` of `learners.<module>` makes it ready to run, a `child.Learner`
    install:       what to do when it is not there; None for ourselves
    """

    module: str
    maker: str
    install: str | None = None


LEARNERS = {
    "jaxcontract": Entry("ours", "Ours"),
    "rejax": Entry("rejax", "Rejax", f"{_TO_INSTALL} --rejax-python"),
    "sb3-vectorised": Entry("sb3", "make_vectorised", f"{_TO_INSTALL} --sb3-python"),
    "sb3-gymnasium": Entry("sb3", "make_one_by_one", f"{_TO_INSTALL} --sb3-python"),
}
GAMES: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {"actions": "raw", "reward": "paper"},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """One training of S seeds of one learner on one game.

    name, game:    keys of `LEARNERS` and `GAMES`
    numbers:       whose: those that every learner is given, or what this package's PPO or plain gradient
                   begins with at this number of types
    num_types:     K
    learning_rate: at the start; it falls linearly to our final one
    env_steps:     rounds that each seed plays, rounded up to whole updates and equal stretches
    stretches:     parts of the training that are timed, each with a point of the curve behind it
    budget:        seconds since the process began after which no new stretch does
    states:        unseen states on which the result is measured
    """

    name: str
    game: str = "default"
    numbers: str = SHARED
    num_types: int = 2
    seeds: int = 1
    num_envs: int = 512
    num_steps: int = 16
    minibatches: int = 8
    learning_rate: float = 1e-3  # the best of 3e-4, 1e-3 and 3e-3 for all learners at these sizes
    env_steps: int = PPOConfig().env_steps
    stretches: int = 5
    budget: float = math.inf
    states: int = 20_000

    @property
    def updates_per_stretch(self) -> int:
        """PPO iterations between two points of the curve."""
        return math.ceil(self.env_steps / (self.num_envs * self.num_steps * self.stretches))

    @property
    def config(self) -> Any:
        """The numbers of the plan, and for all others our own: every learner takes those that it knows."""
        num_updates = self.stretches * self.updates_per_stretch
        if self.numbers != SHARED:
            return own_config(self.numbers, self.num_types).replace(num_updates=num_updates)
        return PPOConfig(
            num_updates=num_updates,
            num_envs=self.num_envs,
            num_steps=self.num_steps,
            minibatches=self.minibatches,
            learning_rate=self.learning_rate,
        )


def own_config(learner: str, num_types: int) -> Any:
    """What a learner of this package, a key of `OWN`, begins with at K = num_types."""
    setting = PRESETS["default"].with_parts({"algorithm": OWN[learner]})
    return begin_with_types("default", setting, num_types).algorithm


def own_plan(learner: str, num_types: int) -> dict[str, Any]:
    """The fields of a plan that trains as this package does when nothing more is said."""
    own = own_config(learner, num_types)
    sizes = {"num_envs": own.num_envs, "num_steps": own.batch_size // own.num_envs}
    numbers = {"learning_rate": own.learning_rate, "env_steps": own.env_steps}
    return {"numbers": learner, "num_types": num_types, **sizes, **numbers}


def run_child(
    name: str, *, python: str = sys.executable, time_limit: float = 300.0, **changes: Any
) -> dict[str, Any]:
    """Train in a process of its own and wait for it: the plan, a status and, when done, the figures.

    name:       a key of `LEARNERS`
    python:     the interpreter to run it in; this tree's `jaxcontract` is used there
    time_limit: seconds after which the process is ended: `vmap` over seeds can hang for ever on CPU
    changes:    fields of `Plan`

    "status" is done, missing (the learner is not installed there), hung (no result in time) or failed;
    "message" says why, in one line. The figures of one that is done are those of `child.learn`.
    """
    plan = Plan(name=name, **changes)
    used = _cpu_seconds_of_children()
    command = [python, "-P", "-m", "learners.child", *options(plan), f"--started={time.time()}"]
    try:
        done = _run(command, time_limit)
    except subprocess.TimeoutExpired:
        used = _cpu_seconds_of_children() - used
        message = f"no result within {time_limit:g} s, in which it used {used:.0f} s of processor time"
        return {**dataclasses.asdict(plan), "status": "hung", "message": message}
    return {**dataclasses.asdict(plan), **_outcome(done)}


def _run(command: list[str], time_limit: float) -> subprocess.CompletedProcess[str]:
    """Run a process to its end; it does not outlive us. Raises TimeoutExpired."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=_environment(), **pipes) as process, before_leaving(process.kill):
        try:
            printed, said = process.communicate(timeout=time_limit)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, printed, said)


def options(plan: Plan) -> list[str]:
    """The command line of `child.py` that asks for this plan."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(plan).items()]


def _outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a process has said in its last line."""
    if done.returncode == 0:
        outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return outcome
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return {"status": "failed", "message": said[-1]}


def _environment() -> dict[str, str]:
    """This tree's modules for any interpreter, and no compilation cache, for compiling is timed."""
    paths = [str(BENCHMARKS), str(BENCHMARKS.parent), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "JAX_ENABLE_COMPILATION_CACHE": "false",
    }


def _cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
