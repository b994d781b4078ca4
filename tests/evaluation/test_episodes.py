"""Values over whole episodes: by hand, below their bounds, and alike for policies of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import STRESS
from jaxcontract.core.host_policy import HostPolicy
from jaxcontract.envs.budget_config import BudgetGame, BudgetRules
from jaxcontract.envs.enrolment_config import EnrolmentGame, EnrolmentRules
from jaxcontract.evaluation.episode_report import report_episodes
from jaxcontract.evaluation.episodes import draw_episodes
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.training.summary import measured
from oracles import paper

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def reference_of(game):
    return game.make_reference(*game.make())


def enrolment(networks, **others):
    return EnrolmentGame(
        problem=STRESS,
        enrolment=EnrolmentLaw(taste_scale=0.1, outside_utility=0.1),
        env=EnrolmentRules(num_types=1, networks=networks, value_discount=0.8, **others),
    )


def half(observation):
    """u_1 = 0.3 always: the middle of the action's range."""
    return jnp.zeros(1) * observation[:1]


def by_hand(states, rent):
    """Σ 0.8^z of what one type earns that is always left a rent, with the best f of a fine grid."""
    enrolled, total = 0.05, 0.0
    grid = np.linspace(0.05, 1.0, 4001)[:, None]
    for number, (aoi, latency, types) in enumerate(
        zip(states.max_aoi, states.max_latency, states.device_types, strict=True)
    ):
        network = jc.NetworkState(max_aoi=aoi, max_latency=latency, type_probs=[1.0], device_types=types)
        surplus = np.max(paper.profit(STRESS, network, grid, grid / float(types[0])))
        total += 0.8**number * 40.0 * enrolled * (surplus - rent)
        enrolled += 0.1 * (1.0 / (1.0 + np.exp(-(rent - 0.1) / 0.1)) - enrolled)
    return total


@pytest.mark.parametrize("networks", [pytest.param("frozen", marks=pytest.mark.long), "markov"])
def test_enrolment_is_worth_what_its_rounds_earn_and_no_more_than_its_bound(networks):
    reference = reference_of(enrolment(networks))
    assert 0.8 ** (reference.num_rounds - 1) >= 1e-6 > 0.8**reference.num_rounds
    episodes = reference.test_states(3, 5)
    report = reference.evaluate(half, episodes)
    first = jax.tree.map(lambda leaf: leaf[0], episodes.states)
    assert (len(np.unique(first.max_aoi)) == 1) == (networks == "frozen")
    np.testing.assert_allclose(report.values[0], by_hand(first, 0.3), rtol=1e-5)
    np.testing.assert_allclose(report.value, report.values.mean())
    assert report.feasible == 1.0
    others = reference.baselines(episodes)
    assert ("plan" in others) == (networks == "frozen")
    for one in (report, *others.values()):
        assert np.all(one.values <= one.bounds)
    on_host = HostPolicy(lambda observation: np.zeros((len(observation), 1)))
    np.testing.assert_allclose(reference.evaluate(on_host, episodes).values, report.values, rtol=1e-6)


@pytest.mark.long
def test_a_budget_is_worth_what_its_rounds_earn_and_no_more_than_hindsight():
    game = BudgetGame(problem=STRESS, env=BudgetRules(num_rounds=4, budget=0.6))
    reference = reference_of(game)
    episodes = reference.test_states(30, 5)
    others = reference.baselines(episodes)
    # The lowest action is a price of next to nothing.
    free = reference.evaluate(lambda observation: 0.0 * observation[:1] - 30.0, episodes)
    np.testing.assert_allclose(free.values, others["myopic"].values, rtol=1e-3)
    for one in (free, *others.values()):
        assert np.all(one.values <= one.bounds * (1 + 1e-9))
    assert others["program"].value > others["equal split"].value
    shown = reference.rounds([lambda observation: 0.0 * observation[:1] - 30.0], episodes)
    left = shown["money left\n(units of payment)"]
    np.testing.assert_allclose(left["learned"], left["myopic"], atol=1e-3)
    assert all(np.all(np.diff(line) <= 0) for line in left.values())


def test_a_report_says_how_sure_it_is():
    report = report_episodes(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 4.0]))
    told = measured(report)
    assert told["value"] == 2.0
    assert told["upper_bound"] == pytest.approx(8 / 3)
    assert told["share_of_bound"] == pytest.approx(0.75)
    assert told["standard_error"] == pytest.approx(1 / np.sqrt(3))
    assert told["worst_regret"] == 1.0


@pytest.mark.parametrize(("redraw", "least", "most"), [(0.0, 1, 1), (0.2, 5, 25), (1.0, 50, 50)])
def test_networks_of_an_episode_stay_or_change(redraw, least, most):
    law = jc.NetworkDistribution()
    drawn = draw_episodes(law, 4, 50, redraw, 7)
    again = draw_episodes(law, 4, 50, redraw, 7)
    for row, same in zip(drawn.max_aoi, again.max_aoi, strict=True):
        np.testing.assert_array_equal(row, same)
        assert least <= len(np.unique(row)) <= most
        assert 1 + np.count_nonzero(np.diff(row)) == len(np.unique(row))
