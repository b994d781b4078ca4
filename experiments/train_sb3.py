"""Train stable-baselines3's PPO and SAC on a game and measure them beside ours and what is best."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("train_sb3.py")  # also while what follows is imported

import argparse
import dataclasses
import importlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from jaxcontract.cli.options import OneLineParser, count, seconds
from jaxcontract.cli.program import BAD_INPUT, INTERRUPTED, Program
from jaxcontract.config.many_types import begin_with_types
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import Setting, change, leaves
from jaxcontract.training.devices import require_device

PROGRAM = Program("train_sb3.py", "python experiments/train_sb3.py")
EPILOG = """\
examples:
  python experiments/train_sb3.py                  a minute for each learner
  python experiments/train_sb3.py --seconds 10 --actions raw --reward paper
  python experiments/train_sb3.py --preset enrolment   rounds that depend on each other

needs: pip install -e ".[stable-baselines3]"

Every learner gets one seed and the same wall time, compiling left out, and lets its step size fall to zero
by then. Discounts are those of the preset: 0 in the contract game, whose next round does not depend on the
action. There stable-baselines3 has sizes and a step size that suit it, found by trying; in the games of the
presets enrolment and budget its PPO has the sizes, epochs, clip range and discount of ours.

exit codes: 0 done, 2 bad input or no device of the kind that JAX_PLATFORMS asks for, 130 interrupted
"""
PILOT = 20  # updates, after the first, that tell how fast ours are made here
GAMES = ("default", "stress", "enrolment", "budget")
OF_ROUNDS = ("enrolment", "budget")


@dataclasses.dataclass(frozen=True)
class Trained:
    """A policy, as `jaxcontract.evaluate` takes it, and what it took."""

    policy: Any
    seconds: float
    env_steps: int


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("--seconds", type=seconds, default=60.0, metavar="S", help="wall time of each learner (default 60)")
    add(
        "--preset",
        choices=GAMES,
        default="default",
        help="the game, and our numbers for it (default default)",
    )
    add("--num-types", type=count, metavar="K", help="device types (default 2)")
    add("--actions", choices=("feasible", "raw"), help="(default feasible)")
    add("--reward", choices=("centred", "paper"), help="(default centred)")
    add("--seed", type=int, default=0, metavar="N", help="of every learner (default 0)")
    add(
        "--eval-states",
        type=count,
        metavar="N",
        help="unseen states, or episodes (default 20000, enrolment 20, budget 2000)",
    )
    parsed = parser.parse_args(arguments)
    if parsed.seed not in range(2**31):
        parser.error(f"--seed {parsed.seed}: must be a whole number in [0, 2^31)")
    try:
        parsed.setting = choose_setting(parsed)
    except ValueError as error:
        parser.error(str(error))
    return parsed


def choose_setting(parsed: argparse.Namespace) -> Setting:
    """The game, and this package's learner with its numbers for it. Raises ValueError."""
    preset = "raw" if parsed.actions == "raw" and parsed.preset == "default" else parsed.preset
    chosen = {name: getattr(parsed, name) for name in ("num_types", "actions", "reward")}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    setting = PRESETS[preset]
    unknown = sorted(chosen.keys() - {field.name for _, field, _ in leaves(setting)})
    if unknown:
        raise ValueError(f"--{unknown[0]}: --preset {parsed.preset} has no such option")
    return begin_with_types(preset, change(setting, chosen), parsed.num_types)


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    try:
        require_device()
        importlib.import_module("jaxcontract.adapters.stable_baselines3")
    except (ImportError, ValueError) as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    try:
        compare(parsed)
    except KeyboardInterrupt:
        return PROGRAM.fail(INTERRUPTED, "interrupted")
    return 0


def compare(parsed: argparse.Namespace) -> None:
    """Train one after another, measure all on the same states, and print the table."""
    from jaxcontract.cli.console import make_console
    from jaxcontract.cli.tables import learners_table
    from jaxcontract.evaluation.states import TEST_SEED

    console = make_console()
    game = parsed.setting.game
    parsed.env, parsed.params = game.make()
    reference = game.make_reference(parsed.env, parsed.params)
    states = reference.test_states(parsed.eval_states or game.count_states()[0], TEST_SEED)
    rows: list[tuple[str, Any, float | None, int | None]] = []
    for name, train in LEARNERS.items():
        console.print(f"{name}: {parsed.seconds:g} s ...")
        trained = train(parsed)
        rows.append((name, reference.evaluate(trained.policy, states), trained.seconds, trained.env_steps))
    rows += known_rows(parsed, reference, states)
    console.print()
    console.print(learners_table(rows))


