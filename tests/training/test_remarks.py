"""What a run says of options that do nothing, and of learners that did not move."""

from functools import partial
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import Setting, change
from jaxcontract.learning.algorithms.ppo.ppo import init, update
from jaxcontract.learning.loop import repeat
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.training.remarks import (
    at_their_limit,
    below_at_some_sizes,
    below_one_item,
    unmoved,
    without_effect,
)

SMALL = {"num_envs": 16, "minibatches": 2, "hidden_sizes": (4,), "num_updates": 3}
OTHER = {
    "gae_lambda": 0.3,
    "episode_length": 2,
    "clip_range": 1e-3,
    "partition": "rounds",
    "target_kl": 1e-9,
    "final_entropy_share": 0.0,
    "lookahead_rate": 0.9,
    "trailing_rate": 0.5,
    "violation_price": 3.0,
    "safety_margin": 0.01,
    "final_learning_rate": 0.1,
}
SETTINGS = {
    "default": {},
    "discounted": {"discount": 0.9, "num_steps": 3, "actions": "raw", "safety_margin": 0.02},
    "as printed": {"estimator": "paper", "num_steps": 3, "discount": 0.9, "reward": "paper"},
    "one step": {"epochs": 1, "minibatches": 1, "num_updates": 1, "safety_margin": 0.02},
}
NOT_ASKED = {"final_entropy_share", "lookahead_rate", "trailing_rate"}
IDLE = {
    "default": {"gae_lambda", "episode_length", "violation_price", *NOT_ASKED},
    "discounted": {*NOT_ASKED},
    "as printed": {
        "gae_lambda",
        "episode_length",
        "violation_price",
        "safety_margin",
        *NOT_ASKED,
    },
    "one step": {
        "gae_lambda",
        "episode_length",
        "clip_range",
        "target_kl",
        *NOT_ASKED,
        "final_learning_rate",
        "partition",
    },
}


@pytest.fixture(scope="module")
def trained():
    """A function of a setting: all weights after its first two updates, or its one."""

    @partial(jax.jit, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0})
    def start_and_go_on(env, params, config):
        learner = init(jax.random.key(0), env, params, config)
        return repeat(update, learner, env, params, config, min(2, config.num_updates))[0].weights

    def trained(setting):
        weights = start_and_go_on(*setting.game.make(), setting.algorithm)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(weights)])

    return trained


@pytest.mark.parametrize("name", SETTINGS)
def test_options_without_effect_are_known(name):
    assert set(without_effect(change(Setting(), SMALL | SETTINGS[name]))) == IDLE[name]


@pytest.mark.parametrize(
    "name",
    [
        "default",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("as printed", "discounted", "one step")),
    ],
)
def test_an_option_without_effect_changes_no_bit_and_any_other_does(name, trained):
    setting = change(Setting(), SMALL | SETTINGS[name])
    usual = trained(setting)
    changed = {option: trained(change(setting, {option: value})) for option, value in OTHER.items()}
    assert {option for option, weights in changed.items() if np.array_equal(weights, usual)} == IDLE[name]


def test_a_policy_that_no_update_moved_is_named():
    ppo = PRESETS["default"].algorithm
    rows = [{"learner": {}}, *({"learner": {"kl": [kl, 1e-13, None]}} for kl in (1e-12, 1e-3, 0.0))]
    (line,) = unmoved(rows, [7, 8, 9], ppo)
    assert line.startswith("seed 8: no update has moved its policy")
    assert unmoved(rows[:1], [7, 8, 9], ppo) == []
    assert unmoved(rows, [7, 8, 9], ppo.replace(epochs=1, minibatches=1)) == []


def test_a_deviation_that_training_holds_at_its_limit_is_named():
    log_stds = [np.float32([0.1, 2.0]), np.float32([1.99, -9.9]), np.float32([-10.0, 0.0])]
    policies = [SimpleNamespace(head=Gaussian(), parameters={"log_std": log_std}) for log_std in log_stds]
    lines = at_their_limit(policies, [1, 2, 3])
    assert [line.partition(":")[0] for line in lines] == ["seed 1", "seed 3"]
    assert "has come to 7.39" in lines[0]
    assert "has come to 4.54e-05" in lines[1]


def report(**numbers):
    return SimpleNamespace(**numbers)


def test_a_run_whose_infeasible_contracts_cost_more_than_screening_is_worth_says_so():
    pooled = report(feasible=1.0, reward=2400.0)
    ended = [(1.0, 2390.0), (0.5, 950.0), (0.9999, 2400.1), (0.0, -500.0)]
    reports = [report(feasible=feasible, reward=reward) for feasible, reward in ended]
    less = "by (13), less than the best single item for all, 2400"
    assert below_one_item(reports, pooled, [4, 5, 6, 7]) == [
        f"seed 5: with 50.000% of its contracts infeasible it earns 950 {less}",
        f"seed 7: with 100.000% of its contracts infeasible it earns -500 {less}",
    ]


def test_a_policy_of_a_range_that_fails_at_some_sizes_alone_says_at_which():
    def gaps(*values):
        return {size: report(screening_gap=gap) for size, gap in zip((1, 2, 64), values, strict=True)}

    assert below_at_some_sizes([gaps(np.nan, 0.1, 0.9), gaps(np.nan, 0.1, 3.4)], [0, 1]) == [
        "seed 1: earns less than the best single item for all at K = 64 (a screening gap of 340%)"
    ]
