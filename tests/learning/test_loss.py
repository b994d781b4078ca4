"""The objective's parts against (16) to (19), case by case."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract.learning.algorithms.ppo import loss

clipped_surrogate = jax.jit(loss.clipped_surrogate)
surrogate_and_slope = jax.jit(jax.value_and_grad(loss.clipped_surrogate))
value_error = jax.jit(loss.value_error)
standardize = jax.jit(loss.standardize)

EPSILON = 0.2
INSIDE = [0.81, 0.9, 1.0, 1.1, 1.19]
BELOW, ABOVE = [0.05, 0.5, 0.79], [1.21, 1.5, 4.0]
ADVANTAGES = [-2.0, -0.3, 0.3, 2.0]


def kept_within(epsilon, ratio):
    """g(ε, r), the three cases of (19)."""
    if ratio < 1 - epsilon:
        return 1 - epsilon
    if ratio > 1 + epsilon:
        return 1 + epsilon
    return ratio


def surrogate_by_hand(ratio, advantage, epsilon):
    """(17) for one round."""
    return min(ratio * advantage, kept_within(epsilon, ratio) * advantage)


def surrogate_of(ratio, advantage):
    return clipped_surrogate(np.log([ratio]), np.array([advantage]), EPSILON)


def slope(ratio, advantage):
    """The surrogate's derivative by the logarithm of the ratio."""
    _, gradient = surrogate_and_slope(np.log([ratio]), np.array([advantage]), EPSILON)
    return float(gradient[0])


def slope_by_differences(ratio, advantage, step=1e-6):
    higher, lower = np.log(ratio) + step, np.log(ratio) - step
    rise = surrogate_by_hand(np.exp(higher), advantage, EPSILON) - surrogate_by_hand(
        np.exp(lower), advantage, EPSILON
    )
    return rise / (2 * step)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("advantage", [*ADVANTAGES, 0.0])
@pytest.mark.parametrize("ratio", [*BELOW, 0.8, *INSIDE, 1.2, *ABOVE])
def test_surrogate_is_17_case_by_case(ratio, advantage):
    result = surrogate_of(ratio, advantage)
    assert result.shape == ()
    np.testing.assert_allclose(result, surrogate_by_hand(ratio, advantage, EPSILON), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("epsilon", [0.05, 0.3, 1.5])
def test_surrogate_is_the_mean_over_rounds(epsilon):
    random = np.random.default_rng(0)
    log_ratio, advantage = random.normal(size=(2, 200))
    expected = np.mean(
        [surrogate_by_hand(*pair, epsilon) for pair in zip(np.exp(log_ratio), advantage, strict=True)]
    )
    result = clipped_surrogate(jnp.asarray(log_ratio), jnp.asarray(advantage), epsilon)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("ratio", "advantage"),
    [(ratio, 1.7) for ratio in ABOVE] + [(ratio, -1.7) for ratio in BELOW],
)
def test_no_gradient_where_the_gain_is_clipped(ratio, advantage):
    assert slope(ratio, advantage) == 0.0


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("ratio", "advantage"),
    [(ratio, advantage) for ratio in INSIDE for advantage in ADVANTAGES]
    + [(ratio, -1.7) for ratio in ABOVE]
    + [(ratio, 1.7) for ratio in BELOW],
)
def test_gradient_equals_finite_differences_elsewhere(ratio, advantage):
    result = slope(ratio, advantage)
    assert abs(result) > 0.01
    np.testing.assert_allclose(result, slope_by_differences(ratio, advantage), rtol=1e-6)


def test_at_the_old_policy_the_slope_is_the_advantage():
    advantage = jnp.array([2.0, -1.0, 0.0])
    _, gradient = surrogate_and_slope(jnp.zeros(3), advantage, EPSILON)
    np.testing.assert_allclose(gradient, advantage / 3, rtol=1e-6, atol=0)


@pytest.mark.parametrize("log_ratio", [-80.0, -20.0, 20.0, 80.0])
@pytest.mark.parametrize("advantage", [-1.0, 0.0, 1.0])
def test_far_ratios_stay_finite(log_ratio, advantage):
    value, gradient = surrogate_and_slope(np.array([log_ratio]), np.array([advantage]), EPSILON)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


@pytest.mark.usefixtures("float64")
def test_value_error_is_the_mean_square():
    value, target = np.random.default_rng(0).normal(size=(2, 50))
    expected = sum((v - t) ** 2 for v, t in zip(value, target, strict=True)) / 50
    result = value_error(jnp.asarray(value), jnp.asarray(target))
    assert result.shape == ()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


def test_value_error_pulls_towards_the_target():
    gradient = jax.grad(value_error)(jnp.array([3.0, 1.0]), jnp.array([1.0, 1.0]))
    np.testing.assert_array_equal(gradient, [2.0, 0.0])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_standardized_advantages_have_mean_zero_and_deviation_one(scale):
    advantage = jnp.asarray(5 * scale + scale * np.random.default_rng(0).normal(size=300))
    result = standardize(advantage)
    assert result.shape == (300,)
    np.testing.assert_allclose(np.mean(result), 0.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(np.std(result), 1.0, rtol=1e-4)
    expected = (np.asarray(advantage) - np.mean(advantage)) / np.std(advantage)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("level", [0.0, 1.0, -2048.0])
def test_equal_advantages_become_zero(level):
    np.testing.assert_array_equal(standardize(jnp.full(64, level)), np.zeros(64))


def test_single_precision_stays_single():
    log_ratio, advantage = jnp.zeros(3), jnp.ones(3)
    assert clipped_surrogate(log_ratio, advantage, 0.2).dtype == jnp.float32
    assert value_error(log_ratio, advantage).dtype == jnp.float32
    assert standardize(advantage).dtype == jnp.float32
