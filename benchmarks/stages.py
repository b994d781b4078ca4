"""The stages of a PPO update, each by itself: the compiler's count of its work, and its time."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import clock
from counting import STAGES, Cost
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.algorithms.ppo.ppo import init, learn, make_batch, update
from jaxcontract.learning.rollout import rollout
from jaxcontract.mechanism.network_states import sample_network
from jaxcontract.training.cores import FAST_COMPILE, compile_with, on_cpu


class Stage(NamedTuple):
    """A part of an update as a function, and arguments for it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def stages(env: Any, params: Any, config: PPOConfig) -> dict[str, Stage]:
    """The parts of an update of one seed, and "whole", each ready to be compiled by itself."""
    params, config = (jax.tree.map(jnp.asarray, record) for record in (params, config))

    def sample(learner, params):
        key_states, key_noise = jax.random.split(learner.key)
        shape = env.num_actions, config.num_envs
        network = sample_network(key_states, params.distribution, config.num_envs)
        return network, learner.head.sample(key_noise, jnp.zeros(shape), learner.policy.parameters)

    def play(learner, params):
        before = learner.env_state, learner.observation
        return rollout(learner.key, learner.policy, env, params, *before, config.num_steps)

    learner = _run_once(lambda key: init(key, env, params, config), jax.random.key(0))
    _, following, rounds = _run_once(play, learner, params)
    batch = _run_once(make_batch, learner, rounds, following, config)
    return {
        "sampling": Stage(sample, (learner, params)),
        "rollout": Stage(play, (learner, params)),
        "advantage": Stage(make_batch, (learner, rounds, following, config)),
        "update": Stage(learn, (learner, batch, config)),
        "whole": Stage(lambda learner, *numbers: update(learner, env, *numbers), (learner, params, config)),
    }


def _run_once(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives, compiled for the one time that it runs."""
    return compile_with(jax.jit(function).lower(*arguments), FAST_COMPILE)(*arguments)


def by_compiler(env: Any, params: Any, config: PPOConfig) -> dict[str, Cost]:
    """XLA's own count: every arithmetic operation is a FLOP, and bytes are what each kernel touches.

    config: with rollouts of one round. A loop's body is counted once, so one gradient step is counted
    and multiplied; all branches of a condition are, so values that no reward needs are in it.
    """
    rows = config.num_envs // config.minibatches
    one_step = dataclasses.replace(config, num_envs=rows, minibatches=1, epochs=1)
    parts = stages(env, params, config)
    counts = {name: _count(parts[name], config) for name in STAGES[:3]}
    counts["update"] = _count(stages(env, params, one_step)["update"], one_step).times(config.epochs)
    return counts


def _count(stage: Stage, config: PPOConfig) -> Cost:
    """FLOPs of the program as written and bytes of the program as compiled: fusion saves traffic only."""
    lowered = jax.jit(stage.function).lower(*stage.arguments)
    written: Any = lowered.cost_analysis()
    compiled: Any = lowered.compile().cost_analysis()
    return Cost(written["flops"] / config.batch_size, compiled["bytes accessed"] / config.batch_size)


def seconds_per_step(stage: Stage, num_seeds: int, batch_size: int, repeats: int, steps: int) -> float:
    """Of a stage alone: on a CPU a seed on every core at a time, elsewhere all seeds in one batch.

    steps: about how many a core, or another device, makes in a repeat
    """
    copies = clock.num_threads()
    function, at_once = stage.function, batch_size
    if not on_cpu():
        function, at_once = _batch(stage.function, num_seeds), num_seeds * batch_size
    program, _ = clock.compile_timed(function, *stage.arguments, options=clock.fast_options())
    length = max(1, steps // at_once)

    def work(_: int) -> None:
        for _ in range(length):
            jax.block_until_ready(program(*stage.arguments))

    with ThreadPoolExecutor(copies) as cores:
        seconds = clock.repeat(lambda: list(cores.map(work, range(copies))), repeats).median
    return seconds / (copies * length * at_once)


def _batch(function: Callable[..., Any], num_seeds: int) -> Callable[..., Any]:
    """The function of a learner as one of as many like it, so that none is computed only once."""

    def across(first, *others):
        several = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *leaf.shape)), first)
        return jax.vmap(function, in_axes=(0, *[None] * len(others)))(several, *others)

    return across


def profile(env: Any, params: Any, config: Any, num_seeds: int, repeats: int, steps: int) -> dict[str, float]:
    """Seconds per env step of each stage, the rollout's without its sampling, and of the whole update."""
    seconds = {
        name: seconds_per_step(stage, num_seeds, config.batch_size, repeats, steps)
        for name, stage in stages(env, params, config).items()
    }
    seconds["rollout"] -= seconds["sampling"]
    return seconds
