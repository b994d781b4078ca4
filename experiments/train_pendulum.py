"""Train our PPO on gymnax's Pendulum-v1, to show that the learner knows nothing of contracts."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("train_pendulum.py")  # also while what follows is imported

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from jaxcontract.cli.options import OneLineParser, count
from jaxcontract.cli.program import BAD_INPUT, Program
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.training.devices import NoDeviceError, require_device

PROGRAM = Program("train_pendulum.py", "python experiments/train_pendulum.py")
EPILOG = """\
The pendulum is to swing up and stay there. An episode of 200 rounds pays about -1200 to one who pushes at
random and about -150 to one who can do it.

needs: pip install "gymnax>=1" six    (gymnax 1.0.1 imports six and does not ask for it)

exit codes: 0 done, 2 bad input or no device of the kind that JAX_PLATFORMS asks for, 130 interrupted
"""
# Rounds follow from one another here: whole stretches of an episode, a discount, and more passes.
CONFIG = PPOConfig(
    num_updates=200,
    num_envs=64,
    num_steps=128,
    epochs=10,
    learning_rate=1e-3,
    discount=0.9,
    clip_range=0.2,
    policy_head=Gaussian(initial_std=1.0),
)
EPISODES, ROUNDS = 256, 200


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("--seeds", type=count, default=3, metavar="N", help="how many seeds (default 3)")
    add(
        "--num-updates",
        type=count,
        default=CONFIG.num_updates,
        metavar="N",
        help=f"updates of {CONFIG.batch_size} rounds (default {CONFIG.num_updates})",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    try:
        require_device()
        import gymnax
    except NoDeviceError as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    except ImportError as error:
        return PROGRAM.fail(BAD_INPUT, f'{error}; pip install "gymnax>=1" six')
    from jaxcontract.training.seeds import compile_training

    env, params = gymnax.make("Pendulum-v1")
    config = CONFIG.replace(num_updates=parsed.num_updates)
    training = compile_training(range(parsed.seeds), env, params, config)
    learners = training.start()
    before = returns(training.policies(learners), env, params)
    began = time.perf_counter()
    learners, _ = training.advance(learners, config.num_updates)
    seconds = time.perf_counter() - began
    after = returns(training.policies(learners), env, params)
    for seed in range(parsed.seeds):
        print(f"seed {seed}: mean return of {EPISODES} episodes {before[seed]:.0f} -> {after[seed]:.0f}")
    speed = parsed.seeds * config.env_steps / seconds
    print(f"{parsed.seeds} x {config.env_steps:,} env steps in {seconds:.1f} s: {speed:,.0f} env steps/s")
    return 0


def returns(policies: Sequence[Any], env: Any, params: Any) -> list[float]:
    """The mean return of each policy's mode, on the same fresh episodes."""
    import jax

    def episode(policy, key):
        key_reset, key_rounds = jax.random.split(key)

        def play(carry, key):
            observation, state = carry
            observation, state, reward, *_ = env.step(key, state, policy(observation), params)
            return (observation, state), reward

        keys = jax.random.split(key_rounds, ROUNDS)
        return jax.lax.scan(play, env.reset(key_reset, params), keys)[1].sum()

    keys = jax.random.split(jax.random.key(2**31 - 1), EPISODES)
    mean = jax.jit(lambda policy: jax.vmap(partial(episode, policy))(keys).mean())
    return [float(mean(policy)) for policy in policies]


if __name__ == "__main__":
    sys.exit(main())
