"""The capacity game: its mixed equilibrium, floors of families of policies, and games on menus."""

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.envs.capacity_config import CapacityGame, CapacityRules
from jaxcontract.mechanism.capacity import mixed_policy_payoffs
from jaxcontract.mechanism.menu_game import list_menus, menu_payoffs, solve_menu_game
from oracles import mixed_policies as laws

PAPER = jc.System()
STRESS = jc.System(unit_profit=1.0, slot_duration=0.1)
CAPACITIES = (0.60, 0.75, 0.90)

judge = jax.jit(jc.capacity_exploitability)

pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.usefixtures("compiled_quickly")]


def one_type():
    return jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[1.0], device_types=[2.0])


def two_types():
    return jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[0.84, 0.16], device_types=[2.0, 12.0])


def prices(system):
    """c_0 and S by the complete-information contract."""
    menu = jc.complete_information_contract(system, one_type())
    worth = system.unit_profit * jc.quality_of_data(system, one_type(), menu.frequency)[0]
    return float(menu.payment[0]), float(worth - menu.payment[0])


def share_lost(payments, weights, capacity, system=PAPER):
    """Exploitability as a share of (M − L) S."""
    lost = judge(np.asarray(payments, float), np.asarray(weights, float), system, one_type(), capacity)
    return float(lost / jc.capacity_payoff(system, one_type(), capacity))


def loop(payments, weights, capacity, deviations):
    """Both payoffs, by looking at every pair of offers. M = S = 1, c_0 = 0."""

    def earns(own, other):
        if own < 0:
            return 0.0
        if other < own or other < 0:
            return (1 - own) * capacity
        return (1 - own) * (0.5 if other == own else 1 - capacity)

    against = [
        sum(weight * earns(own, other) for other, weight in zip(payments, weights, strict=True))
        for own in (*payments, *deviations)
    ]
    return max(against[len(payments) :]) - np.dot(against[: len(payments)], weights)


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("seed", range(2))
def test_every_deviation_is_looked_at(capacity, seed):
    rng = np.random.default_rng(seed)
    rents = np.round(rng.uniform(-0.2, 1.0, 12), 1)  # with ties, and with offers that nobody takes
    weights = rng.dirichlet(np.ones(12))
    tried = np.concatenate([np.linspace(0, 1, 1001), rents[rents >= 0], rents[rents >= 0] + 1e-12, [0.0]])
    cost, surplus = prices(PAPER)
    expected = loop(rents, weights, capacity, tried) / (1 - capacity)
    payments = cost + surplus * rents
    np.testing.assert_allclose(share_lost(payments, weights, capacity), expected, atol=1e-9)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_one_fixed_contract_has_its_closed_form(capacity):
    cost, surplus = prices(PAPER)
    rents = np.linspace(0, 1, 361)
    lost = [share_lost([cost + surplus * rent], [1.0], capacity) for rent in rents]
    np.testing.assert_allclose(min(lost), 1 - 1 / (2 * capacity), atol=0.005)


@pytest.mark.parametrize(("system", "capacity"), [(PAPER, 0.6), (STRESS, 0.75), (PAPER, 0.9)])
def test_the_mixed_equilibrium_cannot_be_exploited(capacity, system):
    count = 1_000_000
    even = (np.arange(count) + 0.5) / count
    payments = jc.capacity_payments(system, one_type(), even, capacity)
    assert 0 <= share_lost(payments, np.full(count, 1 / count), capacity, system) < 1e-5
    cost, surplus = prices(system)
    np.testing.assert_allclose(
        jc.capacity_distribution((payments - cost) / surplus, capacity), even, atol=1e-9
    )
    # Against F every rent of its support earns the same.
    rents = np.linspace(0, (2 * capacity - 1) / capacity, 50)
    chances = jc.capacity_distribution(rents, capacity)
    np.testing.assert_allclose(
        (1 - rents) * (capacity * chances + (1 - capacity) * (1 - chances)), 1 - capacity
    )


@pytest.mark.long
@pytest.mark.parametrize("capacity", [0.90])  # where a finite sample shows most
def test_draws_of_the_equilibrium_come_near(capacity):
    count = 4_000_000
    draws = np.random.default_rng(0).random(count)
    payments = jc.capacity_payments(PAPER, one_type(), draws, capacity)
    assert 0 < share_lost(payments, np.full(count, 1 / count), capacity) <= 0.002


