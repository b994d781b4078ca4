"""Whole-number cycles against every menu there is, priced by a linear program, and a dynamic programme."""

import types

import jax
import numpy as np
import pytest

from jaxcontract import (
    NetworkState,
    System,
    certify,
    optimal_contract,
    quality_of_data,
    station_utility,
    whole_cycle_contract,
)
from jaxcontract.mechanism.rounds import put_rounds_last, unchecked
from oracles.random_states import pick, random_states
from oracles.whole_cycles import best_by_programme, best_of_all_menus

SYSTEMS = {
    "paper": System(),
    "stress": System(unit_profit=1.0, slot_duration=0.1),
    "seldom": System(unit_profit=0.02, slot_duration=0.1),  # updates worth little: long cycles
}

BATCHED = jax.jit(jax.vmap(whole_cycle_contract, (None, 0)))


@jax.jit
def solved(system, state):
    contract, best = whole_cycle_contract(system, state), optimal_contract(system, state)
    return types.SimpleNamespace(
        contract=contract,
        best=best,
        utility=station_utility(system, state, contract),
        optimum=station_utility(system, state, best),
        feasible=certify(system, state, contract, 1e-9).feasible,
    ).__dict__


def solve(system, state):
    return types.SimpleNamespace(**jax.device_get(solved(system, state)))


def limited(system, longest):
    """The same system with cycles of 1 to `longest` slots."""
    return system.replace(min_frequency=1 / longest)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize(("num_types", "longest", "count"), [(1, 12, 4), (2, 9, 4), (3, 5, 2)])
def test_no_menu_of_whole_cycles_earns_more(name, num_types, longest, count):
    system = limited(SYSTEMS[name], longest)
    states = random_states(num_types, count, num_types)
    for index in range(count):
        state = pick(states, index)
        found = solve(system, state)
        assert found.feasible
        assert found.utility == pytest.approx(best_of_all_menus(system, state, longest), abs=1e-7)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("num_types", [2, 5, 20])
def test_a_dynamic_programme_finds_no_better(name, num_types):
    system = limited(SYSTEMS[name], 100)
    states = random_states(num_types + 1, 20, num_types, concentration=0.3)  # pooling in most of them
    for index in range(20):
        state = pick(states, index)
        found = solve(system, state)
        assert found.feasible
        assert found.utility == pytest.approx(best_by_programme(system, state, 100), abs=1e-8)
        cycles = 1 / found.contract.frequency
        np.testing.assert_allclose(cycles, np.round(cycles), rtol=1e-14)


@pytest.mark.usefixtures("float64")
def test_rounding_the_optimum_is_worse():
    """In some state the nearest whole cycles of the optimum, with payments that bind, earn less."""
    system, worse = SYSTEMS["stress"], 0
    states = random_states(0, 100, 2)
    for index in range(100):
        state = pick(states, index)
        found = solve(system, state)
        cycles = np.round(1 / found.best.frequency)
        types_, shares = np.asarray(state.device_types), np.asarray(state.type_probs)
        payment = np.cumsum(np.diff(1 / cycles, prepend=0.0) / types_)
        quality = np.asarray(quality_of_data(system, state, 1 / cycles))
        rounded = float(system.num_devices) * shares @ (float(system.unit_profit) * quality - payment)
        assert rounded <= found.utility + 1e-9
        assert found.utility <= found.optimum + 1e-9
        worse += rounded < found.utility - 1e-6
    assert worse > 0


@pytest.mark.usefixtures("float64")
def test_rounds_side_by_side_are_the_same():
    states = random_states(3, 50, 4)
    together = jax.jit(unchecked(whole_cycle_contract))(System(), put_rounds_last(states))
    apart = BATCHED(System(), states)
    np.testing.assert_array_equal(np.asarray(together.frequency).T, apart.frequency)
    np.testing.assert_allclose(np.asarray(together.payment).T, apart.payment, rtol=1e-14)


def test_single_precision_holds_and_is_as_good():
    states = random_states(4, 200, 6)
    found = BATCHED(System(), states)
    with jax.enable_x64(True):
        exact = BATCHED(System(), random_states(4, 200, 6))
        same = np.asarray(found.frequency) == np.asarray(exact.frequency, np.float32)
    assert same.mean() > 0.999
    certificate = jax.jit(jax.vmap(certify, (None, 0, 0)))(System(), states, found)
    assert np.all(certificate.feasible)


@pytest.mark.usefixtures("float64")
def test_bounds_that_are_whole_cycles_are_kept():
    """1/(1/49) is a little less than 49 in doubles."""
    state = pick(random_states(5, 1, 2), 0)
    for cycle in range(1, 120):
        system = System(min_frequency=1 / cycle, max_frequency=1 / cycle)
        found = solve(system, state)
        np.testing.assert_array_equal(np.round(1 / found.contract.frequency), cycle)
        assert found.feasible


@pytest.mark.usefixtures("float64")
def test_without_a_whole_cycle_nothing_is_certified():
    state = pick(random_states(6, 1, 2), 0)
    between = System(min_frequency=0.21, max_frequency=0.24)  # cycles of 4.2 to 4.8 slots
    assert not solve(between, state).feasible
    slow = System(slot_duration=10.0)  # no data is ever fresh enough
    assert not solve(slow, state).feasible


@pytest.mark.usefixtures("float64")
def test_a_type_that_never_occurs_gets_a_feasible_item():
    for probs in ([0.0, 0.4, 0.6], [0.4, 0.0, 0.6], [0.4, 0.6, 0.0]):
        state = NetworkState(max_aoi=0.9, max_latency=0.8, type_probs=probs, device_types=[1.5, 5.0, 9.0])
        for name in SYSTEMS:
            system = limited(SYSTEMS[name], 100)
            found = solve(system, state)
            assert found.feasible
            assert found.utility == pytest.approx(best_by_programme(system, state, 100), abs=1e-8)
