"""The exact optimum of (10) against printed numbers, generic solvers, random contracts and derivatives."""

import fractions
import functools
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from convex import solve_with_clarabel, solve_with_slsqp
from jaxcontract import (
    NetworkState,
    System,
    centred_utility,
    certify,
    complete_information_contract,
    device_utilities,
    optimal_contract,
    pooled_contract,
    printed_states,
    station_utility,
    whole_cycle_contract,
)
from jaxcontract.mechanism.freshness import frequency_bounds
from jaxcontract.mechanism.optimum import (
    _falling_root,
    best_frequency,
    pooled_virtual_costs,
)
from jaxcontract.mechanism.rounds import put_rounds_last, unchecked
from oracles import paper
from oracles.random_states import pick, random_states
from paths import GOLDEN_FILES

pytestmark = pytest.mark.usefixtures("compiled_quickly")

GOLDEN = json.loads((GOLDEN_FILES / "paper_states.json").read_text())
SYSTEMS = {
    "paper": System(),
    "stress": System(unit_profit=1.0, slot_duration=0.1),
    "narrow": System(min_frequency=0.2, max_frequency=0.3),
}
SIZES = [1, 2, 3, 5, 10, 50]
STATE_FIELDS = ("max_aoi", "max_latency", "type_probs", "device_types")


@jax.jit
def schemes(system, state):
    """The three contracts of a state, each with U_B and the table of device utilities."""
    contracts = {
        "optimal": optimal_contract(system, state),
        "complete_information": complete_information_contract(system, state),
        "pooled": pooled_contract(system, state),
    }
    return {
        name: {
            "frequency": contract.frequency,
            "payment": contract.payment,
            "station_utility": station_utility(system, state, contract),
            "device_utilities": device_utilities(state, contract),
        }
        for name, contract in contracts.items()
    }


batched_schemes = jax.jit(jax.vmap(schemes, in_axes=(None, 0)))


@functools.cache
def solved(num_types, count=1000, system="paper"):
    """Random states and their three contracts in double precision, as NumPy arrays [count, ...]."""
    with jax.enable_x64(True):
        states = random_states(num_types, count, num_types)
        answers = batched_schemes(SYSTEMS[system], states)
        states, answers = jax.tree.map(np.asarray, (states, answers))
    return states, {name: types.SimpleNamespace(**answer) for name, answer in answers.items()}


def golden_state(golden):
    return NetworkState(**{name: golden[name] for name in STATE_FIELDS})


def assert_golden(golden, rtol):
    answers = schemes(System(**GOLDEN["system"]), golden_state(golden))
    optimal = golden["optimal"]
    np.testing.assert_allclose(answers["optimal"]["frequency"], optimal["frequency"], rtol=rtol)
    np.testing.assert_allclose(answers["optimal"]["payment"], optimal["payment"], rtol=rtol)
    if "device_utility" in optimal:
        own = np.diagonal(answers["optimal"]["device_utilities"])
        np.testing.assert_allclose(own, optimal["device_utility"], rtol=rtol, atol=1e-7)
    for name in ("optimal", "complete_information", "pooled"):
        np.testing.assert_allclose(
            answers[name]["station_utility"],
            golden[name]["station_utility"],
            rtol=max(1e-3 * rtol, 1e-9 if rtol < 1e-5 else 1e-6),
        )
    if "frequency" in golden["complete_information"]:
        np.testing.assert_allclose(
            answers["complete_information"]["frequency"],
            golden["complete_information"]["frequency"],
            atol=max(1e-6, rtol),
        )
    if "virtual_costs" in golden:
        costs = jax.jit(pooled_virtual_costs)(golden_state(golden))
        np.testing.assert_allclose(costs, golden["virtual_costs"], rtol=max(2e-5, rtol))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("golden", GOLDEN["states"], ids=lambda golden: golden["name"])
def test_golden_states_in_double_precision(golden):
    assert_golden(golden, rtol=1e-6)


@pytest.mark.parametrize("golden", GOLDEN["states"], ids=lambda golden: golden["name"])
def test_golden_states_in_single_precision(golden):
    assert_golden(golden, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 10])