# Of mixtures: the best of this search. They are upper bounds on the floors; a longer search may find less.
FLOORS = {
    "clipped": dict(zip(CAPACITIES, (0.023, 0.100, 0.217), strict=True)),
    "sigmoid": dict(zip(CAPACITIES, (0.040, 0.093, 0.152), strict=True)),
    "two": dict(zip(CAPACITIES, (0.013, 0.031, 0.053), strict=True)),
    "four": dict(zip(CAPACITIES, (0.0034, 0.0072, 0.0139), strict=True)),
    "support": dict(zip(CAPACITIES, (0.003, 0.007, 0.015), strict=True)),
}


def floor(family, capacity):
    """The least exploitability of a family of policies, by search."""
    centre = (2 * capacity - 1) / capacity
    if family == "clipped":
        starts = [(share * centre, np.log(0.3 * centre)) for share in (0.3, 0.7)]
        return laws.least(laws.clipped_gaussian, starts, capacity)
    if family == "support":
        starts = [(0, 0.0, 0.0), (0, 1.0, 0.5)]
        return laws.least(lambda p, _: laws.sigmoids(p), starts, capacity, grid=laws.GRID * centre)
    size, tries = {"sigmoid": (1, 6), "two": (2, 4), "four": (4, 12)}[family]
    rng, middle = np.random.default_rng(0), np.log(centre / (2 - centre))
    starts = [
        np.concatenate([np.zeros(size), middle + 1.5 * rng.normal(size=size), 0.3 * rng.normal(size=size)])
        for _ in range(tries)
    ]
    return laws.least(laws.sigmoids, starts, capacity, rounds=3, grid=laws.COARSE)


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("family", ["clipped", "sigmoid", "two", "support"])
def test_floors_of_families_of_policies(family, capacity):
    np.testing.assert_allclose(floor(family, capacity), FLOORS[family][capacity], atol=0.005)


@pytest.mark.long
@pytest.mark.parametrize("capacity", CAPACITIES)
def test_floors_of_mixtures_of_four(capacity):
    np.testing.assert_allclose(floor("four", capacity), FLOORS["four"][capacity], atol=0.005)


def test_atoms_of_a_law_lose_what_the_law_loses():
    parameters = (0.0, -0.7, 0.0)
    expected = laws.gain(laws.sigmoids(parameters), 0.75)
    quantiles = laws.expit(
        -0.7 + laws.logit(0.5) + np.sqrt(2) * laws_erfinv((np.arange(200_000) + 0.5) / 1e5 - 1)
    )
    cost, surplus = prices(PAPER)
    found = share_lost(cost + surplus * quantiles, np.full(200_000, 1 / 200_000), 0.75)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def laws_erfinv(values):
    from scipy.special import erfinv

    return erfinv(values)


