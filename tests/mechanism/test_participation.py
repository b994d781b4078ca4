"""The best contract for devices that may walk away: printed numbers, SLSQP, brute force, differences."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.mechanism import participation as module
from jaxcontract.mechanism import response_bound, response_search
from oracles import walking_away
from oracles.differences import central_difference
from oracles.random_states import pick, random_states

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PAPER = jc.System()
STRESS = jc.System(unit_profit=1.0, slot_duration=0.1)
with jax.enable_x64(True):
    STATE = jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[0.84, 0.16], device_types=[2.0, 12.0])

respond_compiled = jax.jit(jc.best_response)
respond_to_each = jax.jit(jax.vmap(jc.best_response, (None, 0, None, 0)))
earn = jax.jit(jc.participation_utility)
in_double_precision = pytest.mark.usefixtures("float64")


def respond(system, state, taste, rivals):
    """The best response in double precision, of arguments of one kind: compiled once for each K."""
    given = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (system, state, taste, rivals))
    return respond_compiled(*given)


def nobody(size):
    """Rivals of whom there are none: the same compiled program as with one."""
    return jnp.full((1, size), -1e6)


@in_double_precision
@pytest.mark.parametrize(
    ("system", "taste", "value", "utilities", "frequency"),
    [
        (STRESS, 0.1, 8.892901, (0.066426, 0.148441), (0.196837, 0.394060)),
        (PAPER, 1.0, 2344.9974, (4.05897, 4.13751), (0.188485, 0.381430)),
        (PAPER, 0.1, 2517.9, None, None),
        (PAPER, 0.01, 2543.5, None, None),
        (PAPER, 0.001, 2546.9, None, None),
    ],
)
def test_golden_values(system, taste, value, utilities, frequency):
    found = respond(system, STATE, taste, nobody(2))
    np.testing.assert_allclose(found.utility, value, rtol=1e-6 if utilities else 2e-5)
    assert 0 <= found.upper_bound - found.utility < 1e-7 * found.utility
    assert jc.certify(system, STATE, found.contract, 1e-12).feasible
    if utilities:
        rents = np.diagonal(jc.device_utilities(STATE, found.contract))
        np.testing.assert_allclose(rents, utilities, rtol=1e-5)
        np.testing.assert_allclose(found.contract.frequency, frequency, rtol=1e-5)


@in_double_precision
@pytest.mark.parametrize(("system", "taste", "value"), [(STRESS, 0.1, 8.307425), (PAPER, 1.0, 1281.2027)])
def test_what_the_contract_of_the_paper_earns(system, taste, value):
    contract = jc.optimal_contract(system, STATE)
    np.testing.assert_allclose(jc.participation_utility(system, STATE, contract, taste), value, rtol=1e-6)


@in_double_precision
@pytest.mark.parametrize("rivals", [None, np.array([[0.3, -0.2, 0.1], [0.0, 0.5, 0.9]])])
def test_chances_and_payoff_are_those_of_a_plain_loop(rivals):
    state = pick(random_states(0, 1, 3), 0)
    contract = jc.optimal_contract(STRESS, state)
    utilities = np.array([0.1, 0.2, -0.3])
    expected = walking_away.chances(utilities, 0.1, () if rivals is None else rivals)
    np.testing.assert_allclose(jc.participation(utilities, 0.1, rivals), expected, rtol=1e-12)
    menu = map(np.asarray, (contract.frequency, contract.payment))
    expected = walking_away.earned(STRESS, state, *menu, 0.1, () if rivals is None else rivals)
    found = jc.participation_utility(STRESS, state, contract, 0.1, rivals)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


RIVALS = ("none", "alike", "apart")


def draw_rivals(kind, count, size, unit, seed=5):
    """[count, 1, K]: nobody, offers that are alike for all types, and offers that differ between them."""
    rng = np.random.default_rng(seed)
    if kind == "none":
        return np.full((count, 1, size), -1e6)
    if kind == "alike":
        base = rng.uniform(0, 0.6 if unit < 1 else 60.0, (count, 1))
        return (base + np.sort(rng.uniform(0, 0.3, (count, size)), axis=1))[:, None]
    return rng.uniform(0, 5 * unit, (count, 1, size))


@functools.cache
def solved(size, name, kind, count):
    system, taste = {"paper": (PAPER, 1.0), "stress": (STRESS, 0.1)}[name]
    with jax.enable_x64(True):
        states, rivals = random_states(20 + size, count, size), draw_rivals(kind, count, size, taste)
        if size == 2:  # the program of the other tests
            rows = [respond(system, pick(states, index), taste, rivals[index]) for index in range(count)]
            found = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
        else:
            found = respond_to_each(system, states, taste, rivals)
        return system, taste, *jax.tree.map(np.asarray, (states, rivals, found))


CASES = [(name, kind) for name in ("paper", "stress") for kind in RIVALS]


def compare_with_slsqp(size, name, kind, count, starts):
    system, taste, states, rivals, found = solved(size, name, kind, count)
    for index in range(count):
        state = pick(states, index)
        other = walking_away.best_by_slsqp(system, state, taste, rivals[index], starts, index)
        assert other > 0
        assert found.utility[index] >= other - 1e-6 * abs(other)
        assert found.upper_bound[index] >= other - 1e-9 * abs(other)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_slsqp_finds_nothing_better(name, kind):
    compare_with_slsqp(2, name, kind, 3, 4)


@pytest.mark.long
@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_slsqp_finds_nothing_better_in_many_states(size, name, kind):
    compare_with_slsqp(size, name, kind, 50, 20)


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("size", [2, pytest.param(8, marks=pytest.mark.long)])
def test_the_bound_is_close_and_contracts_are_feasible(size, name, kind):
    system, _, states, _, found = solved(size, name, kind, 50)
    gap = (found.upper_bound - found.utility) / found.utility
    assert gap.min() >= 0
    assert np.median(gap) < (2e-8 if kind != "apart" else 1e-3)
    # Where rivals offer very different things to different types the Lagrangian leaves more open.
    assert (gap < 1e-6).mean() >= {"none": 1.0, "alike": 0.95, "apart": 0.4}[kind]
    with jax.enable_x64(True):
        certify = jax.vmap(lambda state, menu: jc.certify(system, state, menu, 1e-10).feasible)
        assert certify(states, found.contract).all()


@functools.cache
def grid_of_rents(system, state, taste, rivals):
    """The best of a dense grid of (u_1, u_2) at K = 2, with f from a dense grid too: no algebra of ours."""
    cost = 1.0 / np.asarray(state.device_types, float)
    frequency = np.linspace(0.05, 0.7, 400)
    surplus = walking_away.paper.profit(system, state, frequency, 0.0)[None] - cost[:, None] * frequency
    first, second = (axis.ravel() for axis in np.meshgrid(*[np.linspace(0.0, 0.8, 161)] * 2))
    slope = (second - first) / (cost[0] - cost[1])
    kept = (slope >= frequency[0]) & (slope <= 1.0)
    first, second, slope = first[kept], second[kept], slope[kept]
    best = []
    for kind, allowed in ((0, frequency[None] <= slope[:, None]), (1, frequency[None] >= slope[:, None])):
        best.append(np.max(np.where(allowed, surplus[kind], -np.inf), axis=1))
    total = 0.0
    for kind, utility in enumerate((first, second)):
        offers = np.exp(
            np.stack([np.zeros_like(utility), utility, np.full_like(utility, rivals[kind])]) / taste
        )
        total += np.asarray(state.type_probs)[kind] * offers[1] / offers.sum(axis=0) * (best[kind] - utility)
    return 40 * total.max()


@in_double_precision
@pytest.mark.parametrize("rivals", [(-9.0, -9.0), (0.3, 0.1), (0.0, 0.6), (0.7, 0.0)])
@pytest.mark.parametrize("probs", [(0.84, 0.16), (0.3, 0.7)])
def test_brute_force_lies_between_the_utility_less_its_coarseness_and_the_bound(rivals, probs):
    state = STATE.replace(type_probs=list(probs))
    found = respond(STRESS, state, 0.1, np.array([rivals]))
    grid = grid_of_rents(STRESS, state, 0.1, rivals)
    assert grid <= found.upper_bound
    assert grid <= found.utility * (1 + 1e-9)
    np.testing.assert_allclose(found.utility, grid, rtol=3e-3)


@in_double_precision
@pytest.mark.parametrize("kind", RIVALS)
def test_no_feasible_contract_is_above_the_bound(kind):
    _, taste, states, rivals, found = solved(2, "stress", kind, 50)
    vectors = np.random.default_rng(0).normal(size=(200, 4)) * 2.0

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, 0, None))
    @functools.partial(jax.vmap, in_axes=(None, None, 0))
    def tried(state, rivals, vector):
        menu = jc.feasible_contract(STRESS, state, vector, 0.1)
        return jc.participation_utility(STRESS, state, menu, taste, rivals)

    values = np.asarray(tried(states, rivals, vectors))
    assert (values.max(axis=1) <= found.upper_bound).all()
    assert (values.max(axis=1) > 0.5 * found.upper_bound).any()


@in_double_precision
def test_a_worse_best_response_is_caught(monkeypatch):
    """The bound holds whatever the search returns: less utility, no smaller bound."""
    good = respond(STRESS, STATE, 0.1, nobody(2))
    search = response_search.solve

    def plant(system, state, problem):
        point, points, scale = search(system, state, problem)
        bad = point._replace(lowest=point.lowest + 1.0, item=0.9 * point.item)
        return bad, jax.tree.map(lambda one, more: jnp.broadcast_to(one, more.shape), bad, points), scale

    monkeypatch.setattr(module.response_search, "solve", plant)
    bad = jax.jit(lambda *given: jc.best_response(*given))(STRESS, STATE, 0.1, nobody(2))
    assert bad.utility < good.utility * (1 - 1e-3)
    assert bad.upper_bound >= good.utility


@in_double_precision
def test_gradients_of_the_greatest_utility_are_those_of_differences():
    state = pick(random_states(3, 1, 2), 0)
    rivals = jnp.array([[0.1, 0.2]])

    def value(numbers):
        alpha, beta, taste, aoi = numbers[:4]
        system = jc.System(aoi_preference=alpha, unit_profit=beta, slot_duration=0.1)
        one = jc.NetworkState(
            max_aoi=aoi,
            max_latency=state.max_latency,
            type_probs=state.type_probs,
            device_types=numbers[4:6],
        )
        offers = rivals.at[0].set(numbers[6:])
        menu = jc.participation_contract(system, one, taste, offers)
        return jc.participation_utility(system, one, menu, taste, offers)

    point = np.array([0.7, 1.1, 0.08, 0.8, *state.device_types, *rivals[0]])
    both = jax.jit(jax.value_and_grad(value))
    for index, slope in enumerate(both(point)[1]):
        along = np.eye(len(point))[index]
        expected = central_difference(lambda at: both(at)[0], point, 1e-4, along)
        np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("offer", [-1e3, 0.0, 1e3, 1e30])
def test_offers_of_any_size_neither_overflow_nor_give_nan(precision, offer):
    with jax.enable_x64(precision == np.float64):
        system, state = jax.tree.map(lambda leaf: np.asarray(leaf, precision), (STRESS, STATE))
        taste, rivals = np.asarray(0.1, precision), np.full((1, 2), 0.1 * offer, precision)
        shares = jc.participation(jnp.asarray([100.0, -100.0], precision), taste, rivals)
        assert ((shares >= 0) & (shares <= 1)).all()
        found = respond_compiled(system, state, taste, rivals)
        assert found.utility.dtype == precision
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
        assert found.upper_bound >= found.utility >= 0
        assert found.utility < (1e-3 if offer > 0 else 10)
        slope = jax.jit(jax.grad(earn, argnums=2))(system, state, found.contract, taste, rivals)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("offers", [[1e4, 1e4], [1e4, 50.0], [1e6, 1e6], [np.inf, 1.0], [np.inf, np.inf]])
def test_offers_beyond_what_there_is_to_win_leave_a_finite_bound(precision, offers):
    with jax.enable_x64(precision == np.float64):
        system, state = jax.tree.map(lambda leaf: np.asarray(leaf, precision), (PAPER, STATE))
        found = respond_compiled(system, state, np.asarray(1.0, precision), np.asarray([offers], precision))
    assert np.isfinite(found.upper_bound)
    assert found.upper_bound >= found.utility
    with jax.enable_x64(True):
        assert found.upper_bound <= earned_separately(offers) * (1 + 1e-3) + 1e-6


def earned_separately(offers):
    """Each type by itself on a grid of rents: what IC and IR can only lower."""
    total, rents = 0.0, np.linspace(0.0, 100.0, 100_001)
    best = jc.complete_information_contract(PAPER, STATE)
    for k, offer in enumerate(offers):
        one = dataclasses.replace(
            STATE, type_probs=np.ones(1), device_types=np.asarray(STATE.device_types)[k : k + 1]
        )
        item = jc.Contract(frequency=best.frequency[k : k + 1], payment=best.payment[k : k + 1])
        alone = float(jc.station_utility(PAPER, one, item)) - PAPER.num_devices * rents
        share = np.exp(rents - np.logaddexp(rents, np.logaddexp(0.0, offer)))
        total += float(STATE.type_probs[k]) * np.max(share * alone)
    return total


@in_double_precision
@pytest.mark.parametrize(
    ("probs", "types", "bounds"),
    [
        ([1.0, 0.0], [2.0, 12.0], {}),
        ([0.0, 1.0], [2.0, 12.0], {}),
        ([0.5, 0.5], [3.0, 3.0], {}),
        ([0.5, 0.5], [2.0, 12.0], {"min_frequency": 0.3, "max_frequency": 0.3}),
        ([0.5, 0.5], [2.0, 12.0], {"min_frequency": 0.3, "max_frequency": 0.35}),
        ([0.84, 0.16], [2.0, 12.0], {"aoi_preference": 0.0}),
    ],
)
def test_edges_are_certified(probs, types, bounds):
    system = STRESS.replace(**bounds)
    state = STATE.replace(type_probs=probs, device_types=types)
    found = respond(system, state, 0.1, nobody(2))
    assert jc.certify(system, state, found.contract, 1e-9).feasible
    assert 0 <= found.upper_bound - found.utility < 1e-6 * found.utility


@pytest.mark.long
@in_double_precision
def test_one_type_is_the_best_of_a_grid():
    state = STATE.replace(type_probs=[1.0], device_types=[2.0])
    frequency, rent = np.meshgrid(np.linspace(0.1, 0.4, 301), np.linspace(0, 0.3, 301))
    shares = 1 / (1 + np.exp(-rent / 0.1))
    values = 40 * shares * (walking_away.paper.profit(STRESS, state, frequency, 0.0) - frequency / 2 - rent)
    found = respond(STRESS, state, 0.1, nobody(1))
    np.testing.assert_allclose(found.utility, values.max(), rtol=1e-5)
    assert values.max() <= found.utility <= found.upper_bound


@jc.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Quadratic(jc.System):
    """With an effort and a quality of its own."""

    depth: Any = 0.5

    def effort(self, frequency):
        return frequency + self.depth * frequency**2

    def quality(self, state, frequency):
        return state.max_aoi * (2.0 * frequency - frequency**2)


@pytest.mark.long
@in_double_precision
def test_a_system_of_ones_own_is_bounded_too():
    system = Quadratic(unit_profit=1.0, min_frequency=0.05)
    found = jax.jit(jc.best_response)(system, STATE, 0.1)
    assert 0 <= found.upper_bound - found.utility < 1e-6 * found.utility
    assert jc.certify(system, STATE, found.contract, 1e-9).feasible

    @jax.jit
    @jax.vmap
    def tried(vector):
        return jc.participation_utility(system, STATE, jc.feasible_contract(system, STATE, vector, 0.1), 0.1)

    values = tried(np.random.default_rng(0).normal(size=(20_000, 4)) * 2.0)
    assert 0.98 * found.utility < values.max() <= found.utility


@in_double_precision
def test_where_no_item_has_a_quality_nothing_is_earned():
    system = jc.System(slot_duration=2.0)
    found = respond(system, STATE, 0.1, nobody(2))
    assert found.utility == found.upper_bound == -np.inf
    assert np.isfinite(found.contract.payment).all()


@pytest.mark.parametrize("taste", [0.0, -1.0, np.nan, np.inf, "1"])
def test_a_taste_scale_must_be_positive(taste):
    with pytest.raises(ValueError, match=r"\Abest_response[:.]\S*\s?[^\n]*\Z"):
        jc.best_response(PAPER, STATE, taste)


def test_rivals_offer_to_the_same_types():
    with pytest.raises(
        ValueError, match=r"participation_contract.rivals of shape \(1, 3\): must have one column"
    ):
        jc.participation_contract(PAPER, STATE, 1.0, [[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_maxima_of_ranges_are_those_of_slices(size):
    generator = np.random.default_rng(size)
    values = generator.normal(size=(3, size))
    first, last = generator.integers(0, size, (3, 20)), generator.integers(0, size, (3, 20))
    found = response_bound._range_max(jnp.asarray(values), jnp.asarray(first), jnp.asarray(last))
    for row, column in np.ndindex(3, 20):
        inside = values[row, first[row, column] : last[row, column] + 1]
        np.testing.assert_array_equal(found[row, column], np.float32(inside.max(initial=-np.inf)))


def best_with_a_fee(system, taste, dtype):
    """What the contract of (10) earns with the best of many flat fees."""
    state = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), STATE)
    contract = jc.optimal_contract(system, state)
    fees = np.concatenate([[0.0], np.geomspace(1e-3, 60.0, 200) * taste, np.geomspace(1e-4, 60.0, 200)])

    def earned(fee):
        offered = jc.Contract(frequency=contract.frequency, payment=contract.payment + fee)
        return jc.participation_utility(system, state, offered, jnp.asarray(taste, dtype))

    return state, float(jax.vmap(earned)(jnp.asarray(fees, dtype)).max())


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("system", [PAPER, STRESS], ids=["paper", "stress"])
@pytest.mark.parametrize("taste", [1e-8, 1e-6, 3e-4, 1e4, 1e9])
def test_at_an_extreme_taste_scale_a_flat_fee_on_the_papers_contract_is_not_better(taste, system, x64):
    with jax.enable_x64(x64):
        dtype = jnp.result_type(float)
        state, fee = best_with_a_fee(system, taste, dtype)
        given = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, dtype), (system, state, taste, nobody(2) - 1e3 * taste)
        )
        found = respond_compiled(*given)
        assert found.utility >= fee * (1.0 - (1e-9 if x64 else 1e-6))
        assert found.utility <= found.upper_bound <= found.utility * (1.0 + 2e-4)


def test_a_utility_that_is_no_number_is_refused_by_its_name():
    with pytest.raises(ValueError, match=r"best_response\.rivals = .*: must be numbers, not NaN"):
        jc.best_response(PAPER, STATE, 1.0, np.array([[np.nan, 1.0]]))
    with pytest.raises(ValueError, match=r"participation\.utilities = .*: must be numbers, not NaN"):
        jc.participation([np.nan, 1.0], 1.0)
