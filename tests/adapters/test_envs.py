"""The environment in gymnasium's shape: its checkers, its own vector env as the reference, the rewards."""

import importlib.util
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.core.spaces import Box
from jaxcontract.envs.capacity import CapacityEnv
from jaxcontract.envs.competition import CompetitionEnv
from jaxcontract.envs.scale import fit_scale
from jaxcontract.envs.wrappers import ScaledEnv

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed", exc_type=ImportError)

from gymnasium.utils.env_checker import check_env  # noqa: E402
from gymnasium.vector import AutoresetMode, SyncVectorEnv  # noqa: E402

from jaxcontract.adapters import ENV_ID, register  # noqa: E402
from jaxcontract.adapters.envs import GymnasiumEnv, GymnasiumVectorEnv, make_single, make_vector  # noqa: E402

pytestmark = pytest.mark.usefixtures("compiled_quickly")

needs_sb3 = pytest.mark.skipif(
    importlib.util.find_spec("stable_baselines3") is None, reason="stable-baselines3 is not installed"
)
OPTIONS = [
    {},
    {"num_types": 3, "actions": "raw", "reward": "paper", "aoi_preference": 0.5, "episode_length": 5},
    {"num_types": 1, "reach": 3, "unit_profit": 1.0, "slot_duration": 0.1},
]


def run_fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


# Every warning is an error in these tests.
@pytest.mark.parametrize("options", OPTIONS)
def test_gymnasiums_checker_has_nothing_to_say(options):
    check_env(gymnasium.make(ENV_ID, **options).unwrapped)


@needs_sb3
@pytest.mark.parametrize("options", OPTIONS)
def test_stable_baselines3s_checker_has_nothing_to_say(options):
    from stable_baselines3.common.env_checker import check_env as check

    check(gymnasium.make(ENV_ID, **options))


def test_one_line_makes_it_without_an_import_of_ours():
    done = run_fresh(
        "import gymnasium\n"
        "env = gymnasium.make('jaxcontract.adapters:jaxcontract/Contract-v0', num_types=3)\n"
        "print(env.reset(seed=0)[0].shape, env.action_space.shape)"
    )
    assert done.stdout.strip() == "(10,) (6,)", done.stderr


def test_the_package_does_without_gymnasium_and_registering_without_jax():
    done = run_fresh(
        "import sys, jaxcontract\n"
        "for name in jaxcontract.__all__: getattr(jaxcontract, name)\n"
        "print('gymnasium' in sys.modules)"
    )
    assert done.stdout.strip() == "False", done.stderr
    done = run_fresh("import sys, jaxcontract.adapters; print('jax' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize(("module", "extra"), [("gymnasium", "gymnasium"), ("stable_baselines3",) * 2])
def test_a_library_that_is_missing_is_one_line(module, extra):
    name = "jaxcontract.adapters" + (".stable_baselines3" if module == "stable_baselines3" else "")
    done = run_fresh(f"import sys; sys.modules[{module!r}] = None; import {name}")
    assert done.returncode != 0
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("ImportError: jaxcontract.adapters")
    assert f"pip install 'jaxcontract[{extra.replace('_', '-')}]'" in said


def test_registering_twice_changes_nothing():
    before = gymnasium.registry[ENV_ID]
    register()
    assert gymnasium.registry[ENV_ID] is before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_type": 3}, "Contract-v0: unknown option 'num_type'; did you mean num_types?"),
        ({"learning_rate": 0.1}, "Contract-v0: unknown option 'learning_rate'; known are reach, num_devices"),
        ({"num_types": 0}, "ContractRules.num_types = 0: must be a whole number in [1, inf)"),
        ({"actions": "box"}, "ContractRules.actions = 'box': must be one of feasible, raw"),
        ({"aoi_preference": 2.0}, "System.aoi_preference = 2.0: must be a number in [0, 1]"),
        ({"episode_length": 0}, "ContractRules.episode_length = 0: must be a whole number in [1, inf)"),
        ({"reach": 0.0}, "ScaledEnv.reach = 0.0: must be a number in (0, inf)"),
    ],
)
def test_bad_options_are_one_line(options, said):
    for make in (make_single, make_vector):
        with pytest.raises(ValueError) as refused:  # noqa: PT011
            make(**options)
        assert str(refused.value).startswith(said)
        assert "\n" not in str(refused.value)