@pytest.mark.parametrize(("system", "capacity"), [(PAPER, 0.6), (STRESS, 0.75), (PAPER, 0.9)])
def test_a_double_oracle_leaves_no_gap(capacity, system):
    menus = list_menus(system, two_types(), 21, 3)
    payoffs = menu_payoffs(system, two_types(), menus, capacity)
    found = solve_menu_game(payoffs)
    np.testing.assert_allclose(found.weights.sum(), 1, rtol=1e-12)
    assert (found.weights >= 0).all()
    against = payoffs @ found.weights
    assert against.max() - found.weights @ against < 1e-8 * found.payoff
    assert (found.weights > 1e-6).sum() > 3
    for menu in range(0, len(payoffs), 10):
        one = jc.Contract(frequency=menus.frequency[menu], payment=menus.payment[menu])
        assert jc.certify(system, two_types(), one, 1e-9).feasible


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_with_one_type_the_menu_game_is_the_closed_form_on_a_grid(capacity):
    menus = list_menus(PAPER, one_type(), 41, 1)
    found = solve_menu_game(menu_payoffs(PAPER, one_type(), menus, capacity))
    assert found.gap < 1e-9 * found.payoff
    expected = jc.capacity_payoff(PAPER, one_type(), capacity)
    np.testing.assert_allclose(found.payoff, expected, rtol=0.03)
    used = np.asarray(menus.payment)[found.weights > 1e-9, 0]
    cost, surplus = prices(PAPER)
    assert used.max() <= cost + surplus * ((2 * capacity - 1) / capacity + 0.03)
    lost = share_lost(menus.payment[:, 0], found.weights, capacity)
    assert lost < 0.15  # off the grid, just above an atom


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_payoffs_of_menus_are_those_of_devices_in_a_queue(capacity):
    menus = list_menus(STRESS, two_types(), 4, 2)
    payoffs = menu_payoffs(STRESS, two_types(), menus, capacity)
    rng, count = np.random.default_rng(0), 20_000
    cost = 1 / np.array([2.0, 12.0])
    utility = np.asarray(menus.payment) - cost * np.asarray(menus.frequency)
    profit = np.asarray(jc.quality_of_data(STRESS, two_types(), menus.frequency)) - np.asarray(menus.payment)
    for own, other in [(0, 0), (3, 2), (1, 6), (7, 7), (5, 4)]:
        kinds = rng.choice(2, count, p=[0.84, 0.16])
        prefers = utility[own, kinds] - utility[other, kinds] + 1e-9 * rng.choice([-1, 1], count)
        queues = {True: np.flatnonzero(prefers > 0), False: np.flatnonzero(prefers < 0)}
        room = int(capacity * count)
        served = set(queues[True][:room]) | set(queues[False][room:])
        value = 40 * profit[own, kinds[list(served)]].sum() / count
        np.testing.assert_allclose(value, payoffs[own, other], rtol=0.05, atol=0.05)


def test_a_game_of_stone_paper_and_scissors_is_mixed_evenly():
    game = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    for scaled in (game, 1e-7 * game, 1e6 + game):
        np.testing.assert_allclose(solve_menu_game(scaled).weights, np.full(3, 1 / 3), atol=1e-6)


@pytest.mark.parametrize(
    ("payments", "weights", "capacity", "said"),
    [
        ([1.0, 2.0], [0.5, 0.5], 0.5, "capacity_exploitability.capacity.*between 1/2 and 1"),
        ([1.0, 2.0], [0.5, 0.5], 1.0, "capacity_exploitability.capacity.*between 1/2 and 1"),
        ([1.0, 2.0], [0.5, 0.4], 0.7, "weights: must be at least 0 and sum to 1; they sum to 0.9"),
        ([1.0, 2.0], [1.0], 0.7, r"weights of shape \(1,\): must be \(2,\)"),
        ([1.0, np.nan], [0.5, 0.5], 0.7, "capacity_exploitability.payments.*must be finite numbers"),
    ],
)
def test_what_is_no_mixed_policy_is_refused(payments, weights, capacity, said):
    with pytest.raises(ValueError, match=said):
        jc.capacity_exploitability(payments, weights, PAPER, one_type(), capacity)


def test_what_single_precision_takes_for_a_half_is_refused_and_so_is_a_rent_that_is_no_number():
    with jax.enable_x64(False):
        with pytest.raises(ValueError, match=r"capacity_distribution\.capacity.*between 1/2 and 1"):
            jc.capacity_distribution([0.0, 0.5], 0.5 + 1e-9)
        with pytest.raises(ValueError, match=r"CapacityRules\.capacity = 0\.500000001: must be in"):
            CapacityGame(env=CapacityRules(capacity=0.5 + 1e-9))
    with pytest.raises(ValueError, match=r"capacity_distribution\.rents.*must be numbers"):
        jc.capacity_distribution([np.nan, 0.2], 0.75)
    with pytest.raises(ValueError, match=r"mixed_policy_payoffs\.capacity"):
        mixed_policy_payoffs([1.0], [1.0], PAPER, one_type(), 0.4)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"capacity_payments.probabilities = .*: must be in \[0, 1\]"):
        jc.capacity_payments(PAPER, one_type(), [0.5, 1.5], 0.7)


def test_several_types_are_refused():
    with pytest.raises(ValueError, match="state with 2 device types: must have one"):
        jc.capacity_payoff(PAPER, two_types(), 0.7)
