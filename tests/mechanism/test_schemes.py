"""The other schemes against printed numbers, their order, generic searches, and devices in a plain loop."""

import functools
import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract import (
    Contract,
    NetworkState,
    System,
    certify,
    complete_information_contract,
    feasible_contract,
    optimal_contract,
    pooled_contract,
    printed_states,
    station_utility,
)
from jaxcontract.mechanism.schemes import (
    chosen_items,
    naive_contract,
    posted_price_contract,
    realised_utility,
    social_optimum_contract,
    take_it_or_leave_it_contract,
)
from oracles import paper
from oracles.payments import cheapest_payments
from oracles.random_states import pick, random_states

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SYSTEMS = {
    "paper": System(),
    "stress": System(unit_profit=1.0, slot_duration=0.1),
    "thrifty": System(unit_profit=0.15, slot_duration=0.1),  # where it may pay to turn types away
    "narrow": System(min_frequency=0.2, max_frequency=0.3),
}
SCHEMES = {
    "complete_information": complete_information_contract,
    "optimal": optimal_contract,
    "social_optimum": social_optimum_contract,
    "pooled": pooled_contract,
    "naive": naive_contract,
    "posted_price": posted_price_contract,
    "half_capped_price": lambda system, state: posted_price_contract(system, state, 0.5),
    "take_it_or_leave_it": take_it_or_leave_it_contract,
}
FEASIBLE = ("optimal", "social_optimum", "pooled", "naive", "posted_price")
SIZES = [1, 2, 5, pytest.param(20, marks=pytest.mark.long)]


@jax.jit
def answer(system, state):
    """Every scheme's contract in one state, its two utilities, its certificate and the devices' choices."""
    answers = {}
    for name, scheme in SCHEMES.items():
        contract = scheme(system, state)
        answers[name] = {
            "frequency": contract.frequency,
            "payment": contract.payment,
            "station_utility": station_utility(system, state, contract),
            "realised_utility": realised_utility(system, state, contract),
            "feasible": certify(system, state, contract, 1e-9).feasible,
            "chosen_items": chosen_items(state, contract),
        }
    return answers


batched_answer = jax.jit(jax.vmap(answer, in_axes=(None, 0)))


@functools.cache
def solved(num_types, system="paper", count=300):
    """Random states and every scheme's answers in double precision, as NumPy arrays [count, ...]."""
    with jax.enable_x64(True):
        states = random_states(10 + num_types, count, num_types)
        answers = batched_answer(SYSTEMS[system], states)
        states, answers = jax.tree.map(np.asarray, (states, answers))
    return states, {name: types.SimpleNamespace(**given) for name, given in answers.items()}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("index", "social", "one_item", "price", "half_capped"),
    [
        (0, 2547.354563, 2547.184666, 2532.651489, 2542.915611),
        (1, 2594.679494, 2594.467776, 2579.914741, 2590.175761),
        (2, 2589.873906, 2589.241602, 2574.690762, 2584.952123),
    ],
)
def test_golden_states_in_double_precision(index, social, one_item, price, half_capped):
    answers = answer(System(), pick(printed_states(), index))
    expected = {
        "social_optimum": social,
        "naive": one_item,
        "pooled": one_item,
        "take_it_or_leave_it": one_item,
        "posted_price": price,
        "half_capped_price": half_capped,
    }
    for name, utility in expected.items():
        # Six digits after the point: screening itself is worth 2e-4 of U_B.
        np.testing.assert_allclose(answers[name]["station_utility"], utility, rtol=1e-9)


