"""An update of PPO that ends when its policy has moved too far from the one that played."""

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.learning.algorithms.ppo.ppo import init, update

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
KINDS = {"critic": {}, "groups": {"group_size": 8, "epochs": 4, "clip_range": 0.6}}
ENV = jc.ContractEnv(num_types=4)


def one_update(config):
    """(weights as one vector, metrics) after an update of a small learner."""

    @jax.jit
    def start_and_go_on(key):
        learner = init(key, ENV, ENV.default_params, config)
        return update(learner, ENV, ENV.default_params, config)

    learner, metrics = start_and_go_on(KEY)
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(learner.weights)]), metrics


def small(kind, **changes):
    return jc.PPOConfig(
        num_updates=2,
        num_envs=64,
        minibatches=2,
        network=jc.MLP(hidden_sizes=(8,)),
        **{**KINDS[kind], **changes},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_ends_at_the_first_minibatch_that_is_too_far(kind):
    """No step has been made before the first minibatch, so its kl is 0 and its step is made: one of eight."""
    ended, metrics = one_update(small(kind, target_kl=1e-12))
    assert float(metrics["left_out"]) == pytest.approx(7 / 8)
    whole, usual = one_update(small(kind))
    assert "left_out" not in usual
    assert np.max(np.abs(ended - whole)) > 1e-4


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_steps_that_ruin_a_wide_network_do_not_with_a_target(kind):
    """A gap above 1 is less than the best single item for all earns."""
    states = jc.unseen_states(ENV.default_params.distribution, 300)
    gaps = []
    for target in (0.0, 0.02):
        config = jc.PPOConfig(
            num_updates=30,
            num_envs=256,
            network=jc.MLP(hidden_sizes=(256, 256)),
            learning_rate=3e-2,
            target_kl=target,
            **KINDS[kind],
        )
        train = jax.jit(jc.train, static_argnames="env")
        learner, _ = train(jax.random.key(2), ENV, ENV.default_params, config)
        gaps.append(jc.evaluate(learner.policy, ENV, states=states).screening_gap)
    assert gaps[0] > 2
    assert gaps[1] < 1


def test_a_target_is_no_negative_number_and_does_nothing_with_one_step():
    with pytest.raises(ValueError, match=r"^PPOConfig.target_kl = -1.0: must be a number in \[0, inf\)$"):
        jc.PPOConfig(target_kl=-1.0)
    one_step = jc.PPOConfig(epochs=1, minibatches=1, target_kl=0.1)
    assert one_step.without_effect()["target_kl"] == "one gradient step for each rollout"
