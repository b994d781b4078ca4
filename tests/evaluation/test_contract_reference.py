"""The reference of the contract game: what it measures, and what it says of its states."""

import dataclasses
from types import SimpleNamespace

import numpy as np

import jaxcontract as jc
from jaxcontract.evaluation.contract_reference import ContractReference


def reference(**constants):
    env = jc.ContractEnv()
    return ContractReference(env, dataclasses.replace(env.default_params, system=jc.System(**constants)))


def remarks(without_quality, bound_binds, *, optimum=2500.0, worth=0.5, gap=0.01, **constants):
    report = SimpleNamespace(
        without_quality=without_quality,
        bound_binds=bound_binds,
        optimum=optimum,
        screening_worth=worth,
        screening_gap=gap,
    )
    return reference(**constants).remarks(report)


def test_states_that_a_bound_or_long_slots_decide_are_named():
    assert remarks(0.0, 0.0) == []
    (line,) = remarks(0.0, 0.0317, min_frequency=0.01)
    assert line.startswith("in 3.17% of the unseen states a bound on f binds")
    assert line.endswith("min_frequency = 0.01 and max_frequency = 1")
    assert "no contract has a quality of data" in remarks(0.12, 0.5)[0]


def test_a_game_that_is_not_worth_playing_and_a_policy_worse_than_one_item_are_named():
    assert "offering nothing earns 0" in remarks(0.0, 0.0, optimum=-3.0)[0]
    (line,) = remarks(0.0, 0.0, worth=2.4e-5, gap=5.0)
    assert line.startswith("screening is worth nothing here")
    assert "9.6e-09" in line
    (line,) = remarks(0.0, 0.0, gap=6.85)
    assert line.startswith("a policy has a screening gap of 685%")


def test_what_screening_is_worth_is_the_mean_loss_of_the_best_single_item():
    env = jc.ContractEnv()
    judged = ContractReference(env, env.default_params)
    states = judged.test_states(200, 7)
    pooled = judged.baselines(states)["pooled"]
    np.testing.assert_allclose(pooled.screening_worth, pooled.regret, rtol=1e-9)
    assert pooled.screening_gap == 1.0


def test_its_states_are_the_same_every_time_and_other_seeds_have_others():
    game = reference()
    one, same, other = (game.test_states(20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.optimum, same.optimum)
    assert np.all(one.optimum != other.optimum)


def test_the_optimum_has_no_regret_and_the_baselines_have():
    game = reference()
    states = game.test_states(50, 1)
    baselines = game.baselines(states)
    assert list(baselines) == ["pooled", "random feasible", "random"]
    policy = game.evaluate(lambda observation: 0.0 * observation[:4], states)
    assert policy.feasible == 1.0
    assert 0 < baselines["pooled"].regret < baselines["random feasible"].regret
    assert baselines["random"].feasible < 0.5
