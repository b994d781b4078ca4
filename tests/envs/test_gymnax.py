"""Both ways with gymnax 1.x: its code plays our environment, and our learner learns its."""

from functools import partial
from importlib.metadata import version

import jax
import numpy as np
import pytest

import jaxcontract as jc
import train_pendulum
from jaxcontract.envs.wrappers import ScaledEnv

gymnax = pytest.importorskip(
    "gymnax", reason="gymnax 1.x (and six, which it imports) is not installed", exc_type=ImportError
)
if int(version("gymnax").partition(".")[0]) < 1:
    pytest.skip(f"gymnax {version('gymnax')} has another step", allow_module_level=True)

from gymnax.experimental import RolloutWrapper  # noqa: E402
from gymnax.wrappers import purerl  # noqa: E402

OURS = [jc.ContractEnv(), jc.ContractEnv(num_types=3, actions="raw"), ScaledEnv(env=jc.ContractEnv())]


@pytest.mark.parametrize("env", OURS, ids=["feasible", "raw", "scaled"])
def test_gymnaxs_log_wrapper_counts_our_episodes(env):
    params = env.default_params.replace(episode_length=4)
    logged = purerl.LogWrapper(env)
    assert logged.name == "Contract-v0"

    def play(carry, key):
        _, state = carry
        action = logged.action_space(params).sample(key)
        observation, state, reward, terminated, truncated, info = logged.step(key, state, action, params)
        return (observation, state), (reward, terminated, truncated, info)

    begun = jax.vmap(logged.reset, in_axes=(0, None))(jax.random.split(jax.random.key(0), 5), params)
    keys = jax.random.split(jax.random.key(1), (5, 10))
    _, played = jax.jit(jax.vmap(partial(jax.lax.scan, play)))(begun, keys)
    reward, terminated, truncated, info = jax.tree.map(np.asarray, played)
    assert not terminated.any()
    np.testing.assert_array_equal(truncated, np.tile(np.arange(1, 11) % 4 == 0, (5, 1)))
    np.testing.assert_array_equal(info["returned_episode"], truncated)
    sums = reward[:, :8].reshape(5, 2, 4).sum(axis=2)
    np.testing.assert_allclose(info["returned_episode_returns"][:, [3, 7]], sums, rtol=1e-5)
    np.testing.assert_array_equal(info["returned_episode_lengths"][:, 3:], 4)


@pytest.mark.parametrize("env", OURS, ids=["feasible", "raw", "scaled"])
def test_gymnaxs_random_rollout_plays_it(env):
    params = env.default_params.replace(episode_length=7)
    rollout = RolloutWrapper(env=env, env_params=params, num_env_steps=10)
    keys = jax.random.split(jax.random.key(0), 6)
    played = jax.tree.map(np.asarray, rollout.batch_rollout(keys, None))
    observation, action, reward, following, done, total = played
    size = env.observation_space(params).shape[0]
    assert rollout.input_shape == (size,)
    assert observation.shape == following.shape == (6, 10, size)
    assert action.shape == (6, 10, env.action_space(params).shape[0])
    assert np.isfinite(reward).all()
    np.testing.assert_array_equal(observation[:, 1:], following[:, :-1])
    np.testing.assert_array_equal(done, np.tile(np.arange(1, 11) == 7, (6, 1)))
    np.testing.assert_allclose(total[:, 0], reward[:, :7].sum(axis=1), rtol=1e-5)  # of the first episode
    inside = jax.vmap(jax.vmap(env.observation_space(params).contains))
    assert inside(observation).all()


def test_the_gymnasium_adapter_takes_gymnaxs_environments():
    pytest.importorskip("gymnasium", minversion="1.1")
    from gymnasium.utils.env_checker import check_env

    from jaxcontract.adapters.envs import GymnasiumEnv

    env, params = gymnax.make("Pendulum-v1")
    adapted = GymnasiumEnv(ScaledEnv(env=env), params)
    check_env(adapted, skip_render_check=True)
    adapted.reset(seed=0)
    ends = [adapted.step(np.ones(1))[3] for _ in range(200)]
    assert ends == [False] * 199 + [True]


def test_our_ppo_learns_gymnaxs_pendulum(capsys):
    """From about -1200, what random pushes earn, to above -300: the pendulum swings up and stays up."""
    assert train_pendulum.main(["--seeds", "1", "--num-updates", "120"]) == 0
    said = capsys.readouterr().out.splitlines()
    before, after = (float(number) for number in said[0].rpartition(" episodes ")[2].split(" -> "))
    assert before < -1000
    assert after > -300


@pytest.mark.long
def test_our_ppo_learns_gymnaxs_pendulum_from_every_seed(capsys):
    assert train_pendulum.main(["--seeds", "5"]) == 0
    said = capsys.readouterr().out.splitlines()
    returns = [float(line.rpartition("-> ")[2]) for line in said[:5]]
    assert min(returns) > -250
