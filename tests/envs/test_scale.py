"""The units of a learner's numbers: none at the paper's constants, and the same game in any others."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import Setting, change, setting_from_dict
from jaxcontract.envs.config import ContractGame
from jaxcontract.envs.scale import Scale, fit_scale
from jaxcontract.learning.networks.deep_sets import DeepSets
from jaxcontract.learning.networks.mlp import MLP
from jaxcontract.training.seeds import compile_training
from jaxcontract.training.units import play_in

pytestmark = pytest.mark.usefixtures("compiled_quickly")

EDGES = (1.0, 8.0, 15.0)


def play(unit, *, beta=True, **others):
    """The game where a device bears `unit` times less: (env, params)."""
    options = {"type_edges": tuple(unit * edge for edge in EDGES), **others}
    return change(Setting(), options | ({"unit_profit": 100.0 / unit} if beta else {})).game.make()


def one_step(unit, action, **others):
    env, params = play(unit, **others)
    _, state = env.reset(jax.random.key(3), params)
    _, _, reward, *_, info = env.step(jax.random.key(4), state, jnp.asarray(action), params)
    return reward, info


OF_CONTRACTS = [name for name, setting in PRESETS.items() if isinstance(setting.game, ContractGame)]


@pytest.mark.parametrize("preset", OF_CONTRACTS)
def test_at_the_papers_constants_it_changes_nothing(preset):
    _, params = PRESETS[preset].game.make()
    scale = jax.tree.map(np.float32, params.scale)
    assert (scale.payment_unit, scale.reward_unit) == (1.0, 1.0)
    assert abs(scale.frequency_shift) < 1e-12


@pytest.mark.parametrize("actions", ["feasible", "raw"])
def test_another_unit_of_payment_is_the_same_game_bit_for_bit(actions):
    unit, action = 2.0**20, [0.3, 0.9, 0.2, 0.6]
    reward, info = one_step(1.0, action, actions=actions)
    other_reward, other = one_step(unit, action, actions=actions)
    assert reward == other_reward
    np.testing.assert_array_equal(info["contract"].frequency, other["contract"].frequency)
    np.testing.assert_array_equal(info["contract"].payment, unit * other["contract"].payment)
    assert bool(info["feasible"]) == bool(other["feasible"]) == (actions == "feasible")


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
def test_units_that_are_no_powers_of_two_differ_by_rounding(unit):
    action = [0.3, 0.9, 0.2, 0.6]
    np.testing.assert_allclose(one_step(unit, action)[0], one_step(1.0, action)[0], rtol=2e-5)


def test_another_unit_trains_to_the_same_policy_bit_for_bit():
    config = jc.PPOConfig(num_updates=3, num_envs=32, num_steps=4, minibatches=2)
    train = jax.jit(jc.train, static_argnames="env")
    env, params = play(1.0)
    learner, metrics = train(jax.random.key(0), env, params, config)
    _, others = play(2.0**-20)
    other, _ = train(jax.random.key(0), env, others, config)
    assert np.isfinite(metrics["reward"]).all()
    jax.tree.map(np.testing.assert_array_equal, learner.policy.weights, other.policy.weights)


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("num_types", [2, 3])
def test_what_is_trained_on_does_not_depend_on_the_unit(unit, num_types):
    edges = np.linspace(1.0, 15.0, num_types + 1).tolist()
    wanted = change(Setting(), {"num_types": num_types}).game.make()
    options = {"num_types": num_types, "type_edges": tuple(unit * edge for edge in edges)}
    game = change(Setting(), options | {"unit_profit": 100.0 / unit}).game
    found = game.in_learner_units().make()
    assert found[0] == wanted[0]
    for one, other in zip(jax.tree.leaves(found[1]), jax.tree.leaves(wanted[1]), strict=True):
        if np.max(np.abs(other)) > 1e-9:  # the shift of the paper's frequencies is zero but for rounding
            np.testing.assert_array_equal(np.float32(one), np.float32(other))


@pytest.mark.parametrize("options", [{"reward": "paper"}, {"scaling": "paper"}, {}])
def test_games_in_which_the_unit_matters_and_the_papers_own_are_trained_as_they_are(options):
    edges = (1e-3, 8e-3, 15e-3) if options else EDGES
    game = change(Setting(), {"type_edges": edges} | options).game
    assert game.in_learner_units() is game


@pytest.mark.parametrize("network", [MLP(), pytest.param(DeepSets(item_units=8), marks=pytest.mark.long)])
def test_a_policy_trained_in_other_units_plays_in_those_of_the_game(network):
    """Deep sets scale a feature alike in all items: the two halves of the types' range differ here."""
    config = jc.PPOConfig(num_updates=3, num_envs=32, num_steps=4, minibatches=2, network=network)
    game = change(Setting(), {"type_edges": tuple(1e-3 * edge for edge in EDGES), "unit_profit": 1e5}).game
    trained = compile_training([0], *game.in_learner_units().make(), config)
    training = play_in([game.make()], trained)
    learners, _ = training.advance(training.start(), 3)
    (policy,), (own,) = training.policies(learners), trained.policies(learners)
    env, params = game.make()
    state = jc.NetworkState(max_aoi=0.9, max_latency=0.8, type_probs=[0.4, 0.6], device_types=[2e-3, 9e-3])
    contract = env.contract(state, policy(jc.observe(params.system, state)), params)
    env, params = game.in_learner_units().make()
    state = dataclasses.replace(state, device_types=[2.0, 9.0])
    wanted = env.contract(state, own(jc.observe(params.system, state)), params)
    np.testing.assert_allclose(contract.frequency, wanted.frequency, rtol=1e-5)
    np.testing.assert_allclose(contract.payment, 1e3 * wanted.payment, rtol=1e-5)


