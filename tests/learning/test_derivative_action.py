"""Derivative action: rewards against rivals as they were, and players who turn around their equilibrium."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.setting import Setting
from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.core.rounds_last import find_rounds_last
from jaxcontract.core.spaces import Box
from jaxcontract.envs.capacity import CapacityEnv
from jaxcontract.envs.capacity_config import CapacityGame
from jaxcontract.envs.competition import PlayersInRows
from jaxcontract.envs.competition_config import CompetitionGame, CompetitionRules
from jaxcontract.envs.competition_rules import CompetitionState
from jaxcontract.learning.algorithms.ppo.ppo import init, update
from jaxcontract.learning.derivative_action import Trailing, follow, lead
from jaxcontract.learning.train import train

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(5)
AT = 0.8  # where the equilibrium of `Chase` is, for both


@dataclasses.dataclass(frozen=True)
class Chase:
    """Two players: the first earns (x − 0.8) (y − 0.8), the second as much less. Each sees which it is."""

    def reset(self, key, params):
        raise NotImplementedError  # rounds are played side by side

    def step(self, key, state, action, params):
        raise NotImplementedError

    def observation_space(self, params):
        del params
        return Box(-1.0, 1.0, (1,))

    def action_space(self, params):
        del params
        return Box(-np.inf, np.inf, (1,))

    def rounds_last(self):
        return PlayersInRows(env=self)

    def _params(self, params):
        return params

    def _begin(self, key, params, count):
        del key, params
        role = jnp.repeat(jnp.array([-1.0, 1.0]), count)
        return role[None], CompetitionState(networks=None, round=jnp.zeros(count, int))

    def _play(self, key, state, action, params):
        product = jnp.prod(action.reshape(2, -1) - AT, axis=0)
        reward = jnp.concatenate([product, -product])
        observation, _ = self._begin(key, params, len(product))
        never = jnp.zeros_like(reward, bool)
        return observation, state, reward, never, never, {"final_observation": observation}


def distance(gain):
    """How far the two end from their equilibrium, from 0.8 √2 on."""
    config = jc.PPOConfig(
        num_updates=200,
        num_envs=128,
        minibatches=2,
        clip_range=0.1,
        learning_rate=1e-3,
        final_learning_rate=1e-3,
        derivative_gain=gain,
        trailing_rate=0.05,
    )
    learner, _ = jax.jit(train, static_argnames="env")(KEY, Chase(), None, config)
    return float(jnp.linalg.norm(learner.policy(jnp.array([[-1.0], [1.0]])) - AT))


def test_players_who_turn_around_their_equilibrium_come_to_it():
    assert distance(0.0) > 2.0
    assert distance(1.0) < 0.9


def exploitability_of_replicators(bonus, gain, capacity=0.9, places=100, steps=20_000):
    """Where softmax players end who climb exact payoffs and an entropy bonus, in shares of the payoff."""
    rest, top = 1 - capacity, 2 * capacity - 1
    rents = (np.arange(places) + 0.5) / places
    above = (rents[:, None] > rents) + 0.5 * (rents[:, None] == rents)
    payoff = (1 - rents)[:, None] * (rest + top * above) / rest
    law = np.full(places, 1 / places)
    copy = law
    for _ in range(steps):
        gains = lead(payoff @ law, payoff @ copy, gain) - bonus * np.log(law)
        copy = copy + 0.05 * (law - copy)
        law = law * np.exp(0.02 * (gains - law @ gains))
        law = np.maximum(law / law.sum(), 1e-300)
    return np.max(payoff @ law) - law @ payoff @ law


def test_an_equilibrium_that_repels_is_held_at_a_tenth_of_the_bonus():
    """At L/M = 0.9, on a grid of rents, without PPO: what limits players is the game."""
    assert 0.1 < exploitability_of_replicators(0.15, 0.0) < 0.16
    assert exploitability_of_replicators(0.1, 0.0) > 0.2
    assert exploitability_of_replicators(0.02, 10.0) < 0.03


@pytest.mark.parametrize("stations", [pytest.param(2, marks=pytest.mark.long), 3])
def test_a_reward_against_rivals_is_that_of_a_round_with_them(stations):
    """Of the environment that plays one round, and knows nothing of rows."""
    env, params = CompetitionGame(env=CompetitionRules(num_stations=stations)).make()
    rows = find_rounds_last(env)
    _, state = rows.reset(KEY, params, 1)
    own, rivals = jax.random.uniform(jax.random.key(1), (2, stations, *env.action_space(params).shape))
    found = rows.reward_against(KEY, state, own.T, rivals.T, params)
    for player in range(stations):
        reward = env.step(KEY, state, rivals.at[player].set(own[player]), params)[2]
        np.testing.assert_allclose(found[player], reward[player], rtol=1e-5)


def test_a_rival_who_pays_less_leaves_the_capacity():
    """At L/M = 3/4, in units of M S: 3/4 (1 − x) for who pays more, 1/4 (1 − x) for who pays less."""
    params, rows = CapacityEnv().default_params, find_rounds_last(CapacityEnv())
    _, state = rows.reset(KEY, params, 2)
    own = jnp.array([[0.2, 0.6, 0.5, 0.7]])  # of one station in two rounds, then of the other
    rivals = jnp.array([[0.4, 0.3, 0.1, 0.5]])
    share_now = jnp.array([0.25, 0.25, 0.75, 0.75])
    share_earlier = jnp.array([0.75, 0.75, 0.75, 0.75])
    now = rows.step(KEY, state, own, params)[2]
    earlier = rows.reward_against(KEY, state, own, rivals, params)
    worth = jnp.tile(now[:2] / (share_now * (1 - own[0]))[:2], 2)
    np.testing.assert_allclose(now, worth * share_now * (1 - own[0]), rtol=1e-6)
    np.testing.assert_allclose(earlier, worth * share_earlier * (1 - own[0]), rtol=1e-6)
    np.testing.assert_allclose(lead(now, earlier, 2.0), 3 * now - 2 * earlier, rtol=1e-6)


def test_the_copy_follows_at_its_rate():
    env = CapacityEnv()
    policy = init(KEY, env, env.default_params, jc.PPOConfig(num_envs=8, minibatches=1)).policy
    now = Trailing(policy.weights, policy.parameters)
    copy = jax.tree.map(jnp.zeros_like, now)
    for _ in range(3):
        copy = follow(copy, now, 0.2)
    for got, end in zip(jax.tree.leaves(copy), jax.tree.leaves(now), strict=True):
        np.testing.assert_allclose(got, (1 - 0.8**3) * end, rtol=1e-5)


def test_a_learner_with_a_copy_survives_being_arrays():
    env = CapacityEnv()
    config = jc.PPOConfig(num_envs=8, minibatches=2, derivative_gain=1.0)
    game = {"env": env, "params": env.default_params, "config": config}
    begin, go_on = (jax.jit(function, static_argnames="env") for function in (init, update))
    learner, _ = go_on(begin(KEY, **game), **game)
    assert any("trailing" in name for name in to_arrays(learner))
    again = from_arrays(begin(jax.random.key(4), **game), to_arrays(learner))
    expected = to_arrays(go_on(learner, **game)[0])
    found = to_arrays(go_on(again, **game)[0])
    assert all(array.tobytes() == expected[name].tobytes() for name, array in found.items())


def test_a_game_of_one_player_has_none():
    config = jc.PPOConfig(num_envs=8, minibatches=1, derivative_gain=0.5)
    with pytest.raises(
        ValueError, match=r"derivative_gain = 0\.5: must be 0 in the game contract, which has"
    ):
        Setting(algorithm=config)
    env = jc.ContractEnv()
    learner = init(KEY, env, env.default_params, config)
    with pytest.raises(ValueError, match="derivative_gain must be 0: it is no game of several players"):
        update(learner, env, env.default_params, config)
    Setting(game=CapacityGame(), algorithm=config)
