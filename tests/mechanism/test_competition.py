"""Stations that compete: printed equilibria, closed forms, deviations found by others, a simulated market."""

import functools

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.mechanism.competition import compare_equilibria, offered_utilities, station_shares
from jaxcontract.mechanism.simulation import standard_error
from oracles import walking_away
from oracles.random_states import pick

PAPER = jc.System()
STRESS = jc.System(unit_profit=1.0, slot_duration=0.1)
GAMES = {"stress": (STRESS, 0.1), "paper": (PAPER, 1.0)}

find = jax.jit(jc.equilibrium_contracts)
measure = jax.jit(jc.exploitability)
share_out = jax.jit(jc.joint_profit_contracts)

pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.usefixtures("compiled_quickly")]


def stations(aoi, latency):
    """Stations that share the devices of the printed state 1."""
    size = len(aoi)
    return jc.NetworkState(
        max_aoi=list(aoi),
        max_latency=list(latency),
        type_probs=[[0.84, 0.16]] * size,
        device_types=[[2.0, 12.0]] * size,
    )


@functools.cache
def equilibrium(name):
    system, taste = GAMES[name]
    states = stations((0.95, 0.94), (0.73, 0.85))
    return system, taste, states, find(system, states, taste)


@pytest.mark.parametrize(
    ("name", "payoffs", "utilities", "gains"),
    [
        pytest.param(
            *("stress", (3.41677, 3.76024), ((0.20125, 0.30518), (0.20639, 0.30977)), (1.48746, 1.64953)),
            marks=pytest.mark.long,
        ),
        ("paper", (27.15044, 58.93090), ((62.0009, 62.106), (62.388, 62.494)), (1465.07, 1495.79)),
    ],
)
def test_golden_equilibria(name, payoffs, utilities, gains):
    system, taste, states, menus = equilibrium(name)
    np.testing.assert_allclose(jc.competition_utilities(system, states, menus, taste), payoffs, rtol=1e-5)
    np.testing.assert_allclose(offered_utilities(system, states, menus), utilities, rtol=3e-5)
    left = measure(system, states, menus, taste)
    assert ((left >= -1e-9) & (left < 1e-6)).all()
    paper = jax.vmap(jc.optimal_contract, (None, 0))(system, states)
    np.testing.assert_allclose(measure(system, states, paper, taste), gains, rtol=1e-5)


@pytest.mark.parametrize(("size", "payoff"), [(2, 40.0), pytest.param(3, 20.0, marks=pytest.mark.long)])
def test_equal_stations_earn_what_the_closed_form_says(size, payoff):
    states = stations([0.95] * size, [0.73] * size)
    menus = find(PAPER, states, 1.0)
    np.testing.assert_allclose(jc.competition_utilities(PAPER, states, menus, 1.0), payoff, atol=1e-3)
    alone = jc.complete_information_contract(PAPER, pick(states, 0))
    np.testing.assert_allclose(menus.frequency, np.tile(alone.frequency, (size, 1)), rtol=1e-4)


@pytest.mark.parametrize("name", GAMES)
def test_slsqp_finds_no_deviation_that_gains(name):
    system, taste, states, menus = equilibrium(name)
    offers = np.asarray(offered_utilities(system, states, menus))
    earned = jc.competition_utilities(system, states, menus, taste)
    left = measure(system, states, menus, taste)
    for own in range(2):
        other = walking_away.best_by_slsqp(system, pick(states, own), taste, offers[[1 - own]], 6, own)
        assert other <= earned[own] + left[own] + 1e-9
        np.testing.assert_allclose(other, earned[own], rtol=1e-5)


@pytest.mark.long
def test_all_starting_points_end_alike():
    system, taste, states, menus = equilibrium("stress")
    found = jax.jit(jc.compare_equilibria, static_argnums=3)(system, states, taste, 3)
    assert found.disagreement < 1e-8
    assert found.exploitability.max() < 1e-6
    np.testing.assert_allclose(found.contracts.payment[0], menus.payment, rtol=1e-9)
    np.testing.assert_allclose(found.contracts.payment[2], menus.payment, rtol=1e-6)


