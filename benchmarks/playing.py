"""Rounds per second: of the bare environment, and of full training with the regret that it reaches."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import clock
import jaxcontract as jc
from jaxcontract.config.critic import keep_critic
from jaxcontract.config.many_types import begin_with_types
from jaxcontract.config.presets import PRESETS
from jaxcontract.evaluation.reference import solve_reference
from jaxcontract.evaluation.states import unseen_states
from jaxcontract.learning import rollout
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.training.cores import memory_of, num_places
from jaxcontract.training.seeds import compile_training

ROUNDS_TIMED = 2**20  # of the bare environment, in each repeat on each core
STEPS_TIMED = 2**19  # of training, in each repeat on each core
UNSEEN = 4096  # states on which regret is measured


def bare_env(num_types: int, num_envs: int, repeats: int, rounds: int) -> dict[str, Any]:
    """Random feasible contracts played by the environment alone, on every core of a CPU at a time."""
    env = jc.ContractEnv(num_types=num_types)
    length = max(1, rounds // num_envs // num_types)
    copies = clock.num_threads()
    play = _player(env, num_envs, length)
    keys = [jax.random.key(number) for number in range(copies)]
    program, seconds = clock.compile_timed(play, keys[0], options=clock.fast_options())
    feasible: list[float] = []
    with ThreadPoolExecutor(copies) as cores:

        def run():
            feasible.extend(cores.map(lambda key: float(program(key)[1]), keys))

        timing = clock.repeat(run, repeats, seconds)
    return {
        "num_types": num_types,
        "num_envs": num_envs,
        **timing.rate(copies * length * num_envs),
        "feasible": float(np.mean(feasible)),
        "compile_seconds": timing.compile_seconds,
        "memory_bytes": copies * memory_of(program),
    }


def _player(env: jc.ContractEnv, num_envs: int, length: int) -> Callable[..., Any]:
    """key → (mean reward, share of contracts that are feasible) of `length` times B rounds."""
    params = env.default_params

    def play(key):
        key_start, key_play = jax.random.split(key)
        state, _ = rollout.start(key_start, env, params, num_envs)

        def step(carry, key):
            state, reward_sum, feasible_sum = carry
            key_action, key_env = jax.random.split(key)
            action = jax.random.normal(key_action, (env.num_actions, num_envs))
            _, state, reward, _, _, info = rollout.step(key_env, env, params, state, action)
            return (state, reward_sum + jnp.mean(reward), feasible_sum + jnp.mean(info["feasible"])), None

        carry = (state, jnp.zeros(()), jnp.zeros(()))
        (_, *sums), _ = jax.lax.scan(step, carry, jax.random.split(key_play, length))
        return [total / length for total in sums]

    return play


def begin(num_types: int, num_envs: int) -> PPOConfig:
    """What a training begins with at K types; with a critic where so few rounds are no groups of actions."""
    setting = begin_with_types("default", PRESETS["default"], num_types)
    config: Any = keep_critic(setting, {"num_envs": num_envs}).algorithm
    return config


def training(
    num_types: int,
    num_seeds: int,
    num_envs: int,
    repeats: int,
    steps: int,
    config: PPOConfig | None = None,
) -> dict[str, Any]:
    """Whole PPO updates of several seeds, and the regret of the policies after all that were timed.

    config: by default what `jaxcontract train` begins with at as many types and rounds
    """
    env = jc.ContractEnv(num_types=num_types)
    params = env.default_params
    per_device = -(-num_seeds // min(num_seeds, num_places()))
    count = max(1, steps // (num_envs * per_device))
    config = config or begin(num_types, num_envs)
    minibatches = min(config.minibatches, max(1, num_envs // 2))
    config = config.replace(num_envs=num_envs, minibatches=minibatches, num_updates=(repeats + 1) * count)
    under_way = compile_training(list(range(num_seeds)), env, params, config)
    learners = [under_way.start()]

    def run():
        learners[0], _ = under_way.advance(learners[0], count)

    timing = clock.repeat(run, repeats, under_way.compile_seconds)
    solution = solve_reference(params.system, unseen_states(params.distribution, UNSEEN))
    policies = under_way.policies(learners[0])
    reports = [jc.evaluate(policy, env, params, states=solution) for policy in policies]
    return {
        "num_types": num_types,
        "num_seeds": num_seeds,
        "num_envs": num_envs,
        **timing.rate(num_seeds * count * config.batch_size),
        "env_steps_per_seed": config.env_steps,
        "feasible": float(np.mean([report.feasible for report in reports])),
        "regret": float(np.mean([report.regret for report in reports])),
        "compile_seconds": timing.compile_seconds,
        "memory_bytes": under_way.memory_bytes,
    }
