"""Competing stations measured against best responses: equilibrium, contract of (10), learned contracts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.setting import Setting, setting_from_dict
from jaxcontract.envs.competition_config import CompetitionGame, CompetitionRules, ParticipationGame
from jaxcontract.evaluation.fees import add_fees
from jaxcontract.training.summary import measured

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module", params=[2])
def reference(request):
    game = ParticipationGame() if request.param == 1 else CompetitionGame(env=CompetitionRules())
    return game.make_reference(*game.make())


@pytest.fixture(scope="module")
def states(reference):
    return reference.test_states(6, 7)


def test_at_the_equilibrium_nobody_gains_and_the_contract_of_10_loses_most(reference, states):
    found = reference.baselines(states)
    equilibrium, naive = found["equilibrium"], found["contract of (10)"]
    assert 0 <= equilibrium.exploitability < 1e-6
    assert equilibrium.utility == pytest.approx(equilibrium.optimum)
    assert naive.exploitability > 0.3
    assert naive.participation < equilibrium.participation
    assert equilibrium.feasible == naive.feasible == 1.0
    assert set(measured(naive)) >= {"utility", "exploitability"}


@pytest.mark.long
def test_fees_are_all_that_one_type_needs():
    """With one type the best response has f° and pays what a fee can: fees at rest are the equilibrium."""
    game = CompetitionGame(env=CompetitionRules(num_types=1))
    solution = game.make_reference(*game.make()).test_states(4, 3)
    with jax.enable_x64(True):
        fitted = add_fees(jc.System(), solution.states, jnp.asarray(1.0), per_network=True)
        one = add_fees(jc.System(), solution.states, jnp.asarray(1.0), per_network=False)
    np.testing.assert_allclose(fitted.frequency, solution.contracts.frequency, rtol=1e-4)
    np.testing.assert_allclose(fitted.payment, solution.contracts.payment, rtol=1e-4)
    added = np.asarray(one.payment) - np.asarray(fitted.payment)
    assert added.min() < 0 < added.max()


def test_stations_share_their_types_and_states_are_the_same_every_time(reference, states):
    types = states.states.device_types
    np.testing.assert_array_equal(types, np.broadcast_to(types[:, :1], types.shape))
    again = reference.test_states(4, 7)
    np.testing.assert_array_equal(again.payoffs, states.payoffs[:4])


def test_a_learned_policy_comes_near_and_is_never_better_than_a_best_response(reference, states):
    config = jc.GradientConfig(num_updates=120, num_envs=256)
    train = jax.jit(jc.train, static_argnames="env")
    learner, _ = train(jax.random.key(0), reference.env, reference.params, config)
    report = reference.evaluate(learner.policy, states)
    assert report.feasible == 1.0
    assert 0 < report.exploitability < 0.3
    assert report.worst_regret >= report.regret > 0


def test_holding_back_together_is_said(reference, states):
    naive = reference.baselines(states)["contract of (10)"]
    said = reference.remarks(naive)
    if reference.env.num_stations == 1:
        assert said == []
    else:
        assert "more together than at the equilibrium" in said[0]


def test_the_games_have_settings_of_their_own():
    for game in (ParticipationGame(), CompetitionGame(env=CompetitionRules(num_stations=3, taste_scale=0.1))):
        setting = Setting(game=game)
        assert setting_from_dict(setting.as_dict()) == setting
