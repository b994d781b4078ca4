"""Games whose rounds depend on each other: their rules by hand, networks that change, ends, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.train.command import parse
from jaxcontract.config.presets import STRESS
from jaxcontract.config.setting import setting_from_dict
from jaxcontract.envs.budget_config import BudgetGame, BudgetRules
from jaxcontract.envs.enrolment_budget_config import EnrolmentBudgetGame, EnrolmentBudgetRules
from jaxcontract.envs.enrolment_config import EnrolmentGame, EnrolmentRules
from jaxcontract.mechanism.enrolment_law import EnrolmentLaw
from jaxcontract.mechanism.network_law import NetworkLaw
from oracles import paper

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ENROLMENT = EnrolmentGame(problem=STRESS, enrolment=EnrolmentLaw(taste_scale=0.1, outside_utility=0.1))
BUDGET = BudgetGame(problem=STRESS, env=BudgetRules(num_rounds=3, budget=0.1))
BOTH = EnrolmentBudgetGame(
    problem=STRESS, enrolment=ENROLMENT.enrolment, env=EnrolmentBudgetRules(num_rounds=3, budget=0.1)
)


def play(game, actions, count=1, key=0):
    """Rounds of B = `count` side by side, [Z] of (state before, outcome), and the env and params."""
    env, params = game.make()
    rows = env.rounds_last()
    observation, state = jax.jit(rows.reset, static_argnums=2)(jax.random.key(key), params, count)
    step, rounds = jax.jit(rows.step), []
    for number, action in enumerate(actions):
        action = jnp.broadcast_to(jnp.asarray(action, float)[:, None], (len(action), count))
        outcome = step(jax.random.key(100 + number), state, action, params)
        rounds.append((observation, state, outcome))
        observation, state = outcome[:2]
    return env, params, rounds


def column(networks, row=0):
    return jc.NetworkState(
        max_aoi=networks.max_aoi[0, row],
        max_latency=networks.max_latency[0, row],
        type_probs=networks.type_probs[:, row],
        device_types=networks.device_types[:, row],
    )


def test_devices_come_back_by_what_their_type_has_earned():
    env, params, rounds = play(ENROLMENT, [[0.0, 0.3], [2.0, -0.5], [-4.0, 0.0]])
    enrolled = np.full(2, 0.05)
    for observation, state, (_, _, reward, terminated, truncated, info) in rounds:
        network = column(state.networks)
        f, r = (np.asarray(part)[:, 0] for part in (info["contract"].frequency, info["contract"].payment))
        assert jc.certify(STRESS, network, jc.Contract(frequency=f, payment=r)).feasible
        np.testing.assert_allclose(observation[8:, 0], enrolled, rtol=1e-5)
        earned = 40.0 * np.sum(network.type_probs * enrolled * paper.profit(STRESS, network, f, r))
        np.testing.assert_allclose(info["utility"][0], earned, rtol=1e-4)
        np.testing.assert_allclose(reward[0] * params.reward_unit, earned, rtol=1e-4)
        comes = 1.0 / (1.0 + np.exp(-(r - f / np.asarray(network.device_types) - 0.1) / 0.1))
        enrolled = 0.9 * enrolled + 0.1 * comes
        assert not terminated[0]
        assert not truncated[0]
    assert env.observation_space(params).shape == (10,)


def test_an_action_can_leave_as_much_as_the_best_contracts_do_and_as_little():
    env, params = ENROLMENT.make()
    state = jax.tree.map(lambda leaf: leaf[0], jc.printed_states())
    rents = []
    for logit in (1.1, 8.0, -8.0):
        contract = env.contract(state, jnp.array([logit, 0.0]), params)
        rents.append(float(contract.payment[0] - contract.frequency[0] / 2.0))
    assert rents[0] > 0.45
    assert rents[1] > 0.59
    assert 0 <= rents[2] < 1e-3


def test_an_episode_is_cut_and_the_next_one_begins_with_few():
    game = ENROLMENT.replace(env=EnrolmentRules(episode_length=2))
    _, _, rounds = play(game, [[1.0, 0.0]] * 3, count=3)
    (_, _, first), (_, _, second), (_, state, _) = rounds
    assert not np.any(first[4])
    assert np.all(second[4])
    assert not np.any(second[3])
    np.testing.assert_allclose(state.enrolled, 0.05)
    assert np.all(np.asarray(state.round) == 0)
    assert np.all(second[5]["final_observation"][8:] > 0.1)
    assert np.all(second[0][8:] == np.float32(0.05))
    assert not np.any(second[0][2] == second[5]["final_observation"][2])


@pytest.mark.parametrize(("networks", "share"), [("frozen", 0.0), ("independent", 1.0), ("markov", 0.3935)])
def test_networks_change_as_they_should(networks, share):
    rules = EnrolmentRules(networks=networks, correlation_time=2.0)
    _, _, rounds = play(ENROLMENT.replace(env=rules), [[0.0, 0.0]] * 2, count=4000)
    before, after = rounds[0][1].networks, rounds[1][1].networks
    changed = np.asarray(before.max_aoi != after.max_aoi)[0]
    np.testing.assert_array_equal(changed, np.any(before.device_types != after.device_types, axis=0))
    assert abs(changed.mean() - share) < 0.03
    # The law of a round's network stays: uniform in [0.5, 1], and of mean 1/2.
    assert abs(np.mean(after.max_aoi) - 0.75) < 0.01
    assert abs(np.mean(after.type_probs) - 0.5) < 0.02


LONG = pytest.mark.long


@pytest.mark.parametrize("action", [pytest.param(-9.0, marks=LONG), 0.5, pytest.param(9.0, marks=LONG)])
def test_payments_come_out_of_the_budget(action):
    _, params, rounds = play(BUDGET, [[action]] * 4, count=50)
    left = np.full(50, float(params.money))
    price = params.price_unit * (np.exp(min(action, 4.0)) + max(action - 4.0, 0.0))
    for number, (observation, state, (_, _, reward, terminated, truncated, info)) in enumerate(rounds):
        if number == 3:
            left = np.full(50, float(params.money))
        np.testing.assert_allclose(observation[8], left, rtol=1e-5)
        assert np.all(observation[9] == (3 - number if number < 3 else 3))
        for row in (0, 30):
            network = column(state.networks, row)
            cheaper = STRESS.replace(unit_profit=1.0 / (1.0 + float(price)))
            best = jc.optimal_contract(cheaper, network)
            cost = 40.0 * float(np.sum(network.type_probs * best.payment))
            worth = paper.station_utility(STRESS, network, best.frequency, best.payment)
            signed = cost <= left[row] and worth > price * cost
            np.testing.assert_allclose(info["spent"][row], cost * signed, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(info["utility"][row], worth * signed, rtol=1e-3, atol=1e-4)
        left = left - np.asarray(info["spent"])
        np.testing.assert_allclose(info["money"], left, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(reward * params.reward_unit, info["utility"], rtol=1e-5)
        assert np.all(terminated == (number == 2))
        assert not np.any(truncated)
    assert np.all(left >= 0)


def test_any_contract_can_be_offered_and_one_that_is_too_dear_is_not_signed():
    game = BUDGET.replace(env=BudgetRules(num_rounds=2, actions="feasible", budget=3.0))
    env, params, rounds = play(game, [[0.0, 0.0, 200.0, 0.0], [0.0, 0.0, -3.0, -3.0]], count=20)
    dear, cheap = rounds[0][2][5], rounds[1][2][5]
    assert np.all(dear["spent"] == 0)
    assert np.all(dear["utility"] == 0)
    assert np.all(cheap["spent"] > 0)
    contract = jax.tree.map(lambda leaf: leaf[:, 3], cheap["contract"])
    assert jc.certify(STRESS, column(rounds[1][1].networks, 3), contract).feasible
    assert env.action_space(params).shape == (4,)


def test_who_is_enrolled_is_paid_out_of_the_budget_or_earns_nothing():
    _, params, rounds = play(BOTH, [[-3.0, 1.0, 0.0], [0.5, 2.0, 0.3], [1.0, -2.0, 0.0], [0.0, 0.0, 0.0]])
    enrolled, left, unsigned = np.full(2, 0.05), float(params.money), 0
    for number, (observation, state, (_, _, reward, terminated, truncated, info)) in enumerate(rounds):
        if number == 3:
            enrolled, left = np.full(2, 0.05), float(params.money)
        network = column(state.networks)
        f, r = (np.asarray(part)[:, 0] for part in (info["contract"].frequency, info["contract"].payment))
        assert jc.certify(STRESS, network, jc.Contract(frequency=f, payment=r)).feasible
        np.testing.assert_allclose(observation[8:11, 0], [*enrolled, left], rtol=1e-5)
        cost = 40.0 * np.sum(network.type_probs * enrolled * r)
        earned = 40.0 * np.sum(network.type_probs * enrolled * paper.profit(STRESS, network, f, r))
        signed = cost <= left
        unsigned += not signed
        np.testing.assert_allclose(info["spent"][0], cost * signed, rtol=1e-4)
        np.testing.assert_allclose(info["utility"][0], earned * signed, rtol=1e-4)
        np.testing.assert_allclose(reward[0] * params.reward_unit, earned * signed, rtol=1e-4)
        rents = (r - f / np.asarray(network.device_types)) * signed
        enrolled = 0.9 * enrolled + 0.1 / (1.0 + np.exp(-(rents - 0.1) / 0.1))
        left = left - cost * signed
        np.testing.assert_allclose(info["enrolled"][:, 0], enrolled, rtol=1e-4)
        np.testing.assert_allclose(info["money"][0], left, rtol=1e-4, atol=1e-5)
        assert terminated[0] == (number == 2)
        assert not truncated[0]
    assert 0 < unsigned < 4


def test_a_price_of_money_makes_a_contract_cheaper_and_leaves_its_rents():
    env, params = BOTH.make()
    state = jax.tree.map(lambda leaf: leaf[0], jc.printed_states())
    free, dear = (env.contract(state, jnp.array([price, 0.3, 0.1]), params) for price in (-9.0, 2.0))
    assert np.all(dear.frequency < free.frequency)
    rents = [one.payment - one.frequency / jnp.asarray(state.device_types) for one in (free, dear)]
    np.testing.assert_allclose(*rents, rtol=1e-5)


def offer_both(action):
    env, params = BOTH.make()
    return env.contract(jax.tree.map(lambda leaf: leaf[0], jc.printed_states()), action, params)


def test_plain_numbers_are_seen_and_an_infinite_price_is_one():
    env, params = BOTH.make()
    state = jax.tree.map(lambda leaf: leaf[0], jc.printed_states())
    assert env.observe(state, [0.2, 0.3], 1.5, 2, params).shape == (13,)
    assert BUDGET.make()[0].observe(state, 1.5, 2).shape == (11,)
    assert ENROLMENT.make()[0].observe(state, [0.2, 0.3]).shape == (10,)
    assert np.all(np.isfinite(offer_both([np.inf, 0.0, 0.0]).payment))


@pytest.mark.parametrize("game", [ENROLMENT, BUDGET, BOTH])
def test_one_round_is_a_column_of_many(game):
    env, params = game.make()
    observation, state = jax.jit(env.reset)(jax.random.key(3), params)
    rows = env.rounds_last()
    beside, states = jax.jit(rows.reset, static_argnums=2)(jax.random.key(3), params, 1)
    np.testing.assert_allclose(observation, beside[:, 0])
    action = jnp.full(env.num_actions, 0.3)
    one = jax.jit(env.step)(jax.random.key(4), state, action, params)
    many = jax.jit(rows.step)(jax.random.key(4), states, action[:, None], params)
    for alone, column_of in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        np.testing.assert_allclose(alone, np.reshape(column_of, np.shape(alone)), rtol=1e-6)
    space = env.observation_space(params)
    assert np.all(one[0] >= space.low - 1e-5)
    assert np.all(one[0] <= space.high + 1e-5)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: jc.EnrolmentEnv(num_types=0), "num_types = 0: must be a whole number in"),
        (lambda: jc.EnrolmentEnv().step(jax.random.key(0), None, jnp.zeros(3)), r"must be \(2,\)"),
        (lambda: jc.EnrolmentEnv().reset(jax.random.key(0), {}), "params: must be an EnrolmentParams"),
        (lambda: jc.BudgetEnv().reset(0), "key = 0: must be a key of JAX"),
        (lambda: jc.BudgetEnv(num_rounds=0), "num_rounds = 0: must be a whole number in"),
        (lambda: offer_both([np.nan, 0.0, 0.0]), "EnrolmentBudget-v0.action = .*: must be without NaN"),
        (lambda: offer_both([0.0, 0.0]), r"an action of shape \(2,\): must be \(3,\)"),
        (lambda: BOTH.make()[1].replace(slope_shift=np.nan), "slope_shift = nan: must be a number in"),
        (lambda: BudgetRules(budget=0.0), r"budget = 0.0: must be a number in \(0, inf\)"),
        (lambda: BudgetRules(networks="still"), "networks = .still.: must be one of frozen"),
        (lambda: EnrolmentRules(correlation_time=0.0), "correlation_time = 0.0: must be a number in"),
        (lambda: EnrolmentGame(law=NetworkLaw(type_edges=(1.0, 2.0))), "num_types = 2: must be 1, the bands"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(call, line):
    with pytest.raises(ValueError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", ["--budget 0", "--networks still", "--algorithm gradient"])
def test_a_command_line_is_refused_in_one_line_with_code_2(options, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--game", "budget", *options.split()])
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


@pytest.mark.parametrize("name", ["enrolment", "budget", "enrolment_budget"])
def test_a_preset_comes_back_from_its_configuration(name):
    asked = parse(["--preset", name])
    assert setting_from_dict(asked.setting.as_dict()) == asked.setting
    assert asked.setting.algorithm.discount > 0.9
    assert parse(["--game", name]).setting.algorithm.discount == asked.setting.algorithm.discount
