"""Enrolment out of a budget: a round by hand, a bound against closed forms and an independent solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import jaxcontract as jc
from jaxcontract.config.presets import STRESS
from jaxcontract.mechanism.budget import hindsight_bound
from jaxcontract.mechanism.enrolment_bound import path_bound
from jaxcontract.mechanism.enrolment_budget import enrolment_budget_bound, paid_round
from jaxcontract.mechanism.enrolment_budget_heuristics import (
    offer_equal_parts,
    offer_myopically,
    plan_paid_contracts,
    play_paid_rounds,
    play_plan,
)
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.enrolment_play import stay
from oracles import paper

pytestmark = pytest.mark.usefixtures("compiled_quickly")

LAW = EnrolmentLaw(taste_scale=0.1, outside_utility=0.1)
CLOSE = {"rtol": 1e-6}


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def first_state():
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[0], float), jc.printed_states())


@jax.jit
def bound_of(path, law, budget):
    return enrolment_budget_bound(STRESS, path, law, budget)


@pytest.mark.parametrize(("money", "signed"), [(2.0, True), (1.0, False)])
def test_a_contract_dearer_than_what_is_left_is_not_signed(money, signed):
    state, enrolled = first_state(), np.array([0.2, 0.6])
    f, r = np.array([0.2, 0.4]), np.array([0.15, 0.2])
    cost = 40.0 * np.sum(state.type_probs * enrolled * r)
    assert 1.0 < cost < 6.0
    money = money * cost / 1.5
    played = paid_round(STRESS, state, LAW, jc.Contract(frequency=f, payment=r), enrolled, money)
    worth = 40.0 * np.sum(state.type_probs * enrolled * paper.profit(STRESS, state, f, r))
    rents = (r - f / np.asarray(state.device_types)) * signed
    np.testing.assert_allclose(played.spent, cost * signed, **CLOSE)
    np.testing.assert_allclose(played.earned, worth * signed, **CLOSE)
    comes = 1.0 / (1.0 + np.exp(-(rents - 0.1) / 0.1))
    np.testing.assert_allclose(played.enrolled, 0.9 * enrolled + 0.1 * comes, **CLOSE)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_where_all_stay_the_bound_is_that_of_a_budget(share):
    """One type, which stays whatever it earns: IC leaves nothing out, and what is left is hindsight's."""
    law = EnrolmentLaw(taste_scale=0.1, outside_utility=-10.0, first_enrolled=1.0)
    networks = jc.unseen_states(jc.NetworkDistribution(type_edges=(2.0, 4.0)), 6, seed=3)
    path = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), networks)
    best = jax.jit(jax.vmap(jc.optimal_contract, in_axes=(None, 0)))(STRESS, path)
    free = 40.0 * np.sum(best.payment)
    bound, price = bound_of(path, law, share * free)
    np.testing.assert_allclose(bound, hindsight_bound(STRESS, path, share * free), rtol=2e-4)
    assert price > 0


def test_with_money_enough_the_bound_is_that_of_enrolment():
    path = stay(first_state(), 8)
    bound, price = bound_of(path, LAW, 1e4)
    np.testing.assert_allclose(bound, path_bound(STRESS, path, LAW, 1.0), **CLOSE)
    assert price == 0


@jax.jit
def plan_and_play(state, path, budget):
    plan = plan_paid_contracts(STRESS, state, LAW, budget, len(path.max_aoi))
    return play_plan(STRESS, path, LAW, budget, plan)


def solve_path(state, budget, num_rounds):
    """The best Σ U of Z rounds by SLSQP, from several starts: IR, IC and the budget as constraints."""
    cost, probs = 1.0 / np.asarray(state.device_types), np.asarray(state.type_probs)

    def play(vector):
        f, r = vector.reshape(2, num_rounds, 2)
        enrolled, earned, spent = np.full(2, 0.05), 0.0, 0.0
        for z in range(num_rounds):
            earned += 40.0 * np.sum(probs * enrolled * paper.profit(STRESS, state, f[z], r[z]))
            spent += 40.0 * np.sum(probs * enrolled * r[z])
            comes = 1.0 / (1.0 + np.exp(-(r[z] - f[z] * cost - 0.1) / 0.1))
            enrolled = 0.9 * enrolled + 0.1 * comes
        return earned, spent

    def keeps(vector):
        f, r = vector.reshape(2, num_rounds, 2)
        own = r - f * cost
        other = r[:, ::-1] - f[:, ::-1] * cost
        return np.concatenate([own.ravel(), (own - other).ravel(), [budget - play(vector)[1]]])

    best, draws = -np.inf, np.random.default_rng(0)
    for _ in range(2):
        rents = draws.uniform(0.0, 0.3, num_rounds)[:, None]
        f = np.sort(draws.uniform(0.1, 0.4, (num_rounds, 2)), axis=1)
        start = np.concatenate([f.ravel(), (f * cost + rents).ravel()])
        found = minimize(
            lambda vector: -play(vector)[0],
            start,
            method="SLSQP",
            bounds=[(0.05, 1.0)] * f.size + [(0.0, 2.0)] * f.size,
            constraints={"type": "ineq", "fun": keeps},
            options={"maxiter": 100},
        )
        if np.min(keeps(found.x)) > -1e-6:
            best = max(best, -found.fun)
    return best


def test_an_independent_solver_stays_below_the_bound_and_a_plan_comes_near_it():
    state, budget, num_rounds = first_state(), 1.2, 3
    path = stay(state, num_rounds)
    bound, _ = bound_of(path, LAW, budget)
    solved = solve_path(state, budget, num_rounds)
    planned = plan_and_play(state, path, budget)
    assert np.sum(planned.spent) <= budget
    assert 0.9 * bound < solved <= bound * (1 + 1e-6)
    assert 0.97 * solved < np.sum(planned.earned) <= bound


@pytest.mark.parametrize("offer", [offer_myopically, offer_equal_parts])
def test_rules_keep_to_the_budget(offer):
    state, budget = first_state(), 4.0
    path = stay(state, 10)
    played = jax.jit(lambda money: play_paid_rounds(STRESS, path, LAW, money, offer(STRESS)))(budget)
    assert np.sum(played.spent) <= budget * (1 + 1e-9)
    assert np.sum(played.earned) <= bound_of(path, LAW, budget)[0]
    if offer is offer_equal_parts:
        left = budget - np.concatenate([[0.0], np.cumsum(played.spent)[:-1]])
        assert np.all(played.spent <= left / np.arange(10, 0, -1) * (1 + 1e-9))
