"""Devices that enrol: golden values between what is played and certified bounds; NumPy; brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.mechanism import enrolment_bound
from jaxcontract.mechanism import enrolment_heuristics as heuristics
from jaxcontract.mechanism import enrolment_play as play
from jaxcontract.mechanism import enrolment_program as program
from jaxcontract.mechanism.enrolment import EnrolmentLaw, enrol, enrolment_utility, first_best, rent_contract
from jaxcontract.mechanism.enrolment_bound import path_bound, separate_bound
from jaxcontract.mechanism.enrolment_paths import path_value, plan_contracts
from oracles import paper
from oracles.random_states import pick, random_states

pytestmark = pytest.mark.usefixtures("compiled_quickly")

pytestmark = pytest.mark.usefixtures("float64")

STRESS = jc.System(unit_profit=1.0, slot_duration=0.1)
LAW = EnrolmentLaw(taste_scale=0.1, outside_utility=0.1, turnover=0.1, first_enrolled=0.05)
DISCOUNT, ROUNDS = 0.95, 300

solve = jax.jit(program.enrolment_program)
bound = jax.jit(separate_bound)


@jax.jit
def follow(state, solved, most_rent):
    offer = play.follow_program(STRESS, state, LAW, solved, DISCOUNT, most_rent)
    return play.play_rounds(STRESS, play.stay(state, ROUNDS), LAW, DISCOUNT, offer)


@jax.jit
def play_simple(state):
    """Values of the best constant, the steady and the myopic contracts."""
    rounds = play.stay(state, ROUNDS)
    constant = heuristics.constant_contract(STRESS, state, LAW, DISCOUNT)
    steady = heuristics.steady_contract(STRESS, state, LAW)
    offers = [
        lambda *_: constant,
        lambda *_: steady,
        lambda state, enrolled: heuristics.myopic_contract(STRESS, state, enrolled),
    ]
    return [play.play_rounds(STRESS, rounds, LAW, DISCOUNT, offer).value for offer in offers]


@jax.jit
def plan(state):
    contracts = plan_contracts(STRESS, state, LAW, DISCOUNT, ROUNDS)
    return contracts, path_value(STRESS, state, LAW, DISCOUNT, contracts)


def printed():
    return jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[0.84, 0.16], device_types=[2.0, 12.0])


def eight_types():
    edges = np.linspace(1.0, 15.0, 9)
    return jc.NetworkState(
        max_aoi=0.95,
        max_latency=0.73,
        type_probs=np.full(8, 0.125),
        device_types=0.5 * (edges[1:] + edges[:-1]),
    )


def by_hand(contracts, state, rounds=ROUNDS):
    """Σ γ^z of what contracts earn, one round and one type after another, by the equations as printed."""
    enrolled, total = [0.05] * len(state.type_probs), 0.0
    f, r = (np.asarray(part) for part in contracts)
    profit = paper.profit(STRESS, state, f, r)
    utility = r - f / np.asarray(state.device_types)
    for number in range(rounds):
        for k, share in enumerate(np.asarray(state.type_probs)):
            total += DISCOUNT**number * 40.0 * share * enrolled[k] * profit[number, k]
            comes = 1.0 / (1.0 + np.exp(-(utility[number, k] - 0.1) / 0.1))
            enrolled[k] += 0.1 * (comes - enrolled[k])
    return total


CAPS = [
    (np.inf, 92.04),
    pytest.param(0.30, 91.88, marks=pytest.mark.long),
    pytest.param(0.25, 91.6, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("most_rent", "value"), CAPS)
def test_golden_values_lie_between_what_is_played_and_a_certified_bound(most_rent, value):
    solved = solve(STRESS, printed(), LAW, DISCOUNT, most_rent)
    played = follow(printed(), solved, most_rent)
    assert value - 0.02 <= played.value <= solved.upper_bound
    assert value - 0.02 <= solved.upper_bound <= played.value * 1.002
    rents = played.contracts.payment[:, 0] - played.contracts.frequency[:, 0] / 2.0
    assert jnp.max(rents) <= most_rent + 1e-12
    assert (abs(rents[0] - 0.41) < 0.01) == np.isinf(most_rent)
    certificates = jax.vmap(lambda contract: jc.certify(STRESS, printed(), contract, 1e-9))(played.contracts)
    assert certificates.feasible.all()


@pytest.mark.parametrize("types", [[7.9, 8.1], pytest.param([1.01, 14.9], marks=pytest.mark.long)])
def test_a_program_of_types_that_are_nearly_alike_or_far_apart_can_be_followed(types):
    state = printed().replace(device_types=np.array(types), type_probs=np.array([0.3, 0.7]))
    solved = solve(STRESS, state, LAW, DISCOUNT, np.inf)
    played = follow(state, solved, np.inf)
    assert 0.99 * solved.upper_bound <= played.value <= solved.upper_bound


def test_simple_contracts_earn_what_models_md_says():
    constant, steady, myopic = (float(value) for value in play_simple(printed()))
    assert abs(constant - 86.20) <= 0.02
    assert abs(myopic - 66.48) <= 0.05
    assert myopic < steady <= constant


@pytest.mark.long
def test_plans_for_many_types_earn_what_they_say_and_nearly_what_bounds_allow():
    state = eight_types()
    contracts, value = plan(state)
    np.testing.assert_allclose(by_hand((contracts.frequency, contracts.payment), state), value, rtol=1e-9)
    certificates = jax.vmap(lambda one: jc.certify(STRESS, state, one, 1e-9))(contracts)
    assert certificates.feasible.all()
    most = bound(STRESS, state, LAW, DISCOUNT)
    assert 0.97 * most <= value <= most
    known = jax.jit(path_bound)(STRESS, play.stay(state, ROUNDS), LAW, DISCOUNT)
    np.testing.assert_allclose(known, most, rtol=1e-5)


def one_type_by_hand(surplus):
    """The best value of one type with M Q = 40, by value iteration on a grid, all in NumPy."""
    n, u = np.linspace(0.05, 1.0, 801), np.linspace(0.0, 0.8, 401)
    following = 0.9 * n[:, None] + 0.1 / (1.0 + np.exp(-(u - 0.1) / 0.1))[None]
    earned, values = 40.0 * n[:, None] * (surplus - u[None]), np.zeros(801)
    for _ in range(150):
        values = np.max(earned + DISCOUNT * np.interp(following, n, values), axis=1)
    return values[0] / (1.0 - DISCOUNT**150)


def one_type():
    return jc.NetworkState(max_aoi=0.95, max_latency=0.73, type_probs=[1.0], device_types=[2.0])


def test_the_bound_of_one_type_is_its_optimum():
    frequency = np.linspace(0.05, 1.0, 100_001)[:, None]
    surplus = np.max(paper.profit(STRESS, one_type(), frequency, frequency / 2.0))
    # Both interpolate, the one between fewer nodes.
    np.testing.assert_allclose(bound(STRESS, one_type(), LAW, DISCOUNT), one_type_by_hand(surplus), rtol=1e-3)


def test_what_lies_between_the_utilities_of_a_coarse_lattice_is_counted_in(monkeypatch):
    _, value = plan(one_type())
    monkeypatch.setattr(enrolment_bound, "UTILITIES", 17)
    monkeypatch.setattr(enrolment_bound, "NODES", 401)

    def coarse():
        return jax.jit(lambda: separate_bound(STRESS, one_type(), LAW, DISCOUNT))()

    assert coarse() >= value
    monkeypatch.setattr(enrolment_bound, "missed_between", lambda *_: 0.0)
    assert coarse() < value


def test_who_is_treated_well_comes_and_who_is_not_leaves():
    enrolled = enrol(LAW, np.array([0.5, 0.5]), np.array([0.1 + 0.1 * np.log(4.0), -1e3]))
    np.testing.assert_allclose(enrolled, [0.53, 0.45], atol=1e-12)
    contract = jc.Contract(frequency=[0.2, 0.4], payment=[0.2, 0.21])
    earned = enrolment_utility(STRESS, printed(), contract, np.array([0.5, 0.25]))
    profit = paper.profit(STRESS, printed(), contract.frequency, contract.payment)
    np.testing.assert_allclose(earned, 40.0 * (0.42 * profit[0] + 0.04 * profit[1]), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_frequencies_do_better_for_the_same_rents(seed):
    rng = np.random.default_rng(seed)
    state = pick(random_states(seed, 1, 3), 0)
    cost = 1.0 / np.asarray(state.device_types)
    slopes = np.sort(rng.uniform(0.1, 0.6, 2))
    best = rent_contract(STRESS, state, 0.1, slopes)
    assert jc.certify(STRESS, state, best, 1e-12).feasible
    rents = 0.1 + np.concatenate([[0.0], np.cumsum(slopes * -np.diff(cost))])
    np.testing.assert_allclose(np.asarray(best.payment) - cost * best.frequency, rents, atol=1e-12)
    most = paper.profit(STRESS, state, best.frequency, best.payment)
    for frequency in np.sort(rng.uniform(0.06, 0.9, (2000, 3)), axis=1):
        payment = rents + cost * frequency
        table = paper.device_utilities(state.device_types, frequency, payment)
        if np.all(np.diagonal(table)[:, None] >= table - 1e-12):
            assert np.all(paper.profit(STRESS, state, frequency, payment) <= most + 1e-12)


def test_two_types_are_asked_for_and_the_papers_quality():
    with pytest.raises(ValueError, match=r"enrolment_program\.state with 8 device types: must have two"):
        program.enrolment_program(STRESS, eight_types(), LAW, DISCOUNT)
    with pytest.raises(ValueError, match=r"rent_contract\.slopes of shape \(2,\): must be \(1,\)"):
        rent_contract(STRESS, printed(), 0.1, np.array([0.1, 0.2]))
    for wrong in (1.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=r"separate_bound\.discount = .*must be a number in \[0, 1\)"):
            separate_bound(STRESS, printed(), LAW, wrong)
    with pytest.raises(ValueError, match=r"EnrolmentLaw\.turnover = 0: must be a number in \(0, 1\]"):
        EnrolmentLaw(turnover=0)


@pytest.mark.parametrize(
    ("taste", "outside"),
    [pytest.param(*one, marks=pytest.mark.long) for one in ((0.1, 1000.0), (1e-4, 0.1), (0.1, -1000.0))],
)
def test_bounds_and_contracts_are_numbers_where_devices_hardly_differ_or_never_come(taste, outside):
    """And no bound is above what all devices would earn, who come at no price."""
    law = EnrolmentLaw(taste_scale=taste, outside_utility=outside)
    for found in (
        heuristics.constant_contract(STRESS, printed(), law, DISCOUNT),
        heuristics.steady_contract(STRESS, printed(), law),
    ):
        assert jc.certify(STRESS, printed(), found, 1e-9).feasible
    _, surplus = first_best(STRESS, printed())
    most = 40.0 * np.sum(printed().type_probs * surplus) / (1.0 - DISCOUNT)
    certified = solve(STRESS, printed(), law, DISCOUNT).upper_bound
    assert 0 < certified <= most * (1.0 + 1e-9)
    path = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (50, *jnp.shape(leaf))), printed())
    along = path_bound(STRESS, path, law, DISCOUNT)
    assert 0 < along <= most * (1.0 + 1e-9)
