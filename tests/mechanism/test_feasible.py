"""Every vector is a feasible contract, every feasible contract is a vector."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxcontract import (
    Contract,
    NetworkState,
    System,
    certify,
    feasible_contract,
    feasible_vector,
    optimal_contract,
    printed_states,
    station_utility,
)
from jaxcontract.mechanism.freshness import frequency_bounds
from oracles.random_states import pick, random_states

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SYSTEM = System()


@jax.jit
def verdicts(states, vectors):
    """Whether contracts are feasible by the package and their worst violation by hand, [count] each."""

    def judge(state_and_vector):
        state, vector = state_and_vector
        contract = feasible_contract(SYSTEM, state, vector)
        frequency, payment = contract.frequency, contract.payment
        tolerance = 1e-9 if vector.dtype == jnp.float64 else 1e-6
        feasible = certify(SYSTEM, state, contract, tolerance).feasible
        gains = payment[None, :] - frequency[None, :] / state.device_types[:, None]
        own = gains[jnp.arange(len(payment)), jnp.arange(len(payment))]
        bounds = jnp.maximum(SYSTEM.min_frequency - frequency, frequency - SYSTEM.max_frequency)
        violations = [jnp.max(-own), jnp.max(gains - own[:, None]), jnp.max(bounds)]
        return feasible, jnp.max(jnp.stack(violations))

    return jax.lax.map(judge, (states, vectors), batch_size=500)


@pytest.mark.parametrize(("double", "tolerance"), [(False, 1e-6), (True, 1e-9)])
@pytest.mark.parametrize("size", [2, 8, 64])
def test_every_vector_is_a_feasible_contract(size, double, tolerance):
    rng = np.random.default_rng(size)
    vectors = rng.normal(size=(10_000, 2 * size)) * np.resize([1.0, 5.0, 30.0], (10_000, 1))
    with jax.enable_x64(double):
        feasible, violation = verdicts(random_states(size, 10_000, size), jnp.asarray(vectors, float))
        assert violation.dtype == (np.float64 if double else np.float32)
        assert np.asarray(feasible).all()
        assert np.asarray(violation).max() <= tolerance


@pytest.mark.parametrize("slot_duration", [0.01, 0.1, 0.3, 0.7])
def test_slots_so_long_that_quality_runs_out_leave_every_vector_feasible(slot_duration):
    """There W(f) ≤ 0 for rare updates: the bounds of f move in to where the quality is defined."""
    system = System(slot_duration=slot_duration)
    states = random_states(5, 2000, 3).replace(max_aoi=np.full(2000, 0.6))
    rng = np.random.default_rng(0)
    vectors = jnp.asarray(rng.normal(size=(2000, 6)) * np.resize([1.0, 10.0, 100.0], (2000, 1)), float)

    def judge(state, vector):
        contract = feasible_contract(system, state, vector)
        return certify(system, state, contract).feasible, station_utility(system, state, contract)

    feasible, utility = jax.jit(jax.vmap(judge))(states, vectors)
    low, high = jax.vmap(functools.partial(frequency_bounds, system))(states)
    exists = low < high
    assert np.asarray(feasible)[exists].all()
    assert np.isfinite(np.asarray(utility)[exists]).all()
    assert exists.all() or slot_duration > 0.5


@pytest.mark.parametrize("scale", [100.0, 1e4])
def test_extreme_vectors_are_feasible_too(scale):
    rng = np.random.default_rng(0)
    vectors = scale * rng.choice([-1.0, 0.0, 1.0], (500, 8))
    vectors[:, 4] *= 0.01
    feasible, violation = verdicts(random_states(1, 500, 4), jnp.asarray(vectors, float))
    assert np.asarray(feasible).all()
    assert np.isfinite(violation).all()


def there_and_back(state, vector):
    return feasible_vector(SYSTEM, state, feasible_contract(SYSTEM, state, vector))


def back_and_there(state, contract):
    return feasible_contract(SYSTEM, state, feasible_vector(SYSTEM, state, contract))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [1, 2, 30])
def test_vectors_survive_the_round_trip(size):
    vectors = np.random.default_rng(size).normal(size=(300, 2 * size))
    states = random_states(size, 300, size)
    returned = jax.jit(jax.vmap(there_and_back))(states, vectors)
    np.testing.assert_allclose(returned, vectors, atol=1e-5 if size == 30 else 1e-7)


def neighbour_contracts(rng, device_types):
    """Contracts [count, K] built from sorted frequencies, payments between neighbours' bounds and a rent."""
    count, size = device_types.shape
    frequency = np.sort(rng.uniform(0.02, 0.98, (count, size)), axis=1)
    payment = [frequency[:, 0] / device_types[:, 0] + rng.exponential(0.05, count)]
    for k in range(1, size):
        step = frequency[:, k] - frequency[:, k - 1]
        low, high = step / device_types[:, k], step / device_types[:, k - 1]
        payment.append(payment[-1] + low + rng.uniform(0.05, 0.95, count) * (high - low))
    return frequency, np.stack(payment, axis=1)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [1, 5, 20])