def test_a_conic_solver_finds_the_same_optimum(size, system):
    states, answers = solved(size, system=system)
    for index in range(4):
        utility, frequency, *_ = solve_with_clarabel(SYSTEMS[system], pick(states, index), all_pairs=True)
        ours = answers["optimal"].station_utility[index]
        assert ours >= utility - 1e-7 * abs(utility)
        assert abs(ours - utility) <= 2e-8 * abs(utility)
        np.testing.assert_allclose(answers["optimal"].frequency[index], frequency, atol=1e-3)


@pytest.mark.parametrize("system", [pytest.param("paper", marks=pytest.mark.long), "stress"])
def test_sequential_programming_finds_the_same_optimum_of_fifty_types(system):
    states, answers = solved(50, system=system)
    for index in range(2):
        state = pick(states, index)
        _, frequency, payment, _ = solve_with_slsqp(SYSTEMS[system], state)
        assert paper.worst_violation(state.device_types, frequency, payment) < 1e-9
        ours, theirs = (
            answers["optimal"].station_utility[index],
            paper.station_utility(SYSTEMS[system], state, frequency, payment),
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)
        gap = ours - answers["pooled"].station_utility[index]
        assert abs(ours - theirs) < 1e-6 * gap


@pytest.mark.parametrize("system", ["paper", "stress"])
@pytest.mark.parametrize("size", [*SIZES, 200])
def test_all_constraints_hold_to_nine_digits(size, system):
    states, answers = solved(size, 20 if size == 200 else 1000, system)
    for name in ("optimal", "pooled"):
        contract = answers[name]
        assert paper.worst_violation(states.device_types, contract.frequency, contract.payment).max() < 1e-9
        assert (contract.frequency >= SYSTEMS[system].min_frequency - 1e-9).all()
        assert (contract.frequency <= 1 + 1e-9).all()


@pytest.mark.parametrize("size", SIZES)
def test_the_utility_is_that_of_the_formula(size):
    states, answers = solved(size)
    for contract in answers.values():
        printed = paper.station_utility(System(), states, contract.frequency, contract.payment)
        np.testing.assert_allclose(contract.station_utility, printed, rtol=1e-12)


@pytest.mark.parametrize("size", [2, 50])
def test_single_precision_passes_the_certificate_and_loses_little(size):
    states, answers = solved(size)
    states = jax.tree.map(lambda leaf: leaf.astype(np.float32), states)

    def judge(system, state):
        contract = optimal_contract(system, state)
        return certify(system, state, contract).feasible, centred_utility(system, state, contract)

    feasible, centred = jax.jit(jax.vmap(judge, in_axes=(None, 0)))(System(), states)
    assert centred.dtype == np.float32
    assert feasible.all()
    ideal = 1 + 0.75 * states.max_aoi.astype(float) + 0.25 * states.max_latency.astype(float)
    exact = answers["optimal"].station_utility - 40 * 100 * np.log(ideal)
    np.testing.assert_allclose(centred, exact, rtol=1e-4)


def random_feasible(rng, device_types, count):
    """Contracts [count, K] that keep all constraints: sorted frequencies, payments between neighbours."""
    size, costs = len(device_types), 1 / device_types
    frequency = np.sort(rng.uniform(0.01, 1.0, (count, size)), axis=1)
    share = rng.uniform(0, 1, (count, size - 1)) * rng.choice([0.0, 1.0], (count, 1))
    rent = rng.exponential(0.02, (count, 1)) * rng.choice([0.0, 1.0], (count, 1))
    steps = np.diff(frequency, axis=1) * (share * costs[:-1] + (1 - share) * costs[1:])
    first = frequency[:, :1] * costs[0] + rent
    return frequency, np.cumsum(np.concatenate([first, steps], axis=1), axis=1)


