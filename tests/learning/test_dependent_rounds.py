"""PPO where rounds depend on each other: minibatches drawn anew, and a critic that knows no units."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract import PPOConfig, train
from jaxcontract.core.spaces import Box
from jaxcontract.learning.algorithms.ppo.minibatches import cut, draw_minibatches
from jaxcontract.learning.algorithms.ppo.return_scale import add_returns, find_scale, no_returns, to_outputs
from jaxcontract.learning.networks.mlp import MLP

QUICKLY = {"xla_backend_optimization_level": 0}
quick_train = jax.jit(train, static_argnames="env", compiler_options=QUICKLY)


@dataclasses.dataclass(frozen=True)
class Saving:
    """What is spent now, a share in [0, 1] of what there is, is earned; the rest doubles, twice."""

    def reset(self, key, params):
        del params
        return self.see(jnp.ones(()), jnp.asarray(0)), (jax.random.uniform(key) * 0 + 1.0, jnp.asarray(0))

    def see(self, money, number):
        return jnp.stack([money / 2.0 - 1.0, number - 1.0])

    def step(self, key, state, action, params):
        del key
        money, number = state
        spent = money * action[0]
        left, ended = 2.0 * (money - spent), number == 2
        final = self.see(left, number + 1)
        first = self.see(jnp.ones(()), jnp.asarray(0))
        observation = jnp.where(ended, first, final)
        following = jnp.where(ended, 1.0, left), jnp.where(ended, 0, number + 1)
        cut_short = jnp.asarray(False)
        return observation, following, params * spent, ended, cut_short, {"final_observation": final}

    def observation_space(self, params):
        del params
        return Box(-1.0, 1.0, (2,))

    def action_space(self, params):
        del params
        return Box(0.0, 1.0, (1,))


CONFIG = PPOConfig(
    num_updates=60,
    num_envs=64,
    num_steps=6,
    minibatches=4,
    discount=1.0,
    learning_rate=1e-2,
    network=MLP(hidden_sizes=(16,)),
)

UNSETTLED = CONFIG.replace(num_updates=3, normalize_returns=True, partition="environments")


def spends(learner):
    """The share that is spent in each round, along the path of who saves all."""
    seen = jnp.stack([Saving().see(money, number) for number, money in enumerate((1.0, 2.0, 4.0))])
    return np.asarray([float(learner.policy(row)[0]) for row in seen])


def train_saving(config, unit=1.0):
    return quick_train(jax.random.key(0), Saving(), jnp.asarray(unit), config)[0]


def test_it_learns_to_save_in_whatever_unit_it_is_paid():
    config = CONFIG.replace(partition="rounds", normalize_returns=True)
    for unit in (1.0, 1024.0):
        early, later, last = spends(train_saving(config, unit))
        assert early < 0.1
        assert later < 0.1
        assert last > 0.9


@pytest.mark.long
def test_normalised_returns_have_no_unit():
    learners = [train_saving(UNSETTLED, unit) for unit in (1.0, 1024.0)]
    np.testing.assert_allclose(*(spends(learner) for learner in learners), atol=1e-4)
    # 0.5 is where it began.
    assert np.max(np.abs(spends(learners[0]) - 0.5)) > 0.02


def test_the_scale_is_that_of_the_targets():
    rng, known = np.random.default_rng(0), no_returns()
    assert [float(part) for part in find_scale(known)] == [0.0, 0.0]
    for _ in range(50):
        known = add_returns(known, jnp.asarray(rng.normal(3.0, 2.0, (8, 500)), jnp.float32))
    mean, deviation = find_scale(known)
    assert abs(mean - 3.0) < 0.05
    assert abs(deviation - 2.0) < 0.05
    np.testing.assert_allclose(to_outputs(known, jnp.asarray(5.0)), 1.0, atol=0.05)


@pytest.mark.parametrize("partition", ["environments", "rounds"])
def test_each_pass_learns_from_every_round_once(partition):
    rounds, count = jnp.arange(3), jnp.arange(8)
    flat = rounds[:, None] * 8 + count[None]
    batch = {"alone": flat, "wide": jnp.stack([flat, -flat], axis=1)}
    drawn = [draw_minibatches(jax.random.key(seed), batch, partition, 4) for seed in range(2)]
    for one in drawn:
        assert one["alone"].shape == (4, 6)
        np.testing.assert_array_equal(np.sort(one["alone"].ravel()), np.arange(24))
        np.testing.assert_array_equal(one["wide"][:, 0], one["alone"])
        np.testing.assert_array_equal(one["wide"][:, 1], -one["alone"])
        whole = all(len(set(np.asarray(row) % 8)) == 2 for row in one["alone"])
        assert whole == (partition == "environments")
    assert np.any(drawn[0]["alone"] != drawn[1]["alone"])
    assert np.any(drawn[0]["alone"] != cut(flat, 4))


@pytest.mark.parametrize("other", [{"partition": "rounds"}, {"normalize_returns": True}])
def test_groups_of_actions_go_without(other):
    with pytest.raises(ValueError, match="group_size = 4: must be 1 with a partition other than fixed"):
        PPOConfig(group_size=4, **other)
