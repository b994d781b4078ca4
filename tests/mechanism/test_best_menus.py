"""The best menus for observed costs: all partitions solved one by one, SciPy, and 50-digit arithmetic."""

import dataclasses
import itertools
from decimal import Decimal
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import jaxcontract as jc
from jaxcontract.mechanism import splits
from jaxcontract.mechanism.best_items import make_best_items
from jaxcontract.mechanism.best_menus import (
    best_menus,
    count_useful,
    find_dearest_served,
    hull_costs,
    realised_profit,
)
from jaxcontract.mechanism.cycles import best_cycle_frequency
from jaxcontract.mechanism.hull import lower_hull
from jaxcontract.mechanism.optimum import best_frequency
from oracles import exact_optimum
from paths import EXAMPLES

MOST = 4
STATE = jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[1.0], device_types=[1.0])


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Accuracy(jc.System):
    """A quality and an effort that are not the paper's, bounds on f that bind."""

    def quality(self, state, frequency):
        return state.max_aoi * (1.0 - jnp.exp(-4.0 * frequency))

    def effort(self, frequency):
        return 20.0 * frequency**2


GAMES = {
    "paper": (jc.System(), best_frequency, jc.optimal_contract),
    "bounds that bind": (
        jc.System(min_frequency=0.2, max_frequency=0.35),
        best_frequency,
        jc.optimal_contract,
    ),
    "thrifty": (jc.System(unit_profit=0.15, slot_duration=0.1), best_frequency, jc.optimal_contract),
    "whole cycles": (jc.System(), best_cycle_frequency, jc.whole_cycle_contract),
    "own metric": (
        Accuracy(unit_profit=3.0, min_frequency=0.03, max_frequency=0.3),
        best_frequency,
        jc.optimal_contract,
    ),
}


def draw(seed, count=12):
    """Costs of devices, some of them observed often, now and then with gaps between clusters."""
    generator = np.random.default_rng(seed)
    costs = np.unique(generator.lognormal(-1.5, generator.uniform(0.3, 1.5), count).round(6))
    return costs, generator.choice([1, 1, 2, 9], len(costs))


def list_partitions(size):
    """The last member of each group, for all groupings of the first n ≤ size costs into at most K: [N, K]."""
    found = [
        [*inner, *[last] * (MOST - len(inner))]
        for last in range(size)
        for groups in range(1, min(MOST, last + 1) + 1)
        for inner in itertools.combinations(range(last), groups - 1)
    ]
    return np.array(found)


@partial(jax.jit, static_argnums=0)
def solve_all(scheme, system, probs, types):
    """U_B of each partition by the package's contracts, which pool types by antitonic regression."""

    def one(probs, types):
        state = STATE.replace(type_probs=probs, device_types=types)
        return jc.station_utility(system, state, scheme(system, state))

    return jax.vmap(one)(probs, types)


def best_of_partitions(scheme, system, costs, counts):
    """The greatest U_B by number of groups, of all costs, and of those that a menu does best to serve."""
    ends = list_partitions(len(costs))
    reached = np.cumsum(counts)[ends]
    served = reached[:, -1]
    probs = np.diff(reached, axis=1, prepend=0) / served[:, None]
    utility = np.asarray(solve_all(scheme, system, probs[:, ::-1], 1 / costs[ends][:, ::-1]))
    utility = utility * served / counts.sum()
    groups = (probs > 0).sum(axis=1)
    whole = ends[:, -1] == len(costs) - 1
    return [
        [utility[within & (groups <= size)].max() for size in range(1, MOST + 1)]
        for within in (whole, np.ones_like(whole))
    ]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("game", GAMES)
def test_no_partition_earns_more_and_one_earns_as_much(game):
    """100 draws of 12 costs over five games, all partitions of each into 1 to 4 groups."""
    system, rule, scheme = GAMES[game]
    solve, left_out = make_best_items(system, STATE, rule), 0
    for seed in range(20):
        costs, counts = draw(seed)
        every, some = best_of_partitions(scheme, system, costs, counts)
        for expected, leave_out in ((every, False), (some, True)):
            menus = best_menus(costs, counts, MOST, solve, leave_out=leave_out)
            earned = np.array([40 * menu.profit for menu in menus])
            np.testing.assert_allclose(
                earned, expected[: len(menus)], rtol=1e-11, atol=1e-9 * system.unit_profit
            )
            np.testing.assert_allclose(  # fewer vertices than groups: more groups add nothing
                earned[-1], expected[-1], rtol=1e-11, atol=1e-9 * system.unit_profit
            )
            for menu in menus:  # devices that choose freely bring what was found
                assert realised_profit(menu, costs, counts) == pytest.approx(
                    menu.profit, rel=1e-11, abs=1e-12
                )
            left_out += leave_out and menus[-1].highest[-1] < costs[-1]
    assert (left_out > 5) == (game in ("thrifty", "own metric"))


@pytest.mark.usefixtures("float64")
def test_the_best_of_all_partitions_in_fifty_digits():
    system, costs, counts = jc.System(), *draw(3, 6)
    solve = make_best_items(system, STATE)
    for size, menu in enumerate(best_menus(costs, counts, 3, solve), start=1):
        found = []
        for inner in itertools.combinations(range(len(costs) - 1), size - 1):
            ends = [*inner, len(costs) - 1]
            probs = np.diff(np.cumsum(counts)[ends], prepend=0)[::-1] / counts.sum()
            game = exact_optimum.make_game(
                system, STATE.replace(type_probs=probs, device_types=1 / costs[ends][::-1])
            )
            found.append(exact_optimum.utility(game, *exact_optimum.solve(game)))
        assert abs(max(found) - 40 * Decimal(menu.profit)) < Decimal("1e-9")


