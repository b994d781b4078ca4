"""Train stable-baselines3's PPO and SAC on the contract game and measure them beside ours and the optimum."""

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
from jaxcontract.envs.config import EnvOptions
from jaxcontract.training.devices import require_device

PROGRAM = Program("train_sb3.py", "python experiments/train_sb3.py")
EPILOG = """\
examples:
  python experiments/train_sb3.py                  a minute for each learner
  python experiments/train_sb3.py --seconds 10 --actions raw --reward paper

needs: pip install -e ".[stable-baselines3]"

Every learner gets one seed and the same wall time, compiling left out, and lets its step size fall to zero
by then. Discounts are 0, for the next round does not depend on the action.

exit codes: 0 done, 2 bad input or no device of the kind that JAX_PLATFORMS asks for, 130 interrupted
"""
PILOT = 100  # updates, after the first, that tell how fast ours are made here


@dataclasses.dataclass(frozen=True)
class Trained:
    """A policy, as `jaxcontract.evaluate` takes it, and what it took."""

    policy: Any
    seconds: float
    env_steps: int


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add, usual = parser.add_argument, EnvOptions()
    add("--seconds", type=seconds, default=60.0, metavar="S", help="wall time of each learner (default 60)")
    add("--num-types", type=count, default=usual.num_types, metavar="K", help="device types (default 2)")
    add("--actions", choices=("feasible", "raw"), default=usual.actions, help="(default feasible)")
    add("--reward", choices=("centred", "paper"), default=usual.reward, help="(default centred)")
    add("--seed", type=int, default=0, metavar="N", help="of every learner (default 0)")
    add("--eval-states", type=count, default=20_000, metavar="N", help="unseen states (default 20000)")
    parsed = parser.parse_args(arguments)
    if parsed.seed not in range(2**31):
        parser.error(f"--seed {parsed.seed}: must be a whole number in [0, 2^31)")
    parsed.options = EnvOptions(num_types=parsed.num_types, actions=parsed.actions, reward=parsed.reward)
    return parsed


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
    import jaxcontract as jc
    from jaxcontract.cli.console import make_console
    from jaxcontract.cli.tables import learners_table
    from jaxcontract.evaluation.offers import scheme_contracts
    from jaxcontract.evaluation.reference import solve_reference
    from jaxcontract.evaluation.report import judge

    console = make_console()
    env = jc.ContractEnv(**dataclasses.asdict(parsed.options))
    params = env.default_params
    solution = solve_reference(params.system, jc.unseen_states(params.distribution, parsed.eval_states))
    rows: list[tuple[str, jc.Report, float, int | None]] = []
    for name, train in LEARNERS.items():
        console.print(f"{name}: {parsed.seconds:g} s ...")
        trained = train(parsed)
        report = jc.evaluate(trained.policy, env, states=solution)
        rows.append((name, report, trained.seconds, trained.env_steps))
    began = time.perf_counter()
    best = scheme_contracts(jc.optimal_contract, solution)
    rows.append(("exact optimum", judge(best, solution), time.perf_counter() - began, None))
    console.print()
    console.print(learners_table(rows))


def ppo(parsed: argparse.Namespace) -> Trained:
    """stable-baselines3's PPO, over as many environments and with such numbers as suit this game."""
    import math

    from stable_baselines3 import PPO

    return learn(
        parsed,
        PPO,
        num_envs=512,
        n_steps=16,
        batch_size=1024,
        n_epochs=4,
        clip_range=0.3,
        # Actions of 1 stand for vectors of 6, and the default deviation of 1 would fill the whole box.
        policy_kwargs={"log_std_init": math.log(0.1 if parsed.actions == "feasible" else 0.5)},
    )


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
        target_entropy=-6.0 * parsed.num_types,
    )


def learn(
    parsed: argparse.Namespace, algorithm: Callable[..., Any], num_envs: int, **keywords: Any
) -> Trained:
    """What an algorithm of stable-baselines3 learns in the given time."""
    import gymnasium
    import torch

    from jaxcontract.adapters import ENV_ID
    from jaxcontract.adapters.stable_baselines3 import OneCallVecEnv

    # Networks of this size gain little from more threads, which wait for one another where cores are busy.
    torch.set_num_threads(1)
    envs = gymnasium.make_vec(ENV_ID, num_envs=num_envs, **dataclasses.asdict(parsed.options))
    envs.reset(seed=parsed.seed)
    envs.step(envs.action_space.sample())  # compiled now
    clock = Clock(parsed.seconds)
    model = algorithm(
        "MlpPolicy",
        OneCallVecEnv(envs),
        gamma=0.0,
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
    import jaxcontract as jc
    from jaxcontract.training.seeds import compile_training

    env = jc.ContractEnv(**dataclasses.asdict(parsed.options))

    def ready(config: jc.PPOConfig) -> Any:
        return compile_training([parsed.seed], env, env.default_params, config)

    pilot = ready(jc.PPOConfig(num_updates=PILOT))
    learners, _ = pilot.advance(pilot.start(), 1)
    _, pilot_seconds = time_training(pilot, learners, PILOT)
    config = jc.PPOConfig(num_updates=max(1, round(PILOT * parsed.seconds / pilot_seconds)))
    training = ready(config)
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
