"""Stations that compete: the rules against loops in NumPy, one round against many, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.setting import Setting
from jaxcontract.envs.competition import CompetitionEnv, CompetitionParams
from jaxcontract.envs.competition_config import CompetitionGame, CompetitionRules, ParticipationGame

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SIZES = [(1, 2), (2, 2), pytest.param(3, 5, marks=pytest.mark.long), (2, 1)]


def begin(stations, types, count=7, **changes):
    env = CompetitionEnv(num_stations=stations, num_types=types)
    params = env.default_params.replace(**changes)
    rows = env.rounds_last()
    observation, state = rows.reset(jax.random.key(1), params, count)
    action = jax.random.normal(jax.random.key(2), (2 * types, stations * count))
    return env, params, rows, observation, state, action


def station(networks, row):
    """The network of one row, in NumPy."""
    return {
        field.name: np.squeeze(np.asarray(getattr(networks, field.name), np.float64)[..., row])
        for field in dataclasses.fields(networks)
    }


def quality(system, network, frequency):
    """(1) to (4), as printed."""
    slot, alpha = float(system.slot_duration), float(system.aoi_preference)
    age = slot * (frequency + 1.0 / (2.0 * frequency) + 0.5)
    latency = slot * (1.0 + frequency)
    gap, slack = network["max_aoi"] - age, network["max_latency"] - latency
    return np.log(alpha * (gap - slack) + slack + 1.0)


def earnings(system, networks, contract, taste, stations, count):
    """U_i of every row, by the sums of the model."""
    frequency, payment = (np.asarray(part, np.float64) for part in (contract.frequency, contract.payment))
    earned = np.zeros(stations * count)
    for b in range(count):
        rows = [i * count + b for i in range(stations)]
        rents = []
        for row in rows:
            types = np.atleast_1d(station(networks, row)["device_types"])
            rents.append(payment[:, row] - frequency[:, row] / types)
        total = 1.0 + sum(np.exp(rent / taste) for rent in rents)
        for row, rent in zip(rows, rents, strict=True):
            network = station(networks, row)
            worth = float(system.unit_profit) * quality(system, network, frequency[:, row]) - payment[:, row]
            chosen = np.exp(rent / taste) / total
            earned[row] = float(system.num_devices) * np.sum(network["type_probs"] * chosen * worth)
    return earned


@pytest.mark.parametrize(("stations", "types"), SIZES)
@pytest.mark.parametrize("taste", [1.0, 7.0])
def test_a_station_earns_what_the_model_says(stations, types, taste):
    _, params, rows, _, state, action = begin(stations, types, taste_scale=taste)
    _, _, reward, _, _, info = rows.step(jax.random.key(3), state, action, params)
    expected = earnings(params.system, state.networks, info["contract"], taste, stations, 7)
    np.testing.assert_allclose(info["utility"], expected, rtol=2e-4, atol=1e-3)
    np.testing.assert_allclose(reward * params.reward_unit, info["utility"], rtol=1e-6)


@pytest.mark.parametrize(("stations", "types"), SIZES)
def test_every_action_is_a_feasible_contract_and_types_are_shared(stations, types):
    _, params, rows, _, state, action = begin(stations, types)
    contract = rows.step(jax.random.key(3), state, 2.0 * action, params)[5]["contract"]
    for row in range(action.shape[1]):
        network = jc.NetworkState(**station(state.networks, row)) if types > 1 else None
        if network is None:
            one = station(state.networks, row)
            network = jc.NetworkState(
                **{name: one[name] for name in ("max_aoi", "max_latency")},
                type_probs=[1.0],
                device_types=np.atleast_1d(one["device_types"]),
            )
        own = jc.Contract(frequency=contract.frequency[:, row], payment=contract.payment[:, row])
        assert jc.certify(params.system, network, own, 1e-4).feasible
        first = station(state.networks, row % 7)
        np.testing.assert_array_equal(first["device_types"], station(state.networks, row)["device_types"])


@pytest.mark.parametrize(("stations", "types"), SIZES)
def test_one_round_is_a_column_of_many(stations, types):
    env, params, rows, _, state, action = begin(stations, types)
    _, _, reward, _, _, info = rows.step(jax.random.key(3), state, action, params)
    columns = np.arange(stations) * 7 + 4
    one = jax.tree.map(lambda leaf: leaf[..., columns], state.networks)
    alone = dataclasses.replace(state, networks=one, round=state.round[4:5])
    given = action[:, columns].T if stations > 1 else action[:, columns[0]]
    _, _, reward_alone, terminated, truncated, told = env.step(jax.random.key(3), alone, given, params)
    np.testing.assert_allclose(
        reward_alone, reward[columns] if stations > 1 else reward[columns[0]], rtol=1e-6
    )
    frequency = info["contract"].frequency[:, columns]
    np.testing.assert_allclose(
        told["contract"].frequency, frequency.T if stations > 1 else frequency[:, 0], rtol=1e-6
    )
    assert (bool(terminated), bool(truncated)) == (False, False)


def test_a_station_sees_its_own_requirements_first_and_then_its_rivals_in_turn():
    _, _, _, observation, state, _ = begin(3, 2)
    requirements = state.networks.max_aoi, state.networks.max_latency
    aoi, latency = (np.asarray(part)[0].reshape(3, 7) for part in requirements)
    seen = np.asarray(observation).reshape(-1, 3, 7)
    for i in range(3):
        order = [(i + ahead) % 3 for ahead in range(3)]
        np.testing.assert_array_equal(seen[2:4, i], [aoi[i], latency[i]])
        expected = [part[j] for j in order[1:] for part in (aoi, latency)]
        np.testing.assert_array_equal(seen[8:, i], expected)


def test_a_reward_changes_with_its_own_action_alone():
    _, params, rows, _, state, action = begin(2, 2)

    def reward(action):
        return rows.step(jax.random.key(3), state, action, params)[2]

    slopes = np.asarray(jax.jacobian(reward)(action))  # [R, 2K, R]
    for row in range(14):
        assert np.any(slopes[row, :, row] != 0)
        assert np.all(np.delete(slopes[row], row, axis=1) == 0)
    step = 3e-3 * (np.arange(14) == 5) * (np.arange(4) == 2)[:, None]
    ends = [float(reward(action + side * step)[5]) for side in (1, -1)]
    np.testing.assert_allclose(slopes[5, 2, 5], (ends[0] - ends[1]) / 6e-3, rtol=2e-2)


def test_rents_far_beyond_the_taste_scale_leave_numbers_finite():
    _, params, rows, _, state, action = begin(2, 2, taste_scale=1e-3)
    reward = rows.step(jax.random.key(3), state, 3.0 * action, params)[2]
    assert np.isfinite(reward).all()


def test_an_episode_is_cut_after_its_rounds():
    _, params, rows, _, state, action = begin(2, 2, episode_length=2)
    for played in (1, 2):
        _, state, _, terminated, truncated, _ = rows.step(jax.random.key(played), state, action, params)
        assert np.all(np.asarray(truncated) == (played == 2))
        assert not np.any(terminated)
    assert np.all(np.asarray(state.round) == 0)


ENV = CompetitionEnv()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: ENV.step(jax.random.key(0), None, jnp.zeros(4)), r"of shape \(4,\): must be \(2, 4\)"),
        (lambda: ENV.reset(0), "key = 0: must be a key of JAX"),
        (lambda: ENV.reset(jax.random.key(0), {}), "CompetitionParams"),
        (
            lambda: CompetitionEnv(num_types=3).reset(jax.random.key(0), ENV.default_params),
            "CompetitionEnv.num_types = 3: must be 2",
        ),
        (lambda: CompetitionParams(taste_scale=0.0), "taste_scale = 0.0: must be"),
        (lambda: CompetitionParams(system=3), "CompetitionParams.system = 3: must be a System"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(call, line):
    with pytest.raises(ValueError, match=line):
        call()


def test_the_games_say_their_sizes():
    game = CompetitionGame(env=CompetitionRules(num_stations=3, num_types=4))
    assert game.describe() == "3 stations, K = 4, μ = 1"
    assert ParticipationGame().describe() == "1 station, K = 2, μ = 1"
    assert set(Setting(game=game).as_dict()) == {
        "game",
        "problem",
        "law",
        "env",
        "network",
        "policy",
        "algorithm",
    }