@pytest.mark.long
def test_one_owner_earns_more_and_leaves_the_devices_less():
    system, taste, states, menus = equilibrium("stress")
    joint = share_out(system, states, taste)
    both, rivals = (jc.competition_utilities(system, states, one, taste).sum() for one in (joint, menus))
    assert both > 1.2 * rivals
    welfare = [jc.device_welfare(states, one, taste, system) for one in (joint, menus)]
    assert welfare[0] < welfare[1]
    # No shift of a station's payments, nor of one of its items, gains the owner anything.
    for station, item in np.ndindex(2, 2):
        for step in (-1e-3, 1e-3):
            payment = np.array(joint.payment)
            payment[station, item:] += step
            moved = jc.Contract(frequency=joint.frequency, payment=payment)
            rents = offered_utilities(system, states, moved)
            feasible = jc.certify(system, pick(states, station), pick(moved, station), 1e-9).feasible
            total = jc.competition_utilities(system, states, moved, taste).sum()
            assert not feasible or rents.min() < 0 or total <= both


def test_the_simulated_market_earns_what_the_formulas_say():
    system, taste, states, menus = equilibrium("stress")
    market = jc.simulate_competition(np.random.default_rng(0), system, states, menus, taste, 2000)
    expected = {
        "station_utility": jc.competition_utilities(system, states, menus, taste),
        "participation": station_shares(offered_utilities(system, states, menus), taste)
        @ states.type_probs[0],
        "device_utility": jc.device_welfare(states, menus, taste, system) / 40,
    }
    for name, value in expected.items():
        columns = getattr(market, name).reshape(2000, -1)
        for drawn, mean in zip(columns.T, np.ravel(value), strict=True):
            assert abs(drawn.mean() - mean) <= 4 * standard_error(drawn)
            assert abs(drawn.mean() - 1.05 * mean) > 4 * standard_error(drawn)


def test_payoffs_are_those_of_a_plain_loop_and_systems_may_differ():
    states = stations((0.95, 0.94, 0.6), (0.73, 0.85, 0.9))
    systems = jc.System(unit_profit=np.array([1.0, 2.0, 3.0]), slot_duration=0.1)
    alone = [jc.System(unit_profit=profit, slot_duration=0.1) for profit in (1.0, 2.0, 3.0)]
    menus = jax.vmap(jc.naive_contract, (0, 0))(systems, states)
    offers = np.asarray(offered_utilities(systems, states, menus)) + 0.0
    earned = jc.competition_utilities(systems, states, menus, 0.1)
    for own in range(3):
        rivals = np.delete(offers, own, axis=0)
        menu = np.asarray(menus.frequency[own]), np.asarray(menus.payment[own])
        expected = walking_away.earned(alone[own], pick(states, own), *menu, 0.1, rivals)
        np.testing.assert_allclose(earned[own], expected, rtol=1e-12)


@pytest.mark.long
def test_a_station_alone_is_one_that_devices_may_leave():
    states = stations((0.95,), (0.73,))
    menus = find(STRESS, states, 0.1)
    np.testing.assert_allclose(jc.competition_utilities(STRESS, states, menus, 0.1), 8.892901, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type_probs": [[0.84, 0.16], [0.5, 0.5]]}, "type_probs: must be the same for all stations"),
        ({"device_types": [[2.0, 12.0], [2.0, 13.0]]}, "device_types: must be the same for all stations"),
    ],
)
def test_devices_are_the_same_for_all_stations(changes, said):
    states = stations((0.95, 0.94), (0.73, 0.85)).replace(**changes)
    with pytest.raises(ValueError, match=said):
        jc.equilibrium_contracts(PAPER, states, 1.0)
    with pytest.raises(ValueError, match=r"taste_scale[^\n]*must be positive"):
        jc.equilibrium_contracts(PAPER, stations((0.9, 0.9), (0.9, 0.9)), 0.0)


def test_no_station_and_no_start_are_refused_and_numpy_arrays_are_not():
    states = stations((0.95, 0.94), (0.73, 0.85))
    nobody = jax.tree.map(lambda leaf: np.asarray(leaf)[:0], states)
    with pytest.raises(ValueError, match=r"equilibrium_contracts\.states: of no station"):
        jc.equilibrium_contracts(PAPER, nobody, 1.0)
    with pytest.raises(
        ValueError, match=r"compare_equilibria\.num_starts = 0: must be a whole number in \[1"
    ):
        compare_equilibria(PAPER, states, 1.0, num_starts=0)
    as_numpy = jax.tree.map(np.asarray, states)
    found = find(PAPER, states, 1.0)
    np.testing.assert_allclose(
        jc.equilibrium_contracts(PAPER, as_numpy, 1.0).payment, found.payment, rtol=1e-9
    )
