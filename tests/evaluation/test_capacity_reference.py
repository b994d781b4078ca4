"""Policies of two stations of limited capacity: laws that are planted, learned and known, against SciPy's."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from scipy.special import expit, logit, ndtri

import jaxcontract as jc
from jaxcontract.envs.capacity_config import CapacityGame, CapacityRules
from jaxcontract.training.summary import measured
from oracles import mixed_policies as laws

pytestmark = pytest.mark.usefixtures("compiled_quickly")

FLOORS = {0.60: 0.040, 0.75: 0.093, 0.90: 0.152}
train = jax.jit(jc.train, static_argnames="env")
judge = jax.jit(jc.capacity_exploitability)


def reference_of(capacity):
    game = CapacityGame(env=CapacityRules(capacity=capacity))
    return game.make_reference(*game.make())


@pytest.fixture(scope="module")
def reference():
    return reference_of(0.75)


@pytest.fixture(scope="module")
def states(reference):
    return reference.test_states(2, 7)


@pytest.fixture(scope="module")
def learner(reference):
    config = jc.PPOConfig(num_updates=60, num_envs=64, minibatches=2, entropy_coefficient=0.26)
    return train(jax.random.key(0), reference.env, reference.params, config)[0]


def plant(learner, mean, log_std, head=None):
    """The policy that draws from one squashed Gaussian in all states: all weights 0 but for the last bias."""
    weights = jax.tree.map(
        lambda leaf: jnp.full_like(leaf, mean if leaf.shape == (1,) else 0.0), learner.weights["actor"]
    )
    policy = learner.make_policy(weights, {"log_std": jnp.array([log_std])})
    return dataclasses.replace(policy, head=head or policy.head)


class Misstated(jc.Gaussian):
    """A Gaussian whose density sums to 0.9."""

    def log_prob(self, action, output, parameters):
        return super().log_prob(action, output, parameters) + float(np.log(0.9))


@pytest.mark.parametrize("capacity", FLOORS)
def test_what_needs_no_learning_has_its_closed_forms_and_floors(capacity):
    reference = reference_of(capacity)
    found = reference.baselines(reference.test_states(5, 7))
    assert 0 <= found["equilibrium"].exploitability < 1e-6
    assert found["equilibrium"].utility == pytest.approx(found["equilibrium"].optimum, rel=1e-6)
    fixed = found["best single payment"]
    assert fixed.exploitability == pytest.approx(1 - 1 / (2 * capacity), abs=1e-9)
    assert fixed.exploitability == fixed.mode_exploitability
    middle = np.log((2 * capacity - 1) / (2 * (1 - capacity)))
    starts = [(0.0, middle + shift, log_std) for shift in (-0.5, 0.5) for log_std in (-0.6, 0.0)]
    searched = laws.least(laws.sigmoids, starts, capacity, rounds=3, grid=laws.COARSE)
    assert found["best Gaussian"].exploitability == pytest.approx(searched, abs=5e-4)
    assert found["best Gaussian"].exploitability == pytest.approx(FLOORS[capacity], abs=1e-3)


def test_draws_of_the_equilibrium_lose_at_most_two_thousandths(reference):
    states = reference.test_states(1, 7)
    draws = np.random.default_rng(0).random(1_000_000)
    rents = draws / (0.5 + draws)  # F(x) = x / (2 (1 − x)) at L/M = 3/4
    report = reference.judge((states.cost + states.surplus * rents)[None], states)
    assert 0 < report.exploitability <= 0.002
    assert report.distance < 2e-3
    assert report.utility == pytest.approx(report.optimum, rel=2e-3)
    assert report.feasible == 1.0


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (-0.7, -1.0), (1.5, 0.7), (0.3, -6.0)])
def test_a_planted_gaussian_loses_what_its_law_loses(reference, states, learner, mean, log_std):
    report = reference.evaluate(plant(learner, mean, log_std), states)
    # A line of its own, fine where the law lies: the oracle's grid is one for all laws.
    line = expit(mean + np.exp(log_std) * np.linspace(-8, 8, 20_001))
    grid = np.unique(np.concatenate([laws.GRID, line]))
    expected = laws.gain(laws.sigmoids((0.0, mean, log_std), grid), 0.75, grid)
    assert report.exploitability == pytest.approx(expected, abs=2e-3 if log_std < -3 else 1e-4)
    inside = np.clip(line, 0.0, 2 / 3)
    exact = np.minimum(1.0, inside / (2 * (1 - inside)))  # F at L/M = 3/4
    apart = np.abs(scipy.stats.norm.cdf((logit(line) - mean) / np.exp(log_std)) - exact).max()
    assert report.distance == pytest.approx(apart, abs=2e-3)
    rent = expit(mean)
    outbid = max((1 - rent) * 0.75, 0.25)
    assert report.mode_exploitability == pytest.approx((outbid - (1 - rent) / 2) / 0.25, rel=1e-4)


def test_near_the_top_the_best_deviation_is_to_pay_the_cost(reference, states, learner):
    report = reference.evaluate(plant(learner, 12.0, -3.0), states)
    assert report.exploitability == pytest.approx(1 - 0.5 * (1 - expit(12.0)) / 0.25, rel=1e-6)
    assert "a larger entropy_coefficient" in reference.remarks(report)[0]


def test_a_learned_policy_is_never_below_the_floor_and_its_atoms_lose_as_much(reference, states, learner):
    policy = learner.policy
    report = reference.evaluate(policy, states)
    assert FLOORS[0.75] - 1e-3 <= report.exploitability < 0.5
    assert set(measured(report)) >= {"utility", "exploitability"}
    quantiles = ndtri((np.arange(100_000) + 0.5) / 100_000)
    spread = float(np.exp(policy.parameters["log_std"][0]))
    lost = 0.0
    for row, (cost, surplus) in enumerate(zip(states.cost, states.surplus, strict=True)):
        network = jax.tree.map(lambda leaf, row=row: leaf[row], states.states)
        centre = float(policy.output(reference.env.observe(network, reference.params))[0])
        payments = cost + surplus * expit(centre + spread * quantiles)
        weights = np.full(len(quantiles), 1 / len(quantiles))
        with jax.enable_x64(True):
            lost += float(judge(payments, weights, reference.params.system, network, 0.75))
    assert report.exploitability == pytest.approx(lost / states.payoffs.sum(), abs=2e-4)


@pytest.mark.long
@pytest.mark.parametrize(("capacity", "bonus"), [(0.60, 0.275), (0.75, 0.26), (0.90, 0.25)])
def test_long_training_comes_near_the_floor_and_not_below_it(capacity, bonus):
    reference = reference_of(capacity)
    config = jc.PPOConfig(num_envs=1024, entropy_coefficient=bonus)
    policy = train(jax.random.key(1), reference.env, reference.params, config)[0].policy
    report = reference.evaluate(policy, reference.test_states(64, 7))
    assert FLOORS[capacity] - 1e-3 <= report.exploitability <= FLOORS[capacity] + 0.025


def test_a_function_of_one_payment_is_judged_as_one_atom(reference, states):
    report = reference.evaluate(lambda _: jnp.full(1, 2 / 3), states)
    assert report.exploitability == report.mode_exploitability == pytest.approx(1 / 3, abs=1e-5)
    assert report.distance == pytest.approx(1.0, abs=1e-3)  # all of its mass is at the end of F's


def test_a_density_that_does_not_sum_to_one_has_no_exploitability(reference, states, learner):
    report = reference.evaluate(plant(learner, 0.0, 0.0, Misstated()), states)
    assert np.isnan(report.exploitability)
    assert "does not sum to 1" in reference.remarks(report)[0]


def test_payments_below_the_cost_are_counted(reference, states):
    report = reference.judge(states.cost[:, None] + states.surplus[:, None] * np.array([[-0.1, 0.2]]), states)
    assert report.feasible == 0.5
    assert report.max_violation == pytest.approx(0.1 * states.surplus.max())


def test_states_are_the_same_every_time(reference, states):
    again = reference.test_states(2, 7)
    np.testing.assert_array_equal(again.payoffs, states.payoffs[:2])