@pytest.mark.parametrize("size", [1, 2, 5, 50])
@pytest.mark.parametrize("system", ["paper", "stress"])
def test_no_feasible_contract_and_no_step_towards_one_earns_more(size, system):
    states, answers = solved(size, system=system)
    rng = np.random.default_rng(size)
    for index in range(10):
        state = pick(states, index)
        best = pick(vars(answers["optimal"]), index)
        frequency, payment = random_feasible(rng, state.device_types, 1000)
        assert paper.worst_violation(state.device_types, frequency, payment).max() < 1e-12
        for step in (1.0, 1e-2, 1e-4):
            others = [
                (1 - step) * best[name] + step * other
                for name, other in (("frequency", frequency), ("payment", payment))
            ]
            utility = paper.station_utility(SYSTEMS[system], state, *others)
            assert utility.max() <= best["station_utility"] + 1e-13 * abs(best["station_utility"])
            assert utility.max() < best["station_utility"] or step < 1e-2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("system", ["paper", "stress"])
def test_complete_information_earns_most_and_pooling_least(size, system):
    _, answers = solved(size, system=system)
    best, most, least = (
        answers[name].station_utility for name in ("optimal", "complete_information", "pooled")
    )
    slack = 1e-13 * np.abs(best)
    assert (most >= best - slack).all()
    assert (best >= least - slack).all()
    if size > 1:
        assert (most > best + slack).all()
        assert (best > least + slack).all()


def test_one_type_is_complete_information():
    _, answers = solved(1)
    for name in ("optimal", "pooled"):
        np.testing.assert_allclose(answers[name].frequency, answers["complete_information"].frequency)
        np.testing.assert_allclose(answers[name].payment, answers["complete_information"].payment)


@pytest.mark.parametrize("size", SIZES)
def test_higher_types_update_more_are_paid_more_and_keep_more(size):
    _, answers = solved(size)
    best = answers["optimal"]
    own = np.diagonal(best.device_utilities, axis1=1, axis2=2)
    for sequence in (best.frequency, best.payment, own):
        assert (np.diff(sequence, axis=1) >= -1e-15).all()
    np.testing.assert_allclose(own[:, 0], 0, atol=1e-15)


@pytest.mark.parametrize("size", SIZES)
def test_hidden_types_are_asked_for_less_except_the_highest(size):
    _, answers = solved(size)
    best, known = answers["optimal"].frequency, answers["complete_information"].frequency
    assert (best <= known + 1e-12).all()
    assert (best > 0).all()
    assert (best <= np.sqrt(0.75 / 2)).all()
    alone = np.ones(len(best), bool) if size == 1 else best[:, -1] > best[:, -2]
    assert alone.any()
    np.testing.assert_allclose(best[alone, -1], known[alone, -1], rtol=1e-13)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_only_downward_neighbours_bind(size):
    _, answers = solved(size)
    table = answers["optimal"].device_utilities
    own = np.diagonal(table, axis1=1, axis2=2)
    frequency = answers["optimal"].frequency
    for own_type in range(size):
        for item in range(size):
            slack = own[:, own_type] - table[:, own_type, item]
            if item == own_type - 1:
                np.testing.assert_allclose(slack, 0, atol=1e-15)
            elif item > own_type:
                apart = frequency[:, item] > frequency[:, own_type]
                assert (slack[apart] > 0).all()


@pytest.mark.parametrize(("size", "share"), [(2, 0.0), (3, 0.15), (5, 0.64), (10, 0.99)])
def test_the_share_of_states_that_pool(size, share):
    states, answers = solved(size)
    above = np.cumsum(states.type_probs[:, ::-1], axis=1)[:, ::-1]
    totals = np.append(above / states.device_types, np.zeros((1000, 1)), axis=1)
    virtual = -np.diff(totals, axis=1) / states.type_probs
    out_of_order = (np.diff(virtual, axis=1) > 0).any(axis=1)
    pooled = (np.diff(answers["optimal"].frequency, axis=1) == 0).any(axis=1)
    np.testing.assert_array_equal(pooled, out_of_order)
    assert abs(pooled.mean() - share) <= (0.05 if share else 0)