@pytest.mark.parametrize(("unit", "side"), [(1e-3, -1), (1e-6, -1), (1e3, 1), (1e6, 1)])
def test_actions_near_zero_are_near_the_best_frequencies_of_dear_and_of_cheap_updates(unit, side):
    """With β fixed: a fresh policy starts within a factor of four of the optimum, not of the paper's."""
    env, params = play(unit, beta=False)
    state = jc.NetworkState(
        max_aoi=0.75, max_latency=0.75, type_probs=[0.5, 0.5], device_types=[3.0 * unit, 9.0 * unit]
    )
    start = env.contract(state, jnp.zeros(4), params).frequency
    best = jc.optimal_contract(params.system, state).frequency
    assert np.all(np.abs(np.log(start / best)) < np.log(4.0))
    assert np.sign(params.scale.frequency_shift) == side


def test_settings_from_before_keep_the_units_that_they_had():
    older = change(Setting(), {"unit_profit": 1.0}).as_dict()
    del older["env"]["scaling"], older["law"]
    setting = setting_from_dict(older)
    assert setting.game.env.scaling == "paper"
    assert setting.game.make()[1].scale == Scale()


def test_a_system_of_ones_own_is_refused_in_one_line():
    class Own(jc.System):
        def quality(self, state, frequency):
            return state.max_aoi * frequency

    with pytest.raises(ValueError, match=r"fit_scale.system = 'Own': must be one with the paper's quality"):
        fit_scale(Own(), jc.NetworkDistribution())


def test_one_frequency_alone_has_a_scale():
    system = jc.System(min_frequency=0.2, max_frequency=0.2)
    scale = fit_scale(system, jc.NetworkDistribution())
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(scale))


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (lambda: Scale(reward_unit=0), r"Scale.reward_unit = 0: must be a number in \(0"),
        (lambda: Scale(payment_unit=-1.0), r"Scale.payment_unit = -1.0: must be a number in \(0"),
        (lambda: Scale(frequency_shift=np.nan), "Scale.frequency_shift = nan"),
        (lambda: fit_scale(None, jc.NetworkDistribution()), "system: must be a System"),
        (lambda: fit_scale(jc.NetworkDistribution(), jc.System()), "system: must be a System"),
        (
            lambda: fit_scale(jc.System(aoi_preference=jnp.array([0.1, 0.2])), jc.NetworkDistribution()),
            "must be one System",
        ),
        (lambda: jc.NetworkDistribution(type_edges=[1e-60, 1e-50]), "type_edges"),
    ],
)
def test_what_is_no_scale_is_refused_in_one_line(made, line):
    with pytest.raises(ValueError, match=line):
        made()


@pytest.mark.parametrize("rent_scale", [-1.0, np.nan, "x"])
def test_a_rent_is_counted_in_a_positive_unit(rent_scale):
    state = jc.NetworkState(max_aoi=0.9, max_latency=0.8, type_probs=[0.5, 0.5], device_types=[2.0, 9.0])
    with pytest.raises(ValueError, match=r"feasible_contract.rent_scale = .*must be a number in \[0, inf\)"):
        jc.feasible_contract(jc.System(), state, jnp.zeros(4), rent_scale)
    lowest = jc.feasible_contract(jc.System(), state, jnp.zeros(4), 0.0)
    np.testing.assert_allclose(lowest.payment[0], lowest.frequency[0] / 2.0, rtol=1e-6)