def test_scipy_finds_no_better_menu_under_a_metric_of_ones_own():
    """Two groups: items (f, r) of the greatest profit under IR and IC, by SLSQP, for every cut."""
    system, costs, counts = GAMES["own metric"][0], *draw(5, 7)
    solve = make_best_items(system, STATE)

    def quality(f):
        return 3.0 * 0.95 * (1 - np.exp(-4 * f))

    found = []
    for cut in range(1, len(costs)):
        shares = np.array([counts[:cut].sum(), counts[cut:].sum()]) / counts.sum()
        cheap, dear = costs[cut - 1], costs[-1]

        def slacks(x, cheap=cheap, dear=dear):
            (f, g), (r, s) = x[:2], x[2:]
            e, d = 20 * f**2, 20 * g**2
            own = r - cheap * e, s - dear * d
            return np.array([*own, own[0] - (s - cheap * d), own[1] - (r - dear * e)])

        def loss(x, shares=shares):
            return -float(shares @ (quality(x[:2]) - x[2:]))

        best = minimize(
            loss,
            [0.1, 0.05, 0.3, 0.1],
            method="SLSQP",
            bounds=[(0.03, 0.3)] * 2 + [(0, None)] * 2,
            constraints={"type": "ineq", "fun": slacks},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        found.append(-best.fun)
    assert best_menus(costs, counts, 2, solve)[1].profit == pytest.approx(max(found), abs=1e-7)


def test_the_example_as_it_was_found_by_two_methods():
    """U_B at K = 1 … 8 as in the notes on models, where f is 0.01 or more."""
    costs, counts = np.unique(
        np.loadtxt(EXAMPLES / "costs.csv", delimiter=",", skiprows=1)[:, 1], return_counts=True
    )
    solve = make_best_items(jc.System(min_frequency=0.01), STATE)
    menus = best_menus(costs, counts, 400, solve)
    expected = [2546.2534, 2546.9793, 2547.2195, 2547.3172, 2547.3487, 2547.3591, 2547.3628, 2547.3662]
    np.testing.assert_allclose([40 * menu.profit for menu in menus[:8]], expected, atol=5.1e-5, rtol=0)
    assert 40 * menus[-1].profit == pytest.approx(2547.3737, abs=5.1e-5)
    assert (len(costs), len(menus), len(hull_costs(costs, counts))) == (369, 41, 41)


@pytest.mark.parametrize("game", GAMES)
def test_more_items_never_earn_less_and_leaving_out_never_costs(game):
    solve = make_best_items(GAMES[game][0], STATE, GAMES[game][1])
    for seed in range(20):
        costs, counts = draw(seed, 60)
        profits = [
            [menu.profit for menu in best_menus(costs, counts, 12, solve, leave_out=leave_out)]
            for leave_out in (False, True)
        ]
        slack = 1e-12 * GAMES[game][0].unit_profit
        assert all((np.diff(one) >= -slack).all() for one in profits)
        assert (np.array(profits[1]) >= np.array(profits[0]) - slack).all()
        dearest = find_dearest_served(costs, counts, solve)
        among = costs <= dearest
        every = best_menus(costs[among], counts[among], 60, solve)[-1].profit
        best = best_menus(costs, counts, 60, solve, leave_out=True)[-1].profit
        assert every * counts[among].sum() / counts.sum() == pytest.approx(best, rel=1e-11, abs=slack)


def test_halving_finds_what_the_table_of_all_stretches_finds(monkeypatch):
    solve = make_best_items(jc.System(), STATE)
    costs = np.linspace(0.01, 1.0, 300)  # in even steps each is a vertex
    by_table = best_menus(costs, np.ones(300, int), 9, solve)
    monkeypatch.setattr(splits, "TABLE", 2)
    for one, other in zip(by_table, best_menus(costs, np.ones(300, int), 9, solve), strict=True):
        assert one.profit == pytest.approx(other.profit, rel=1e-14)
        np.testing.assert_array_equal(one.highest, other.highest)


@pytest.mark.parametrize("seed", range(20))
def test_the_hull_lies_below_all_points_and_has_no_vertex_too_many(seed):
    generator = np.random.default_rng(seed)
    x = np.cumsum(generator.exponential(size=200))
    y = x ** generator.uniform(0.5, 2) + generator.normal(size=200) * generator.choice([0, 0.1, 10])
    found = lower_hull(x, y)
    assert (np.interp(x, x[found], y[found]) <= y + 1e-9).all()
    assert {0, 199} <= set(found.tolist())
    assert (np.diff(np.diff(y[found]) / np.diff(x[found])) > 0).all()


def test_where_all_items_stand_at_a_bound_one_is_as_many():
    solve = make_best_items(jc.System(min_frequency=0.01), STATE)
    costs = np.linspace(4000.0, 9000.0, 30)
    menus = best_menus(costs, np.ones(30, int), 6, solve)
    assert count_useful(menus) == 1
    assert 40 * menus[0].profit < 0


def test_what_has_no_quality_is_refused():
    solve = make_best_items(jc.System(slot_duration=3.0), STATE)
    with pytest.raises(ValueError, match="no item has a quality of data"):
        best_menus(np.array([0.1, 0.2]), np.array([1, 1]), 2, solve)
    with pytest.raises(ValueError, match="must be 1 or more"):
        best_menus(np.array([0.1, 0.2]), np.array([1, 1]), 0, solve)
