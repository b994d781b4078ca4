"""The Gaussian against SciPy, the two maps between spaces and network, and the policy's shapes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from jaxcontract.core.spaces import Box
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.algorithms.ppo.ppo import init
from jaxcontract.learning.boxes import ActionBijector, make_bijector, make_normalizer
from jaxcontract.learning.networks.mlp import MLP
from jaxcontract.learning.policies.gaussian import Gaussian
from oracles.differences import central_difference

pytestmark = pytest.mark.usefixtures("compiled_quickly")

HEAD = Gaussian()


def gaussian_log_prob(value, mean, log_std):
    return HEAD.log_prob(value, mean, {"log_std": log_std})


def gaussian_sample(key, mean, log_std):
    return HEAD.sample(key, mean, {"log_std": log_std})


MEAN = np.array([0.5, -2.0, 0.0])
STD = np.array([0.3, 1.0, 5.0])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 2)])
def test_log_prob_is_that_of_independent_normals(shape):
    value = np.random.default_rng(0).normal(size=shape) * 3
    mean = np.random.default_rng(1).normal(size=shape)
    result = gaussian_log_prob(jnp.asarray(value), jnp.asarray(mean), jnp.log(STD))
    expected = scipy.stats.norm.logpdf(value.T, mean.T, STD).sum(axis=-1).T
    assert result.shape == shape[1:]
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("log_std", [-10.0, 0.0, 2.0])
def test_log_prob_stays_finite_over_the_range_of_deviations(log_std):
    std = np.exp(log_std)
    value = jnp.array([[0.0, 5 * std, -5 * std]])
    result = gaussian_log_prob(value, jnp.zeros((1, 3)), jnp.array([log_std]))
    expected = scipy.stats.norm.logpdf(np.asarray(value), 0.0, std)[0]
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("float64")
def test_entropy_is_that_of_independent_normals():
    result = HEAD.entropy(jnp.zeros(3), {"log_std": jnp.log(STD)})
    assert result.shape == ()
    np.testing.assert_allclose(result, sum(scipy.stats.norm.entropy(0, std) for std in STD), atol=1e-12)


def test_samples_have_the_gaussians_law():
    count = 40_000
    mean = jnp.broadcast_to(jnp.asarray(MEAN, jnp.float32)[:, None], (3, count))
    sample = np.asarray(gaussian_sample(jax.random.key(0), mean, jnp.log(jnp.asarray(STD, jnp.float32)))).T
    np.testing.assert_array_less(np.abs(sample.mean(axis=0) - MEAN), 5 * STD / np.sqrt(count))
    np.testing.assert_allclose(sample.std(axis=0), STD, rtol=0.02)
    correlation = np.corrcoef(sample.T) - np.eye(3)
    assert np.abs(correlation).max() < 0.03
    for k in range(3):
        assert scipy.stats.kstest((sample[:, k] - MEAN[k]) / STD[k], "norm").pvalue > 1e-3


def test_different_keys_give_different_samples():
    mean, log_std = jnp.zeros((2, 5)), jnp.zeros(2)
    one, same, other = (gaussian_sample(jax.random.key(seed), mean, log_std) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.all(one != other)


def bijector_of(low, high):
    """Onto actions between `low` and `high`."""
    low, high = jnp.asarray(low), jnp.asarray(high)
    return make_bijector(Box(low, high, low.shape))


def test_actions_lie_in_the_box():
    bijector = bijector_of([0.0, -3.0, 10.0], [1.0, -1.0, 11.0])
    raw = 3 * jax.random.normal(jax.random.key(0), (3, 500))
    action = bijector.forward(raw)
    assert action.shape == raw.shape
    assert np.all(action > bijector.low.reshape(3, 1))
    assert np.all(action < bijector.high.reshape(3, 1))
    far = bijector.forward(jnp.array([[-1e4, 1e4]] * 3))
    np.testing.assert_array_equal(far, [[0.0, 1.0], [-3.0, -1.0], [10.0, 11.0]])


def test_raw_zero_is_the_middle_of_the_box_and_actions_rise_with_raw():
    bijector = bijector_of([0.0, -3.0], [1.0, -1.0])
    np.testing.assert_allclose(bijector.forward(jnp.zeros(2)), [0.5, -2.0], rtol=1e-6)
    raw = jnp.linspace(-6, 6, 50)[None, :] * jnp.ones((2, 1))
    assert np.all(np.diff(bijector.forward(raw), axis=1) > 0)


def test_unbounded_actions_are_left_as_they_are():
    bijector = bijector_of([-jnp.inf, 0.0], [jnp.inf, 1.0])
    raw = jnp.array([[-7.0, 123.0], [0.0, 0.0]])
    np.testing.assert_array_equal(bijector.forward(raw), [[-7.0, 123.0], [0.5, 0.5]])


def test_gradients_through_the_bijector_are_finite():
    bijector = bijector_of([-jnp.inf, 0.0], [jnp.inf, 1.0])
    gradient = jax.grad(lambda raw: jnp.sum(bijector.forward(raw)))(jnp.array([2.0, 0.0]))
    np.testing.assert_allclose(gradient, [1.0, 0.25], rtol=1e-6)


def test_observations_are_scaled_to_plus_minus_one():
    low, high = jnp.array([0.0, -5.0, 100.0]), jnp.array([1.0, 5.0, 104.0])
    normalizer = make_normalizer(Box(low, high, (3,)))
    np.testing.assert_allclose(normalizer.normalize(low), [-1, -1, -1], rtol=1e-6)
    np.testing.assert_allclose(normalizer.normalize(high), [1, 1, 1], rtol=1e-6)
    middle = jnp.broadcast_to((0.5 * (low + high))[:, None, None], (3, 4, 2))
    np.testing.assert_allclose(normalizer.normalize(middle), np.zeros((3, 4, 2)), atol=1e-6)


def test_dimensions_without_width_are_only_moved():
    low, high = jnp.array([40.0, -jnp.inf, 0.0]), jnp.array([40.0, jnp.inf, jnp.inf])
    normalizer = make_normalizer(Box(low, high, (3,)))
    np.testing.assert_array_equal(normalizer.normalize(jnp.array([40.0, 3.0, 7.0])), [0.0, 3.0, 7.0])
    assert all(np.all(np.isfinite(part)) for part in (normalizer.center, normalizer.width))


def test_scalar_bounds_hold_for_every_dimension():
    normalizer, bijector = make_normalizer(Box(0.0, 2.0, (3,))), make_bijector(Box(-1.0, 1.0, (2,)))
    assert normalizer.center.shape == normalizer.width.shape == (3,)
    assert bijector.low.shape == bijector.high.shape == (2,)
    np.testing.assert_array_equal(normalizer.normalize(jnp.array([0.0, 1.0, 2.0])), [-1.0, 0.0, 1.0])


def squashed_density(bijector, action, mean, std):
    """The density of `bijector.forward(raw)`, raw ~ N(mean, std), from its own slope by differences."""
    low, high = float(bijector.low[0]), float(bijector.high[0])
    share = (action - low) / (high - low)
    raw = np.log(share) - np.log1p(-share)
    slope = central_difference(lambda raw: float(bijector.forward(jnp.array([raw]))[0]), raw, 1e-5)
    return scipy.stats.norm.pdf(raw, mean, std) / slope, raw


@pytest.mark.usefixtures("float64")
def test_the_bijector_turns_a_gaussian_into_a_density_over_the_box():
    bijector = bijector_of([2.0], [5.0])
    total, _ = scipy.integrate.quad(lambda a: squashed_density(bijector, a, 0.3, 0.8)[0], 2.0, 5.0, limit=200)
    np.testing.assert_allclose(total, 1.0, rtol=1e-4)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("action", [2.01, 2.9, 3.5, 4.7, 4.99])
def test_the_ratio_of_densities_is_the_same_before_and_after_the_bijector(action):
    bijector = bijector_of([2.0], [5.0])
    new, raw = squashed_density(bijector, action, 0.3, 0.8)
    old, _ = squashed_density(bijector, action, -0.2, 1.1)
    log_ratio = gaussian_log_prob(jnp.array([raw]), jnp.array([0.3]), jnp.log(jnp.array([0.8])))
    log_ratio -= gaussian_log_prob(jnp.array([raw]), jnp.array([-0.2]), jnp.log(jnp.array([1.1])))
    np.testing.assert_allclose(np.exp(log_ratio), new / old, rtol=1e-9)


@dataclasses.dataclass(frozen=True)
class Spaces:
    """An environment of which only the spaces are ever asked, and one first observation."""

    def reset(self, key, params):
        del key, params
        return jnp.zeros(3), jnp.asarray(0)

    def observation_space(self, params):
        del params
        return Box(-2.0, 2.0, (3,))

    def action_space(self, params):
        del params
        return Box(jnp.array([0.0, -jnp.inf]), jnp.array([1.0, jnp.inf]), (2,))


@jax.jit
def fresh_learner(config):
    return init(jax.random.key(0), Spaces(), None, config)


act = jax.jit(lambda policy, observation: policy(observation))
draw = jax.jit(lambda policy, key, observation: policy.sample(key, observation))


@pytest.fixture(scope="module")
def policy():
    """A policy whose actions depend on what it sees: fresh weights, shaken."""
    config = PPOConfig(
        num_envs=8, minibatches=1, network=MLP(hidden_sizes=(8,)), policy_head=Gaussian(initial_std=0.5)
    )
    fresh = fresh_learner(config).policy
    leaves, structure = jax.tree.flatten(fresh.weights)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    shaken = [leaf + jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return dataclasses.replace(fresh, weights=jax.tree.unflatten(structure, shaken))


def test_a_fresh_policy_starts_in_the_middle_with_the_deviation_asked_for():
    config = PPOConfig(
        num_envs=8, minibatches=1, network=MLP(hidden_sizes=(8,)), policy_head=Gaussian(initial_std=0.25)
    )
    fresh = fresh_learner(config).policy
    np.testing.assert_allclose(fresh(jnp.ones(3)), [0.5, 0.0], atol=0.05)
    np.testing.assert_allclose(jnp.exp(fresh.parameters["log_std"]), [0.25, 0.25], rtol=1e-6)


@pytest.mark.parametrize("batch", [(), (5,), (4, 5)])
def test_a_policy_takes_one_observation_or_many(policy, batch):
    observation = jax.random.uniform(jax.random.key(2), (*batch, 3), minval=-2, maxval=2)
    action = act(policy, observation)
    sample = draw(policy, jax.random.key(3), observation)
    assert action.shape == sample.shape == (*batch, 2)
    alone = [act(policy, row) for row in observation.reshape(-1, 3)]
    np.testing.assert_allclose(action.reshape(-1, 2), alone, rtol=1e-5, atol=1e-6)
    assert np.all((action[..., 0] > 0) & (action[..., 0] < 1))


def test_different_observations_get_different_actions(policy):
    one, other = policy(jnp.array([[-1.0, 0.5, 2.0], [1.0, -0.5, 0.0]]))
    assert np.all(np.abs(one - other) > 1e-3)


def test_the_mode_is_the_bounded_mean(policy):
    observation = jnp.array([0.3, -1.0, 1.5])
    np.testing.assert_array_equal(policy(observation), policy.bijector.forward(policy.output(observation)))


def test_with_a_tiny_deviation_samples_are_the_mode(policy):
    observation = jax.random.uniform(jax.random.key(2), (6, 3), minval=-2, maxval=2)
    sure = dataclasses.replace(policy, parameters=HEAD.init_certain(2))
    sample = draw(sure, jax.random.key(0), observation)
    np.testing.assert_allclose(sample, act(sure, observation), rtol=0, atol=1e-3)
    spread = draw(policy, jax.random.key(0), observation) - act(policy, observation)
    assert np.abs(spread).max() > 0.1


def test_samples_spread_around_the_mode_by_the_deviation(policy):
    observation = jnp.broadcast_to(jnp.array([0.3, -1.0, 1.5]), (20_000, 3))
    sample = draw(policy, jax.random.key(0), observation)[:, 1]
    np.testing.assert_allclose(np.mean(sample), act(policy, observation[0])[1], atol=0.02)
    np.testing.assert_allclose(np.std(sample), 0.5, rtol=0.03)


def test_a_policy_is_a_pytree_that_survives_jit_and_vmap(policy):
    observation = jax.random.uniform(jax.random.key(2), (6, 3), minval=-2, maxval=2)
    np.testing.assert_allclose(act(policy, observation), policy(observation), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(policy)(observation), policy(observation), rtol=1e-5, atol=1e-6)
    rebuilt = jax.tree.unflatten(*reversed(jax.tree.flatten(policy)))
    np.testing.assert_array_equal(rebuilt(observation), policy(observation))
    assert isinstance(policy.bijector, ActionBijector)