@pytest.mark.parametrize("index", range(3))
def test_golden_frequencies_and_prices(index):
    answers = answer(System(), pick(printed_states(), index))
    known = [(0.189334, 0.381431), (0.188324, 0.380051), (0.188436, 0.389521)][index]
    highest_type = (12, 12, 13)[index]
    social, price = answers["social_optimum"], answers["half_capped_price"]
    np.testing.assert_allclose(social["frequency"], known, rtol=1e-5)
    payments = (known[0] / 2, known[0] / 2 + (known[1] - known[0]) / highest_type)
    np.testing.assert_allclose(social["payment"], payments, rtol=1e-5)
    np.testing.assert_allclose(answers["naive"]["frequency"], (known[0], known[0]), rtol=1e-5)
    np.testing.assert_array_equal(price["frequency"], (0.5, 0.5))
    np.testing.assert_array_equal(price["payment"], (0.25, 0.25))
    np.testing.assert_array_equal(answers["posted_price"]["frequency"], (1, 1))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_order_of_the_schemes_in_every_state(size, system):
    _, answers = solved(size, system)
    chain = ("complete_information", "optimal", "social_optimum", "pooled", "posted_price")
    slack = 1e-12 * np.abs(answers["optimal"].station_utility)
    for better, worse in itertools.pairwise(chain):
        ahead = answers[better].station_utility - answers[worse].station_utility
        assert (ahead >= -slack).all(), (better, worse)
        if size > 1 and system != "narrow":
            assert (ahead > slack).mean() > 0.95, (better, worse)
    assert (
        answers["take_it_or_leave_it"].realised_utility >= answers["pooled"].station_utility - slack
    ).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_offered_blind_every_type_takes_the_first_item(size, system):
    _, answers = solved(size, system)
    naive, known, pooled = (answers[name] for name in ("naive", "complete_information", "pooled"))
    for part in ("frequency", "payment"):
        first = np.repeat(vars(known)[part][:, :1], size, axis=1)
        np.testing.assert_array_equal(vars(naive)[part], first)
    np.testing.assert_allclose(naive.station_utility, pooled.station_utility, rtol=1e-12)
    # What devices do with the complete-information contract itself; only near-ties keep their own.
    np.testing.assert_allclose(known.realised_utility, naive.station_utility, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("system", ["paper", "stress", "narrow"])
def test_which_schemes_are_feasible(size, system):
    _, answers = solved(size, system)
    for name in FEASIBLE:
        assert answers[name].feasible.all(), name
    if size > 1:
        assert not answers["complete_information"].feasible.any()
    elsewhere = (answers["take_it_or_leave_it"].chosen_items < 0).any(axis=1)
    np.testing.assert_array_equal(answers["take_it_or_leave_it"].feasible, ~elsewhere)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_feasible_contract_realises_its_utility(size, system):
    _, answers = solved(size, system)
    for name in FEASIBLE:
        contract = answers[name]
        np.testing.assert_allclose(
            contract.realised_utility, contract.station_utility, rtol=1e-14, atol=1e-14
        )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [2, 5])
def test_a_random_feasible_contract_realises_its_utility(size):
    def both(state, vector):
        contract = feasible_contract(System(), state, vector)
        return realised_utility(System(), state, contract), station_utility(System(), state, contract)

    vectors = np.random.default_rng(size).normal(0, 2, (300, 2 * size))
    realised, utility = jax.jit(jax.vmap(both))(random_states(size, 300, size), vectors)
    assert np.ptp(utility) > 10
    np.testing.assert_allclose(realised, utility, rtol=1e-14)


@pytest.mark.parametrize("system", ["paper", "stress"])
def test_no_frequencies_have_a_greater_social_welfare(system):
    states, answers = solved(5, system)
    grid = np.linspace(0.01, 1.0, 20_001)
    for index in range(10):
        state, contract = pick(states, index), pick(vars(answers["social_optimum"]), index)
        cost = 1 / state.device_types
        welfare = paper.profit(SYSTEMS[system], state, contract["frequency"], cost * contract["frequency"])
        best = paper.profit(SYSTEMS[system], state, grid, cost[:, None] * grid).max(axis=1)
        total, greatest = state.type_probs @ welfare, state.type_probs @ best
        assert total >= greatest - 1e-14 * abs(greatest)
        np.testing.assert_allclose(total, greatest, rtol=1e-6)
        screened = answers["optimal"].frequency[index]
        assert state.type_probs @ paper.profit(SYSTEMS[system], state, screened, cost * screened) < total


def test_a_linear_programme_finds_no_lower_payments_for_the_social_optimum():
    states, answers = solved(5)
    for index in range(10):
        state, contract = pick(states, index), pick(vars(answers["social_optimum"]), index)
        least = cheapest_payments(contract["frequency"], state)
        np.testing.assert_allclose(state.type_probs @ contract["payment"], least, rtol=1e-8)


def test_below_the_posted_price_the_costliest_type_leaves():
    states, answers = solved(5)
    for index in range(5):
        state, price = pick(states, index), pick(vars(answers["posted_price"]), index)
        assert (price["chosen_items"] == np.arange(5)).all()
        with jax.enable_x64(True):
            lower = Contract(frequency=price["frequency"], payment=0.999 * price["payment"])
            items = chosen_items(state, lower)
        np.testing.assert_array_equal(items, [-1, 1, 2, 3, 4])


@pytest.mark.usefixtures("float64")
def test_the_best_cap_is_the_pooled_frequency():
    state = pick(random_states(0, 1, 5), 0)
    caps = np.linspace(0.01, 1.0, 500)

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def earned(state, cap):
        return station_utility(System(), state, posted_price_contract(System(), state, cap))

    pooled = pooled_contract(System(), state)
    best = station_utility(System(), state, pooled)
    utilities = earned(state, caps)
    assert utilities.max() < best
    assert abs(caps[np.argmax(utilities)] - pooled.frequency[0]) < caps[1] - caps[0]
    np.testing.assert_allclose(earned(state, pooled.frequency[:1]), [best], rtol=1e-14)


