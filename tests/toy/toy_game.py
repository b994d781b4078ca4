"""A mechanism of its own with its game: a buyer posts one price, a seller of a hidden cost takes it or not.

The cost is uniform in [0, 1], the good is worth v to the buyer, who sees v. A price p is taken with
probability p and earns p (v − p) on average: the best price is v / 2, and earns v² / 4.
"""

import dataclasses
from types import SimpleNamespace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcontract.core.fields import Record, number
from jaxcontract.core.spaces import Box
from jaxcontract.envs.game import Game


@dataclasses.dataclass(frozen=True, kw_only=True)
class Buyer(Record):
    """What the good may be worth."""

    largest_value: float = number(
        1.0, "the most that the good is worth", static=True, low=0, above=True, high=2
    )


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class PostedPriceEnv:
    """Observation: v [1]. Action: the price [1]. Reward: p (v − p), the mean over the seller's costs."""

    def reset(self, key, params):
        value = jax.random.uniform(key, (1,)) * params["largest_value"]
        return value, value

    def step(self, key, state, action, params):
        reward = (action * (state - action))[0]
        observation, following = self.reset(key, params)
        ended = jnp.asarray(True)
        return observation, following, reward, ended, ~ended, {"final_observation": observation}

    def observation_space(self, params):
        return Box(0.0, params["largest_value"], (1,))

    def action_space(self, params):
        del params
        return Box(0.0, 1.0, (1,))


class BestPrice:
    """The reference: the price v / 2."""

    def __init__(self, env, params):
        del env
        self.largest_value = float(params["largest_value"])

    def test_states(self, count, seed):
        return np.random.default_rng(seed).uniform(0.0, self.largest_value, (count, 1)).astype(np.float32)

    def evaluate(self, policy, states):
        return self.judge(np.asarray(policy(states), np.float64), states)

    def judge(self, prices, states):
        values = states.astype(np.float64)
        optimum, earned = values**2 / 4, prices * (values - prices)
        return SimpleNamespace(
            num_states=len(states),
            optimum=float(optimum.mean()),
            reward=float(earned.mean()),
            feasible=1.0,
            regret=float((optimum - earned).mean()),
            worst_regret=float((optimum - earned).max()),
            screening_gap=float("nan"),
            max_violation=0.0,
        )

    def baselines(self, states):
        return {"price 1/2": self.judge(np.full(states.shape, 0.5), states)}

    def remarks(self, report):
        return [f"the good is worth {self.largest_value:g} at most, {report.num_states} values of it"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PostedPrice(Game):
    """The record that its line in the registry names."""

    environment: ClassVar[str] = "toy_game:make_env"
    reference: ClassVar[str] = "toy_game:BestPrice"

    problem: Buyer = dataclasses.field(default_factory=Buyer)

    def describe(self):
        return f"a posted price, values up to {self.problem.largest_value:g}"


def make_env(game):
    return PostedPriceEnv(), {"largest_value": jnp.asarray(game.problem.largest_value)}
