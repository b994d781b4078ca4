"""Advantages and returns against plain loops, closed forms, and the paper's sums as printed."""

import functools

import hypothesis
import hypothesis.extra.numpy as arrays
import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from hypothesis import strategies as st

from jaxcontract.learning.algorithms.ppo import advantage

SHAPES = [(7,), (7, 3), (7, 3, 2)]
advantages = jax.jit(advantage.advantages)
end_episodes = jax.jit(advantage.end_episodes)
printed_advantages = jax.jit(advantage.printed_advantages)
discounted_returns = jax.jit(advantage.discounted_returns)


def draw(shape, seed=0):
    """Random rewards [T, …], discounts [T, …] of which some are zero, and values [T + 1, …]."""
    random = np.random.default_rng(seed)
    discount = random.uniform(0.5, 1.0, shape) * (random.uniform(size=shape) > 0.2)
    return random.normal(size=shape), discount, random.normal(size=(shape[0] + 1, *shape[1:]))


def gae_by_loop(reward, discount, value, gae_lambda):
    result = np.zeros_like(reward)
    following = np.zeros_like(reward[0])
    for t in reversed(range(len(reward))):
        delta = reward[t] + discount[t] * value[t + 1] - value[t]
        following = delta + discount[t] * gae_lambda * following
        result[t] = following
    return result


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("gae_lambda", [0.0, 0.37, 0.95, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_advantages_equal_a_loop(shape, gae_lambda):
    reward, discount, value = draw(shape)
    result = advantages(reward, discount, value, gae_lambda=gae_lambda)
    assert result.dtype == jnp.float64
    np.testing.assert_allclose(result, gae_by_loop(reward, discount, value, gae_lambda), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_every_column_is_judged_alone():
    reward, discount, value = draw((6, 4, 3))
    whole = advantages(reward, discount, value, gae_lambda=0.9)
    column = advantages(reward[:, 2, 1], discount[:, 2, 1], value[:, 2, 1], gae_lambda=0.9)
    np.testing.assert_allclose(whole[:, 2, 1], column, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("discount", "gae_lambda"), [(0.9, 0.8), (0.99, 0.5), (1.0, 0.3), (0.7, 1.0)])
def test_advantages_of_a_constant_reward_are_a_geometric_sum(discount, gae_lambda):
    length, reward, value = 12, 1.5, 0.4
    left = np.arange(length, 0, -1)
    delta = reward + discount * value - value
    expected = delta * (1 - (discount * gae_lambda) ** left) / (1 - discount * gae_lambda)
    result = advantages(
        jnp.full(length, reward),
        jnp.full(length, discount),
        jnp.full(length + 1, value),
        gae_lambda=gae_lambda,
    )
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_a_perfect_critic_leaves_no_advantage():
    discount = 0.9
    value = jnp.full(9, 2.0 / (1 - discount))
    result = advantages(jnp.full(8, 2.0), jnp.full(8, discount), value, gae_lambda=0.95)
    np.testing.assert_allclose(result, np.zeros(8), rtol=0, atol=1e-12)


def test_one_round_is_one_temporal_difference():
    result = advantages(jnp.array([2.0]), jnp.array([0.5]), jnp.array([1.0, 4.0]), gae_lambda=0.95)
    np.testing.assert_array_equal(result, [2.0 + 0.5 * 4.0 - 1.0])


def test_unequal_lengths_are_refused():
    reward, discount, value = draw((5,))
    with pytest.raises(AssertionError):
        advantages(reward, discount, value[:-1], gae_lambda=0.95)


@pytest.mark.usefixtures("float64")
def test_gradients_of_advantages():
    reward, discount, value = (jnp.asarray(array) for array in draw((5, 2)))
    judge = functools.partial(advantages, gae_lambda=0.9)
    jax.test_util.check_grads(judge, (reward, discount, value), order=1, modes=("fwd", "rev"))


@pytest.mark.usefixtures("float64")
def test_a_later_reward_counts_by_discount_and_trace():
    reward, value = jnp.zeros(5), jnp.zeros(6)
    discount = jnp.full(5, 0.9)
    gradient = jax.grad(lambda reward: advantages(reward, discount, value, gae_lambda=0.8)[1])(reward)
    np.testing.assert_allclose(gradient, [0, 1, 0.72, 0.72**2, 0.72**3], rtol=0, atol=1e-12)


def gae_with_truncation_apart(reward, terminated, truncated, value, final_value, discount, gae_lambda):
    """The recursion that asks at every round how the episode went on, without `end_episodes`."""
    result = np.zeros_like(reward)
    following = 0.0
    for t in reversed(range(len(reward))):
        if terminated[t]:
            delta, following = reward[t] - value[t], 0.0
        elif truncated[t]:
            delta, following = reward[t] + discount * final_value[t] - value[t], 0.0
        else:
            delta = reward[t] + discount * value[t + 1] - value[t]
        following = delta + discount * gae_lambda * following
        result[t] = following
    return result


LENGTH = 9
flags = arrays.arrays(bool, LENGTH)
shares = st.floats(0.0, 1.0)


@hypothesis.settings(deadline=None, max_examples=100, derandomize=True)
@hypothesis.given(
    terminated=flags, truncated=flags, discount=shares, gae_lambda=shares, seed=st.integers(0, 1000)
)
def test_ends_of_episodes_equal_the_recursion_that_treats_them_apart(
    terminated, truncated, discount, gae_lambda, seed
):
    random = np.random.default_rng(seed)
    reward, final_value = random.normal(size=(2, LENGTH))
    value = random.normal(size=LENGTH + 1)
    with jax.enable_x64(True):
        adjusted, stops = end_episodes(reward, terminated, truncated, final_value, discount=discount)
        result = advantages(adjusted, stops, value, gae_lambda=gae_lambda)
    expected = gae_with_truncation_apart(
        reward, terminated, truncated, value, final_value, discount, gae_lambda
    )
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


def test_end_episodes_by_hand():
    reward, discount = end_episodes(
        jnp.array([1.0, 1.0, 1.0, 1.0]),
        jnp.array([False, True, False, True]),
        jnp.array([False, False, True, True]),
        jnp.array([10.0, 20.0, 30.0, 40.0]),
        discount=0.5,
    )
    np.testing.assert_array_equal(reward, [1.0, 1.0, 16.0, 1.0])
    np.testing.assert_array_equal(discount, [0.5, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("ending", ["terminated", "truncated"])
def test_nothing_crosses_the_end_of_an_episode(ending):
    ends = jnp.arange(6) == 2
    never = jnp.zeros(6, bool)
    terminated, truncated = (ends, never) if ending == "terminated" else (never, ends)

    def earlier(reward, value):
        reward, discount = end_episodes(reward, terminated, truncated, jnp.ones(6), discount=0.9)
        return jnp.sum(advantages(reward, discount, value, gae_lambda=0.95)[:3])

    on_reward, on_value = jax.grad(earlier, argnums=(0, 1))(jnp.ones(6), jnp.ones(7))
    assert np.all(on_reward[:3] != 0)
    np.testing.assert_array_equal(on_reward[3:], np.zeros(3))
    assert np.all(on_value[:3] != 0)
    np.testing.assert_array_equal(on_value[3:], np.zeros(4))


def test_the_value_after_a_round_that_goes_on_is_never_read():
    reward, truncated = jnp.ones(3), jnp.array([False, True, False])
    final_value = jnp.array([jnp.nan, 2.0, jnp.inf])
    reward, _ = end_episodes(reward, jnp.zeros(3, bool), truncated, final_value, discount=0.5)
    np.testing.assert_array_equal(reward, [1.0, 2.0, 1.0])


@pytest.mark.usefixtures("float64")
def test_gradients_of_end_episodes():
    def adjusted(reward, final_value):
        truncated = jnp.array([False, True, True, False])
        terminated = jnp.array([False, False, True, True])
        return end_episodes(reward, terminated, truncated, final_value, discount=0.7)[0]

    on_reward, on_final = jax.jacobian(adjusted, argnums=(0, 1))(jnp.ones(4), jnp.ones(4))
    np.testing.assert_array_equal(on_reward, np.eye(4))
    np.testing.assert_array_equal(on_final, np.diag([0, 0.7, 0, 0]))


def printed_15(reward, discount, value):
    """A^(z) = γ^{Z−z} V(s^(Z)) − V(s^(z)) + Σ_{y=z}^{Z−1} γ^{y−z} R^(y), rounds counted from 1."""
    last = len(reward)
    result = np.zeros_like(reward)
    for z in range(1, last + 1):
        total = discount ** (last - z) * value[last - 1] - value[z - 1]
        for y in range(z, last):
            total += discount ** (y - z) * reward[y - 1]
        result[z - 1] = total
    return result


def printed_16(reward, discount):
    """V_targ^(z) = Σ_{y=z}^{Z} γ^{y−z} R^(y), rounds counted from 1."""
    last = len(reward)
    result = np.zeros_like(reward)
    for z in range(1, last + 1):
        for y in range(z, last + 1):
            result[z - 1] += discount ** (y - z) * reward[y - 1]
    return result


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("shape", [(1,), *SHAPES])
def test_printed_advantages_are_15_as_printed(shape, discount):
    reward, _, value = draw(shape)
    result = printed_advantages(reward, jnp.full(shape, discount), value[:-1])
    assert result.dtype == jnp.float64
    np.testing.assert_allclose(result, printed_15(reward, discount, value[:-1]), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("shape", [(1,), *SHAPES])
def test_discounted_returns_are_16_as_printed(shape, discount):
    reward, _, _ = draw(shape)
    result = discounted_returns(reward, jnp.full(shape, discount))
    assert result.dtype == jnp.float64
    np.testing.assert_allclose(result, printed_16(reward, discount), rtol=0, atol=1e-12)


def test_printed_15_drops_the_last_reward_and_advantage():
    reward, value = jnp.array([1.0, 2.0, 4.0]), jnp.array([0.5, 0.25, 8.0])
    discount = jnp.full(3, 0.5)
    result = printed_advantages(reward, discount, value)
    np.testing.assert_array_equal(result, [2.0 - 0.5 + 1.0 + 1.0, 4.0 - 0.25 + 2.0, 0.0])
    other = printed_advantages(reward.at[-1].set(100.0), discount, value)
    np.testing.assert_array_equal(result, other)
    assert discounted_returns(reward, discount)[-1] == 4.0


@pytest.mark.usefixtures("float64")
def test_a_termination_cuts_the_printed_sums_too():
    reward, _, value = draw((6,))
    discount = jnp.full(6, 0.9).at[2].set(0.0)
    returns = discounted_returns(reward, discount)
    np.testing.assert_allclose(returns[:3], printed_16(reward[:3], 0.9), rtol=0, atol=1e-12)
    np.testing.assert_allclose(returns[3:], printed_16(reward[3:], 0.9), rtol=0, atol=1e-12)
    head = printed_advantages(reward, discount, value[:-1])[:3]
    expected = printed_16(reward[:3], 0.9) - value[:3]
    np.testing.assert_allclose(head, expected, rtol=0, atol=1e-12)


def test_single_precision_stays_single():
    reward, discount, value = (jnp.asarray(array, jnp.float32) for array in draw((4, 2)))
    assert advantages(reward, discount, value, gae_lambda=0.95).dtype == jnp.float32
    assert printed_advantages(reward, discount, value[:-1]).dtype == jnp.float32
    assert discounted_returns(reward, discount).dtype == jnp.float32
