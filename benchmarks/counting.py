"""What a PPO update has to do for each env step, stage by stage: by hand, and by the compiler's count."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcontract.learning.config import PPOConfig
from jaxcontract.learning.policy import gaussian_sample
from jaxcontract.learning.ppo import init_learner, learn, make_batch, update
from jaxcontract.learning.rollout import rollout
from jaxcontract.mechanism.networks import sample_network

FLOAT = 4  # bytes
STAGES = ("sampling", "rollout", "advantage", "update")  # sampling is a part of the rollout


class Cost(NamedTuple):
    """Work for one env step: floating point operations, and bytes that go to or come from memory."""

    flops: float
    bytes: float

    def __add__(self, other: Any) -> "Cost":
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def times(self, factor: float) -> "Cost":
        """So many times the work."""
        return Cost(factor * self.flops, factor * self.bytes)


class Stage(NamedTuple):
    """A part of an update as a function, and arguments for it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def stages(env: Any, params: Any, config: PPOConfig) -> dict[str, Stage]:
    """The parts of an update of one seed, and "whole", each ready to be compiled by itself."""
    params, config = (jax.tree.map(jnp.asarray, record) for record in (params, config))

    def sample(learner, params):
        key_states, key_noise = jax.random.split(learner.key)
        shape = env.num_actions, config.parallel_rounds
        network = sample_network(key_states, params.distribution, config.parallel_rounds)
        return network, gaussian_sample(key_noise, jnp.zeros(shape), learner.policy.log_std)

    def play(learner, params):
        before = learner.env_state, learner.observation
        return rollout(learner.key, learner.policy, env, params, *before, config.rollout_length)

    learner = jax.jit(lambda key: init_learner(key, env, params, config))(jax.random.key(0))
    _, following, rounds = jax.jit(play)(learner, params)
    batch = jax.jit(make_batch)(learner, rounds, following, config)
    return {
        "sampling": Stage(sample, (learner, params)),
        "rollout": Stage(play, (learner, params)),
        "advantage": Stage(make_batch, (learner, rounds, following, config)),
        "update": Stage(learn, (learner, batch, config)),
        "whole": Stage(lambda learner, *numbers: update(learner, env, *numbers), (learner, params, config)),
    }


def by_compiler(env: Any, params: Any, config: PPOConfig) -> dict[str, Cost]:
    """XLA's own count: every arithmetic operation is a FLOP, and bytes are what each kernel touches.

    config: with rollouts of one round. A loop's body is counted once, so one gradient step is counted
    and multiplied; all branches of a condition are, so values that no reward needs are in it.
    """
    rows = config.parallel_rounds // config.minibatches
    one_step = dataclasses.replace(config, parallel_rounds=rows, minibatches=1, epochs=1)
    counts = {name: _counted(stages(env, params, config)[name], config) for name in STAGES[:3]}
    counts["update"] = _counted(stages(env, params, one_step)["update"], one_step).times(config.epochs)
    return counts


def _counted(stage: Stage, config: PPOConfig) -> Cost:
    """FLOPs of the program as written and bytes of the program as compiled: fusion saves traffic only."""
    lowered = jax.jit(stage.function).lower(*stage.arguments)
    written: Any = lowered.cost_analysis()
    compiled: Any = lowered.compile().cost_analysis()
    return Cost(written["flops"] / config.batch_size, compiled["bytes accessed"] / config.batch_size)


def by_hand(env: Any, config: PPOConfig) -> dict[str, Cost]:
    """The least: matrix products alone, and every number that a stage leaves to another moved once.

    What lies between two layers, and the weights, need not leave the cache. A gradient step has three
    products for each layer, of outputs, weights' gradients and inputs' gradients, but none of the last
    for the first layer.
    """
    num_inputs, num_actions = env.observation_space().shape[0], env.action_space().shape[0]
    actor, critic = (_layers(num_inputs, config.hidden_sizes, outputs) for outputs in (num_actions, 1))
    first = 2 * num_inputs * config.hidden_sizes[0]  # of each network
    one_pass = 3 * (_flops(actor) + _flops(critic)) - 2 * first
    # The observations after the last round have a value too, unless a discount of 0 leaves it out.
    values = 1 + (1 / config.rollout_length if config.discount > 0 else 0)
    state = num_inputs * FLOAT  # an observation is as long as what it is made of
    played = (num_inputs + num_actions + 2) * FLOAT  # observation, action, its density and the reward
    judged = (num_inputs + num_actions + 3) * FLOAT  # with advantage and target for the reward
    return {
        "sampling": Cost(0.0, state + num_actions * FLOAT),
        "rollout": Cost(_flops(actor), state + played),
        "advantage": Cost(values * _flops(critic), played + judged),
        "update": Cost(one_pass, judged).times(config.epochs),
    }


def total(costs: dict[str, Cost]) -> Cost:
    """All of an update; sampling is in the rollout already."""
    return costs["rollout"] + costs["advantage"] + costs["update"]


def _layers(inputs: int, hidden: Sequence[int], outputs: int) -> list[tuple[int, int]]:
    sizes = [inputs, *hidden, outputs]
    return list(itertools.pairwise(sizes))


def _flops(layers: Sequence[tuple[int, int]]) -> int:
    """Of one row through the network: a multiplication and an addition for every weight."""
    return sum(2 * inputs * outputs for inputs, outputs in layers)
