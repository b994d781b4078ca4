"""Utilities and constraints, (5) to (9), against loops in plain Python and a market of devices."""

import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract import (
    Contract,
    NetworkState,
    System,
    centred_utility,
    certify,
    device_utilities,
    optimal_contract,
    printed_states,
    station_utility,
)
from jaxcontract.mechanism.incentives import extended_centred_utility
from oracles import paper
from oracles.payments import least_payments
from oracles.random_states import pick, random_states

pytestmark = pytest.mark.usefixtures("compiled_quickly")

STATE = {"max_aoi": 0.95, "max_latency": 0.73, "type_probs": [0.84, 0.16], "device_types": [2.0, 12.0]}
EXACT = types.SimpleNamespace(**STATE)  # in double precision, whatever the test's
UTILITIES = [station_utility, centred_utility]


def random_contract(rng, size):
    """Frequencies, most often in order, and payments, about half the time far too small."""
    frequency = rng.uniform(0.02, 0.98, size)
    if rng.random() < 0.7:
        frequency = np.sort(frequency)
    return frequency, rng.choice([0.01, 1.0]) * rng.uniform(0.0, 1.0, size)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.usefixtures("float64")
def test_device_utilities_are_payment_less_cost(size):
    rng = np.random.default_rng(size)
    states = random_states(size, 5, size)
    for index in range(5):
        frequency, payment = random_contract(rng, size)
        state = pick(states, index)
        table = device_utilities(state, Contract(frequency=frequency, payment=payment))
        assert table.shape == (size, size)
        for k, own in enumerate(state.device_types.tolist()):
            for j in range(size):
                np.testing.assert_allclose(table[k, j], payment[j] - frequency[j] / own, atol=1e-15)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.usefixtures("float64")
def test_station_utility_is_the_weighted_sum_over_types(size):
    rng = np.random.default_rng(size)
    system = System(num_devices=17.0, aoi_preference=0.6, unit_profit=30.0, slot_duration=2e-3)
    states = random_states(size, 10, size)
    for index in range(10):
        state = pick(states, index)
        frequency, payment = random_contract(rng, size)
        contract = Contract(frequency=frequency, payment=payment)
        printed = paper.station_utility(system, state, frequency, payment)
        np.testing.assert_allclose(jax.jit(station_utility)(system, state, contract), printed, rtol=1e-13)
        centred = printed - 17 * 30 * paper.ideal_quality(system, state)
        np.testing.assert_allclose(jax.jit(centred_utility)(system, state, contract), centred, rtol=1e-10)


def test_centred_utility_resolves_in_single_precision_what_station_utility_cannot():
    state = NetworkState(**STATE)
    items = {"frequency": [0.177, 0.381], "payment": [0.0886, 0.1056]}
    dearer = {**items, "payment": [0.0886, 0.10561]}
    printed = [paper.station_utility(System(), EXACT, **each) for each in (items, dearer)]
    resolved = [
        float(jax.jit(centred_utility)(System(), state, Contract(**each))) for each in (items, dearer)
    ]
    np.testing.assert_allclose(resolved[1] - resolved[0], printed[1] - printed[0], rtol=0.05)


@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.usefixtures("float64")
def test_a_type_that_does_not_occur_adds_nothing_even_if_undefined(utility):
    state = NetworkState(**{**STATE, "type_probs": [1.0, 0.0]})
    alone = NetworkState(**{**STATE, "type_probs": [1.0], "device_types": [2.0]})
    expected = jax.jit(utility)(System(), alone, Contract(frequency=[0.2], payment=[0.1]))
    slopes = jax.jit(jax.value_and_grad(utility, argnums=(0, 1, 2)))
    for undefined in (0.0, -1.0, 1e-9):
        contract = Contract(frequency=[0.2, undefined], payment=[0.1, 0.3])
        value, gradient = slopes(System(), state, contract)
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("utility", UTILITIES)
def test_a_type_that_occurs_and_is_undefined_makes_the_utility_minus_infinity(utility):
    contract = Contract(frequency=[0.0, 0.3], payment=[0.1, 0.3])
    value, gradient = jax.jit(jax.value_and_grad(utility, argnums=2))(
        System(), NetworkState(**STATE), contract
    )
    assert np.isneginf(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_the_extended_utility_is_the_centred_one_where_that_is_defined_and_finite_elsewhere():
    extended = jax.jit(jax.value_and_grad(extended_centred_utility, argnums=(0, 1, 2)))
    state = NetworkState(**STATE)
    defined = Contract(frequency=[0.2, 0.3], payment=[0.1, 0.12])
    expected = jax.jit(centred_utility)(System(), state, defined)
    np.testing.assert_allclose(extended(System(), state, defined)[0], expected, rtol=1e-6)
    for slot in (1e-3, 0.1, 1.0):
        system = System(slot_duration=slot)
        value, gradient = extended(system, state, Contract(frequency=[1e-5, 0.3], payment=[0.1, 0.3]))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((value, gradient)))
        assert gradient[2].frequency[0] > 0


