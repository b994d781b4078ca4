"""Two stations of limited capacity: the rules against loops, one round against many, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.train.command import parse
from jaxcontract.config.presets import PRESETS, STRESS
from jaxcontract.config.setting import Setting, setting_from_dict
from jaxcontract.envs.capacity import CapacityEnv, CapacityParams
from jaxcontract.envs.capacity_config import CapacityGame, CapacityRules
from jaxcontract.envs.competition_rules import CompetitionState
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.mechanism.menu_game import list_menus, menu_payoffs
from jaxcontract.mechanism.network_law import NetworkLaw
from jaxcontract.mechanism.system import System

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ENV = CapacityEnv()
TYPES = np.array([2.0, 12.0])
RENTS = np.array([[0.3, 0.5, 0.2, -0.1, -0.1, 0.0, 1.2], [0.5, 0.3, 0.2, 0.4, -0.2, -0.3, 0.9]])


@pytest.fixture(scope="module")
def played():
    """One round of seven, with orders of all kinds: lower, higher, equal, and offers that nobody takes."""
    params = ENV.default_params.replace(capacity=0.8)
    rows = ENV.rounds_last()
    observation, state = jax.jit(rows.reset, static_argnums=2)(jax.random.key(1), params, 7)
    action = jnp.asarray(RENTS.reshape(1, -1))
    return params, observation, state, action, jax.jit(rows.step)(jax.random.key(2), state, action, params)


def network(state, row):
    rows = state.networks
    return jc.NetworkState(
        max_aoi=rows.max_aoi[0, row],
        max_latency=rows.max_latency[0, row],
        type_probs=rows.type_probs[:, row],
        device_types=rows.device_types[:, row],
    )


def share(own, rival, capacity):
    if own < 0:
        return 0.0
    if rival < 0 or own > rival:
        return capacity
    return 0.5 if own == rival else 1.0 - capacity


def test_the_higher_payer_fills_its_capacity_and_is_paid_what_the_model_says(played):
    params, _, state, _, (_, _, reward, _, _, info) = played
    for station in (0, 1):
        for b in range(7):
            row = station * 7 + b
            own, rival = RENTS[station, b], RENTS[1 - station, b]
            menu = jc.complete_information_contract(params.system, network(state, row))
            quality = jc.quality_of_data(params.system, network(state, row), menu.frequency)[0]
            surplus = float(params.system.unit_profit * quality - menu.payment[0])
            expected = 40.0 * share(own, rival, 0.8) * surplus * (1.0 - own)
            np.testing.assert_allclose(info["utility"][row], expected, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(info["contract"].frequency[0, row], menu.frequency[0], rtol=1e-5)
            paid = float(menu.payment[0]) + surplus * own
            np.testing.assert_allclose(info["contract"].payment[0, row], paid, rtol=1e-4)
    np.testing.assert_allclose(reward * params.reward_unit, info["utility"], rtol=1e-5)


def test_both_stations_have_one_network_and_see_it_twice(played):
    _, observation, state, _, _ = played
    for leaf in jax.tree.leaves(state.networks):
        np.testing.assert_array_equal(leaf[:, :7], leaf[:, 7:])
    np.testing.assert_array_equal(observation[6:], observation[2:4])
    alone = ENV.observe(network(state, 3), ENV.default_params)
    np.testing.assert_allclose(alone, observation[:, 3], rtol=1e-6)


def test_one_round_is_a_column_of_many(played):
    params, _, state, action, (_, _, reward, _, _, info) = played
    columns = np.array([4, 11]) - 3
    one = jax.tree.map(lambda leaf: leaf[..., columns], state.networks)
    alone = type(state)(networks=one, round=state.round[1:2])
    observation, _, own, terminated, truncated, told = jax.jit(ENV.step)(
        jax.random.key(2), alone, action[:, columns].T, params
    )
    np.testing.assert_allclose(own, reward[columns], rtol=1e-6)
    np.testing.assert_allclose(told["contract"].payment, info["contract"].payment[:, columns].T, rtol=1e-6)
    assert observation.shape == (2, 8)
    assert (bool(terminated), bool(truncated)) == (False, False)


def test_an_episode_is_cut_after_its_rounds(played):
    _, _, state, action, _ = played
    params = ENV.default_params.replace(episode_length=1)
    step = jax.jit(ENV.rounds_last().step)
    _, state, _, terminated, truncated, _ = step(jax.random.key(0), state, action, params)
    assert np.all(truncated)
    assert not np.any(terminated)
    assert np.all(np.asarray(state.round) == 0)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: CapacityRules(capacity=0.5), r"capacity = 0.5: must be a number in \(0.5, 1\)"),
        (lambda: CapacityRules(capacity=1.0), r"capacity = 1.0: must be a number in \(0.5, 1\)"),
        (lambda: CapacityRules(capacity=float("nan")), "capacity = nan: must be a number in"),
        (lambda: ENV.step(jax.random.key(0), None, jnp.zeros(2)), r"of shape \(2,\): must be \(2, 1\)"),
        (lambda: ENV.reset(0), "key = 0: must be a key of JAX"),
        (lambda: ENV.reset(jax.random.key(0), {}), "CapacityParams"),
        (lambda: CapacityParams(system=3), "CapacityParams.system = 3: must be a System"),
        (
            lambda: ENV.reset(
                jax.random.key(0), CapacityParams(distribution=jc.NetworkDistribution.equal_bands(2))
            ),
            "CapacityEnv.num_types = 1: must be 2, the bands of",
        ),
        (
            lambda: CapacityGame(law=NetworkLaw(type_edges=(1.0, 2.0, 3.0))),
            "CapacityRules.num_types = 1: must be 2, the bands of type_edges",
        ),
        (
            lambda: CapacityGame(
                problem=System(unit_profit=0.2, slot_duration=0.1), env=CapacityRules(num_types=2)
            ),
            "unit_profit = 0.2: must be so much that the lowest type is worth serving in every network",
        ),
        (lambda: CapacityRules(num_types=3), r"num_types = 3: must be .*\[1, 2\]"),
        (lambda: CapacityGame(problem=System(unit_profit=1e-9)), "some network is worth serving"),
        (
            lambda: Setting(game=CapacityGame(), algorithm=GradientConfig()),
            "algorithm = gradient: cannot learn the game capacity: what a station earns jumps",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(call, line):
    with pytest.raises(ValueError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", ["--capacity 1", "--capacity 0.4", "--algorithm gradient"])
def test_a_command_line_is_refused_in_one_line_with_code_2(options, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--game", "capacity", *options.split()])
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_a_game_says_where_a_learner_starts_from_and_a_person_may_say_otherwise():
    asked = parse("--game capacity --capacity 0.6".split())
    assert asked.setting.algorithm.entropy_coefficient == 0.26
    assert "entropy_coefficient = 0.26 (where this game starts)" in asked.changes
    other = parse("--game capacity --entropy-coefficient 0".split())
    assert other.setting.algorithm.entropy_coefficient == 0
    assert "entropy_coefficient = 0.0 (preset: 0.26)" in other.changes
    assert parse([]).setting.algorithm == PRESETS["default"].algorithm
    assert setting_from_dict(asked.setting.as_dict()) == asked.setting


@pytest.mark.parametrize("capacity", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("cheap", [0.84, 0.5, 0.3])
def test_rounds_of_two_types_pay_what_the_game_of_menus_says(capacity, cheap):
    state = jc.NetworkState(
        max_aoi=0.95, max_latency=0.73, type_probs=np.array([cheap, 1 - cheap]), device_types=TYPES
    )
    menus = list_menus(STRESS, state, 5, 4)
    payoffs = menu_payoffs(STRESS, state, menus, capacity)
    actions = np.stack(
        [part.ravel() for part in np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 4), indexing="ij")]
    )
    own, other = (part.ravel() for part in np.meshgrid(*[np.arange(20)] * 2, indexing="ij"))
    action = np.concatenate([actions[:, own], actions[:, other]], axis=1)
    rows = jax.tree.map(
        lambda leaf: np.repeat(np.reshape(np.asarray(leaf, np.float32), (-1, 1)), 800, axis=1), state
    )
    params = CapacityParams(
        system=STRESS, distribution=jc.NetworkDistribution.equal_bands(2), capacity=capacity
    )
    played = CompetitionState(networks=rows, round=jnp.zeros(400, int))
    step = jax.jit(CapacityEnv(num_types=2).rounds_last().step)
    info = step(jax.random.key(0), played, action, params)[-1]
    # In single precision equal offers may differ: those to type 2 by menus of other rents.
    apart = np.abs(np.subtract(*(info["contract"].payment[1].reshape(2, -1)))) > 1e-5
    apart |= own == other
    np.testing.assert_allclose(info["utility"][:400][apart], payoffs.ravel()[apart], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(info["contract"].payment[:, :400].T, menus.payment[own], rtol=1e-5)
    total = np.sum(
        np.asarray(state.type_probs)[:, None] * (info["served"][:, :400] + info["served"][:, 400:])
    )
    np.testing.assert_allclose(total, 400, rtol=1e-5)  # there is room for all


def test_a_menu_below_zero_serves_nobody_and_a_step_beyond_its_ends_counts_as_the_end():
    env = CapacityEnv(num_types=2)
    _, state = env.reset(jax.random.key(0))
    step = jax.jit(env.step)

    def play(*actions):
        return step(jax.random.key(1), state, jnp.array(actions), env.default_params)[-1]

    alone = play([0.3, 0.5], [-0.5, 0.0])
    np.testing.assert_allclose(alone["served"][:, 0], [0.75, 0.0])
    np.testing.assert_array_equal(
        play([0.3, 1.5], [0.2, -2.0])["utility"], play([0.3, 1.0], [0.2, 0.0])["utility"]
    )


def test_the_game_says_its_capacity():
    assert CapacityGame().describe() == "2 stations, K = 1, capacity L/M = 0.75"
