"""The simulated market: its clock against the paper's table, and the model's formulas against both."""

import math

import numpy as np
import pytest
from scipy import stats

from jaxcontract import (
    Contract,
    NetworkState,
    System,
    average_aoi,
    average_latency,
    device_utilities,
    optimal_contract,
    printed_states,
    quality_of_data,
    station_utility,
)
from jaxcontract.mechanism.simulation import simulate_market, simulate_requests, standard_error
from oracles import paper
from oracles.random_states import pick, random_states

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SLOT = 1e-3
REQUESTS = 400_000
ROUNDS = 20_000
STATES = [*(("printed", index) for index in range(3)), *(("random", index) for index in range(4))]


def simulated(cycle, num_requests=REQUESTS, seed=0):
    return simulate_requests(np.random.default_rng([seed, cycle]), cycle, SLOT, num_requests)


def play(state, contract, *, system=None, num_rounds=ROUNDS, seed=0, **options):
    generator = np.random.default_rng(seed)
    return simulate_market(generator, system or System(), state, contract, num_rounds, **options)


def state_of(kind, index):
    return pick(printed_states() if kind == "printed" else random_states(4, 4, 5), index)


def agrees(values, expected):
    """Whether the mean of simulated values is an expected one, within 4 standard errors or rounding."""
    return abs(values.mean() - float(expected)) <= 4 * standard_error(values) + 1e-12 * abs(float(expected))


@pytest.mark.parametrize("cycle", [2, 3, 4, 7, 20])
def test_requests_of_every_slot_meet_the_table_of_the_paper(cycle):
    requests = simulated(cycle)
    assert set(requests.slot.tolist()) == set(range(1, cycle + 1))
    times = np.array([paper.request_times(cycle, slot) for slot in range(1, cycle + 1)])[requests.slot - 1]
    np.testing.assert_array_equal(requests.aoi, SLOT * times[:, 0])
    np.testing.assert_array_equal(requests.latency, SLOT * times[:, 1])


def test_an_update_in_every_slot_takes_two_slots():
    requests = simulated(1, num_requests=1000)
    np.testing.assert_array_equal(requests.aoi, 2 * SLOT)
    np.testing.assert_array_equal(requests.latency, 2 * SLOT)


@pytest.mark.parametrize("cycle", range(2, 21))
@pytest.mark.usefixtures("float64")
def test_means_agree_with_the_formulas(cycle):
    requests = simulated(cycle)
    assert agrees(requests.aoi, average_aoi(1 / cycle, SLOT))
    assert agrees(requests.latency, average_latency(1 / cycle, SLOT))


@pytest.mark.parametrize("cycle", range(2, 21))
def test_means_would_betray_a_wrong_formula(cycle):
    requests = simulated(cycle)
    for wrong in (1 / cycle + cycle / 2, cycle / 2 + 1 / 2, 2 / cycle + cycle / 2 + 1 / 2):
        assert not agrees(requests.aoi, SLOT * wrong)
    for wrong in (1, 1 + 1 / (cycle + 1), 1 + 2 / cycle):
        assert not agrees(requests.latency, SLOT * wrong)


