"""Groups of actions in one state in place of PPO's critic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.envs.contract import EnvState
from jaxcontract.learning.algorithms.ppo.advantage import group_advantages
from jaxcontract.learning.rollout import rollout

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
GROUPS = jc.PPOConfig(
    num_updates=3, num_envs=24, minibatches=2, group_size=4, network=jc.MLP(hidden_sizes=(8,))
)


def test_each_reward_is_compared_with_the_others_of_its_group():
    reward = np.random.default_rng(0).normal(size=(3, 12))
    found = group_advantages(jnp.asarray(reward), 4)
    for step, rewards in enumerate(reward):
        for index, own in enumerate(rewards):
            first = index - index % 4
            others = [rewards[at] for at in range(first, first + 4) if at != index]
            np.testing.assert_allclose(found[step, index], own - np.mean(others), rtol=1e-5, atol=1e-6)


def test_what_a_state_alone_is_worth_does_not_count():
    reward = np.random.default_rng(0).normal(size=(1, 12))
    worth = np.repeat([1e3, -50.0, 7.0], 4)
    np.testing.assert_allclose(
        group_advantages(jnp.asarray(reward + worth), 4), group_advantages(jnp.asarray(reward), 4), atol=1e-3
    )


def test_the_actions_of_a_group_are_played_in_one_state():
    env = jc.ContractEnv()
    learner = GROUPS.make().init(KEY, env, env.default_params, GROUPS)
    assert learner.observation.shape == (8, 6)  # [4 + 2K, B/m]
    _, observation, played = rollout(
        KEY, learner.policy, env, env.default_params, learner.env_state, learner.observation, 2, 4
    )
    assert played.observation.shape == (2, 8, 6)
    assert played.reward.shape == (2, 24)
    assert observation.shape == (8, 6)
    params = env.default_params
    for index in (0, 5, 23):
        _, _, aoi, latency, *lists = np.asarray(learner.observation[:, index // 4])
        network = jc.NetworkState(
            max_aoi=aoi, max_latency=latency, type_probs=lists[:2], device_types=lists[2:]
        )
        state = EnvState(network=network, round=jnp.asarray(0))
        action = learner.bijector.forward(played.draw[0, :, index])
        _, _, reward, *_ = env.step(KEY, state, action, params)
        np.testing.assert_allclose(reward, played.reward[0, index], rtol=1e-5)


def test_there_is_no_critic_and_training_moves_the_policy():
    env = jc.ContractEnv()
    learner, metrics = jax.jit(jc.train, static_argnames="env")(KEY, env, env.default_params, GROUPS)
    assert set(learner.weights) == {"actor", "head"}
    assert "value_error" not in metrics
    assert np.all(metrics["kl"][:-1] > 0)  # the last step has size 0


def test_the_value_coefficient_changes_nothing_with_groups():
    assert GROUPS.without_effect()["value_coefficient"] == "group_size > 1"
    assert "value_coefficient" not in GROUPS.replace(group_size=1).without_effect()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"group_size": 5}, "PPOConfig.group_size = 5: must be a divisor of num_envs = 24"),
        (
            {"discount": 0.9},
            "PPOConfig.group_size = 4: must be 1 with a discount or estimator = paper, which need a critic "
            "of what follows",
        ),
        ({"minibatches": 4}, "PPOConfig.minibatches = 4: must be a divisor of num_envs/group_size = 6"),
    ],
)
def test_groups_that_cannot_stand_in_for_a_critic_are_refused(changes, line):
    with pytest.raises(ValueError, match="must be") as refusal:
        GROUPS.replace(**changes)
    assert str(refusal.value) == line
