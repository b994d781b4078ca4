"""Freshness of data, (1) to (4), against sums over slots, simulated requests and plain Python."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxcontract import NetworkState, System, average_aoi, average_latency, quality_of_data
from jaxcontract.mechanism.freshness import (
    centred_quality,
    extended_centred_quality,
    frequency_bounds,
    ideal_quality_index,
    marginal_quality,
    quality_index,
)

SLOT = 1e-3
METRICS = [quality_of_data, centred_quality]


def request_times(cycle, slot):
    """Age and latency, in slots, of a request in a slot 1 … θ of an update cycle, by Section III-A."""
    age = 2 if slot in (1, cycle) else slot + 1
    latency = 2 if slot == cycle else 1
    return age, latency


def simulated_requests(rng, cycle, count):
    """Ages and latencies, in slots, of requests at random times, from the clock of data and uploads.

    A request waits for the end of its slot. If the device refreshes its data in the next slot, it is
    served after that; the upload takes one slot more. Data is as old as the start of its refresh.
    """
    arrival = rng.uniform(0.0, cycle, count)
    noticed = np.floor(arrival) + 1
    refreshing = noticed % cycle == 0
    received = noticed + refreshing + 1
    generated = np.where(refreshing, noticed, 0.0)
    return received - generated, received - noticed


def quality_in_plain_python(preference, slot, max_aoi, max_latency, frequency):
    cycle = 1 / frequency
    age = slot * (1 / cycle + cycle / 2 + 1 / 2)
    latency = slot * (1 + 1 / cycle)
    gain, saving = max_aoi - age, max_latency - latency
    return math.log(preference * (gain - saving) + saving + 1)


@pytest.mark.parametrize("cycle", range(2, 51))
@pytest.mark.usefixtures("float64")
def test_means_equal_the_sum_over_slots(cycle):
    times = np.array([request_times(cycle, slot) for slot in range(1, cycle + 1)], float)
    age, latency = SLOT * times.sum(axis=0) / cycle
    np.testing.assert_allclose(average_aoi(1 / cycle, SLOT), age, rtol=1e-14)
    np.testing.assert_allclose(average_latency(1 / cycle, SLOT), latency, rtol=1e-14)


@pytest.mark.parametrize("cycle", [2, 3, 4, 7, 20, 50])
def test_means_equal_those_of_simulated_requests(cycle):
    count = 100_000
    for simulated, mean in zip(
        simulated_requests(np.random.default_rng(cycle), cycle, count),
        (average_aoi(1 / cycle, SLOT), average_latency(1 / cycle, SLOT)),
        strict=True,
    ):
        error = simulated.std() / math.sqrt(count)
        assert abs(simulated.mean() - float(mean) / SLOT) <= 4 * error + 1e-5


def test_an_update_in_every_slot_uses_the_closed_form():
    np.testing.assert_allclose(average_aoi(1.0, SLOT), 2 * SLOT, rtol=1e-6)
    np.testing.assert_allclose(average_latency(1.0, SLOT), 2 * SLOT, rtol=1e-6)


def test_data_that_is_never_updated_is_infinitely_old():
    assert average_aoi(0.0, SLOT) == jnp.inf


def random_points(count=200):
    """Arguments of the metrics, [count] each: α, t, Ā_max, D̄_max and f."""
    rng = np.random.default_rng(7)
    return (
        np.concatenate([[0.0, 1.0], rng.uniform(0, 1, count - 2)]),
        rng.uniform(1e-4, 5e-3, count),
        rng.uniform(0.5, 1, count),
        rng.uniform(0.5, 1, count),
        rng.uniform(0.01, 1, count),
    )


def of_numbers(metric):
    """A metric as a function of α, t, Ā_max, D̄_max and f."""

    def with_records(preference, slot, max_aoi, max_latency, frequency):
        system = System(aoi_preference=preference, slot_duration=slot)
        state = NetworkState(max_aoi=max_aoi, max_latency=max_latency, type_probs=[1.0], device_types=[2.0])
        return metric(system, state, frequency)

    return with_records


def over_points(metric):
    return np.asarray(jax.jit(jax.vmap(of_numbers(metric)))(*random_points()))


def in_plain_python(function):
    return np.array(
        [function(*point) for point in zip(*map(np.ndarray.tolist, random_points()), strict=True)]
    )


def centred_in_plain_python(preference, slot, max_aoi, max_latency, frequency):
    quality = quality_in_plain_python(preference, slot, max_aoi, max_latency, frequency)
    return quality - math.log(1 + preference * max_aoi + (1 - preference) * max_latency)


def slope_in_plain_python(*point):
    *rest, frequency = point
    step = 1e-5 * frequency
    above, below = (quality_in_plain_python(*rest, frequency + sign * step) for sign in (1, -1))
    return (above - below) / (2 * step)


@pytest.mark.usefixtures("float64")
def test_quality_of_data_is_formula_four():
    expected = in_plain_python(quality_in_plain_python)
    np.testing.assert_allclose(over_points(quality_of_data), expected, rtol=0, atol=1e-14)


def test_quality_of_data_keeps_six_digits_in_single_precision():
    np.testing.assert_allclose(
        over_points(quality_of_data), in_plain_python(quality_in_plain_python), atol=3e-7
    )


@pytest.mark.usefixtures("float64")
def test_centred_quality_is_the_quality_less_that_of_ideal_data():
    expected = in_plain_python(centred_in_plain_python)
    np.testing.assert_allclose(over_points(centred_quality), expected, rtol=0, atol=1e-14)


def test_centred_quality_keeps_its_digits_in_single_precision():
    expected = in_plain_python(centred_in_plain_python)
    np.testing.assert_allclose(over_points(centred_quality), expected, rtol=2e-6)


@pytest.mark.usefixtures("float64")
def test_marginal_quality_is_the_slope():
    expected = in_plain_python(slope_in_plain_python)
    np.testing.assert_allclose(over_points(marginal_quality), expected, rtol=1e-6, atol=1e-10)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("metric", METRICS)
def test_marginal_quality_is_the_derivative_of_both_metrics(metric):
    slopes = jax.jit(jax.vmap(jax.grad(of_numbers(metric), argnums=4)))(*random_points())
    np.testing.assert_allclose(slopes, over_points(marginal_quality), rtol=1e-11)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("metric", "mode"), list(zip(METRICS, ("fwd", "rev"), strict=True)))
def test_derivatives_hold_up_to_the_second_order(metric, mode):
    point = (0.75, 0.01, 0.95, 0.73, 0.3)
    check_grads(jax.jit(of_numbers(metric)), point, order=2, modes=[mode], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
def test_no_frequency_gives_nan_in_value_or_gradient(metric):
    frequencies = [-1.0, -1e-30, -0.0, 0.0, 1e-30, 1e-15, 1e-6, 1e-3, 0.25, 1.0, 2.0, 1e6]
    points = np.array(
        list(itertools.product([0.0, 0.5, 1.0], [1e-3, 0.1, 10.0], [0.95], [0.73], frequencies))
    )
    value_and_grad = jax.value_and_grad(of_numbers(metric), argnums=tuple(range(5)))
    value, gradient = jax.tree.map(np.asarray, jax.jit(jax.vmap(value_and_grad))(*points.T))
    undefined = ~(np.asarray(jax.vmap(of_numbers(quality_index))(*points.T)) > 0)
    assert undefined[points[:, 4] <= 0].all()
    assert not undefined[points[:, 4] == 0.25][:2].any()
    np.testing.assert_array_equal(np.isneginf(value), undefined)
    assert np.isfinite(value[~undefined]).all()
    for part in gradient:
        assert np.isfinite(part).all()
        assert (part[undefined] == 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_an_index_of_exactly_zero_is_undefined_without_nan(metric):
    point = (0.0, 1.0, 0.5, 1.0, 1.0)
    assert of_numbers(quality_index)(*point) == 0
    value, gradient = jax.jit(jax.value_and_grad(of_numbers(metric), argnums=tuple(range(5))))(*point)
    assert np.isneginf(value)
    assert not np.any(gradient)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("metric", METRICS)
def test_where_the_index_is_not_positive_the_metric_is_undefined(metric):
    state = NetworkState(max_aoi=0.5, max_latency=0.5, type_probs=[1.0], device_types=[2.0])
    system = System(slot_duration=0.1)
    frequency = np.linspace(0.001, 1.0, 500)
    gain, saving = 0.5 - 0.1 * (frequency + 0.5 / frequency + 0.5), 0.5 - 0.1 * (1 + frequency)
    expected = 0.75 * gain + 0.25 * saving + 1
    np.testing.assert_allclose(jax.jit(quality_index)(system, state, frequency), expected, rtol=1e-12)
    defined = expected > 0
    assert 0 < defined.sum() < len(expected)
    np.testing.assert_array_equal(np.isfinite(jax.jit(metric)(system, state, frequency)), defined)


@pytest.mark.usefixtures("float64")
def test_the_ideal_index_is_the_limit_without_age_and_latency():
    system = System(slot_duration=1e-15, aoi_preference=0.3)
    state = NetworkState(max_aoi=0.9, max_latency=0.6, type_probs=[1.0], device_types=[2.0])
    np.testing.assert_allclose(ideal_quality_index(system, state), 1 + 0.3 * 0.9 + 0.7 * 0.6, rtol=1e-15)
    np.testing.assert_allclose(
        quality_index(system, state, 0.5), ideal_quality_index(system, state), rtol=1e-12
    )


@pytest.mark.usefixtures("float64")
def test_the_extended_quality_equals_the_centred_one_and_goes_on_along_its_tangent():
    system = System(slot_duration=0.1)
    state = NetworkState(max_aoi=0.5, max_latency=0.5, type_probs=[1.0], device_types=[2.0])
    frequency = np.geomspace(1e-6, 0.2, 2000)
    shortfall = 0.75 * 0.1 * (frequency + 0.5 / frequency + 0.5) + 0.25 * 0.1 * (1 + frequency)
    share = 1 - shortfall / 1.5
    expected = np.where(
        share >= 0.01, np.log(np.maximum(share, 0.01)), math.log(0.01) + (share - 0.01) / 0.01
    )
    extended = np.asarray(jax.jit(extended_centred_quality)(system, state, frequency))
    np.testing.assert_allclose(extended, expected, rtol=1e-12)
    assert 0 < (share < 0.01).sum() < 2000
    assert (np.diff(extended) > 0).all()
    centred = np.asarray(jax.jit(centred_quality)(system, state, frequency))
    np.testing.assert_array_equal(extended[share >= 0.01], centred[share >= 0.01])


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3)])
def test_frequencies_of_any_shape_keep_it(shape):
    frequency = jnp.full(shape, 0.25)
    state = NetworkState(max_aoi=0.5, max_latency=0.5, type_probs=[1.0], device_types=[2.0])
    for mean in (average_aoi, average_latency):
        assert jax.eval_shape(mean, frequency, SLOT).shape == shape
    for metric in (*METRICS, extended_centred_quality, quality_index, marginal_quality):
        assert jax.eval_shape(metric, System(), state, frequency).shape == shape


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("slot_duration", [1e-3, 0.1, 0.5, 2.0])
def test_the_bounds_of_the_frequency_are_where_the_quality_runs_out(slot_duration):
    """Against a dense grid: inside them W > 0, outside W ≤ 0 or f is out of bounds."""
    system = System(slot_duration=slot_duration)
    state = NetworkState(max_aoi=0.7, max_latency=0.6, type_probs=[1.0], device_types=[2.0])
    low, high = frequency_bounds(system, state)
    grid = np.linspace(system.min_frequency, system.max_frequency, 100_001)
    good = np.asarray(quality_index(system, state, grid) > 0)
    if not good.any():
        assert low == high
        return
    np.testing.assert_allclose([low, high], [grid[good].min(), grid[good].max()], atol=1.1e-5)
    assert quality_index(system, state, low) > 0