def test_the_pooled_item_is_the_best_single_item():
    for system in ("paper", "stress"):
        states, answers = solved(5, system=system)
        for index in range(20):
            state = pick(states, index)

            def loss(frequency, state=state, system=system):
                return -paper.station_utility(
                    SYSTEMS[system], state, frequency + np.zeros(5), frequency / state.device_types[0]
                )

            found = minimize_scalar(loss, bounds=(0.05, 1.0), method="bounded", options={"xatol": 1e-9})
            np.testing.assert_allclose(answers["pooled"].station_utility[index], -found.fun, rtol=1e-10)
            np.testing.assert_allclose(answers["pooled"].frequency[index], found.x, rtol=1e-3)
            assert np.ptp(answers["pooled"].payment[index]) == 0


def test_complete_information_is_the_best_item_for_each_type():
    states, answers = solved(3)
    contract = answers["complete_information"]
    np.testing.assert_allclose(contract.payment, contract.frequency / states.device_types, rtol=1e-13)
    for index in range(20):
        state = pick(states, index)
        for k in range(3):
            alone = state.replace(type_probs=[1.0], device_types=state.device_types[k : k + 1])

            def loss(frequency, alone=alone):
                return -paper.station_utility(
                    System(), alone, np.array([frequency]), frequency / alone.device_types.item()
                )

            found = minimize_scalar(loss, bounds=(0.01, 1.0), method="bounded", options={"xatol": 1e-10})
            np.testing.assert_allclose(contract.frequency[index, k], found.x, rtol=1e-3)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("bounds", [(0.01, 1.0), (0.2, 0.3), (0.5, 1.0), (0.7, 0.7)])
def test_best_frequencies_stay_within_the_bounds_and_are_best_there(bounds):
    system = System(min_frequency=bounds[0], max_frequency=bounds[1])
    state = pick(printed_states(), 0)
    costs = np.array([0.0, 1e-12, 0.03, 0.1, 0.3, 1.0, 10.0, 1e3, 1e6, 1e300, np.inf])
    frequency = np.asarray(jax.jit(best_frequency)(system, state, jnp.asarray(costs)))
    assert np.isfinite(frequency).all()
    assert (np.diff(frequency) <= 0).all()
    assert frequency[-1] == bounds[0]
    grid = np.linspace(*bounds, 200_001)
    quality = paper.station_utility(
        System(num_devices=1.0), state.replace(type_probs=[1.0], device_types=[1.0]), grid[:, None], 0.0
    )
    for cost, found in zip(costs[:-1], frequency, strict=False):
        assert abs(found - grid[np.argmax(quality - cost * grid)]) <= grid[1] - grid[0] + 1e-12
    np.testing.assert_allclose(frequency[0], np.clip(np.sqrt(0.375), *bounds), rtol=1e-12)


def test_best_frequencies_are_exact_in_single_precision_at_every_scale():
    state = pick(printed_states(), 0)
    costs = np.geomspace(1e-3, 1e7, 50)
    system = System(min_frequency=1e-6)
    single = jax.jit(best_frequency)(system, state, jnp.asarray(costs, np.float32))
    with jax.enable_x64(True):
        double = jax.jit(best_frequency)(system, pick(printed_states(), 0), jnp.asarray(costs))
    double = np.asarray(double)
    assert double.min() < 1e-3
    np.testing.assert_allclose(single, double, rtol=2e-6)


@pytest.mark.usefixtures("float64")
def test_three_steps_find_the_root_wherever_its_coefficients_lie():
    rng = np.random.default_rng(0)
    near_zero, near_one = 10.0 ** rng.uniform(-15, 0, (2, 100_000))
    share = np.concatenate([near_zero, 1 - near_one, [0.0, 0.0, 0.0, 1.0]])
    half = np.minimum(10.0 ** rng.uniform(-15, np.log10(0.5), 100_000), 0.5)
    ratio = np.concatenate([half, 0.5 - half, [0.0, 0.3, 0.5, 0.0]])
    pull = ratio * (1 - share)
    low, high = np.zeros_like(share), np.ones_like(share)
    for _ in range(110):
        middle = 0.5 * (low + high)
        above = share + pull * middle > middle * (middle - pull * middle**2)
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    root = np.asarray(jax.jit(_falling_root)(share, pull))
    slope = 2 * high - pull * (1 + 3 * high**2)
    rounding = 1e-15 * high + 2e-16 * (share + pull * high + high**2) / np.maximum(slope, 1e-8)
    assert (np.abs(root - high) <= 2 * rounding + 1e-30).all()
    np.testing.assert_array_equal(root[-4:], [0.0, high[-3], 1.0, 1.0])


