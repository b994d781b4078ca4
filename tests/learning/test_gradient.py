"""The plain gradient: games with a known best action, and the contract game against PPO's regret."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.core.spaces import Box
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.algorithms.gradient.gradient import GRADIENT, init, update
from jaxcontract.learning.loop import repeat

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SMALL = GradientConfig(num_updates=1500, num_envs=64, network=jc.MLP(hidden_sizes=(16,)), learning_rate=1e-2)


@dataclasses.dataclass(frozen=True)
class Follow:
    """Reward −(a − 3 o)², o uniform in [0, 1], a in a Box."""

    low: float
    high: float

    def reset(self, key, params):
        del params
        observation = jax.random.uniform(key, (1,))
        return observation, observation

    def step(self, key, state, action, params):
        observation, following = self.reset(key, params)
        never = jnp.asarray(False)
        reward = -((action[0] - 3.0 * state[0]) ** 2)
        return observation, following, reward, never, never, {"final_observation": observation}

    def observation_space(self, params):
        del params
        return Box(0.0, 1.0, (1,))

    def action_space(self, params):
        del params
        return Box(self.low, self.high, (1,))


def trained(env, params, config, seed=0):
    @jax.jit
    def run(key):
        return repeat(update, init(key, env, params, config), env, params, config, config.num_updates)

    return run(jax.random.key(seed))


@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (0.0, 1.5)])
def test_the_best_action_follows_the_observation(low, high):
    learner, metrics = trained(Follow(low, high), None, SMALL)
    seen = np.linspace(0.05, 0.95, 10)[:, None]
    expected = np.clip(3.0 * seen, low, high)
    np.testing.assert_allclose(learner.policy(jnp.asarray(seen, jnp.float32)), expected, atol=0.12)
    assert np.isfinite(metrics["gradient_norm"])


def test_a_step_is_the_gradient_of_the_mean_reward():
    """The direction against finite differences of the reward that the same keys give."""
    env, params = jc.ContractEnv(), jc.ContractEnv().default_params
    config = SMALL.replace(num_updates=1, num_envs=8)
    learner = init(jax.random.key(1), env, params, config)

    def reward(shift):
        weights = jax.tree.map(jnp.add, learner.weights, shift)
        return update(dataclasses.replace(learner, weights=weights), env, params, config)[1]["reward"]

    reward, gradient_of = jax.jit(reward), jax.jit(jax.grad(reward))
    zero = jax.tree.map(jnp.zeros_like, learner.weights)
    gradient = gradient_of(zero)
    bias = zero["params"]["Dense_1"]["bias"].at[0].set(1e-2)
    moved = {"params": {**zero["params"], "Dense_1": {**zero["params"]["Dense_1"], "bias": bias}}}
    back = jax.tree.map(jnp.negative, moved)
    slope = (reward(moved) - reward(back)) / 2e-2
    np.testing.assert_allclose(gradient["params"]["Dense_1"]["bias"][0], slope, rtol=2e-2)
    assert abs(slope) > 1e-3
    stepped, metrics = jax.jit(update, static_argnames="env")(learner, env, params, config)
    assert jnp.sign(stepped.weights["params"]["Dense_1"]["bias"][0]) == jnp.sign(slope)
    np.testing.assert_allclose(
        metrics["gradient_norm"],
        np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(gradient))),
        rtol=1e-3,
    )


@pytest.mark.parametrize("system", [jc.System(), jc.System(unit_profit=1.0, slot_duration=0.1)])
def test_contracts_come_close_to_the_optimum(system):
    env = jc.ContractEnv()
    params = env.default_params.replace(system=system)
    config = GradientConfig(num_updates=400, num_envs=256, learning_rate=3e-3)
    learner, _ = trained(env, params, config)
    report = jc.evaluate(learner.policy, env, params, states=jc.unseen_states(params.distribution, 2000))
    assert report.feasible == 1.0
    assert 0 < report.regret < 0.03  # one item for all: 0.48


def test_its_policy_hardly_scatters():
    env, params = jc.ContractEnv(), jc.ContractEnv().default_params
    policy = GRADIENT.init(jax.random.key(0), env, params, SMALL).policy
    observation, _ = env.reset(jax.random.key(1), params)
    np.testing.assert_allclose(policy.sample(jax.random.key(2), observation), policy(observation), atol=1e-3)