GRID_FREQUENCY = np.linspace(0.01, 0.7, 1000)[:, None]
GRID_PAYMENT = np.linspace(0.0, 0.4, 1000)[None, :]


def best_single_item(system, state):
    """The most that one item (f, r) of a dense grid earns when each type takes it or stays out."""
    reached = sum(
        share * (GRID_PAYMENT - GRID_FREQUENCY / device_type >= 0)
        for share, device_type in zip(state.type_probs, state.device_types, strict=True)
    )
    profit = paper.profit(system, state, GRID_FREQUENCY, GRID_PAYMENT)
    return system.num_devices * np.max(reached * np.where(reached > 0, profit, 0.0))


@pytest.mark.parametrize(("system", "size"), [("paper", 5), ("thrifty", 2), ("thrifty", 5)])
def test_no_single_item_of_a_dense_grid_earns_more(system, size):
    states, answers = solved(size, system)
    ours = answers["take_it_or_leave_it"]
    lowest = np.argmax(ours.chosen_items >= 0, axis=1)
    if system == "thrifty":
        assert 0.02 < (lowest > 0).mean() < 1
    # The grid holds items that nobody takes, so that it never loses; the scheme always makes an offer.
    earned = np.maximum(ours.realised_utility, 0.0)
    assert (earned > 0).mean() > 0.9
    for index in (*np.flatnonzero(lowest == 0)[:8], *np.flatnonzero(lowest > 0)[:8]):
        best, utility = best_single_item(SYSTEMS[system], pick(states, index)), earned[index]
        assert utility >= best - 1e-12 * abs(best)
        np.testing.assert_allclose(utility, best, atol=40 * GRID_PAYMENT[0, 1])  # the grid's coarseness


@pytest.mark.parametrize("size", [2, 5, 20])
def test_what_is_left_or_taken_is_one_item(size):
    states, answers = solved(size, "thrifty")
    ours, known = answers["take_it_or_leave_it"], answers["complete_information"]
    lowest = np.argmax(ours.chosen_items >= 0, axis=1)
    every = np.arange(len(lowest))
    np.testing.assert_array_equal(ours.frequency, np.repeat(known.frequency[every, lowest][:, None], size, 1))
    np.testing.assert_array_equal(ours.payment, np.repeat(known.payment[every, lowest][:, None], size, 1))
    accepts = np.arange(size) >= lowest[:, None]
    np.testing.assert_array_equal(ours.chosen_items, np.where(accepts, np.arange(size), -1))
    served = np.sum(states.type_probs * accepts, axis=1)
    profit = paper.profit(SYSTEMS["thrifty"], states, ours.frequency[:, :1], ours.payment[:, :1])[:, 0]
    np.testing.assert_allclose(ours.realised_utility, 40 * served * profit, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("float64")
def test_where_every_offer_loses_the_best_is_one_that_nobody_accepts():
    system = System(unit_profit=0.01, min_frequency=0.5)
    state = NetworkState(
        max_aoi=0.5, max_latency=0.5, type_probs=[0.4, 0.6, 0.0], device_types=[2.0, 2.0, 3.0]
    )
    contract = take_it_or_leave_it_contract(system, state)
    np.testing.assert_allclose(contract.payment, np.full(3, 0.5 / 3), rtol=1e-14)
    assert realised_utility(system, state, contract) == 0
    assert realised_utility(system, state, pooled_contract(system, state)) < 0


def items_in_a_loop(device_types, frequency, payment, tolerance):
    """Each type's pick, by looking at one item after the other."""
    picks = []
    for own, device_type in enumerate(device_types):
        gains = [pay - often / device_type for often, pay in zip(frequency, payment, strict=True)]
        pick = own
        for item, gain in enumerate(gains):
            if gain - gains[own] > tolerance and gain > gains[pick]:
                pick = item
        picks.append(pick if max(gains) >= -tolerance else -1)
    return picks


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("tolerance", [0.0, 1e-6, 0.05])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_choices_from_any_contract_are_those_of_a_loop(size, tolerance):
    rng = np.random.default_rng(size)
    states = random_states(size, 300, size)
    contracts = Contract(
        frequency=rng.uniform(0.01, 1, (300, size)), payment=rng.uniform(-0.1, 0.2, (300, size))
    )
    choose = jax.jit(jax.vmap(chosen_items, in_axes=(0, 0, None)))
    items = np.asarray(choose(states, contracts, tolerance))
    expected = [
        items_in_a_loop(*columns, tolerance)
        for columns in zip(
            *map(np.asarray, (states.device_types, contracts.frequency, contracts.payment)), strict=True
        )
    ]
    np.testing.assert_array_equal(items, expected)
    own = items == np.arange(size)
    assert (items == -1).any()
    assert own.any()
    assert size == 1 or (~own & (items >= 0)).any()


@pytest.mark.usefixtures("float64")
def test_realised_utilities_of_any_contract_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    states = random_states(0, 300, 4)
    contracts = Contract(frequency=rng.uniform(0.01, 1, (300, 4)), payment=rng.uniform(-0.1, 0.2, (300, 4)))
    realised = jax.jit(jax.vmap(realised_utility, in_axes=(None, 0, 0)))(System(), states, contracts)
    staying_out = 0
    for index in range(300):
        state, contract = (jax.tree.map(np.asarray, pick(batch, index)) for batch in (states, contracts))
        earned = paper.profit(System(), state, contract.frequency, contract.payment)
        total = 0.0
        for share, item in zip(
            state.type_probs,
            items_in_a_loop(state.device_types, contract.frequency, contract.payment, 1e-6),
            strict=True,
        ):
            staying_out += item < 0
            if item >= 0:
                total += share * earned[item]
        np.testing.assert_allclose(realised[index], 40 * total, rtol=1e-12)
    assert staying_out > 50


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 5, 20, 50])
def test_under_the_optimum_each_type_picks_its_own_item(size, precision):
    states = random_states(size, 300, size)
    with jax.enable_x64(precision == np.float64):
        states = jax.tree.map(lambda leaf: np.asarray(leaf, precision), states)
        contracts = jax.jit(jax.vmap(optimal_contract, in_axes=(None, 0)))(System(), states)
        assert contracts.payment.dtype == precision
        items = jax.jit(jax.vmap(chosen_items))(states, contracts)
    np.testing.assert_array_equal(items, np.tile(np.arange(size), (300, 1)))