def falls_through_zero(system, state, cost, frequency, width, *, at_least=False):
    """Whether f² (β W′(f) − cost · W(f)) changes sign within a relative `width` of f: exact arithmetic.

    at_least: whether it may have done so below, as f is the least that is allowed
    """
    slot, preference, profit, aoi, latency, cost, frequency, width = (
        fractions.Fraction(float(value))
        for value in (
            system.slot_duration,
            system.aoi_preference,
            system.unit_profit,
            state.max_aoi,
            state.max_latency,
            cost,
            frequency,
            width,
        )
    )
    half = preference * slot / 2
    constant = 1 + preference * aoi + (1 - preference) * latency - slot * (1 - preference) - half

    def cubic(frequency):
        index = constant * frequency - slot * frequency**2 - half  # f W
        return profit * (half - slot * frequency**2) - cost * frequency * index

    return (at_least or cubic(frequency * (1 - width)) >= 0) and cubic(frequency * (1 + width)) <= 0


@jax.jit
def frequencies_and_slopes(system, state, costs):
    """Best frequencies [N] and all first and second derivatives of their sum."""

    def total(system, state, costs):
        return jnp.sum(best_frequency(system, state, costs))

    first = jax.grad(total, argnums=(0, 1, 2))
    second = jax.jacfwd(lambda costs: first(system, state, costs))(costs)
    return best_frequency(system, state, costs), first(system, state, costs), second


COSTS = np.concatenate([[0.0], np.geomspace(1e-12, 1e12, 24)])


@settings(deadline=None, max_examples=100)
@given(
    double=st.booleans(),
    preference=st.sampled_from([0.0, 1e-12, 1e-3, 1.0]) | st.floats(0.0, 1.0),
    log_profit=st.floats(-3.0, 5.0),
    log_slot=st.floats(-6.0, 1.0),
    limits=st.tuples(st.floats(0.01, 10.0), st.floats(0.01, 10.0)),
)
@example(double=False, preference=2.0**-24, log_profit=0.0, log_slot=0.0, limits=(1.0, 1 / 32))
def test_best_frequencies_are_the_roots_at_every_system(double, preference, log_profit, log_slot, limits):
    dtype, width = (np.float64, 4e-15) if double else (np.float32, 2e-6)
    with jax.enable_x64(double):
        system = System(
            aoi_preference=dtype(preference),
            unit_profit=dtype(10.0**log_profit),
            slot_duration=dtype(10.0**log_slot),
            min_frequency=1e-6,
        )
        one = NetworkState(
            max_aoi=dtype(limits[0]), max_latency=dtype(limits[1]), type_probs=[1.0], device_types=[1.0]
        )
        found, *slopes = jax.tree.map(np.asarray, frequencies_and_slopes(system, one, COSTS.astype(dtype)))
    assert found.dtype == dtype
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, slopes)))
    peak = np.sqrt(0.5 * float(system.aoi_preference))
    if peak < 1e-6:
        np.testing.assert_array_equal(found, dtype(1e-6))
        return
    np.testing.assert_allclose(found[0], peak, rtol=width)
    slot = float(system.slot_duration)
    quadratic = 1 + preference * (limits[0] - 0.5 * slot) + (1 - preference) * (limits[1] - slot)
    margin = 1 - 2 * slot * peak / quadratic if quadratic > 0 else -1  # W at its greatest, in units of C
    terms = 1 + preference * (limits[0] + 0.5 * slot) + (1 - preference) * (limits[1] + slot)
    cancelled = terms / abs(quadratic) if quadratic else np.inf  # C has so many of its own roundings
    width += 2 * np.finfo(dtype).eps * cancelled
    if margin < -width:
        np.testing.assert_allclose(found, peak, rtol=width)
    elif margin > 100 * width:
        assert (np.diff(found) <= width * peak / margin).all()
        with jax.enable_x64(double):
            least = np.asarray(frequency_bounds(system, one)[0])
        for cost, frequency in zip(COSTS.astype(dtype), found, strict=True):
            at_least = frequency <= least * (1 + width)
            # Where W is hardly positive anywhere, rounding of C moves the root by more.
            assert falls_through_zero(system, one, cost, frequency, width / margin, at_least=at_least)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("preference", [0.0, 1e-12])
