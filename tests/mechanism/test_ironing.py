"""Weighted antitonic regression against plain Python, the min–max formula and a quadratic program."""

import functools

import cvxpy
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract.mechanism.ironing import UNROLLED, antitonic_regression

pytestmark = pytest.mark.usefixtures("float64")
regress = jax.jit(antitonic_regression)
SIZES = [1, 2, UNROLLED, UNROLLED + 1, 7, 65]
KINDS = ["generic", "ties", "zero weights", "rising"]
COUNT = 40


@functools.cache
def data(kind, size):
    """Values and weights, [size, COUNT] each."""
    rng = np.random.default_rng(size)
    values, weights = rng.normal(size=(size, COUNT)), rng.exponential(size=(size, COUNT))
    if kind == "ties":
        values = rng.integers(-2, 3, (size, COUNT)).astype(float)
        weights = rng.integers(1, 3, (size, COUNT)).astype(float)
    if kind == "zero weights":
        weights *= rng.random((size, COUNT)) < 0.6
    if kind == "rising":
        values = np.sort(values, axis=0) ** 3
    return values, weights


def empties(size):
    """The values of blocks without weight, [size, COUNT]."""
    return np.broadcast_to(np.linspace(1.0, -1.0, size)[:, None], (size, COUNT))


@functools.cache
def fitted(kind, size):
    values, weights = data(kind, size)
    return np.asarray(regress(values * weights, weights, empties(size)))


def pooled_in_plain_python(values, weights):
    """Pool adjacent violators over the positive weights; NaN where there is no weight."""
    blocks = []
    for place, (value, weight) in enumerate(zip(values, weights, strict=True)):
        if weight == 0:
            continue
        blocks.append([value, weight, [place]])
        while len(blocks) > 1 and blocks[-1][0] > blocks[-2][0]:
            value, weight, places = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + value * weight) / (last[1] + weight)
            last[1] += weight
            last[2] += places
    result = np.full(len(values), np.nan)
    for value, _, places in blocks:
        result[places] = value
    return result