@pytest.mark.parametrize("cycle", [2, 7, 20, 1_000_000])
def test_requests_are_uniform_over_slots(cycle):
    bins = min(cycle, 20)
    counts = np.bincount((simulated(cycle).slot - 1) * bins // cycle, minlength=bins)
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("cycle", [3, 20])
def test_successive_requests_are_all_but_uncorrelated(cycle):
    requests = simulated(cycle)
    for values in (requests.aoi, requests.latency):
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 1 / 600 + 4 / math.sqrt(REQUESTS)


def test_standard_error():
    assert standard_error([1.0, 2.0, 3.0, 4.0]) == pytest.approx(math.sqrt(5 / 3) / 2)
    assert standard_error(np.full(10, 0.5)) == 0
    assert math.isnan(standard_error([1.0]))


@pytest.mark.parametrize(("kind", "index"), STATES)
@pytest.mark.usefixtures("float64")
def test_the_market_pays_what_the_formulas_say(kind, index):
    system, state = System(), state_of(kind, index)
    contract = optimal_contract(system, state)
    market = play(state, contract, num_rounds=10 * ROUNDS)
    rents = np.diagonal(device_utilities(state, contract))
    expected = float(station_utility(system, state, contract))
    assert agrees(market.station_utility, expected)
    assert agrees(market.device_utility, np.dot(state.type_probs, rents))
    np.testing.assert_array_equal(market.participation, 1.0)
    # Sharp enough to notice a change of 1 % in the payments.
    payments = system.num_devices * float(np.dot(state.type_probs, contract.payment))
    assert not agrees(market.station_utility, expected + 0.01 * payments)


@pytest.mark.usefixtures("float64")
def test_on_a_tie_devices_take_their_own_item():
    system, state = System(), state_of("printed", 2)
    contract = optimal_contract(system, state)
    own, low = np.asarray(device_utilities(state, contract))[1, ::-1]
    assert own == pytest.approx(low, abs=1e-12)
    first = np.array([0, 0])
    everybody_low = Contract(frequency=contract.frequency[first], payment=contract.payment[first])
    market = play(state, contract, num_rounds=10 * ROUNDS)
    assert agrees(market.station_utility, station_utility(system, state, contract))
    assert not agrees(market.station_utility, station_utility(system, state, everybody_low))


STATE = {"max_aoi": 0.95, "max_latency": 0.73, "type_probs": [0.84, 0.16], "device_types": [2.0, 12.0]}


@pytest.mark.usefixtures("float64")
def test_a_type_that_would_lose_stays_out():
    system, state = System(), NetworkState(**STATE)
    contract = Contract(frequency=[0.2, 0.4], payment=[0.05, 0.1])  # costs of type 1: 0.1 and 0.2
    market = play(state, contract)
    assert agrees(market.participation, 0.16)
    assert agrees(market.device_utility, 0.16 * (0.1 - 0.4 / 12))
    profit = 100 * float(quality_of_data(system, state, 0.4)) - 0.1
    assert agrees(market.station_utility, 40 * 0.16 * profit)


@pytest.mark.usefixtures("float64")
def test_a_type_takes_the_item_that_it_likes_best():
    system, state = System(), NetworkState(**STATE)
    contract = Contract(frequency=[0.2, 0.4], payment=[0.2, 0.21])  # both types like the first item best
    market = play(state, contract, num_rounds=1000)
    profit = 100 * float(quality_of_data(system, state, 0.2)) - 0.2
    np.testing.assert_allclose(market.station_utility, 40 * profit, rtol=1e-12)
    assert agrees(market.device_utility, 0.84 * (0.2 - 0.2 / 2) + 0.16 * (0.2 - 0.2 / 12))


def test_devices_draw_their_types_independently():
    market = play(NetworkState(**STATE), Contract(frequency=[0.2, 0.4], payment=[0.05, 0.1]))
    assert market.participation.std() == pytest.approx(math.sqrt(0.84 * 0.16 / 40), rel=0.02)


@pytest.mark.usefixtures("float64")
def test_qualities_measured_from_requests_give_the_same_market():
    system, state = System(), NetworkState(**STATE)
    cycles = (6, 3)
    contract = Contract(frequency=[1 / 6, 1 / 3], payment=[1 / 12, 1 / 12 + 1 / 72])
    quality, error = [], []
    for cycle in cycles:
        requests = simulated(cycle)
        gain, saving = 0.95 - requests.aoi.mean(), 0.73 - requests.latency.mean()  # (3)
        index = 0.75 * (gain - saving) + saving + 1
        quality.append(math.log(index))  # (4)
        error.append(standard_error(0.75 * requests.aoi + 0.25 * requests.latency) / index)
    market = play(state, contract, quality=quality)
    of_quality = 40 * 100 * math.hypot(*(np.array([0.84, 0.16]) * error))
    allowed = 4 * math.hypot(of_quality, standard_error(market.station_utility))
    expected = float(station_utility(system, state, contract))
    assert abs(market.station_utility.mean() - expected) <= allowed
    assert allowed < 0.2
    biased = play(state, contract, quality=np.array(quality) + 1e-3)
    assert abs(biased.station_utility.mean() - expected) > allowed


def test_data_without_defined_quality_costs_only_where_it_is_taken():
    contract = Contract(frequency=[0.2, 0.4], payment=[0.1, 0.2])
    quality = [-math.inf, 0.6]
    nobody = NetworkState(**(STATE | {"type_probs": [0.0, 1.0]}))
    np.testing.assert_allclose(
        play(nobody, contract, quality=quality).station_utility, 40 * (60 - 0.2), rtol=1e-6
    )
    somebody = NetworkState(**(STATE | {"type_probs": [0.05, 0.95]}))
    without_type_1 = np.isfinite(play(somebody, contract, quality=quality).station_utility)
    assert agrees(without_type_1, 0.95**40)


def test_shares_that_sum_to_one_only_roughly_are_drawn():
    state = NetworkState(**(STATE | {"type_probs": [0.6000004, 0.4, 0.0], "device_types": [2.0, 3.0, 4.0]}))
    contract = Contract(frequency=[0.2] * 3, payment=[0.1] * 3)
    np.testing.assert_array_equal(play(state, contract, num_rounds=10).participation, 1.0)


@pytest.mark.parametrize(("rent", "participation"), [(-1e-7, 1.0), (-1e-5, 0.0)])
@pytest.mark.usefixtures("float64")
def test_a_rent_of_zero_up_to_the_tolerance_is_enough(rent, participation):
    state = NetworkState(**(STATE | {"type_probs": [1.0], "device_types": [2.0]}))
    contract = Contract(frequency=[0.2], payment=[0.1 + rent])
    np.testing.assert_array_equal(play(state, contract, num_rounds=10).participation, participation)


def test_the_generator_alone_decides():
    def numbers(seed):
        requests = simulated(7, num_requests=1000, seed=seed)
        market = play(NetworkState(**STATE), Contract(frequency=[0.2, 0.4], payment=[0.1, 0.2]), seed=seed)
        return np.concatenate([requests.aoi, requests.latency, market.station_utility])

    np.testing.assert_array_equal(numbers(1), numbers(1))
    assert not np.array_equal(numbers(1), numbers(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cycle": 0}, r"cycle = 0: must be a whole number in \[1, 1e\+06\]"),
        ({"cycle": 2.5}, r"cycle = 2.5: must be a whole number"),
        ({"cycle": 2_000_000}, r"cycle = 2000000: must be a whole number"),
        ({"cycle": [2, 3]}, r"cycle = \[2, 3\]: must be a whole number"),
        ({"slot_duration": 0.0}, r"slot_duration = 0.0: must be a number in \(0, inf\)"),
        ({"slot_duration": math.nan}, r"slot_duration = nan: must be a number"),
        ({"slot_duration": "1 ms"}, r"slot_duration = '1 ms': must be a number"),
        ({"num_requests": 0}, r"num_requests = 0: must be a whole number in \[1, inf\)"),
        ({"num_requests": 1e3}, r"num_requests = 1000.0: must be a whole number"),
    ],
)
def test_bad_requests_are_refused(change, message):
    arguments = {"cycle": 4, "slot_duration": SLOT, "num_requests": 10} | change
    with pytest.raises(ValueError, match=message):
        simulate_requests(np.random.default_rng(0), **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_rounds": 0}, r"num_rounds = 0: must be a whole number in \[1, inf\)"),
        ({"num_rounds": 2.5}, r"num_rounds = 2.5: must be a whole number"),
        ({"system": System(num_devices=2.5)}, r"System.num_devices = 2.5: must be a whole number"),
        ({"system": System(num_devices=np.array([2.0, 3.0]))}, r"system of shape \(2,\): must be one System"),
        ({"state": printed_states}, r"NetworkState.device_types of shape \(3, 2\): must have one axis"),
        (
            {"contract": Contract(frequency=[0.2] * 3, payment=[0.1] * 3)},
            r"must be one for each of 2 device types",
        ),
        ({"quality": [0.6]}, r"quality = \[0.6\]: must be one number for each of 2 items"),
        ({"quality": [0.6, math.nan]}, r"quality = \[0.6, nan\]: must be one number for each of 2 items"),
    ],
)
def test_bad_markets_are_refused(change, message):
    arguments = {
        "state": NetworkState(**STATE),
        "contract": Contract(frequency=[0.2, 0.4], payment=[0.1, 0.2]),
        "num_rounds": 10,
    } | change
    if callable(arguments["state"]):
        arguments["state"] = arguments["state"]()
    with pytest.raises(ValueError, match=message):
        play(**arguments)