def known_rows(
    parsed: argparse.Namespace, reference: Any, states: Any
) -> list[tuple[str, Any, float | None, int | None]]:
    """What needs no learning: the optimum of the contract game; rules and programs of games over rounds."""
    import jaxcontract as jc

    if not isinstance(parsed.env, jc.ContractEnv):
        return [(name, report, None, None) for name, report in reference.baselines(states).items()]
    from jaxcontract.evaluation.offers import scheme_contracts
    from jaxcontract.evaluation.report import judge

    began = time.perf_counter()
    best = scheme_contracts(jc.optimal_contract, states)
    return [("exact optimum", judge(best, states), time.perf_counter() - began, None)]


def ppo(parsed: argparse.Namespace) -> Trained:
    """stable-baselines3's PPO, over as many environments and with such numbers as suit the game."""
    import math

    from stable_baselines3 import PPO

    sizes: dict[str, Any] = {
        "num_envs": 512,
        "n_steps": 16,
        "batch_size": 1024,
        "n_epochs": 4,
        "clip_range": 0.3,
    }
    if parsed.preset in OF_ROUNDS:
        own = parsed.setting.algorithm
        sizes = {
            "num_envs": own.num_envs,
            "n_steps": own.num_steps,
            "batch_size": own.batch_size // own.minibatches,
            "n_epochs": own.epochs,
            "clip_range": float(own.clip_range),
            "gae_lambda": float(own.gae_lambda),
        }
    # Actions of 1 stand for vectors of 6, and the default deviation of 1 would fill the whole box.
    spread = {"log_std_init": math.log(0.5 if parsed.actions == "raw" else 0.1)}
    return learn(parsed, PPO, policy_kwargs=spread, **sizes)


def sac(parsed: argparse.Namespace) -> Trained:
    """stable-baselines3's SAC: fewer rounds, each learned from more often."""
    from stable_baselines3 import SAC

    return learn(
        parsed,
        SAC,
        num_envs=64,
        learning_starts=4096,
        buffer_size=200_000,
        # Three times as low as usual: what it explores at must end close to the mean that is measured.
        target_entropy=-3.0 * parsed.env.action_space(parsed.params).shape[0],
    )


def learn(
    parsed: argparse.Namespace, algorithm: Callable[..., Any], num_envs: int, **keywords: Any
) -> Trained:
    """What an algorithm of stable-baselines3 learns in the given time."""
    import torch

    from jaxcontract.adapters.envs import GymnasiumVectorEnv
    from jaxcontract.adapters.stable_baselines3 import OneCallVecEnv
    from jaxcontract.envs.wrappers import ScaledEnv

    # Networks of this size gain little from more threads, which wait for one another where cores are busy.
    torch.set_num_threads(1)
    envs = GymnasiumVectorEnv(ScaledEnv(env=parsed.env), parsed.params, num_envs=num_envs)
    envs.reset(seed=parsed.seed)
    envs.step(envs.action_space.sample())  # compiled now
    clock = Clock(parsed.seconds)
    model = algorithm(
        "MlpPolicy",
        OneCallVecEnv(envs),
        gamma=float(parsed.setting.algorithm.discount),
        learning_rate=lambda _: 1e-3 * clock.left(),
        seed=parsed.seed,
        device="cpu",
        **keywords,
    )
    clock.start()
    model.learn(2**62, callback=lambda *_: clock.left() > 0)
    scaled = envs.env
    policy = scaled.policy(lambda seen: model.predict(seen, deterministic=True)[0], envs.params)
    return Trained(policy, clock.elapsed(), model.num_timesteps)


class Clock:
    """How much of a span of time is left, from 1 to 0."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.start()

    def start(self) -> None:
        self.began = time.perf_counter()

    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    def left(self) -> float:
        return max(0.0, 1.0 - self.elapsed() / self.seconds)


def ours(parsed: argparse.Namespace) -> Trained:
    """This package's PPO at its own numbers, as many updates as the time holds."""
    from jaxcontract.training.seeds import compile_training

    def ready(num_updates: int) -> Any:
        config = parsed.setting.algorithm.replace(num_updates=num_updates)
        return config, compile_training([parsed.seed], parsed.env, parsed.params, config)

    _, pilot = ready(PILOT)
    learners, _ = pilot.advance(pilot.start(), 1)
    _, pilot_seconds = time_training(pilot, learners, PILOT)
    config, training = ready(max(1, round(PILOT * parsed.seconds / pilot_seconds)))
    learners, spent = time_training(training, training.start(), config.num_updates)
    return Trained(training.policies(learners)[0], spent, config.env_steps)


def time_training(training: Any, learners: Any, num_updates: int) -> tuple[Any, float]:
    """The learners after some more updates, and the seconds that those took."""
    began = time.perf_counter()
    learners, _ = training.advance(learners, num_updates)  # waits until they are made
    return learners, time.perf_counter() - began


LEARNERS = {"stable-baselines3 PPO": ppo, "stable-baselines3 SAC": sac, "jaxcontract PPO": ours}


if __name__ == "__main__":
    sys.exit(main())
