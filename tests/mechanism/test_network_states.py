"""Drawn network states follow their law; observations have the paper's order and stay within bounds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxcontract import NetworkDistribution, NetworkState, System, observe, printed_states, sample_network
from jaxcontract.mechanism.network_states import observation_bounds
from oracles.random_states import pick

COUNT = 20_000
PAPER = NetworkDistribution()
LAWS = [(1, 1.0), (2, 1.0), (3, 1.0), (10, 1.0), (3, 5.0)]


@functools.cache
def drawn(num_types, concentration=1.0):
    """Independent states [COUNT] with K equal bands of types, as NumPy arrays."""
    distribution = NetworkDistribution.equal_bands(num_types, concentration=concentration)
    keys = jax.random.split(jax.random.key(num_types), COUNT)
    states = jax.jit(jax.vmap(sample_network, in_axes=(0, None)))(keys, distribution)
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), states)


def assert_uniform(sample, low, high):
    assert sample.min() >= low
    assert sample.max() <= high * (1 + 1e-6)
    assert stats.kstest(sample, stats.uniform(low, high - low).cdf).pvalue > 1e-4


@pytest.mark.parametrize("num_types", [1, 2, 3, 10])
def test_limits_and_types_are_uniform_in_their_ranges(num_types):
    states = drawn(num_types)
    assert_uniform(states.max_aoi, 0.5, 1.0)
    assert_uniform(states.max_latency, 0.5, 1.0)
    width = 14 / num_types
    for k in range(num_types):
        assert_uniform(states.device_types[:, k], 1 + k * width, 1 + (k + 1) * width)


def test_two_types_split_where_the_paper_splits_them():
    np.testing.assert_array_equal(PAPER.type_edges, [1.0, 8.0, 15.0])
    np.testing.assert_array_equal(NetworkDistribution.equal_bands(2).type_edges, [1.0, 8.0, 15.0])


@pytest.mark.parametrize(("num_types", "concentration"), LAWS)
def test_drawn_states_are_valid(num_types, concentration):
    states = drawn(num_types, concentration)
    checked = NetworkState(**vars(states))
    assert checked.type_probs.shape == checked.device_types.shape == (COUNT, num_types)
    assert (np.diff(states.device_types, axis=1) >= 0).all()
    np.testing.assert_allclose(states.type_probs.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("num_types", "concentration"), LAWS[1:])
def test_shares_have_the_mean_and_the_covariance_of_a_dirichlet(num_types, concentration):
    shares = drawn(num_types, concentration).type_probs
    law = stats.dirichlet(np.full(num_types, concentration))
    error = shares.std(axis=0) / np.sqrt(COUNT)
    assert (np.abs(shares.mean(axis=0) - law.mean()) <= 5 * error).all()
    centred = shares - law.mean()
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(axis=0) / np.sqrt(COUNT)
    assert (np.abs(products.mean(axis=0) - law.cov()) <= 5 * error).all()


@pytest.mark.parametrize(("num_types", "concentration"), LAWS[1:])
def test_each_share_is_beta_distributed(num_types, concentration):
    shares = drawn(num_types, concentration).type_probs
    law = stats.beta(concentration, concentration * (num_types - 1))
    for k in range(num_types):
        assert stats.kstest(shares[:, k], law.cdf).pvalue > 1e-4


def test_another_concentration_is_told_apart():
    assert stats.kstest(drawn(3, 5.0).type_probs[:, 0], stats.beta(1, 2).cdf).pvalue < 1e-10
    assert stats.kstest(drawn(3, 1.0).type_probs[:, 0], stats.beta(5, 10).cdf).pvalue < 1e-10


def test_parts_of_a_state_are_independent():
    states = drawn(3)
    columns = np.column_stack(
        [states.max_aoi, states.max_latency, states.device_types, states.type_probs[:, :1]]
    )
    correlation = stats.spearmanr(columns).statistic - np.eye(columns.shape[1])
    assert np.abs(correlation).max() < 5 / np.sqrt(COUNT)


def test_a_key_gives_one_state():
    plain = sample_network(jax.random.key(3), PAPER)
    compiled = jax.jit(sample_network)(jax.random.key(3), PAPER)
    batched = jax.jit(jax.vmap(sample_network, in_axes=(0, None)))(
        jnp.stack([jax.random.key(2), jax.random.key(3)]), PAPER
    )
    jax.tree.map(np.testing.assert_array_equal, plain, sample_network(jax.random.key(3), PAPER))
    for other in (compiled, pick(batched, 1)):
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), plain, other)


@pytest.mark.parametrize(("num_types", "concentration"), LAWS)
def test_other_keys_give_other_states(num_types, concentration):
    states = drawn(num_types, concentration)
    assert len(np.unique(states.max_aoi)) > 0.99 * COUNT
    if num_types > 1:
        assert len(np.unique(states.type_probs[:, 0])) > 0.99 * COUNT


def test_ranges_and_edges_are_traced():
    @jax.jit
    def draw(scale):
        distribution = NetworkDistribution(
            aoi_range=scale * jnp.array([0.1, 0.2]), type_edges=scale * jnp.array([1.0, 2.0, 4.0])
        )
        return sample_network(jax.random.key(0), distribution)

    one, ten = draw(1.0), draw(10.0)
    np.testing.assert_allclose(10 * one.max_aoi, ten.max_aoi, rtol=1e-6)
    np.testing.assert_allclose(10 * one.device_types, ten.device_types, rtol=1e-6)
    np.testing.assert_array_equal(one.type_probs, ten.type_probs)
    assert 0.1 <= one.max_aoi <= 0.2


def test_a_range_may_be_one_point():
    distribution = NetworkDistribution(aoi_range=(0.8, 0.8), type_edges=(2.0, 2.0, 2.0))
    state = sample_network(jax.random.key(0), distribution)
    np.testing.assert_allclose(state.max_aoi, 0.8)
    np.testing.assert_allclose(state.device_types, [2.0, 2.0])


@pytest.mark.parametrize("num_types", [1, 2, 7])
def test_a_distribution_knows_its_number_of_types(num_types):
    distribution = NetworkDistribution.equal_bands(num_types)
    assert distribution.num_types == num_types
    assert jax.eval_shape(sample_network, jax.random.key(0), distribution).device_types.shape == (num_types,)


@pytest.mark.parametrize(
    ("index", "printed"),
    [
        (0, [40, 2, 0.95, 0.73, 0.84, 0.16, 2, 12]),
        (1, [40, 2, 0.94, 0.85, 0.80, 0.20, 2, 12]),
        (2, [40, 2, 0.95, 0.81, 0.43, 0.57, 2, 13]),
    ],
)
def test_observations_are_the_vectors_printed_with_the_figure(index, printed):
    np.testing.assert_allclose(observe(System(), pick(printed_states(), index)), printed, rtol=1e-7)


def test_the_printed_states_are_a_batch_of_three():
    states = printed_states()
    assert states.max_aoi.shape == (3,)
    assert states.type_probs.shape == states.device_types.shape == (3, 2)


def test_observations_follow_every_part_of_the_state():
    state = NetworkState(
        max_aoi=0.1, max_latency=0.2, type_probs=[0.3, 0.1, 0.6], device_types=[4.0, 5.0, 6.0]
    )
    expected = [7, 3, 0.1, 0.2, 0.3, 0.1, 0.6, 4, 5, 6]
    np.testing.assert_allclose(observe(System(num_devices=7.0), state), expected, rtol=1e-6)
    batched = jax.vmap(observe, in_axes=(None, 0))(System(), printed_states())
    assert batched.shape == (3, 8)


@pytest.mark.parametrize(("num_types", "concentration"), LAWS)
def test_bounds_contain_every_observation_and_are_nearly_reached(num_types, concentration):
    distribution = NetworkDistribution.equal_bands(num_types, concentration=concentration)
    low, high = observation_bounds(System(), distribution)
    assert low.shape == high.shape == (4 + 2 * num_types,)
    states = jax.tree.map(lambda leaf: leaf.astype(np.float32), drawn(num_types, concentration))
    seen = np.asarray(jax.jit(jax.vmap(observe, in_axes=(None, 0)))(System(), states))
    assert (seen >= np.asarray(low)).all()
    assert (seen <= np.asarray(high)).all()
    uniform = [2, 3, *range(4 + num_types, 4 + 2 * num_types)]
    width = (high - low)[np.array(uniform)]
    np.testing.assert_allclose(seen.min(axis=0)[uniform], low[np.array(uniform)], atol=0.01 * width.max())
    np.testing.assert_allclose(seen.max(axis=0)[uniform], high[np.array(uniform)], atol=0.01 * width.max())
    np.testing.assert_array_equal(low[4 : 4 + num_types], np.zeros(num_types))
    np.testing.assert_array_equal(high[4 : 4 + num_types], np.ones(num_types))
