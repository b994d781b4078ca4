"""Weighted antitonic regression against pooling in plain Python and a quadratic program."""

import functools

import cvxpy
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract.mechanism.ironing import (
    DENSE_LIMIT,
    _by_min_max,
    _by_pooling,
    antitonic_regression,
)

pytestmark = pytest.mark.usefixtures("float64")
FORMS = [_by_min_max, _by_pooling]
COMPILED = {form: jax.jit(jax.vmap(form)) for form in (*FORMS, antitonic_regression)}
SIZES = [1, 2, 7, DENSE_LIMIT, DENSE_LIMIT + 1]
KINDS = ["generic", "ties", "zero weights"]
COUNT = 40


@functools.cache
def data(kind, size):
    """Values and weights, [COUNT, size] each."""
    rng = np.random.default_rng(size)
    values, weights = rng.normal(size=(COUNT, size)), rng.exponential(size=(COUNT, size))
    if kind == "ties":
        values = rng.integers(-2, 3, (COUNT, size)).astype(float)
        weights = rng.integers(1, 3, (COUNT, size)).astype(float)
    if kind == "zero weights":
        weights *= rng.random((COUNT, size)) < 0.6
    return values, weights


@functools.cache
def fitted(form, kind, size):
    values, weights = data(kind, size)
    empty = np.broadcast_to(np.linspace(1.0, -1.0, size), values.shape)
    return np.asarray(COMPILED[form](jnp.asarray(values * weights), jnp.asarray(weights), jnp.asarray(empty)))


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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_form_equals_pooling_in_plain_python(kind, size):
    values, weights = data(kind, size)
    expected = np.array([pooled_in_plain_python(*row) for row in zip(values, weights, strict=True)])
    weighted = weights > 0
    for form in FORMS:
        np.testing.assert_allclose(fitted(form, kind, size)[weighted], expected[weighted], atol=1e-12)


@pytest.mark.parametrize("size", [1, DENSE_LIMIT, DENSE_LIMIT + 1])
def test_both_sides_of_the_dense_limit_give_the_fit(size):
    fit = fitted(antitonic_regression, "generic", size)
    np.testing.assert_allclose(fit, fitted(_by_pooling, "generic", size), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_form_is_antitone_and_finite(kind, size):
    for form in FORMS:
        fit = fitted(form, kind, size)
        assert np.isfinite(fit).all()
        assert (np.diff(fit, axis=1) <= 0).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_forms_agree_where_there_is_no_weight_too(kind, size):
    np.testing.assert_allclose(fitted(_by_min_max, kind, size), fitted(_by_pooling, kind, size), atol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_the_fit_is_the_nearest_antitone_sequence(size):
    values, weights = data("generic", size)
    for index in range(5):
        sequence = cvxpy.Variable(size)
        loss = weights[index] @ cvxpy.square(sequence - values[index])
        constraints = [sequence[:-1] >= sequence[1:]]
        cvxpy.Problem(cvxpy.Minimize(loss), constraints).solve(solver=cvxpy.CLARABEL)
        for form in FORMS:
            np.testing.assert_allclose(fitted(form, "generic", size)[index], sequence.value, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_in_order_is_left_alone(form):
    values = np.array([3.0, 1.0, 1.0, -2.0])
    fit = jax.jit(form)(jnp.asarray(values * 0.25), jnp.full(4, 0.25), jnp.zeros(4))
    np.testing.assert_array_equal(fit, values)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_in_reverse_order_is_averaged(form):
    fit = jax.jit(form)(jnp.array([1.0, 4.0, 9.0]), jnp.array([1.0, 2.0, 3.0]), jnp.zeros(3))
    np.testing.assert_allclose(fit, np.full(3, 14 / 6))


@pytest.mark.parametrize("form", FORMS)
def test_a_total_without_weight_is_infinite_alone_and_joins_what_lies_before_it(form):
    empty = jnp.zeros(3)
    first = jax.jit(form)(jnp.array([1.0, 2.0, 1.0]), jnp.array([0.0, 1.0, 1.0]), empty)
    np.testing.assert_array_equal(first, [np.inf, 2.0, 1.0])
    middle = jax.jit(form)(jnp.array([5.0, 1.0, 1.0]), jnp.array([1.0, 0.0, 1.0]), empty)
    np.testing.assert_array_equal(middle, [6.0, 6.0, 1.0])


@pytest.mark.parametrize("form", FORMS)
def test_blocks_without_weight_and_total_take_the_value_they_are_given(form):
    fit = jax.jit(form)(jnp.array([3.0, 0.0, 0.0]), jnp.array([1.0, 0.0, 0.0]), jnp.array([9.0, 2.0, 1.0]))
    np.testing.assert_array_equal(fit, [3.0, 2.0, 1.0])


@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_finite_differences_and_stay_finite(form):
    values, weights = (part[0] for part in data("generic", 7))
    push = np.linspace(-1.0, 2.0, 7)

    @jax.jit
    def loss(totals, weights):
        return jnp.sum(push * form(totals, weights, jnp.zeros(7)))

    totals = values * weights
    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)))
    for part, slopes in enumerate(gradients(totals, weights)):
        for place, slope in enumerate(slopes):
            step = np.zeros((2, 7))
            step[part, place] = 1e-6
            above = loss(totals + step[0], weights + step[1])
            below = loss(totals - step[0], weights - step[1])
            np.testing.assert_allclose(slope, (above - below) / 2e-6, rtol=1e-5, atol=1e-7)
    without = weights * (np.arange(7) != 3)
    assert all(np.isfinite(part).all() for part in gradients(values * without, without))