def by_min_max(totals, weights, empty):
    """x_k = min_{i ≤ k} max_{j ≥ k} mean(i … j), [K]."""
    size = len(totals)
    mean = np.full((size, size), -np.inf)
    for i in range(size):
        for j in range(i, size):
            total, weight = totals[i : j + 1].sum(), weights[i : j + 1].sum()
            mean[i, j] = total / weight if weight > 0 else np.inf if total > 0 else empty[i]
    return np.array([min(mean[i, k:].max() for i in range(k + 1)) for k in range(size)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_fit_equals_pooling_in_plain_python(kind, size):
    values, weights = data(kind, size)
    expected = np.array([pooled_in_plain_python(*row) for row in zip(values.T, weights.T, strict=True)]).T
    weighted = weights > 0
    np.testing.assert_allclose(fitted(kind, size)[weighted], expected[weighted], atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_fit_is_antitone_and_finite(kind, size):
    fit = fitted(kind, size)
    assert np.isfinite(fit).all()
    assert (np.diff(fit, axis=0) <= 0).all()


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_the_fit_follows_the_min_max_formula_where_there_is_no_weight_too(kind, size):
    values, weights = data(kind, size)
    rows = zip((values * weights).T, weights.T, empties(size).T, strict=True)
    expected = np.array([by_min_max(*row) for row in rows]).T
    np.testing.assert_allclose(fitted(kind, size), expected, atol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_the_fit_is_the_nearest_antitone_sequence(size):
    values, weights = data("generic", size)
    for index in range(5):
        sequence = cvxpy.Variable(size)
        loss = weights[:, index] @ cvxpy.square(sequence - values[:, index])
        constraints = [sequence[:-1] >= sequence[1:]]
        cvxpy.Problem(cvxpy.Minimize(loss), constraints).solve(solver=cvxpy.CLARABEL)
        np.testing.assert_allclose(fitted("generic", size)[:, index], sequence.value, atol=1e-4)


@pytest.mark.parametrize("size", [1, UNROLLED, 7])
def test_sequences_side_by_side_are_fitted_like_each_alone(size):
    values, weights = data("zero weights", size)
    parts = (values * weights, weights, empties(size))
    expected = fitted("zero weights", size)
    alone = [regress(*(part[:, index] for part in parts)) for index in range(3)]
    np.testing.assert_array_equal(np.stack(alone, axis=1), expected[:, :3])
    for axis in (0, 1):
        batched = jax.jit(jax.vmap(antitonic_regression, axis, axis))
        fit = batched(*(np.moveaxis(part, 1, axis) for part in parts))
        np.testing.assert_array_equal(np.moveaxis(fit, axis, 1), expected)
    blocks = regress(*(part.reshape(size, 5, -1) for part in parts))
    np.testing.assert_array_equal(blocks.reshape(size, -1), expected)


def test_pooling_that_reaches_back_one_block_at_a_time_still_ends():
    size = 200
    values = np.append(-np.arange(size - 1.0), 1e6)  # in order, but for a last value that outweighs all
    fit = regress(jnp.asarray(values), jnp.ones(size), jnp.zeros(size))
    np.testing.assert_allclose(fit, np.full(size, values.mean()), rtol=1e-13)


def test_what_is_not_a_number_does_not_loop_for_ever():
    assert np.isnan(regress(jnp.array([1.0, np.nan, 2.0]), jnp.ones(3), jnp.zeros(3))).any()


def test_numbers_of_two_precisions_are_fitted_in_the_higher_one():
    fit = regress(jnp.ones(3, np.float32), jnp.ones(3), jnp.zeros(3, np.float32))
    assert fit.dtype == np.float64


def test_what_is_in_order_is_left_alone():
    values = np.array([3.0, 1.0, 1.0, -2.0])
    fit = regress(jnp.asarray(values * 0.25), jnp.full(4, 0.25), jnp.zeros(4))
    np.testing.assert_array_equal(fit, values)


def test_what_is_in_reverse_order_is_averaged():
    fit = regress(jnp.array([1.0, 4.0, 9.0]), jnp.array([1.0, 2.0, 3.0]), jnp.zeros(3))
    np.testing.assert_allclose(fit, np.full(3, 14 / 6))


def test_a_total_without_weight_is_infinite_alone_and_joins_what_lies_before_it():
    empty = jnp.zeros(3)
    first = regress(jnp.array([1.0, 2.0, 1.0]), jnp.array([0.0, 1.0, 1.0]), empty)
    np.testing.assert_array_equal(first, [np.inf, 2.0, 1.0])
    middle = regress(jnp.array([5.0, 1.0, 1.0]), jnp.array([1.0, 0.0, 1.0]), empty)
    np.testing.assert_array_equal(middle, [6.0, 6.0, 1.0])


def test_blocks_without_weight_and_total_take_the_value_they_are_given():
    fit = regress(jnp.array([3.0, 0.0, 0.0]), jnp.array([1.0, 0.0, 0.0]), jnp.array([9.0, 2.0, 1.0]))
    np.testing.assert_array_equal(fit, [3.0, 2.0, 1.0])


def pushed(totals, weights):
    """A smooth function of a fit of seven."""
    return jnp.sum(jnp.linspace(-1.0, 2.0, 7) * antitonic_regression(totals, weights, jnp.zeros(7)) ** 2)


def test_gradients_equal_finite_differences_and_stay_finite():
    values, weights = (part[:, 0] for part in data("generic", 7))
    loss = jax.jit(pushed)
    totals = values * weights
    gradients = jax.jit(jax.grad(pushed, argnums=(0, 1)))
    for part, slopes in enumerate(gradients(totals, weights)):
        for place, slope in enumerate(slopes):
            step = np.zeros((2, 7))
            step[part, place] = 1e-6
            above = loss(totals + step[0], weights + step[1])
            below = loss(totals - step[0], weights - step[1])
            np.testing.assert_allclose(slope, (above - below) / 2e-6, rtol=1e-5, atol=1e-7)
    without = weights * (np.arange(7) != 3)
    assert all(np.isfinite(part).all() for part in gradients(values * without, without))


def test_second_derivatives_equal_finite_differences_of_the_first():
    values, weights = (part[:, 0] for part in data("generic", 7))
    gradient = jax.jit(jax.grad(pushed, argnums=1))
    totals = values * weights
    curvature = jax.jit(jax.hessian(pushed, argnums=1))(totals, weights)
    for place, row in enumerate(np.eye(7) * 1e-6):
        difference = (gradient(totals, weights + row) - gradient(totals, weights - row)) / 2e-6
        np.testing.assert_allclose(curvature[place], difference, rtol=1e-5, atol=1e-6)


def test_gradients_of_sequences_side_by_side_are_those_of_each_alone():
    values, weights = data("generic", 7)
    push = np.linspace(-1.0, 2.0, 7)[:, None]

    def loss(totals, weights):
        return jnp.sum(push * antitonic_regression(totals, weights, jnp.zeros_like(totals)) ** 2)

    together = jax.jit(jax.grad(loss, argnums=(0, 1)))(values * weights, weights)
    alone = jax.jit(jax.vmap(jax.grad(pushed, argnums=(0, 1)), -1, -1))(values * weights, weights)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