def test_misuse_is_one_line():
    env, envs = make_single(), make_vector(num_envs=2)
    for one, action in ((env, np.zeros(4)), (envs, np.zeros((2, 4)))):
        with pytest.raises(gymnasium.error.ResetNeeded, match=r"step: call reset\(\) first"):
            one.step(action)
        one.reset(seed=0)
        with pytest.raises(ValueError, match=r"step: an action of shape \(3,\): must be \((2, )?4,?\)"):
            one.step(np.zeros(3))
    with pytest.raises(ValueError, match="3 seeds for 2 environments"):
        envs.reset(seed=[1, 2, 3])
    for seed in (1.5, "1", [0, 1.5], [0, -1]):
        with pytest.raises(ValueError, match=r"reset.seed = .*: must be a whole number"):
            envs.reset(seed=seed)
    envs.reset(seed=np.random.SeedSequence().entropy)
    with pytest.raises(ValueError, match="num_envs = 0: must be a whole number"):
        make_vector(num_envs=0)


@pytest.mark.parametrize("actions", ["raw", "feasible"])
@pytest.mark.parametrize("reward", ["centred", "paper"])
def test_rounds_are_those_of_the_contract_env(actions, reward):
    """Step for step beside ContractEnv, given the same keys, with the maps written out by hand."""
    env = gymnasium.make(ENV_ID, num_types=3, actions=actions, reward=reward, episode_length=4).unwrapped
    inside = jc.ContractEnv(num_types=3, actions=actions, reward=reward)
    params = inside.default_params.replace(episode_length=4)
    step, space = jax.jit(inside.step), inside.observation_space(params)
    middle, half = 0.5 * (space.low + space.high), 0.5 * (space.high - space.low)
    key, key_reset = jax.random.split(jax.random.key(11))
    expected, state = inside.reset(key_reset, params)
    seen, info = env.reset(seed=11)
    assert info == {}
    rng = np.random.default_rng(0)
    for count in range(1, 10):
        np.testing.assert_allclose(seen * half + middle, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(seen[:2], 0.0)  # M and K never change
        action = rng.uniform(-1, 1, 6).astype(np.float32)
        seen, reward, terminated, truncated, info = env.step(action)
        key, key_step = jax.random.split(key)
        vector = 0.5 + 0.5 * action if actions == "raw" else 6.0 * action
        expected, state, payoff, _, ends, told = step(key_step, state, vector, params)
        assert reward == pytest.approx(float(payoff), rel=1e-4, abs=1e-3)
        assert (terminated, truncated) == (False, bool(ends)) == (False, count % 4 == 0)
        assert info["feasible"] is bool(told["feasible"])
        assert info["paper_reward"] == pytest.approx(float(told["paper_reward"]), rel=1e-5)
        np.testing.assert_allclose(info["contract/frequency"], told["contract"].frequency, rtol=1e-5)
        np.testing.assert_allclose(info["contract/payment"], told["contract"].payment, rtol=1e-5)
        assert set(info) == {"feasible", "paper_reward", "contract/frequency", "contract/payment"}
        if truncated:
            seen, _ = env.reset()


def test_system_constants_and_numbers_reach_the_game():
    system = jc.System(unit_profit=1.0, num_devices=80.0)
    env = make_single(unit_profit=1.0, num_devices=80.0)
    inside, params = jc.ContractEnv(), jc.ContractEnv().default_params.replace(system=system)
    params = params.replace(scale=fit_scale(system, params.distribution))
    key, key_reset = jax.random.split(jax.random.key(0))
    _, state = inside.reset(key_reset, params)
    told = inside.step(jax.random.split(key)[1], state, jnp.zeros(4), params)[5]
    env.reset(seed=0)
    assert env.step(np.zeros(4))[4]["paper_reward"] == pytest.approx(float(told["paper_reward"]), rel=1e-5)

    free = make_single(reward="paper", actions="raw", penalty=-7.0)
    free.reset(seed=0)
    assert free.step(np.array([1.0, 1.0, -1.0, -1.0]))[1] == -7.0  # all the work for no payment


def test_seeds_decide_and_resets_without_one_go_on():
    env = make_single()
    one, two, three = env.reset(seed=5)[0], env.reset()[0], env.reset(seed=6)[0]
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, three)
    np.testing.assert_array_equal(env.reset(seed=5)[0], one)
    np.testing.assert_array_equal(env.reset()[0], two)
    np.testing.assert_array_equal(make_single().reset(seed=5)[0], one)
    fresh, other = (make_single().reset()[0] for _ in range(2))
    assert not np.array_equal(fresh, other)
    np.testing.assert_array_equal(env.reset(seed=2**40 + 5)[0], one)