def test_without_preference_for_freshness_the_least_frequency_is_best(preference):
    state = pick(random_states(0, 1, 4), 0)
    contract = jax.jit(optimal_contract)(System(aoi_preference=preference, min_frequency=0.02), state)
    np.testing.assert_array_equal(contract.frequency, np.full(4, 0.02))
    np.testing.assert_allclose(contract.payment, np.full(4, 0.02 / state.device_types[0]))


@pytest.mark.usefixtures("float64")
def test_the_number_of_devices_scales_the_utility_and_nothing_else():
    state = pick(random_states(0, 1, 5), 0)
    few, many = (schemes(System(num_devices=count), state) for count in (40.0, 400.0))
    for name in few:
        np.testing.assert_array_equal(few[name]["frequency"], many[name]["frequency"])
        np.testing.assert_array_equal(few[name]["payment"], many[name]["payment"])
        np.testing.assert_allclose(10 * few[name]["station_utility"], many[name]["station_utility"])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("split", [0, 2, 4])
@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_splitting_a_type_into_two_equal_ones_changes_nothing(split, part):
    for index in range(5):
        state = pick(random_states(1, 5, 5), index)
        probs, device_types = np.asarray(state.type_probs), np.asarray(state.device_types)
        halves = state.replace(
            type_probs=np.insert(
                probs * np.where(np.arange(5) == split, 1 - part, 1), split, part * probs[split]
            ),
            device_types=np.insert(device_types, split, device_types[split]),
        )
        whole, divided = schemes(System(), state)["optimal"], schemes(System(), halves)["optimal"]
        np.testing.assert_allclose(divided["station_utility"], whole["station_utility"], rtol=1e-9)
        kept = np.delete(np.arange(6), split if part < 0.5 else split + 1)
        np.testing.assert_allclose(divided["frequency"][kept], whole["frequency"], rtol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [2, 5])
def test_a_type_that_never_occurs_leaves_the_others_alone(size):
    states = random_states(2, 10, size - 1)
    rng = np.random.default_rng(0)
    solve = jax.jit(optimal_contract)
    for index in range(10):
        state = pick(states, index)
        for ghost_type in (1.0, rng.uniform(1, 15), 15.0):
            place = int(np.searchsorted(state.device_types, ghost_type))
            haunted = state.replace(
                type_probs=np.insert(state.type_probs, place, 0.0),
                device_types=np.insert(state.device_types, place, ghost_type),
            )
            contract = solve(System(), haunted)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(contract))
            assert (
                paper.worst_violation(
                    *map(np.asarray, (haunted.device_types, contract.frequency, contract.payment))
                )
                < 1e-12
            )
            others = np.delete(contract.frequency, place)
            np.testing.assert_allclose(others, solve(System(), state).frequency, rtol=1e-9)


@st.composite
def awkward_states(draw):
    """States of five types with ties, shares of zero and one, and far apart types."""
    weights = draw(st.lists(st.sampled_from([0.0, 0.0, 1e-12, 1e-3, 1.0, 2.0]), min_size=5, max_size=5))
    weights = np.array(weights if sum(weights) > 1e-3 else [*weights[:4], 1.0])
    device_types = draw(
        st.lists(st.sampled_from([1e-3, 1.0, 2.0, 2.0001, 12.0, 1e3]), min_size=5, max_size=5)
    )
    limits = st.sampled_from([0.5, 0.75, 1.0])
    return {
        "max_aoi": draw(limits),
        "max_latency": draw(limits),
        "type_probs": weights / weights.sum(),
        "device_types": sorted(device_types),
    }


