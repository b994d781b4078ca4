"""What a PPO update has to do for each env step, stage by stage, counted by hand. No JAX."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxcontract.learning.algorithms.ppo.config import PPOConfig

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


def by_hand(env: Any, config: PPOConfig) -> dict[str, Cost]:
    """The least: matrix products alone, and every number that a stage leaves to another moved once.

    What lies between two layers, and the weights, need not leave the cache. A gradient step has three
    products for each layer, of outputs, weights' gradients and inputs' gradients, but none of the last
    for the first layer.
    """
    num_inputs, num_actions = env.observation_space().shape[0], env.action_space().shape[0]
    network: Any = config.network
    actor, critic = (_layers(num_inputs, network.hidden_sizes, outputs) for outputs in (num_actions, 1))
    first = 2 * num_inputs * network.hidden_sizes[0]  # of each network
    one_pass = 3 * (_flops(actor) + _flops(critic)) - 2 * first
    # The observations after the last round have a value too, unless a discount of 0 leaves it out.
    values = 1 + (1 / config.num_steps if config.discount > 0 else 0)
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