def test_an_episode_that_has_ended_goes_on_where_the_environment_has_begun_the_next():
    env = make_single(episode_length=2)
    env.reset(seed=0)
    env.step(np.zeros(4))
    last, *_, truncated, _ = env.step(np.zeros(4))
    assert truncated
    first, _ = env.reset()
    np.testing.assert_array_equal(last, first)  # the next network does not depend on the action
    assert not np.array_equal(env.reset()[0], first)
    assert not env.step(np.zeros(4))[3]
    assert env.step(np.zeros(4))[3]


def sync(num_envs, **options):
    """gymnasium's own way of playing several environments, one after another."""
    makers = [lambda: make_single(**options)] * num_envs
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)


def spread(seed, count):
    """What one seed for several environments stands for."""
    return np.random.SeedSequence(seed).generate_state(count).tolist()


def assert_infos_agree(ours, theirs):
    """The same names; the same values for those environments that a mask names."""
    assert set(ours) == set(theirs)
    for name in (name for name in theirs if not name.startswith("_")):
        mask = theirs["_" + name]
        np.testing.assert_array_equal(ours["_" + name], mask)
        if isinstance(theirs[name], dict):
            assert_infos_agree(ours[name], theirs[name])
        elif mask.any():
            mine, yours = (np.stack(list(infos[name][mask])) for infos in (ours, theirs))
            np.testing.assert_allclose(mine, yours, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("seed", [3, [9, 2, 5]])
def test_the_vector_env_is_gymnasiums_own_in_one_call(seed):
    options = {"num_types": 3, "episode_length": 3, "reward": "paper"}
    ours = gymnasium.make_vec(ENV_ID, num_envs=3, **options)
    theirs = sync(3, **options)
    assert ours.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert isinstance(ours, GymnasiumVectorEnv)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    seeds = seed if isinstance(seed, list) else spread(seed, 3)
    np.testing.assert_allclose(ours.reset(seed=seed)[0], theirs.reset(seed=seeds)[0], atol=1e-6)
    ours.action_space.seed(0)
    ended = 0
    for count in range(8):
        actions = ours.action_space.sample()
        mine, yours = ours.step(actions), theirs.step(actions)
        assert mine[0] in ours.observation_space
        np.testing.assert_allclose(mine[0], yours[0], atol=1e-6)
        np.testing.assert_allclose(mine[1], yours[1], rtol=1e-5)
        np.testing.assert_array_equal(mine[2], yours[2])
        np.testing.assert_array_equal(mine[3], yours[3])
        assert_infos_agree(mine[4], yours[4])
        ended += mine[3].sum()
        if count == 4:  # in the middle of an episode
            np.testing.assert_allclose(ours.reset()[0], theirs.reset()[0], atol=1e-6)
    assert ended == 6


class Ends:
    """Counts up from its key's parity to 3, and ends there: a foreign environment of gymnax's shape."""

    default_params = 0.0

    def reset(self, key, _params=None):
        start = jax.random.bits(key).astype(jnp.int32) % 2
        return jnp.full(1, start, jnp.float32), start

    def step(self, key, state, action, _params=None):
        final = jnp.full(1, state + 1, jnp.float32)
        first, begun = self.reset(key)
        terminated, truncated = state + 1 >= 3, action[0] > 0.5
        done = terminated | truncated
        info = {"final_observation": final, "was": state}
        following = jnp.where(done, first, final)
        return following, jnp.where(done, begun, state + 1), action[0], terminated, truncated, info

    def observation_space(self, _params=None):
        return Box(0.0, 9.0, (1,))

    def action_space(self, _params=None):
        return Box(-1.0, 1.0, (1,))


def test_ends_that_differ_between_environments_are_each_their_own():
    env = Ends()
    ours = GymnasiumVectorEnv(env, num_envs=5)
    theirs = SyncVectorEnv([lambda: GymnasiumEnv(env)] * 5, autoreset_mode=AutoresetMode.SAME_STEP)
    np.testing.assert_array_equal(ours.reset(seed=0)[0], theirs.reset(seed=spread(0, 5))[0])
    rng = np.random.default_rng(0)
    partly = 0
    for _ in range(20):
        actions = rng.uniform(-1, 1, (5, 1)).astype(np.float32)
        mine, yours = ours.step(actions), theirs.step(actions)
        for one, other in zip(mine[:4], yours[:4], strict=True):
            np.testing.assert_array_equal(one, other)
        assert_infos_agree(mine[4], yours[4])
        ends = mine[2] | mine[3]
        partly += 0 < ends.sum() < 5
    assert partly > 5


def test_a_seed_is_a_whole_number_in_whichever_form():
    envs = make_vector(num_envs=3)
    first = envs.reset(seed=[2**70, 1, 2])[0]
    np.testing.assert_array_equal(envs.reset(seed=[0, 1, 2])[0][1:], first[1:])
    np.testing.assert_array_equal(envs.reset(seed=range(3))[0], envs.reset(seed=np.arange(3))[0])
    assert envs.reset(seed=2**100)[0].shape == envs.reset(seed=[1, None, 3])[0].shape == (3, 8)
    for wrong in (1.5, "3", True, -1, [1, 2.5, 3], [1, -2, 3]):
        with pytest.raises(ValueError, match=r"\Areset\.seed = .*: must be a whole number in \[0, inf\)\Z"):
            envs.reset(seed=wrong)


def test_neighbouring_seeds_share_no_episode():
    envs = make_vector(num_envs=512)
    first, second = (envs.reset(seed=seed)[0] for seed in (0, 1))
    assert len({row.tobytes() for row in (*first, *second)}) == 1024
    np.testing.assert_array_equal(envs.reset(seed=np.int64(0))[0], first)
    fewer = make_vector(num_envs=3).reset(seed=0)[0]
    np.testing.assert_allclose(fewer, first[:3], atol=1e-6)


@pytest.mark.parametrize("kind", [list, np.array])
def test_a_mask_begins_those_environments_that_it_names(kind):
    options = {"num_types": 3, "episode_length": 4}
    ours, theirs = make_vector(num_envs=3, **options), sync(3, **options)
    for envs in (ours, theirs):
        envs.reset(seed=[7, 8, 9])
    ours.action_space.seed(0)
    ended = []
    for count in range(10):
        actions = ours.action_space.sample()
        mine, yours = ours.step(actions), theirs.step(actions)
        np.testing.assert_allclose(mine[0], yours[0], atol=1e-6)
        np.testing.assert_allclose(mine[1], yours[1], rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(mine[3], yours[3])
        ended.append(mine[3].tolist())
        if count in (1, 5):
            mask, seed = [count == 1, False, True], [1, 2, 3] if count == 5 else None
            asked = {"reset_mask": kind(mask)}
            first = ours.reset(seed=seed, options=asked)[0]
            assert list(asked) == ["reset_mask"], "gymnasium's own takes it out of the caller's dict"
            np.testing.assert_array_equal(first[1], mine[0][1])
            assert not np.array_equal(first[2], mine[0][2])
            same = theirs.reset(seed=seed, options={"reset_mask": np.array(mask)})[0]
            np.testing.assert_allclose(first, same, atol=1e-6)
    assert ended[3] == [False, True, False]
    assert ended[5] == [True, False, True]
    assert ended[9] == [True, False, True]


@pytest.mark.parametrize("mask", [[True, False], [False] * 3, [1, 0, 0], None, "all"])
def test_a_mask_that_is_none_is_one_line(mask):
    envs = make_vector(num_envs=3)
    with pytest.raises(gymnasium.error.ResetNeeded, match="begin all environments before some of them"):
        envs.reset(options={"reset_mask": [True, False, False]})
    envs.reset(seed=0)
    with pytest.raises(
        ValueError, match=r"\Areset\.options\['reset_mask'\] = .*: must be 3 of true and false"
    ):
        envs.reset(options={"reset_mask": mask})


def test_options_that_would_have_no_effect_are_refused():
    with pytest.raises(ValueError, match="reset: unknown option 'max_aoi'; known are none"):
        make_single().reset(seed=0, options={"max_aoi": 0.9})
    with pytest.raises(ValueError, match="reset: unknown option 'mask'; known are reset_mask"):
        make_vector(num_envs=2).reset(seed=0, options={"mask": [True, False]})


def test_statistics_count_every_reward_or_a_warning_says_which_are_left_out():
    from gymnasium.wrappers.vector import RecordEpisodeStatistics

    envs = RecordEpisodeStatistics(make_vector(num_envs=2, episode_length=5))
    right = tuple(map(int, gymnasium.__version__.split(".")[:2])) >= (1, 4)
    if right:
        envs.reset(seed=0)
    else:
        with pytest.warns(UserWarning, match="leaves out the first reward of every episode but"):
            envs.reset(seed=0)
    played = [envs.step(np.zeros((2, 4), np.float32)) for _ in range(15)]
    lengths = [step[4]["episode"]["l"].tolist() for step in played if "episode" in step[4]]
    assert lengths == [[5, 5], [5, 5], [5, 5]] if right else [[5, 5], [4, 4], [4, 4]]


FORK = """
import multiprocessing, time, warnings
warnings.simplefilter("ignore")
import gymnasium, jaxcontract.adapters
from jaxcontract.adapters.envs import make_single
from jaxcontract.adapters import ENV_ID

def play(make):
    try:
        make().reset(seed=0)
        print("played", flush=True)
    except RuntimeError as error:
        print(error, flush=True)

def forked(make):
    worker = multiprocessing.get_context("fork").Process(target=play, args=(make,))
    worker.start()
    worker.join(10)
    print(worker.exitcode, flush=True)
    worker.kill()

forked(make_single)  # before JAX has started
env = make_single()
start = time.perf_counter()
default = {} if multiprocessing.get_start_method() == "fork" else {"context": "fork"}
play(lambda: gymnasium.make_vec(ENV_ID, num_envs=2, vectorization_mode="async", vector_kwargs=default))
play(lambda: gymnasium.vector.AsyncVectorEnv([make_single], context="fork"))
print(time.perf_counter() - start < 2)
forked(make_single)
forked(lambda: env)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked by itself")
def test_forked_workers_play_or_say_how_to_start_them():
    done = run_fresh(FORK)
    *lines, last = done.stdout.splitlines()
    said = 'them by context="spawn", as in gymnasium.make_vec(…, vector_kwargs={"context": "spawn"})'
    expected = ["played", "0", said, said, "True", said, "0", said]
    assert len(lines) == len(expected), done.stderr
    assert all(line.endswith(end) for line, end in zip(lines, expected, strict=True)), lines
    assert last == "0"


def test_workers_that_are_spawned_play():
    envs = gymnasium.make_vec(
        ENV_ID, num_envs=1, vectorization_mode="async", vector_kwargs={"context": "spawn"}
    )
    try:
        seen = envs.reset(seed=3)[0]
    finally:
        envs.close()
    np.testing.assert_allclose(seen[0], make_single().reset(seed=3)[0], atol=1e-6)


def test_what_is_returned_may_be_written_to_and_stays_as_it_is():
    envs = make_vector(num_envs=2)
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    following = envs.step(np.zeros((2, 4)))
    for array in following[:4]:
        array[...] = 0
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("actions", ["raw", "feasible"])
def test_a_policy_of_the_adapter_is_measured_as_the_env_has_it(actions):
    """The exact optimum, put through the inverse of the adapter's map and back, is found to be optimal."""
    scaled = ScaledEnv(env=jc.ContractEnv(actions=actions), reach=10.0)
    system, params = jc.System(), scaled.default_params
    space = scaled.env.observation_space(params)
    seen = []

    @jax.jit
    @jax.vmap
    def best_action(observation):
        observation = 0.5 * (observation * (space.high - space.low) + space.high + space.low)
        probs = observation[4:6]
        state = jc.NetworkState(
            max_aoi=observation[2],
            max_latency=observation[3],
            type_probs=probs / probs.sum(),
            device_types=observation[6:],
        )
        best = jc.optimal_contract(system, state)
        if actions == "raw":
            dearer = best.payment + 1e-5  # rounding must not cost feasibility
            return scaled.learner_action(jnp.concatenate([best.frequency, dearer]))
        vector = jnp.clip(jc.feasible_vector(system, state, best), -10, 10)
        return scaled.learner_action(jnp.where(jnp.isnan(vector), -10.0, vector))

    def act(observation):
        assert isinstance(observation, np.ndarray)
        seen.append(observation)
        return np.asarray(best_action(observation))

    report = jc.evaluate(
        scaled.policy(act, params), scaled.env, states=jc.unseen_states(params.distribution, 300, seed=1)
    )
    assert np.abs(np.concatenate(seen)).max() <= 1.0
    assert report.feasible == 1.0
    assert abs(report.regret) < 2e-3


def test_a_policy_is_measured_on_observations_scaled_as_in_training():
    env = make_single(num_devices=80.0, num_types=3)
    seen = []

    def act(observation):
        seen.append(observation)
        return np.zeros((len(observation), 6))

    states = jc.unseen_states(env.params.distribution, 50)
    report = jc.evaluate(env.env.policy(act, env.params), env.env.env, env.params, states=states)
    assert report.feasible == 1.0
    (observation,) = seen
    assert env.observation_space.contains(observation[7])
    np.testing.assert_array_equal(observation[:, :2], 0.0)  # M = 80 and K never change


def test_a_host_policy_is_measured_like_the_same_function_in_jax():
    env = jc.ContractEnv()
    states = jc.unseen_states(env.default_params.distribution, 5000)  # more than a block

    def act(observation):
        return 0.01 * observation[..., 4:8] - 0.5

    reports = [jc.evaluate(policy, env, states=states) for policy in (act, jc.HostPolicy(act))]
    np.testing.assert_allclose(*(report.regrets for report in reports), atol=1e-6)
    observation = np.linspace(0, 1, 8)
    np.testing.assert_array_equal(jc.HostPolicy(act)(observation), act(observation))
    with pytest.raises(ValueError, match=r"HostPolicy.act returned an array of shape \(5000, 3\): must be"):
        jc.evaluate(jc.HostPolicy(lambda observation: observation[:, :3]), env, states=states)


@needs_sb3
def test_stable_baselines3_has_it_whole():
    from jaxcontract.adapters.stable_baselines3 import OneCallVecEnv

    envs = OneCallVecEnv(gymnasium.make_vec(ENV_ID, num_envs=3, episode_length=2))
    reference = make_vector(num_envs=3, episode_length=2)
    envs.seed(4)
    np.testing.assert_array_equal(envs.reset(), reference.reset(seed=4)[0])
    for count in range(4):
        actions = np.full((3, 4), 0.1, np.float32)
        observation, reward, done, infos = envs.step(actions)
        expected = reference.step(actions)
        np.testing.assert_array_equal(observation, expected[0])
        np.testing.assert_array_equal(reward, expected[1])
        np.testing.assert_array_equal(done, expected[3])
        assert all(("terminal_observation" in info) == (count % 2 == 1) for info in infos)
        if done.all():
            assert all(info["TimeLimit.truncated"] for info in infos)
            np.testing.assert_array_equal(infos[1]["terminal_observation"], expected[4]["final_obs"][1])
    assert envs.get_attr("num_envs") == [3, 3, 3]
    assert envs.env_is_wrapped(object, indices=[1]) == [False]


@needs_sb3
def test_stable_baselines3_learns_on_it():
    import torch
    from stable_baselines3 import PPO

    from jaxcontract.adapters.stable_baselines3 import OneCallVecEnv

    torch.set_num_threads(1)
    envs = OneCallVecEnv(gymnasium.make_vec(ENV_ID, num_envs=256))
    narrow = {"log_std_init": np.log(0.1)}  # of a box whose ends stand for vectors of ± 6
    numbers = {"n_steps": 2, "batch_size": 128, "gamma": 0.0, "learning_rate": 2e-3, "seed": 0}
    model = PPO("MlpPolicy", envs, policy_kwargs=narrow, **numbers)
    scaled = envs.envs.env
    states = jc.unseen_states(scaled.default_params.distribution, 500)
    policy = scaled.policy(lambda seen: model.predict(seen, deterministic=True)[0], envs.envs.params)
    before = jc.evaluate(policy, scaled.env, states=states)
    model.learn(10_000)
    after = jc.evaluate(policy, scaled.env, states=states)
    assert before.feasible == after.feasible == 1.0
    assert after.regret < 0.5 * before.regret


@pytest.mark.parametrize(
    ("env_id", "observed", "acted"),
    [
        ("Enrolment-v0", 13, 3),
        pytest.param("Budget-v0", 13, 1, marks=pytest.mark.long),
        pytest.param("EnrolmentBudget-v0", 16, 4, marks=pytest.mark.long),
    ],
)
def test_games_of_rounds_that_matter_have_names_of_their_own(env_id, observed, acted):
    env = gymnasium.make(f"jaxcontract/{env_id}", num_types=3, aoi_range=(0.6, 0.9))
    check_env(env.unwrapped)
    seen, _ = env.reset(seed=1)
    assert seen.shape == (observed,)
    assert env.action_space.shape == (acted,)
    envs = gymnasium.make_vec(f"jaxcontract/{env_id}", num_envs=3, num_types=3)
    envs.reset(seed=0)
    *_, infos = envs.step(np.zeros((3, acted), np.float32))
    assert infos["contract/payment"].shape == (3, 3)
    with pytest.raises(ValueError, match=f"{env_id}: unknown option 'num_type'; did you mean num_types"):
        gymnasium.make(f"jaxcontract/{env_id}", num_type=3)
    with pytest.raises(ValueError, match="only Contract-v0 has networks of various numbers of types"):
        gymnasium.make(f"jaxcontract/{env_id}", num_types="2-3")


def test_several_players_are_refused_with_the_name_of_what_takes_them():
    for game in (CompetitionEnv(num_stations=2), CapacityEnv()):
        for make in (GymnasiumEnv, partial(GymnasiumVectorEnv, num_envs=2)):
            with pytest.raises(ValueError, match=r"has 2 players, and gymnasium knows one: .*JaxMARLEnv"):
                make(game)
    assert GymnasiumEnv(CompetitionEnv(num_stations=1)).reset(seed=0)[0].shape == (8,)


def test_observations_are_in_their_box_in_double_precision_too():
    with jax.enable_x64(True):
        env = gymnasium.make("jaxcontract/Contract-v0")
        observation, _ = env.reset(seed=0)
        following, *_ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert env.observation_space.contains(following)