@settings(deadline=None, max_examples=60)
@given(
    fields=awkward_states(),
    preference=st.sampled_from([0.0, 1e-6, 0.3, 0.75, 1.0]),
    profit=st.sampled_from([1e-3, 1.0, 100.0, 1e5]),
    bounds=st.sampled_from([(0.01, 1.0), (0.2, 0.3), (0.5, 0.5)]),
)
def test_awkward_states_have_finite_feasible_ordered_contracts(fields, preference, profit, bounds):
    system = System(
        aoi_preference=preference, unit_profit=profit, min_frequency=bounds[0], max_frequency=bounds[1]
    )
    with jax.enable_x64(True):
        state = NetworkState(**fields)
        answers = jax.tree.map(np.asarray, schemes(system, state))
        gradient = best_utility_slopes(system, state)
    best = answers["optimal"]
    device_types = np.asarray(fields["device_types"])
    scale = 1 / device_types[0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((answers, gradient)))
    assert paper.worst_violation(device_types, best["frequency"], best["payment"]) < 1e-12 * scale
    assert (np.diff(best["frequency"]) >= -1e-15).all()
    assert best["frequency"][0] >= bounds[0]
    assert best["frequency"][-1] <= bounds[1]
    slack = 1e-12 * (1 + abs(best["station_utility"]))
    assert answers["complete_information"]["station_utility"] >= best["station_utility"] - slack
    assert best["station_utility"] >= answers["pooled"]["station_utility"] - slack


def best_utility(system, state):
    return station_utility(system, state, optimal_contract(system, state))


def best_numbers(system, state):
    """U_B* and the best frequencies, [1 + K]."""
    contract = optimal_contract(system, state)
    return jnp.append(contract.frequency, station_utility(system, state, contract))


best_utility_slopes = jax.jit(jax.grad(best_utility, argnums=(0, 1)))

POINTS = {"no ties": GOLDEN["states"][2], "pooled": GOLDEN["states"][3]}


def numbers_at(point):
    """Every real number that the optimum depends on, by name."""
    numbers = {name: np.asarray(POINTS[point][name], float) for name in STATE_FIELDS}
    constants = {"aoi_preference": 0.75, "unit_profit": 100.0, "slot_duration": 1e-3, "num_devices": 40.0}
    return numbers | {name: np.asarray(value) for name, value in constants.items()}


def from_numbers(function, numbers):
    state = {name: numbers[name] for name in STATE_FIELDS}
    system = {name: value for name, value in numbers.items() if name not in STATE_FIELDS}
    return function(System(**system), NetworkState(**state))


def directions(numbers):
    """A unit step of every number by itself; of the shares, steps that keep their sum."""
    for name, value in numbers.items():
        for place in range(value.size):
            step = {other: np.zeros_like(value) for other, value in numbers.items()}
            width = max(1e-5 * float(value.reshape(-1)[place]), 1e-8)
            step[name].reshape(-1)[place] = width
            if name == "type_probs":
                step[name][(place + 1) % value.size] = -width
            yield step, width


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("point", POINTS)
def test_derivatives_of_the_optimum_equal_finite_differences(point):
    numbers = numbers_at(point)
    at = jax.jit(functools.partial(from_numbers, best_numbers))
    forward = jax.jit(lambda step: jax.jvp(at, (numbers,), (step,))[1])
    system, state = from_numbers(best_utility_slopes, jax.tree.map(float_or_array, numbers))
    reverse = vars(system) | vars(state)
    for step, width in directions(numbers):
        above, below = (
            np.asarray(at({name: value + sign * step[name] for name, value in numbers.items()}))
            for sign in (1, -1)
        )
        expected, slope = (above - below) / (2 * width), forward(step) / width
        scale = np.append(np.full(len(expected) - 1, np.abs(expected[:-1]).max()), abs(expected[-1]))
        np.testing.assert_array_less(np.abs(slope - expected), 1e-5 * scale + 1e-12 / width)
        along = sum(float(np.sum(reverse[name] * step[name])) for name in numbers) / width
        np.testing.assert_allclose(slope[-1], along, rtol=1e-9, atol=1e-9)


def float_or_array(value):
    return float(value) if value.ndim == 0 else value