STATE = NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[0.84, 0.16], device_types=[2.0, 12.0])


@pytest.mark.parametrize(
    ("frequency", "payment", "probs", "items", "expected"),
    [
        # Nobody wants the item that never updates.
        ([0.0, 0.4], [-0.1, 0.05], [0.84, 0.16], [-1, 1], "second alone"),
        ([0.4, 0.0], [0.05, -0.1], [0.84, 0.16], [-1, 0], "second alone"),
        # Everybody stays out.
        ([0.0, 0.4], [-0.1, -0.1], [0.84, 0.16], [-1, -1], "nothing"),
        # A type that occurs takes it: no quality of data.
        ([0.0, 0.4], [0.1, 0.05], [0.84, 0.16], [0, 0], "undefined"),
        ([0.4, 0.0], [0.05, 0.0], [0.84, 0.16], [1, 0], "undefined"),
        # The type that takes it does not occur.
        ([0.0, 0.4], [0.0, 0.05], [0.0, 1.0], [0, 1], "second alone"),
    ],
)
def test_an_item_without_updates_counts_only_where_it_is_taken(frequency, payment, probs, items, expected):
    state = STATE.replace(type_probs=probs)
    contract = Contract(frequency=frequency, payment=payment)
    np.testing.assert_array_equal(jax.jit(chosen_items)(state, contract), items)
    second_alone = 40 * probs[1] * paper.profit(System(), STATE, [0.4], 0.05).item()
    value = {"second alone": second_alone, "nothing": 0.0, "undefined": -np.inf}[expected]
    realised, slopes = jax.jit(jax.value_and_grad(realised_utility, argnums=(0, 1, 2)))(
        System(), state, contract
    )
    np.testing.assert_allclose(realised, value, rtol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


@pytest.mark.usefixtures("float64")
def test_types_that_never_occur_and_undefined_quality_leave_no_nan():
    # Below f = 0.03 W is negative in slots of 0.1 s, so that no offer within these bounds has a quality.
    system = System(slot_duration=0.1, min_frequency=0.01, max_frequency=0.012)
    state = STATE.replace(type_probs=[1.0, 0.0])
    for given in answer(system, state).values():
        for part in given.values():
            assert not np.isnan(part).any()
    assert answer(system, state)["pooled"]["station_utility"] == -np.inf
    with jax.debug_nans(True):  # raises at the first NaN on the way, not only in what is returned
        take_it_or_leave_it_contract(system, state)


@pytest.mark.usefixtures("float64")
def test_a_batch_is_answered_like_its_members():
    states, answers = solved(5, "thrifty")
    for index in range(3):
        for name, given in answer(SYSTEMS["thrifty"], pick(states, index)).items():
            for part, value in given.items():
                np.testing.assert_allclose(vars(answers[name])[part][index], value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cap", [None, 0.5, jnp.float32(0.5)])
def test_contracts_keep_the_precision_of_the_state(cap):
    contract = posted_price_contract(System(), STATE, cap)
    assert contract.frequency.shape == contract.payment.shape == (2,)
    assert contract.frequency.dtype == contract.payment.dtype == STATE.device_types.dtype
