"""The reference of the contract game: what it measures, and what it says of its states."""

import dataclasses
from types import SimpleNamespace

import numpy as np

import jaxcontract as jc
from jaxcontract.evaluation.contract_reference import ContractReference


def reference(**constants):
    env = jc.ContractEnv()
    return ContractReference(env, dataclasses.replace(env.default_params, system=jc.System(**constants)))


def remarks(without_quality, bound_binds, **constants):
    report = SimpleNamespace(
        without_quality=without_quality, bound_binds=bound_binds, optimum=1.0, feasible=1.0, screening_gap=0.0
    )
    return reference(**constants).remarks(report)


def test_states_that_a_bound_or_long_slots_decide_are_named():
    assert remarks(0.0, 0.0) == []
    (line,) = remarks(0.0, 0.0317, min_frequency=0.01)
    assert line.startswith("in 3.17% of the unseen states a bound on f binds")
    assert line.endswith("min_frequency = 0.01 and max_frequency = 1")
    assert "no contract has a quality of data" in remarks(0.12, 0.5)[0]


def test_an_optimum_that_loses_and_one_that_is_one_item_are_named():
    """Updates so often that they cost more than any data is worth."""
    game = reference(unit_profit=0.05, min_frequency=0.9)
    report = game.evaluate(lambda observation: 0.0 * observation[:4], game.test_states(20, 1))
    _, loss, one_item = game.remarks(report)
    assert loss.startswith(f"the optimum of the unseen states earns {report.optimum:.4f} on average")
    assert one_item == "one item for all types earns as much as the optimum: telling them apart earns nothing"
    free = reference()
    assert (
        free.remarks(free.evaluate(lambda observation: 0.0 * observation[:4], free.test_states(9, 1))) == []
    )


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