def test_contracts_built_by_hand_are_reached(size):
    states = random_states(size, 300, size)
    frequency, payment = neighbour_contracts(np.random.default_rng(size), np.asarray(states.device_types))
    returned = jax.jit(jax.vmap(back_and_there))(states, Contract(frequency=frequency, payment=payment))
    np.testing.assert_allclose(returned.frequency, frequency, atol=1e-12)
    np.testing.assert_allclose(returned.payment, payment, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_whatever_passes_all_constraints_by_rejection_is_reached():
    rng = np.random.default_rng(5)
    device_types = np.array([2.0, 7.0, 12.0])
    frequency, payment = rng.uniform(0.02, 0.98, (400_000, 3)), rng.uniform(0.0, 1.0, (400_000, 3))
    gains = payment[:, None, :] - frequency[:, None, :] / device_types[:, None]
    own = np.diagonal(gains, axis1=1, axis2=2)
    accepted = (own > 0).all(axis=1) & (own[:, :, None] >= gains).all(axis=(1, 2))
    assert 20 < accepted.sum() < 20_000
    state = NetworkState(max_aoi=0.9, max_latency=0.7, type_probs=[0.2, 0.3, 0.5], device_types=device_types)
    contracts = Contract(frequency=frequency[accepted], payment=payment[accepted])
    vectors = jax.jit(jax.vmap(functools.partial(feasible_vector, SYSTEM, state)))(contracts)
    assert np.isfinite(vectors).all()
    returned = jax.jit(jax.vmap(functools.partial(feasible_contract, SYSTEM, state)))(vectors)
    np.testing.assert_allclose(returned.frequency, contracts.frequency, atol=1e-12)
    np.testing.assert_allclose(returned.payment, contracts.payment, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_what_no_vector_gives_has_no_finite_vector():
    state = pick(printed_states(), 0)
    for frequency, payment in (
        ([0.3, 0.2], [0.2, 0.2]),
        ([0.2, 0.3], [0.09, 0.11]),
        ([0.2, 0.3], [0.11, 0.11]),
        ([0.2, 0.3], [0.11, 0.19]),
        ([0.00005, 0.3], [0.1, 0.15]),
        ([0.2, 1.2], [0.11, 0.3]),
    ):
        vector = jax.jit(feasible_vector)(SYSTEM, state, Contract(frequency=frequency, payment=payment))
        assert not np.isfinite(vector).all()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_optimum_is_approached_as_rent_and_shares_vanish(index):
    state = pick(printed_states(), index)
    best = jax.jit(optimal_contract)(SYSTEM, state)
    utility = jax.jit(lambda vector: station_utility(SYSTEM, state, feasible_contract(SYSTEM, state, vector)))
    low, high = frequency_bounds(SYSTEM, state)
    gaps = np.diff(np.asarray(best.frequency), prepend=float(low), append=float(high))
    logits = np.log(gaps[:-1] / gaps[-1])
    optimum = float(jax.jit(station_utility)(SYSTEM, state, best))
    regrets = [
        optimum - float(utility(np.concatenate([logits, [-depth, -depth]]))) for depth in (0, 1, 2, 4, 8, 12)
    ]
    assert all(later < earlier for earlier, later in itertools.pairwise(regrets))
    assert regrets[0] > 1e-3
    assert 0 <= regrets[-1] < 1e-6


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("bounds", [(0.2, 0.3), (0.05, 0.5)])
def test_frequencies_fill_the_bounds_of_the_system(bounds):
    system = System(min_frequency=bounds[0], max_frequency=bounds[1])
    state = pick(random_states(0, 1, 3), 0)
    vectors = 8 * np.random.default_rng(0).normal(size=(2000, 6))
    frequency = jax.jit(jax.vmap(functools.partial(feasible_contract, system, state)))(vectors).frequency
    assert frequency.min() >= bounds[0] - 1e-12
    assert frequency.max() <= bounds[1] + 1e-12
    assert np.ptp(frequency) > 0.99 * (bounds[1] - bounds[0])


@pytest.mark.usefixtures("float64")
def test_the_contract_is_smooth_in_everything():
    state = pick(random_states(0, 1, 3), 0)

    @jax.jit
    def items(vector, device_types, min_frequency):
        at = state.replace(device_types=device_types)
        contract = feasible_contract(System(min_frequency=min_frequency), at, vector)
        return contract.frequency, contract.payment

    vector = jnp.asarray(np.random.default_rng(0).normal(size=6))
    check_grads(items, (vector, state.device_types, 0.05), order=1, modes=("fwd", "rev"), rtol=1e-5)


def test_no_vector_has_a_gradient_that_is_not_finite():
    state = pick(random_states(0, 1, 4), 0)

    def utility(vector):
        return station_utility(SYSTEM, state, feasible_contract(SYSTEM, state, vector))

    rng = np.random.default_rng(0)
    vectors = np.concatenate([30 * rng.normal(size=(300, 8)), 100 * rng.choice([-1.0, 0.0, 1.0], (300, 8))])
    gradients = jax.jit(jax.vmap(jax.grad(utility)))(jnp.asarray(vectors, float))
    assert np.isfinite(gradients).all()
