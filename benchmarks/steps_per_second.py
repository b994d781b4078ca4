"""Rounds per second of the bare environment and of full training, with the quality that it reaches.

Compiling and running are timed apart; every run is waited for; the median of the repeats is quoted
beside the smallest and the largest.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import jaxcontract as jc
from jaxcontract.learning.ppo import advance, init_learner
from jaxcontract.learning.rollout import start
from jaxcontract.options import OneLineParser


def measure(function: Callable[..., Any], *arguments: Any, rounds: int, repeats: int) -> dict[str, float]:
    """Seconds to compile `function`, and the rounds per second of its runs."""
    began = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compile_seconds = time.perf_counter() - began
    jax.block_until_ready(compiled(*arguments))
    speeds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        speeds.append(rounds / (time.perf_counter() - began))
    return {
        "compile_seconds": compile_seconds,
        "median": statistics.median(speeds),
        "min": min(speeds),
        "max": max(speeds),
    }


def bare_env(num_types: int, parallel_rounds: int, repeats: int, length: int) -> dict[str, float]:
    """Random actions, nothing learned: what the game itself costs."""
    env = jc.ContractEnv(num_types=num_types)
    params = env.default_params

    def play(key):
        key_start, key_play = jax.random.split(key)
        state, _ = start(key_start, env, params, parallel_rounds)

        def step(carry, key):
            state, total, feasible = carry
            keys = jax.random.split(key, parallel_rounds)
            action = jax.random.normal(key, (parallel_rounds, env.num_actions))
            _, state, reward, _, _, info = jax.vmap(env.step, (0, 0, 0, None))(keys, state, action, params)
            return (state, total + jnp.sum(reward), feasible & jnp.all(info["feasible"])), None

        carry = (state, jnp.zeros(()), jnp.asarray(True))
        (_, total, feasible), _ = jax.lax.scan(step, carry, jax.random.split(key_play, length))
        return total, feasible

    _, feasible = jax.jit(play)(jax.random.key(0))
    assert feasible, "a contract that is feasible by construction was not"
    return measure(play, jax.random.key(0), rounds=parallel_rounds * length, repeats=repeats)


def full_training(num_types: int, config: jc.PPOConfig, repeats: int, updates: int) -> dict[str, float]:
    """Whole PPO updates, one seed on one device, and the regret after the configured budget."""
    env = jc.ContractEnv(num_types=num_types)
    params = env.default_params

    def run(learner):
        return advance(learner, env, params, config, updates)

    learner = jax.jit(lambda key: init_learner(key, env, params, config))(jax.random.key(0))
    result = measure(run, learner, rounds=config.batch_size * updates, repeats=repeats)
    learner, _ = jax.jit(lambda learner: advance(learner, env, params, config, config.num_updates))(learner)
    report = jc.evaluate(learner.policy, env, params)
    return {**result, "env_steps": config.env_steps, "feasible": report.feasible, "regret": report.regret}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = OneLineParser(prog="steps_per_second.py", description=__doc__)
    add = parser.add_argument
    add("--num-types", type=int, default=2, metavar="K", help="device types (default 2)")
    add(
        "--parallel-rounds",
        type=int,
        default=2048,
        metavar="B",
        help="environments side by side (default 2048)",
    )
    add(
        "--num-updates",
        type=int,
        default=600,
        metavar="N",
        help="budget of the training whose regret is shown",
    )
    add("--repeats", type=int, default=5, metavar="N", help="timed runs of each (default 5)")
    add("--json", type=Path, metavar="FILE", help="also write the figures here")
    parsed: argparse.Namespace = parser.parse_args(arguments)
    device = jax.devices()[0]
    config = jc.PPOConfig(parallel_rounds=parsed.parallel_rounds, num_updates=parsed.num_updates)
    result = {
        "device": f"{device.platform} ({device.device_kind}), {platform.machine()}",
        "jax": jax.__version__,
        "num_types": parsed.num_types,
        "parallel_rounds": parsed.parallel_rounds,
        "env": bare_env(parsed.num_types, parsed.parallel_rounds, parsed.repeats, length=64),
        "training": full_training(parsed.num_types, config, parsed.repeats, updates=20),
    }
    print(f"{result['device']}, jax {result['jax']}, K = {parsed.num_types}, B = {parsed.parallel_rounds}")
    for name in ("env", "training"):
        row = result[name]
        print(
            f"{name:>8}: {row['median']:>12,.0f} steps/s (min {row['min']:,.0f}, max {row['max']:,.0f}), "
            f"compiled in {row['compile_seconds']:.1f} s"
        )
    row = result["training"]
    print(f"after {row['env_steps']:,} env steps: feasible {row['feasible']:.4f}, regret {row['regret']:.4f}")
    if parsed.json:
        parsed.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return result


if __name__ == "__main__":
    main()
