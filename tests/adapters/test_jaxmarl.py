"""Competing stations for JaxMARL: its interface, the utilities of the model, its own code as a witness."""

import dataclasses
import functools
import sys
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.envs.competition import CompetitionEnv

pytest.importorskip("gymnasium", reason="gymnasium is not installed", exc_type=ImportError)

BEFORE = "jaxmarl" in sys.modules
from jaxcontract.adapters.jaxmarl import JaxMARLEnv  # noqa: E402

IMPORTED = "jaxmarl" in sys.modules and not BEFORE
LENGTH = 3
REACH = 2.0
pytestmark = pytest.mark.usefixtures("compiled_quickly")


@functools.cache
def make(stations):
    game = CompetitionEnv(num_stations=stations, num_types=2)
    return JaxMARLEnv(game, game.default_params.replace(episode_length=LENGTH), reach=REACH)


@pytest.fixture
def env():
    return make(3)


@partial(jax.jit, static_argnums=0)
def draw_actions(env, key):
    keys = jax.random.split(key, env.num_agents)
    return {agent: env.action_space(agent).sample(k) for agent, k in zip(env.agents, keys, strict=True)}


def begin(env, seed):
    """(observations, state)."""
    return jax.jit(env.reset)(jax.random.key(seed))


def networks_of(env, state):
    """The networks [N, ...] of a round."""
    networks = state.networks
    return jc.NetworkState(
        max_aoi=networks.max_aoi[0],
        max_latency=networks.max_latency[0],
        type_probs=networks.type_probs.T,
        device_types=networks.device_types.T,
    )


@pytest.mark.parametrize("stations", [1, 3])
def test_it_is_imported_without_jaxmarl_and_has_its_members(stations):
    env = make(stations)
    assert not IMPORTED
    assert env.num_agents == len(env.agents)
    assert env.agents == [f"station_{i}" for i in range(env.num_agents)]
    assert env.agent_classes == {"station": env.agents}
    observations, state = jax.jit(env.reset)(jax.random.PRNGKey(0))
    size = 4 + 2 * 2 + 2 * (env.num_agents - 1)
    for agent in env.agents:
        assert observations[agent].shape == env.observation_space(agent).shape == (size,)
        assert env.action_space(agent).shape == (4,)
        assert bool(env.observation_space(agent).contains(observations[agent]))
        assert bool(env.action_space(agent).contains(env.action_space(agent).sample(jax.random.key(1))))
    outcome = jax.jit(env.step)(jax.random.PRNGKey(1), state, draw_actions(env, jax.random.PRNGKey(2)))
    seen, _, rewards, dones, infos = outcome
    assert set(seen) == set(rewards) == set(env.agents)
    assert set(dones) == {*env.agents, "__all__"}
    assert all(jnp.shape(value) == () for value in [*rewards.values(), *dones.values()])
    assert all(value.shape == (env.num_agents,) for value in infos.values())


@pytest.mark.parametrize("stations", [1, 3])
def test_rewards_are_utilities_of_the_contracts_that_actions_stand_for(stations):
    env = make(stations)
    _, state = begin(env, 3)
    actions = draw_actions(env, jax.random.PRNGKey(4))
    _, _, rewards, _, infos = jax.jit(env.step)(jax.random.PRNGKey(5), state, actions)
    networks, params = networks_of(env, state), env.params
    rows = REACH * jnp.stack([actions[agent] for agent in env.agents])
    contracts = jax.jit(env.env.contracts)(networks, rows, params)
    expected = jax.jit(jc.competition_utilities)(params.system, networks, contracts, params.taste_scale)
    np.testing.assert_allclose(infos["utility"], expected, rtol=1e-4)
    unit = float(params.reward_unit)
    np.testing.assert_allclose([rewards[agent] * unit for agent in env.agents], expected, rtol=1e-4)


def test_an_agent_sees_its_own_requirements_and_then_its_rivals(env):
    observations, state = begin(env, 6)
    low, high = 0.5, 1.0
    aoi, latency = (np.asarray(part)[0] for part in (state.networks.max_aoi, state.networks.max_latency))
    wide = {
        "max_aoi": 2 * (aoi - low) / (high - low) - 1,
        "max_latency": 2 * (latency - low) / (high - low) - 1,
    }
    for i, agent in enumerate(env.agents):
        seen = np.asarray(observations[agent])
        np.testing.assert_allclose(seen[2:4], [wide["max_aoi"][i], wide["max_latency"][i]], atol=1e-5)
        for ahead in range(1, env.num_agents):
            rival = (i + ahead) % env.num_agents
            place = 8 + 2 * (ahead - 1)
            expected = [aoi[rival], latency[rival]]
            found = 0.5 * (high - low) * (seen[place : place + 2] + 1) + low
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_episode_ends_for_all_and_begins_anew(env):
    step = jax.jit(env.step)
    _, state = begin(env, 0)
    _, elsewhere = begin(env, 99)
    for number in range(1, LENGTH + 2):
        key, actions = jax.random.PRNGKey(number), draw_actions(env, jax.random.PRNGKey(number))
        before = state
        observations, state, _, dones, _ = step(key, before, actions)
        ended = number % LENGTH == 0
        assert {bool(done) for done in dones.values()} == {ended}
        assert int(state.round[0]) == (0 if ended else number % LENGTH)
        jax.tree.map(np.testing.assert_array_equal, observations, jax.jit(env.get_obs)(state))
        seen, asked, *_ = step(key, before, actions, elsewhere)
        jax.tree.map(np.testing.assert_array_equal, asked, elsewhere if ended else state)
        jax.tree.map(np.testing.assert_array_equal, seen, jax.jit(env.get_obs)(elsewhere if ended else state))