@pytest.mark.usefixtures("float64")
def test_second_derivatives_of_the_optimum_equal_finite_differences():
    def along(profit):
        return from_numbers(best_numbers, {**numbers_at("no ties"), "unit_profit": profit})

    first = jax.jit(jax.jacfwd(along))
    second = jax.jit(jax.jacfwd(jax.jacfwd(along)))
    np.testing.assert_allclose(second(100.0), (first(100.01) - first(99.99)) / 0.02, rtol=1e-5)


@pytest.mark.usefixtures("float64")
def test_a_type_that_begins_to_occur_has_the_right_worth():
    @jax.jit
    def along(share):
        probs = jnp.stack([1.0 - share, share])
        return best_utility(System(), pick(printed_states(), 0).replace(type_probs=probs))

    slope = jax.jit(jax.grad(along))
    for share in (0.0, 1e-9, 0.1):
        difference = (along(share + 1e-6) - along(share)) / 1e-6
        np.testing.assert_allclose(slope(share), difference, rtol=1e-4)


@pytest.mark.usefixtures("float64")
def test_more_profit_and_more_patience_are_worth_more():
    states, _ = solved(5)
    for index in range(50):
        system, state = best_utility_slopes(System(), pick(states, index))
        assert system.unit_profit > 0
        assert state.max_aoi >= 0
        assert state.max_latency >= 0


@pytest.mark.usefixtures("float64")
def test_a_batch_is_answered_like_its_members():
    states, answers = solved(5)
    for index in range(3):
        single = schemes(System(), pick(states, index))
        for name, contract in single.items():
            for part, value in contract.items():
                np.testing.assert_allclose(vars(answers[name])[part][index], value, rtol=1e-12, atol=1e-14)


def test_a_sweep_over_constants_is_a_vmap():
    preferences = np.linspace(0.1, 1.0, 4)
    state = pick(printed_states(), 0)
    swept = jax.jit(jax.vmap(lambda preference: best_utility(System(aoi_preference=preference), state)))(
        preferences
    )
    single = [jax.jit(best_utility)(System(aoi_preference=preference), state) for preference in preferences]
    np.testing.assert_allclose(swept, single, rtol=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [1, 2, 5, 70])
@pytest.mark.parametrize("scheme", [optimal_contract, complete_information_contract, pooled_contract])
def test_rounds_side_by_side_are_answered_like_a_batch(size, scheme):
    states = random_states(size, 30, size)
    batch = jax.jit(jax.vmap(scheme, (None, 0)))(System(), states)
    beside = jax.jit(unchecked(scheme))(System(), put_rounds_last(states))
    for one, other in zip(jax.tree.leaves(batch), jax.tree.leaves(beside), strict=True):
        assert other.shape == (size, 30)
        np.testing.assert_allclose(one.T, other, rtol=1e-13)


@pytest.mark.usefixtures("float64")
def test_derivatives_of_rounds_side_by_side_are_those_of_a_batch():
    states = random_states(0, 30, 5)

    def paid(system, state):
        contract = unchecked(optimal_contract)(system, state)
        return jnp.sum(contract.payment * (1.0 + contract.frequency))

    batch = jax.jit(jax.vmap(jax.grad(paid, argnums=1), (None, 0)))(System(), states)
    beside = jax.jit(jax.grad(paid, argnums=1))(System(), put_rounds_last(states))
    for one, other in zip(jax.tree.leaves(put_rounds_last(batch)), jax.tree.leaves(beside), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("scheme", [optimal_contract, whole_cycle_contract])
def test_states_spread_over_devices_are_solved_under_the_strict_check(scheme):
    """`shard_map` as it is by default, which follows what varies over devices through every loop."""
    mesh = jax.make_mesh((1,), ("states",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("states")

    def solve(states):
        return jax.vmap(scheme, (None, 0))(System(), states)

    spread = jax.jit(jax.shard_map(solve, mesh=mesh, in_specs=spec, out_specs=spec))
    states = printed_states()
    np.testing.assert_allclose(spread(states).frequency, solve(states).frequency, rtol=1e-6)
