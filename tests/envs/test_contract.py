"""The contract game, (11) to (13): shape, rewards, edges of the action box, episodes and sweeps."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract import (
    Contract,
    ContractEnv,
    EnvParams,
    NetworkDistribution,
    System,
    centred_utility,
    optimal_contract,
    sample_network,
    station_utility,
)
from jaxcontract.envs.contract import EnvState
from jaxcontract.mechanism.freshness import frequency_bounds
from oracles import paper
from oracles.random_states import pick, random_states

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
MODES = [(actions, reward) for actions in ("feasible", "raw") for reward in ("centred", "paper")]
STRESS = System(slot_duration=0.1, unit_profit=200.0)
reset, step = jax.jit(ContractEnv.reset), jax.jit(ContractEnv.step)
best_contracts = jax.jit(jax.vmap(optimal_contract, in_axes=(None, 0)))


def make(actions="feasible", reward="centred", num_types=2, system=None):
    env = ContractEnv(num_types=num_types, actions=actions, reward=reward)
    return env, env.default_params.replace(system=System() if system is None else system)


@functools.partial(jax.jit, static_argnums=0)
def play(env, states, actions, params):
    """Step [count] rounds, each in its own network state: (reward, info)."""

    def one_round(network, action):
        state = EnvState(network=network, round=jnp.asarray(0))
        _, _, reward, _, _, info = env.step(KEY, state, action, params)
        return reward, info

    return jax.vmap(one_round)(states, actions)


def repeated(state, count):
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), state)


@pytest.mark.parametrize(("actions", "reward"), MODES)
@pytest.mark.parametrize("num_types", [1, 3])
def test_reset_and_step_have_the_shape_of_gymnax(actions, reward, num_types):
    env, params = make(actions, reward, num_types)
    observation, state = jax.eval_shape(env.reset, KEY, params)
    assert observation.shape == (4 + 2 * num_types,)
    results = jax.eval_shape(env.step, KEY, state, jnp.zeros(env.num_actions), params)
    assert len(results) == 6
    following, following_state, payoff, terminated, truncated, info = results
    assert following.shape == observation.shape
    chex.assert_trees_all_equal_shapes_and_dtypes(following_state, state)
    assert payoff.shape == terminated.shape == truncated.shape == ()
    assert payoff.dtype == jnp.float32
    assert terminated.dtype == truncated.dtype == bool
    assert set(info) == {
        "contract",
        "paper_reward",
        "feasible",
        "terminated",
        "truncated",
        "final_observation",
    }
    assert info["contract"].frequency.shape == info["contract"].payment.shape == (num_types,)
    assert info["final_observation"].shape == observation.shape


def test_params_may_be_left_out():
    env = ContractEnv()
    observation, state = reset(env, KEY)
    expected, _ = reset(env, KEY, env.default_params)
    np.testing.assert_allclose(observation, expected, rtol=1e-6)
    assert len(step(env, KEY, state, jnp.zeros(4))) == 6
    assert env.action_space().shape == (4,)
    assert env.observation_space().shape == (8,)
    assert jax.eval_shape(env.contract, state.network, jnp.zeros(4)).frequency.shape == (2,)


def test_observations_are_those_of_the_state_and_keys_decide():
    env, params = make(num_types=3)
    for key, key_step in jax.random.split(KEY, (3, 2)):
        observation, state = reset(env, key, params)
        network = jax.jit(sample_network)(key, params.distribution)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), state.network, network)
        parts = [40, 3, network.max_aoi, network.max_latency, *network.type_probs, *network.device_types]
        np.testing.assert_allclose(observation, parts, rtol=1e-6)
        following, state, *_, info = step(env, key_step, state, jnp.zeros(6), params)
        network = jax.jit(sample_network)(key_step, params.distribution)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), state.network, network)
        parts = [40, 3, network.max_aoi, network.max_latency, *network.type_probs, *network.device_types]
        np.testing.assert_allclose(following, parts, rtol=1e-6)
        np.testing.assert_array_equal(info["final_observation"], following)


def test_the_next_network_does_not_depend_on_the_action():
    env, params = make("raw")
    _, state = reset(env, KEY, params)
    one, other = (step(env, KEY, state, jnp.full(4, level), params) for level in (0.1, 0.9))
    np.testing.assert_array_equal(one[0], other[0])
    assert one[2] != other[2]


def near_feasible_actions(rng, states, count):
    """Raw actions: a third anything, a third near the best contract, a third the best or dearer."""
    best = best_contracts(System(), states)
    best = np.concatenate([best.frequency, best.payment], axis=1)
    kind = rng.integers(0, 3, (count, 1))
    noise = rng.choice([1e-7, 1e-5, 1e-3], (count, 1)) * rng.normal(size=best.shape)
    dearer = best + np.repeat([0.0, 0.01], best.shape[1] // 2)
    return np.select([kind == 0, kind == 1], [rng.uniform(size=best.shape), best + noise], dearer)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("tolerance", [1e-6, 1e-3])
def test_the_paper_reward_is_formula_thirteen(tolerance):
    env, params = make("raw", "paper", 3)
    params = params.replace(tolerance=tolerance, penalty=-321.0)
    rng = np.random.default_rng(0)
    states = random_states(0, 3000, 3)
    actions = near_feasible_actions(rng, states, 3000)
    reward, info = jax.tree.map(np.asarray, play(env, states, actions, params))
    frequency, payment = np.split(actions, 2, axis=1)
    states = jax.tree.map(np.asarray, states)
    earned = paper.station_utility(System(), states, frequency, payment)
    missed = paper.worst_violation(states.device_types, frequency, payment, 1e-4, 1.0)
    feasible = (missed <= tolerance) & np.isfinite(earned)
    assert 300 < feasible.sum() < 2700
    np.testing.assert_array_equal(info["feasible"], feasible)
    expected = np.where(feasible, earned, -321.0)
    np.testing.assert_allclose(reward, expected, rtol=1e-12)
    np.testing.assert_array_equal(info["paper_reward"], reward)
    np.testing.assert_array_equal(info["contract"].frequency, frequency)
    np.testing.assert_array_equal(info["contract"].payment, payment)


def test_the_tolerance_accepts_the_best_contract_in_single_precision():
    env, params = make("raw", "centred", 3)
    states = random_states(0, 1000, 3)
    best = best_contracts(System(), states)
    actions = jnp.concatenate([best.frequency, best.payment], axis=1)
    assert play(env, states, actions, params)[1]["feasible"].all()
    assert not play(env, states, actions, params.replace(tolerance=0.0))[1]["feasible"].all()


@pytest.mark.parametrize("actions", ["feasible", "raw"])
def test_the_centred_reward_of_feasible_contracts_is_the_centred_utility(actions):
    env, params = make(actions, "centred", 3)
    states = random_states(1, 1000, 3)
    if actions == "raw":
        best = best_contracts(System(), states)
        vectors = jnp.concatenate([best.frequency, best.payment + 0.01], axis=1)
    else:
        vectors = jnp.asarray(np.random.default_rng(0).normal(size=(1000, 6)), jnp.float32)
    reward, info = play(env, states, vectors, params)
    assert info["feasible"].all()
    expected = jax.jit(jax.vmap(centred_utility, in_axes=(None, 0, 0)))(System(), states, info["contract"])
    np.testing.assert_allclose(reward, expected, rtol=1e-4, atol=1e-3)
    paper = jax.jit(jax.vmap(station_utility, in_axes=(None, 0, 0)))(System(), states, info["contract"])
    np.testing.assert_allclose(info["paper_reward"], paper, rtol=1e-6)


VIOLATIONS = [
    ([0.2, 0.3, 0.10, 0.12], 0.0),
    ([0.2, 0.3, 0.07, 0.09], 0.03),
    ([0.2, 0.3, 0.11, 0.11], 0.01),
    ([0.2, 0.3, 0.12, 0.19], 0.02),
    ([0.2, 0.3, 0.10, 0.15], 0.0),
    ([0.3, 0.2, 0.20, 0.10], 0.09),
    ([0.2, 1.1, 0.11, 0.22], 0.1),
]


def charges(params, device_types):
    """By how much the centred reward of each of VIOLATIONS stays below its centred utility."""
    env = ContractEnv(actions="raw", reward="centred")
    state = pick(random_states(0, 1, 2), 0).replace(device_types=device_types)
    actions = np.array([action for action, _ in VIOLATIONS])
    reward, _ = play(env, repeated(state, len(actions)), actions, params)
    inside = np.clip(actions[:, :2], 1e-4, 1.0)
    contracts = Contract(frequency=inside, payment=actions[:, 2:])
    utility = jax.jit(jax.vmap(centred_utility, in_axes=(None, None, 0)))(params.system, state, contracts)
    return np.asarray(utility - reward)


@pytest.mark.usefixtures("float64")
def test_the_centred_reward_charges_every_violation():
    params = ContractEnv().default_params
    missed = np.array([missed for _, missed in VIOLATIONS])
    charged = charges(params.replace(violation_price=300.0), [2.0, 10.0])
    price = charged[1] / missed[1]
    assert price >= 300 * (1 - 1e-9)
    np.testing.assert_allclose(charged, price * missed, atol=1e-9)
    doubled = charges(params.replace(violation_price=600.0), [2.0, 10.0])
    np.testing.assert_allclose(doubled, 2 * charged, atol=1e-9)


@pytest.mark.usefixtures("float64")
def test_a_safety_margin_is_charged_like_a_violation():
    params = ContractEnv().default_params
    price = charges(params, [2.0, 10.0])[1] / VIOLATIONS[1][1]
    margin = 0.004
    shortfalls = []
    for action, _ in VIOLATIONS:
        (low, high), (low_payment, high_payment) = action[:2], action[2:]
        own = [low_payment - low / 2, high_payment - high / 10]
        envy = [high_payment - high / 2 - own[0], low_payment - low / 10 - own[1]]
        slacks = [*own, *(-gain for gain in envy)]
        shortfalls.append(sum(max(0, margin - slack) for slack in slacks) + max(0, high - 1))
    charged = charges(params.replace(safety_margin=margin), [2.0, 10.0])
    np.testing.assert_allclose(charged, price * np.array(shortfalls), atol=1e-9)


def test_a_safety_margin_does_not_move_what_is_feasible():
    env, params = make("raw", "centred", 3)
    states = random_states(0, 1000, 3)
    best = best_contracts(System(), states)
    actions = jnp.concatenate([best.frequency, best.payment], axis=1)
    reward, info = play(env, states, actions, params)
    careful, same = play(env, states, actions, params.replace(safety_margin=0.01))
    assert info["feasible"].all()
    np.testing.assert_array_equal(info["feasible"], same["feasible"])
    np.testing.assert_array_equal(info["paper_reward"], same["paper_reward"])
    assert (careful < reward).all()


def tempting_actions(rng, env, state, best, size):
    """Actions that might be paid more than the best contract: random ones, near ones, telling cheats."""
    nothing = np.zeros(2 * size)
    least = np.concatenate([np.full(size, 0.01), 0.01 / np.asarray(state.device_types)])
    cheats = [nothing, np.ones(2 * size), np.full(2 * size, 0.5), least]
    frequency, payment = np.split(best, 2)
    cheats += [np.concatenate([frequency, np.maximum(payment - cut, 0)]) for cut in (1e-3, 0.01, 0.05, 1.0)]
    cheats += [np.concatenate([np.full(size, 0.01), np.zeros(size)])]
    near = best + rng.choice([1e-3, 1e-2, 1e-1], (500, 1)) * rng.normal(size=(500, 2 * size))
    raw = np.concatenate([rng.uniform(size=(2000, 2 * size)), np.clip(near, 0, 1), cheats])
    return raw if env.actions == "raw" else 5 * rng.normal(size=(2500, 2 * size))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("actions", "reward"), MODES)
@pytest.mark.parametrize(
    "system",
    [System(), System(num_devices=4000.0), STRESS, System(unit_profit=1e5), System(unit_profit=1.0)],
    ids=["paper", "many devices", "stress", "much profit", "little profit"],
)
def test_the_best_contract_is_paid_most(actions, reward, system):
    env, params = make(actions, reward, 2, system)
    states = random_states(6, 3, 2)
    for index in range(3):
        state = pick(states, index)
        contract = jax.jit(optimal_contract)(system, state)
        best = np.concatenate([contract.frequency, contract.payment])
        others = tempting_actions(np.random.default_rng(index), env, state, best, 2)
        if actions == "feasible":
            low, high = map(float, frequency_bounds(system, state))
            gaps = np.maximum(np.diff(best[:2], prepend=low, append=high), 1e-12)
            best = np.concatenate([np.log(gaps[:-1] / gaps[-1]), [-15.0, -15.0]])
        payoff, info = play(env, repeated(state, len(others) + 1), np.concatenate([[best], others]), params)
        assert info["feasible"][0]
        slack = 1e-9 * (1 + abs(payoff[0])) + (1e-7 * system.num_devices if actions == "feasible" else 0)
        assert payoff[1:].max() <= payoff[0] + slack


def edge_actions(rng, size):
    """[2000 + …, 2K]: random actions in and around the unit box, its corners, and far away ones."""
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * (2 * size))).reshape(2 * size, -1).T
    tiny = np.where(corners == 0, 1e-30, corners)
    return np.concatenate(
        [
            rng.uniform(size=(1000, 2 * size)),
            rng.normal(size=(500, 2 * size)),
            30 * rng.normal(size=(500, 2 * size)),
            corners,
            -corners,
            tiny,
            100 * (2 * corners - 1),
        ]
    )


@functools.partial(jax.jit, static_argnums=0)
def payoffs_and_slopes(env, state, actions, params):
    def payoff(action):
        held = EnvState(network=state, round=jnp.asarray(0))
        _, _, reward, _, _, info = env.step(KEY, held, action, params)
        return reward, (info["paper_reward"], info["feasible"])

    return jax.vmap(jax.value_and_grad(payoff, has_aux=True))(actions)


@pytest.mark.parametrize(("actions", "reward"), MODES)
@pytest.mark.parametrize("system", [System(), System(slot_duration=0.1), System(aoi_preference=0.0)])
def test_every_action_has_a_finite_reward_and_a_finite_slope(actions, reward, system):
    env, params = make(actions, reward, 2, system)
    state = pick(random_states(8, 1, 2), 0)
    vectors = jnp.asarray(edge_actions(np.random.default_rng(0), 2), jnp.float32)
    (payoff, (paper_reward, feasible)), slope = payoffs_and_slopes(env, state, vectors, params)
    assert payoff.shape == (len(vectors),)
    assert np.isfinite(payoff).all()
    assert np.isfinite(paper_reward).all()
    assert np.isfinite(slope).all()
    if actions == "raw":
        assert 0 < feasible.sum() < len(vectors)
        assert (np.asarray(paper_reward)[~np.asarray(feasible)] == -500).all()
    if (actions, reward) == ("raw", "centred"):
        outside = ~np.asarray(feasible)[:1000]
        assert (np.abs(np.asarray(slope)[:1000][outside]).max(axis=1) > 0).all()


@pytest.mark.parametrize("actions", ["feasible", "raw"])
def test_the_feasible_flag_tells_feasible_actions_from_raw_ones(actions):
    env, params = make(actions, "centred", 3)
    states = random_states(0, 1000, 3)
    vectors = jnp.asarray(np.random.default_rng(0).uniform(size=(1000, 6)), jnp.float32)
    share = float(play(env, states, vectors, params)[1]["feasible"].mean())
    assert share == 1 if actions == "feasible" else share < 0.005


def test_few_uniform_items_are_feasible_in_the_paper_game():
    env, params = make("raw", "paper")

    def uniform_round(key):
        key_network, key_action = jax.random.split(key)
        _, state = env.reset(key_network, params)
        return env.step(KEY, state, env.action_space(params).sample(key_action), params)[5]["feasible"]

    feasible = jax.jit(jax.vmap(uniform_round))(jax.random.split(KEY, 50_000))
    assert abs(float(feasible.mean()) - 0.026) < 0.005


def test_episodes_are_truncated_at_their_length_and_never_terminated():
    env, params = make()
    params = params.replace(episode_length=5)

    def play_on(state, key):
        _, state, _, terminated, truncated, info = env.step(key, state, jnp.zeros(4), params)
        return state, (state.round, terminated, truncated, info["terminated"], info["truncated"])

    _, state = reset(env, KEY, params)
    _, (rounds, terminated, truncated, *flags) = jax.lax.scan(play_on, state, jax.random.split(KEY, 17))
    np.testing.assert_array_equal(rounds, [(index + 1) % 5 for index in range(17)])
    np.testing.assert_array_equal(truncated, [(index + 1) % 5 == 0 for index in range(17)])
    assert not terminated.any()
    np.testing.assert_array_equal(flags[0], terminated)
    np.testing.assert_array_equal(flags[1], truncated)


def test_an_episode_may_last_one_round():
    env, params = make()
    params = params.replace(episode_length=1)
    _, state = reset(env, KEY, params)
    _, state, _, _, truncated, _ = step(env, KEY, state, jnp.zeros(4), params)
    assert truncated
    assert state.round == 0


def test_thousands_of_rounds_run_side_by_side():
    env, params = make(num_types=3)
    keys = jax.random.split(KEY, 4096)
    observations, states = jax.jit(jax.vmap(env.reset, in_axes=(0, None)))(keys, params)
    assert observations.shape == (4096, 10)
    assert len(np.unique(np.asarray(observations), axis=0)) == 4096
    actions = jax.random.normal(KEY, (4096, 6))
    steps = jax.jit(jax.vmap(env.step, in_axes=(0, 0, 0, None)))
    following, _, reward, _, _, info = steps(keys, states, actions, params)
    assert following.shape == (4096, 10)
    assert reward.shape == info["feasible"].shape == (4096,)
    single = step(env, keys[7], pick(states, 7), actions[7], params)
    np.testing.assert_allclose(single[2], reward[7], rtol=1e-5)


def test_keys_actions_and_numbers_do_not_trace_again():
    env, params = make("raw")
    reset_once = jax.jit(chex.assert_max_traces(lambda *inputs: env.reset(*inputs), n=1))
    step_once = jax.jit(chex.assert_max_traces(lambda *inputs: env.step(*inputs), n=1))
    for number, key in enumerate(jax.random.split(KEY, 4)):
        varied = params.replace(
            system=System(aoi_preference=0.1 * (number + 1), num_devices=10.0 + number),
            penalty=-100.0 * (number + 1),
            episode_length=number + 1,
        )
        _, state = reset_once(key, varied)
        for _ in range(2):
            _, state, *_ = step_once(key, state, jax.random.uniform(key, (4,)), varied)


def test_equal_envs_share_one_trace():
    @functools.partial(jax.jit, static_argnums=0)
    @functools.partial(chex.assert_max_traces, n=1)
    def observe(env, key, params):
        return env.reset(key, params)[0]

    for _ in range(2):
        env, params = make("raw", "paper")
        observe(env, KEY, params)


def test_envs_are_values():
    assert ContractEnv() == ContractEnv(num_types=2)
    assert hash(ContractEnv()) == hash(ContractEnv(num_types=2))
    different = [
        ContractEnv(),
        ContractEnv(actions="raw"),
        ContractEnv(reward="paper"),
        ContractEnv(num_types=3),
    ]
    assert len(set(different)) == 4
    assert jax.tree.leaves(ContractEnv()) == []
    assert ContractEnv().name == "Contract-v0"


def test_params_of_different_systems_are_not_equal():
    assert EnvParams() != EnvParams(system=System(num_devices=10.0))
    assert EnvParams() != EnvParams(distribution=NetworkDistribution(aoi_range=(0.6, 0.7)))


def test_spaces_contain_what_they_should():
    env, params = make("raw")
    num_types = env.num_types
    space, observations = env.action_space(params), env.observation_space(params)

    @jax.jit
    @jax.vmap
    def samples(key):
        action, seen, drawn = space.sample(key), env.reset(key, params)[0], observations.sample(key)
        inside = space.contains(action), observations.contains(seen), observations.contains(drawn)
        return action, seen, jnp.stack(inside)

    actions, seen, inside = samples(jax.random.split(KEY, 200))
    assert actions.shape == (200, 2 * num_types) == (200, *space.shape)
    assert seen.shape == (200, *observations.shape)
    assert inside.all()
    assert actions.min() < 0.05
    assert actions.max() > 0.95
    contains = jax.jit(space.contains)
    zeros, ones = np.zeros(2 * num_types), np.ones(2 * num_types)
    assert contains(zeros)
    assert contains(ones)
    for outside in (1.01 * ones, np.nan * ones, zeros - np.eye(2 * num_types)[0] * 0.01):
        assert not contains(outside)
    assert not observations.contains(seen[0].at[2].set(1.1))


def test_every_vector_is_in_the_space_of_feasible_actions():
    env, params = make("feasible", num_types=3)
    space = env.action_space(params)
    samples = jax.jit(jax.vmap(space.sample))(jax.random.split(KEY, 2000))
    assert samples.shape == (2000, 6)
    assert abs(float(samples.mean())) < 0.05
    assert abs(float(samples.std()) - 1) < 0.05
    assert space.contains(jnp.full(6, -1e30))


def test_a_sweep_over_the_system_is_a_vmap():
    env, params = make()
    preferences = jnp.linspace(0.0, 1.0, 5)
    _, state = reset(env, KEY, params)

    @jax.jit
    def reward(params):
        return env.step(KEY, state, jnp.zeros(4), params)[2]

    swept = params.replace(system=System(aoi_preference=preferences))
    axes = jax.tree.map(lambda one, many: 0 if jnp.ndim(many) > jnp.ndim(one) else None, params, swept)
    rewards = jax.jit(jax.vmap(reward, in_axes=(axes,)))(swept)
    single = [reward(params.replace(system=System(aoi_preference=value))) for value in preferences.tolist()]
    np.testing.assert_allclose(rewards, single, rtol=1e-4)
    assert len(np.unique(rewards)) == 5


def test_the_gradient_reaches_the_numbers_of_the_game():
    env, params = make("raw", "centred")
    state = pick(random_states(0, 1, 2), 0)

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def slopes(system, price):
        held = EnvState(network=state, round=jnp.asarray(0))
        numbers = params.replace(system=system, violation_price=price)
        return env.step(KEY, held, jnp.array([0.2, 0.1, 0.05, 0.02]), numbers)[2]

    system, price = slopes(System(), 400.0)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(system))
    assert system.unit_profit != 0
    assert price < 0