def test_many_are_played_by_vmap_as_one_by_one(env):
    keys = jax.random.split(jax.random.PRNGKey(7), 4)
    observations, states = jax.jit(jax.vmap(env.reset))(keys)
    actions = jax.vmap(partial(draw_actions, env))(keys)
    many = jax.jit(jax.vmap(env.step))(keys, states, actions)
    assert observations[env.agents[0]].shape[0] == 4
    for index in (0, 3):
        one = jax.jit(env.step)(*jax.tree.map(lambda leaf, at=index: leaf[at], (keys, states, actions)))
        jax.tree.map(lambda a, b, at=index: np.testing.assert_allclose(a, b[at], rtol=2e-5), one, many)


def test_what_is_learned_here_is_a_policy_of_the_env(env):
    weights = jax.random.normal(jax.random.key(8), (env.observation_space("station_0").shape[0], 4))

    def act(seen):
        return jnp.tanh(seen @ weights)

    observations, state = begin(env, 9)
    expected = REACH * act(jnp.stack([observations[agent] for agent in env.agents]))
    found = env.policy(act)(jax.jit(env.env.observe)(networks_of(env, state), env.params))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_what_is_not_of_the_game_is_refused_in_one_line(env):
    _, state = begin(env, 0)
    actions, key = draw_actions(env, jax.random.PRNGKey(1)), jax.random.key(2)
    bad = {
        "must be of": {"agent_0": actions["station_0"]},
        r"of shape \(3,\) of station_0: must be \(4,\)": {**actions, "station_0": jnp.zeros(3)},
    }
    for said, given in bad.items():
        with pytest.raises(ValueError, match=said):
            env.step(key, state, given)
    with pytest.raises(ValueError, match="key of JAX"):
        env.reset(0)
    with pytest.raises(ValueError, match="env: must be a CompetitionEnv, not a ContractEnv"):
        JaxMARLEnv(jc.ContractEnv())
    with pytest.raises(ValueError, match="reach"):
        JaxMARLEnv(env.env, reach=-1.0)


@pytest.fixture(scope="module")
def jaxmarl():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        return pytest.importorskip("jaxmarl", reason="jaxmarl is not installed", exc_type=ImportError)


def test_jaxmarls_own_step_agrees(jaxmarl, env):
    from jaxmarl.environments.multi_agent_env import MultiAgentEnv

    assert {name for name in vars(MultiAgentEnv) if name[0] != "_"} - set(dir(env)) == {"get_avail_actions"}

    class Theirs(MultiAgentEnv):
        """Our rounds, their auto-reset."""

        reset, step_env, get_obs = (
            staticmethod(getattr(env, name)) for name in ("reset", "step_env", "get_obs")
        )

    theirs = Theirs(env.num_agents)
    _, state = begin(env, 0)
    for number in range(LENGTH + 1):
        given = jax.random.PRNGKey(number), state, draw_actions(env, jax.random.PRNGKey(number))
        ours = jax.jit(env.step)(*given)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), ours, theirs.step(*given))
        state = ours[1]
    for agent in env.agents:
        ours, box = env.observation_space(agent), jaxmarl.environments.spaces.Box
        assert set(vars(box(0.0, 1.0, (2,)))) <= {field.name for field in dataclasses.fields(ours)}


def test_jaxmarls_log_wrapper_counts_our_episodes(jaxmarl, env):
    from jaxmarl.wrappers.baselines import LogWrapper

    logged = LogWrapper(env)
    assert logged.observation_space(env.agents[0]).shape == env.observation_space(env.agents[0]).shape

    def play(state, key):
        actions = draw_actions(env, key)
        _, state, rewards, dones, infos = logged.step(key, state, actions)
        return state, (jnp.stack([rewards[agent] for agent in env.agents]), dones["__all__"], infos)

    _, states = jax.vmap(logged.reset)(jax.random.split(jax.random.key(0), 5))
    keys = jax.random.split(jax.random.key(1), (5, 2 * LENGTH))
    _, (rewards, done, infos) = jax.jit(jax.vmap(partial(jax.lax.scan, play)))(states, keys)
    assert done[:, LENGTH - 1 :: LENGTH].all()
    assert int(done.sum()) == 10
    first = rewards[:, :LENGTH].sum(axis=1)
    np.testing.assert_allclose(infos["returned_episode_returns"][:, LENGTH - 1], first, rtol=1e-5)
    assert (infos["returned_episode_lengths"][:, -1] == LENGTH).all()
    assert all(value.shape[2:] == (env.num_agents,) for value in infos.values())
