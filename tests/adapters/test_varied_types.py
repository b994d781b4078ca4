"""Foreign learners on networks of various numbers of types: what they see, what counts, what is refused."""

import importlib.util

import numpy as np
import pytest

import jaxcontract as jc

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed", exc_type=ImportError)

from gymnasium.utils.env_checker import check_env  # noqa: E402

from jaxcontract.adapters import ENV_ID  # noqa: E402
from jaxcontract.adapters.envs import make_single, make_vector  # noqa: E402

needs_sb3 = pytest.mark.skipif(
    importlib.util.find_spec("stable_baselines3") is None, reason="stable-baselines3 is not installed"
)
PLACES = 6
pytestmark = pytest.mark.usefixtures("compiled_quickly")


def count_types(observation):
    """K of an observation, from the definition: the last place whose share is above 0."""
    shares = 0.5 * (observation[4 : 4 + PLACES] + 1)
    return 1 + np.flatnonzero(shares > 0).max()


def test_a_range_is_padded_and_gymnasiums_checker_has_nothing_to_say():
    env = gymnasium.make(ENV_ID, num_types=f"2-{PLACES}").unwrapped
    assert env.observation_space.shape == (4 + 2 * PLACES,)
    assert env.action_space.shape == (2 * PLACES,)
    assert env.env.env.sizes == (2, 3, 4, 5, 6)
    check_env(env)


def test_both_spellings_are_one_game():
    written, spelled = make_single(num_types="2-5"), make_single(num_types=5, fewest_types=2)
    assert written.env == spelled.env
    np.testing.assert_array_equal(written.reset(seed=3)[0], spelled.reset(seed=3)[0])
    assert make_single(num_types="3").env == make_single(num_types=3).env


def test_empty_places_are_those_behind_the_last_type():
    envs = make_vector(num_envs=200, num_types=f"2-{PLACES}")
    observation, _ = envs.reset(seed=0)
    empty = envs.empty_places(observation)
    assert empty.shape == (200, PLACES)
    found = set()
    for row, places in zip(observation, empty, strict=True):
        size = count_types(row)
        found.add(size)
        np.testing.assert_array_equal(places, np.arange(PLACES) >= size)
        types = row[4 + PLACES :]
        assert np.all(types[size:] == types[size - 1])
        np.testing.assert_array_equal(envs.empty_places(row), places)
        assert envs.single_observation_space.contains(row)
    assert found == {2, 3, 4, 5, 6}


def test_what_is_said_of_empty_places_changes_nothing():
    rng = np.random.default_rng(0)
    action = rng.uniform(-1, 1, 2 * PLACES).astype(np.float32)
    checked = 0
    for seed in range(8):
        env = make_single(num_types=f"2-{PLACES}")
        observation, _ = env.reset(seed=seed)
        empty = env.empty_places(observation)
        other = np.where(np.tile(empty, 2), rng.uniform(-1, 1, 2 * PLACES), action)
        _, reward, *_, info = env.step(action)
        env.reset(seed=seed)
        _, same, *_, also = env.step(other)
        assert reward == pytest.approx(same, rel=1e-6)
        np.testing.assert_allclose(info["contract/payment"], also["contract/payment"], rtol=1e-6)
        last = PLACES - int(empty.sum()) - 1
        np.testing.assert_allclose(info["contract/payment"][last:], info["contract/payment"][last], rtol=1e-6)
        checked += int(empty.sum())
    assert checked > 8


def test_places_of_one_number_of_types_are_never_empty():
    env = make_single(num_types=3)
    observation, _ = env.reset(seed=0)
    assert not env.empty_places(observation).any()
    with pytest.raises(ValueError, match=r"find_empty: observations of shape \(8,\): must be \[..., 10\]"):
        env.empty_places(np.zeros(8))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"num_types": "64-2"}, "num_types = '64-2': must be a whole number, or two such as 2-64"),
        ({"num_types": "many"}, "num_types = 'many': must be a whole number, or two such as 2-64"),
        ({"num_types": "0-4"}, "num_types = '0-4': must be a whole number, or two such as 2-64"),
        ({"num_types": "2-4", "actions": "raw"}, "fewest_types = 2: must be 0 with raw actions"),
    ],
)
def test_bad_ranges_are_one_line(given, said):
    for make in (make_single, make_vector):
        with pytest.raises(ValueError, match=said) as refused:
            make(**given)
        assert "\n" not in str(refused.value)


def test_an_action_that_is_no_number_is_one_line_and_plays_nothing():
    env, envs = make_single(num_types=2), make_vector(num_envs=2, num_types=2)
    for one, where in ((env, (1,)), (envs, (1, 3))):
        right = np.zeros(one.action_space.shape, np.float32)
        one.reset(seed=0)
        expected = one.step(right)[0]
        one.reset(seed=0)
        for bad in (np.nan, np.inf, -np.inf):
            action = right.copy()
            action[where] = bad
            with pytest.raises(ValueError) as refused:  # noqa: PT011
                one.step(action)
            assert str(refused.value) == f"step: action{list(where)} = {bad}: must be a finite number"
        np.testing.assert_array_equal(one.step(right)[0], expected)


def test_a_foreign_policy_is_measured_for_each_number_of_types():
    env = make_single(num_types="2-4")

    def act(observation):
        return np.zeros((len(observation), 8))

    reports = jc.evaluate_by_size(
        env.env.policy(act, env.params), env.env.env, env.params, sizes=[2, 4], num_states=50
    )
    assert [report.feasible for report in reports.values()] == [1.0] * 2
    assert all(report.regret > 0 for report in reports.values())


@needs_sb3
def test_stable_baselines3_sees_the_same_padding():
    from stable_baselines3.common.env_checker import check_env as check

    from jaxcontract.adapters.stable_baselines3 import OneCallVecEnv

    check(gymnasium.make(ENV_ID, num_types="2-4"))
    envs = OneCallVecEnv(gymnasium.make_vec(ENV_ID, num_envs=40, num_types="2-4"))
    observation = envs.reset()
    empty = envs.envs.empty_places(observation)
    assert not empty[:, :2].any()
    assert 0 < empty[:, 2].sum() <= empty[:, 3].sum() < 40
    observation, reward, *_ = envs.step(np.zeros((40, 8), np.float32))
    assert np.isfinite(reward).all()
    with pytest.raises(ValueError, match=r"step: action\[0, 0\] = nan: must be a finite number"):
        envs.step(np.full((40, 8), np.nan, np.float32))