def numbers_of(utility):
    def of_numbers(frequency, payment, probs, types, limits, constants):
        system = System(
            num_devices=constants[0],
            aoi_preference=constants[1],
            unit_profit=constants[2],
            slot_duration=constants[3],
        )
        state = NetworkState(max_aoi=limits[0], max_latency=limits[1], type_probs=probs, device_types=types)
        return utility(system, state, Contract(frequency=frequency, payment=payment))

    return jax.jit(of_numbers)


@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.parametrize("probs", [[0.5, 0.2, 0.3], [0.5, 0.0, 0.5]], ids=["shares", "a share of zero"])
@pytest.mark.usefixtures("float64")
def test_gradients_equal_finite_differences(utility, probs):
    of_numbers = numbers_of(utility)
    numbers = [
        np.array(values)
        for values in (
            [0.1, 0.3, 0.35],
            [0.05, 0.1, 0.11],
            probs,
            [2.0, 6.0, 12.0],
            [0.95, 0.73],
            [40.0, 0.75, 100.0, 1e-3],
        )
    ]
    gradient = jax.jit(jax.grad(of_numbers, argnums=tuple(range(6))))(*numbers)
    for part, slopes in enumerate(gradient):
        for place, slope in enumerate(slopes):
            width = max(1e-6 * abs(numbers[part][place]), 1e-8)
            nudged = [[array.copy() for array in numbers] for _ in range(2)]
            nudged[0][part][place] += width
            nudged[1][part][place] -= 0 if numbers[part][place] == 0 else width
            step = nudged[0][part][place] - nudged[1][part][place]
            difference = (of_numbers(*nudged[0]) - of_numbers(*nudged[1])) / step
            np.testing.assert_allclose(slope, difference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.usefixtures("float64")
def test_certificates_equal_a_loop_over_all_pairs(size):
    rng = np.random.default_rng(10 + size)
    system = System(min_frequency=0.05, max_frequency=0.95)
    states = random_states(size, 150, size)
    judge = jax.jit(certify)
    verdicts = []
    for index in range(150):
        state = pick(states, index)
        types = state.device_types.tolist()
        frequency, payment = random_contract(rng, size)
        if index % 2:
            rent = rng.choice([0.0, 0.01, -1e-3, -1e-7])
            payment = least_payments(types, np.sort(frequency), rent)
            frequency = np.sort(frequency)
        certificate = judge(system, state, Contract(frequency=frequency, payment=payment), 1e-6)
        worst = paper.worst_violation(types, frequency, payment, 0.05, 0.95)
        np.testing.assert_allclose(certificate.max_violation, worst, atol=1e-14)
        np.testing.assert_array_equal(
            certificate.domain, (frequency >= 0.05 - 1e-6) & (frequency <= 0.95 + 1e-6)
        )
        gains = [[payment[j] - frequency[j] / own for j in range(size)] for own in types]
        np.testing.assert_allclose(certificate.ir_slack, [gains[k][k] for k in range(size)], atol=1e-14)
        slack = [[gains[k][k] - gains[k][j] for j in range(size)] for k in range(size)]
        np.testing.assert_allclose(certificate.ic_slack, slack, atol=1e-14)
        assert certificate.feasible == (worst <= 1e-6)
        verdicts.append(bool(certificate.feasible))
    assert 20 < sum(verdicts) < 130


@pytest.mark.parametrize(
    ("missed", "tolerance", "feasible"),
    [
        (0.9e-6, 1e-6, True),
        (1.1e-6, 1e-6, False),
        (1e-7, 0.0, False),
        (1e-5, 1e-4, True),
    ],
)
@pytest.mark.usefixtures("float64")
def test_the_tolerance_counts_for_every_kind_of_constraint(missed, tolerance, feasible):
    state = NetworkState(**STATE)
    system = System(min_frequency=0.1, max_frequency=0.4)
    for contract in (
        Contract(frequency=[0.2, 0.3], payment=[0.1 - missed, 0.11]),
        Contract(frequency=[0.2, 0.3], payment=[0.1, 0.1 + 0.1 / 12 - missed]),
        Contract(frequency=[0.2, 0.3], payment=[0.1, 0.1 + 0.1 / 2 + missed]),
        Contract(frequency=[0.1 - missed, 0.3], payment=[0.2, 0.24]),
        Contract(frequency=[0.2, 0.4 + missed], payment=[0.2, 0.24]),
    ):
        certificate = jax.jit(certify)(system, state, contract, tolerance)
        np.testing.assert_allclose(certificate.max_violation, missed, rtol=1e-6)
        assert certificate.feasible == feasible


def test_undefined_quality_is_outside_the_domain():
    state = NetworkState(max_aoi=0.5, max_latency=0.5, type_probs=[0.5, 0.5], device_types=[2.0, 12.0])
    contract = Contract(frequency=[0.02, 0.5], payment=[0.5, 0.54])
    assert jax.jit(certify)(System(), state, contract).feasible
    certificate = jax.jit(certify)(System(slot_duration=0.1), state, contract)
    np.testing.assert_array_equal(certificate.domain, [False, True])
    assert certificate.max_violation == 0
    assert not certificate.feasible


@pytest.mark.parametrize("field", ["frequency", "payment"])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_contract_that_is_not_finite_is_not_feasible(field, place, bad):
    @jax.jit
    def verdict(items):
        return certify(System(), NetworkState(**STATE), Contract(**items)).feasible

    items = {"frequency": jnp.array([0.2, 0.3]), "payment": jnp.array([0.11, 0.12])}
    assert verdict(items)
    assert not verdict({**items, field: items[field].at[place].set(bad)})


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("bonus", [0.0, 1e-6])
@pytest.mark.usefixtures("float64")
def test_a_market_of_devices_earns_the_station_what_the_formula_says(size, bonus):
    rng = np.random.default_rng(size)
    system, rounds = System(), 20_000
    devices = int(system.num_devices)
    for index in range(3):
        state = pick(random_states(size, 3, size), index) if size > 2 else pick(printed_states(), index)
        contract = jax.jit(optimal_contract)(system, state)
        frequency = np.asarray(contract.frequency)
        payment = np.asarray(contract.payment) + bonus * np.arange(1, size + 1)
        choices = [
            best_choice(own, own_item, frequency, payment) for own_item, own in enumerate(state.device_types)
        ]
        earned = paper.profit(system, state, frequency, payment)
        profits = np.array([0.0 if item is None else earned[item] for item in choices])
        drawn = rng.choice(size, (rounds, devices), p=np.asarray(state.type_probs))
        realised = profits[drawn].sum(axis=1)
        offered = Contract(frequency=frequency, payment=payment)
        error = realised.std() / math.sqrt(rounds)
        assert abs(realised.mean() - jax.jit(station_utility)(system, state, offered)) <= 4 * error
        if bonus:
            assert choices == list(range(size)) or len(set(frequency.tolist())) < size


def best_choice(own_type, own_item, frequency, payment):
    """The item that a device picks, or None to stay out; in a tie it takes part, with its own item."""
    gains = payment - frequency / float(own_type)
    gains[own_item] += 1e-12
    best = int(np.argmax(gains))
    return best if gains[best] >= 0 else None


@pytest.mark.usefixtures("float64")
def test_a_market_tells_a_wrong_contract_from_a_right_one():
    state = pick(printed_states(), 0)
    frequency = np.array([0.19, 0.38])
    blind = frequency / np.asarray(state.device_types)
    assert [best_choice(own, k, frequency, blind) for k, own in enumerate(state.device_types)] == [0, 0]
    assert not jax.jit(certify)(System(), state, Contract(frequency=frequency, payment=blind)).feasible


def test_batches_and_single_rounds_agree():
    states = random_states(0, 7, 3)
    contracts = jax.jit(jax.vmap(optimal_contract, in_axes=(None, 0)))(System(), states)
    batched = jax.jit(jax.vmap(certify, in_axes=(None, 0, 0)))(System(), states, contracts)
    assert batched.ic_slack.shape == (7, 3, 3)
    assert batched.feasible.shape == (7,)
    for index in range(7):
        single = jax.jit(certify)(System(), pick(states, index), pick(contracts, index))
        jax.tree.map(
            lambda one, other: np.testing.assert_allclose(one, other, atol=1e-7), pick(batched, index), single
        )


def test_undefined_payments_are_not_feasible_in_batches_of_any_size():
    """XLA's maxima over a few thousand columns lose NaN on a CPU."""
    state = jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[0.84, 0.16], device_types=[2.0, 12.0])
    best = jc.optimal_contract(jc.System(), state)
    for size in (1, 2048, 4096):
        payment = np.tile(np.asarray(best.payment), (size, 1))
        payment[::2, 1] = np.nan
        certificate = jax.jit(
            jax.vmap(
                lambda paid: jc.certify(
                    jc.System(), state, jc.Contract(frequency=best.frequency, payment=paid)
                )
            )
        )(payment)
        np.testing.assert_array_equal(certificate.feasible, np.arange(size) % 2 == 1)
        np.testing.assert_array_equal(np.isnan(certificate.max_violation), np.arange(size) % 2 == 0)


def test_infinite_payments_to_all_are_not_feasible_in_batches_of_any_size():
    """No utility is NaN, but each type envies the others by ∞ − ∞."""
    states = random_states(0, 1, 3)
    frequency = np.tile([0.1, 0.2, 0.3], (4096, 1))
    payment = np.full((4096, 3), np.inf)
    judge = jax.jit(
        jax.vmap(lambda f, r: jc.certify(jc.System(), pick(states, 0), jc.Contract(frequency=f, payment=r)))
    )
    for size in (1, 4096):
        certificate = judge(frequency[:size], payment[:size])
        assert not certificate.feasible.any()
        assert np.isnan(certificate.max_violation).all()
