"""PPO on probe environments whose answers are known, and what training promises about traces and bits."""

import dataclasses
import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract import ContractEnv, PPOConfig, train
from jaxcontract.core.spaces import Box
from jaxcontract.learning.algorithms.ppo.ppo import init, update
from jaxcontract.learning.loop import repeat
from jaxcontract.learning.networks.mlp import MLP
from jaxcontract.learning.optimizer import step_size
from jaxcontract.learning.policies.gaussian import LOG_STD_RANGE, Gaussian

advance = functools.partial(repeat, update)


def train_for(learner, env, params, config, num_updates):
    return jax.lax.scan(lambda learner, _: update(learner, env, params, config), learner, length=num_updates)


INFINITY = math.inf

# What is learned does not hang on how well the code was compiled; waiting for the compiler does.
QUICKLY = {"xla_backend_optimization_level": 0}
quick_init = jax.jit(init, static_argnames="env", compiler_options=QUICKLY)
quick_update = jax.jit(update, static_argnames="env", compiler_options=QUICKLY)
quick_train = jax.jit(train, static_argnames="env", compiler_options=QUICKLY)


def played(observation, state, reward, terminated, truncated, final_observation):
    """What gymnax's `step` returns."""
    return observation, state, reward, terminated, truncated, {"final_observation": final_observation}


@dataclasses.dataclass(frozen=True)
class Rooms:
    """Four rooms that lead to one another whatever is done, described by `rooms`."""

    def reset(self, key, params):
        del key
        return params["view"][:1], jnp.asarray(0)

    def step(self, key, state, action, params):
        del key, action
        following = params["following"][state]
        ending = (params[name][state] for name in ("reward", "terminated", "truncated"))
        return played(params["view"][following][None], following, *ending, params["last_view"])

    def observation_space(self, params):
        del params
        return Box(-1.0, 1.0, (1,))

    def action_space(self, params):
        del params
        return Box(-INFINITY, INFINITY, (1,))


def rooms(reward, *, following=(0, 0, 0, 0), view=(0.0, 1.0, 0.0, 0.0), last_view=0.0, **endings):
    """What each room pays, where it leads, what is seen there, whether leaving it ends the episode."""
    flags = {"terminated": (False,) * 4, "truncated": (False,) * 4} | endings
    return {
        "reward": jnp.broadcast_to(jnp.asarray(reward), (4,)).astype(float),
        "following": jnp.asarray(following),
        "view": jnp.asarray(view),
        "last_view": jnp.asarray([last_view]),
        **{name: jnp.asarray(flag) for name, flag in flags.items()},
    }


@dataclasses.dataclass(frozen=True)
class Target:
    """Reward −(a − offset − slope (o − 20)/10)², o drawn from [10, 30], a in a Box given by `target`."""

    def reset(self, key, params):
        del params
        observation = jax.random.uniform(key, (1,), minval=10.0, maxval=30.0)
        return observation, observation

    def step(self, key, state, action, params):
        best = params["offset"] + params["slope"] * (state[0] - 20.0) / 10.0
        observation, following = self.reset(key, params)
        never = jnp.asarray(False)
        return played(observation, following, -((action[0] - best) ** 2), never, never, observation)

    def observation_space(self, params):
        del params
        return Box(10.0, 30.0, (1,))

    def action_space(self, params):
        return Box(params["low"], params["high"], (1,))


def target(offset=0.7, *, slope=0.0, low=-INFINITY, high=INFINITY):
    """Where the best action lies, and the bounds of actions."""
    numbers = {"offset": offset, "slope": slope, "low": low, "high": high}
    return {name: jnp.asarray(number) for name, number in numbers.items()}


@dataclasses.dataclass(frozen=True)
class Delayed:
    """An action costs a²/2 now and pays a in the second, last round: with discount γ the best is γ."""

    def reset(self, key, params):
        del key, params
        return jnp.zeros(1), (jnp.asarray(False), jnp.asarray(0.0))

    def step(self, key, state, action, params):
        last, promised = state
        start, fresh = self.reset(key, params)
        reward = jnp.where(last, promised, -0.5 * action[0] ** 2)
        following = ~last, jnp.where(last, fresh[1], action[0])
        return played(jnp.where(last, start, 1.0), following, reward, last, jnp.asarray(False), start)

    def observation_space(self, params):
        del params
        return Box(0.0, 1.0, (1,))

    def action_space(self, params):
        del params
        return Box(-INFINITY, INFINITY, (1,))


KEY = jax.random.key(3)
GAME = {"env": Target(), "params": target()}


def leaves(tree):
    """The leaves as NumPy arrays, keys as their bits."""
    return [
        np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for leaf in jax.tree.leaves(tree)
    ]


def assert_same_bits(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for left, right in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(left, right)


def assert_finite(*trees):
    assert all(np.all(np.isfinite(leaf)) for leaf in leaves(trees))


def weight_change(before, after):
    """The change of every weight, in one vector."""
    pairs = zip(leaves(before.weights), leaves(after.weights), strict=True)
    return np.concatenate([(right - left).ravel() for left, right in pairs])


TINY = PPOConfig(
    num_updates=4,
    num_envs=8,
    num_steps=2,
    epochs=2,
    minibatches=2,
    network=MLP(hidden_sizes=(4,)),
    discount=0.9,
)

VALUE = PPOConfig(
    num_updates=150,
    num_envs=16,
    num_steps=4,
    epochs=4,
    minibatches=2,
    network=MLP(hidden_sizes=(8,)),
    learning_rate=2e-2,
    normalize_advantages=False,
)
ONE_STEP = VALUE.replace(epochs=1, minibatches=1)


def mean_value(learner, params):
    """The critic's mean value of what it sees in `Rooms`, from its errors against targets 0 and 1."""
    bandit = ONE_STEP.replace(discount=0.0)
    errors = []
    for reward in (0.0, 1.0):
        paid = params | {"reward": jnp.full(4, reward)}
        errors.append(quick_update(learner, Rooms(), paid, bandit)[1]["value_error"])
    return 0.5 * (1.0 + errors[0] - errors[1])


@pytest.mark.parametrize(
    ("ending", "discount", "expected"),
    [
        (None, 0.0, 1.0),
        (None, 0.5, 2.0),
        (None, 0.8, 5.0),
        ("truncated", 0.0, 1.0),
        ("truncated", 0.5, 2.0),
        ("terminated", 0.5, 1.0),
        ("terminated", 0.8, 1.0),
    ],
)
def test_the_critic_learns_the_value_of_a_constant_reward(ending, discount, expected):
    params = rooms(1.0, **({ending: (True,) * 4} if ending else {}))
    learner, metrics = quick_train(jax.random.key(0), Rooms(), params, VALUE.replace(discount=discount))
    np.testing.assert_allclose(mean_value(learner, params), expected, rtol=0.03)
    np.testing.assert_array_equal(metrics["reward"], np.ones(VALUE.num_updates))


@pytest.mark.parametrize(
    ("ending", "values"), [("truncated", (1.0, 2.0)), ("terminated", (0.5, 1.0)), (None, (2 / 3, 4 / 3))]
)
def test_a_truncated_episode_is_worth_what_its_last_view_promises(ending, values):
    # Room 0 pays nothing and leads to room 1, which pays 1 and leads back, but its last view is room 1.
    flags = {ending: (False, True, False, False)} if ending else {}
    params = rooms((0.0, 1.0, 0.0, 0.0), following=(1, 0, 0, 0), last_view=1.0, **flags)
    learner, _ = quick_train(jax.random.key(0), Rooms(), params, VALUE.replace(discount=0.5))
    np.testing.assert_allclose(mean_value(learner, params), np.mean(values), rtol=0.03)


ACTION = PPOConfig(
    num_updates=100,
    num_envs=64,
    num_steps=1,
    epochs=4,
    minibatches=2,
    network=MLP(hidden_sizes=(8,)),
    learning_rate=1e-2,
)


@pytest.mark.parametrize("best", [0.7, -1.5])
def test_the_policy_finds_the_best_action(best):
    learner, metrics = quick_train(jax.random.key(0), Target(), target(best), ACTION)
    np.testing.assert_allclose(learner.policy(jnp.array([[10.0], [30.0]])), [[best]] * 2, atol=0.05)
    assert metrics["reward"][-1] > metrics["reward"][0]


@pytest.mark.parametrize("best", [0.97, 0.03])
def test_the_policy_finds_a_best_action_near_the_edge_of_its_box(best):
    params = target(best, low=0.0, high=1.0)
    learner, _ = quick_train(jax.random.key(0), Target(), params, ACTION)
    np.testing.assert_allclose(learner.policy(jnp.array([20.0])), [best], atol=0.02)


def test_the_policy_follows_the_observation():
    learner, _ = quick_train(jax.random.key(0), Target(), target(0.2, slope=0.5), ACTION)
    observation = jnp.linspace(10.0, 30.0, 9)[:, None]
    np.testing.assert_allclose(learner.policy(observation), 0.2 + (observation - 20.0) / 20.0, atol=0.1)


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_a_delayed_reward_counts_by_the_discount(discount):
    config = ACTION.replace(num_steps=4, discount=discount)
    learner, _ = quick_train(jax.random.key(0), Delayed(), None, config)
    np.testing.assert_allclose(learner.policy(jnp.zeros(1)), [discount], atol=0.1)


def test_the_papers_estimator_learns():
    config = ACTION.replace(estimator="paper", num_steps=4)
    learner, metrics = quick_train(jax.random.key(0), Target(), target(0.7), config)
    np.testing.assert_allclose(learner.policy(jnp.array([20.0])), [0.7], atol=0.05)
    assert_finite(learner.weights, metrics)


def test_the_papers_estimator_takes_or_refuses_rollouts_of_one_round():
    try:
        config = TINY.replace(estimator="paper", num_steps=1)
    except ValueError as error:
        assert "num_steps" in str(error)  # noqa: PT017
        return
    quick_train.trace(jax.random.key(0), Target(), target(), config)


@pytest.fixture(scope="module")
def seasoned():
    """A learner whose critic has moved away from zero, and its value of what it sees in room 0."""
    params = rooms(0.5)
    learner, _ = quick_train(jax.random.key(0), Rooms(), params, VALUE)
    value = float(mean_value(learner, params))
    assert abs(value) > 0.3
    return learner, value


REWARDS = np.array([1.0, -2.0, 4.0, 8.0])
EPISODE = {
    "following": (1, 2, 3, 0),
    "view": (0.0, 0.0, 0.0, 0.0),
    "truncated": (False, False, False, True),
}


def test_one_update_judges_by_gae_with_a_truncation_at_the_end(seasoned):
    learner, value = seasoned
    config = ONE_STEP.replace(discount=0.9, gae_lambda=0.8)
    _, metrics = quick_update(learner, Rooms(), rooms(REWARDS, **EPISODE), config)
    advantage, following = np.zeros(4), 0.0
    for t in reversed(range(4)):
        following = REWARDS[t] + 0.9 * value - value + 0.9 * 0.8 * following
        advantage[t] = following
    np.testing.assert_allclose(metrics["surrogate"], advantage.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["value_error"], (advantage**2).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["reward"], REWARDS.mean(), rtol=1e-6)


def test_one_update_judges_by_15_and_16_as_printed(seasoned):
    learner, value = seasoned
    config = ONE_STEP.replace(discount=0.9, estimator="paper")
    _, metrics = quick_update(learner, Rooms(), rooms(REWARDS, **EPISODE), config)
    advantage, goal = np.zeros(4), np.zeros(4)
    for z in range(1, 5):
        advantage[z - 1] = 0.9 ** (4 - z) * value - value
        advantage[z - 1] += sum(0.9 ** (y - z) * REWARDS[y - 1] for y in range(z, 4))
        goal[z - 1] = sum(0.9 ** (y - z) * REWARDS[y - 1] for y in range(z, 5))
    np.testing.assert_allclose(metrics["surrogate"], advantage.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["value_error"], ((value - goal) ** 2).mean(), rtol=1e-4)


def test_an_update_starts_at_the_old_policy(seasoned):
    _, metrics = quick_update(seasoned[0], Rooms(), rooms(1.0), ONE_STEP)
    np.testing.assert_allclose(metrics["kl"], 0.0, atol=1e-6)
    assert metrics["clipped"] == 0.0


def test_an_entropy_bonus_widens_the_policy():
    def widened(coefficient):
        config = VALUE.replace(entropy_coefficient=coefficient)
        _, metrics = quick_train(jax.random.key(0), Rooms(), rooms(0.0), config)
        return metrics["entropy"][-1] - metrics["entropy"][0]

    assert abs(widened(0.0)) < 0.2
    assert widened(0.1) > 1.0


@pytest.mark.parametrize("bonus", [1.0, 1e6])
def test_the_deviation_stays_within_float32(bonus):
    config = VALUE.replace(learning_rate=1.0, final_learning_rate=1.0, entropy_coefficient=bonus)
    learner, metrics = quick_train(jax.random.key(0), Rooms(), rooms(0.0), config)
    assert np.all(learner.policy.parameters["log_std"] <= 2.0)
    assert_finite(learner.weights, metrics)


def test_huge_rewards_leave_the_weights_finite():
    learner, _ = quick_train(jax.random.key(0), Rooms(), rooms(1e12), VALUE)
    assert_finite(learner.weights)


def test_training_on_the_printed_game_is_finite():
    env = ContractEnv(actions="raw", reward="paper")
    learner, metrics = quick_train(jax.random.key(312), env, env.default_params, TINY)
    assert_finite(learner.weights, metrics)
    assert all(row.shape == (TINY.num_updates,) for row in metrics.values())


@pytest.fixture(
    scope="module",
    params=[pytest.param(QUICKLY, id="quickly"), pytest.param({}, id="fully", marks=pytest.mark.long)],
)
def compiled(request):
    """`jit` for functions that take `env`, at two levels of optimisation."""
    return functools.partial(jax.jit, compiler_options=request.param)


@pytest.fixture(scope="module")
def whole(compiled):
    """The training of (learner, metrics) from a key, at once: what others must equal bit by bit."""
    return functools.partial(compiled(train, static_argnames="env"), config=TINY, **GAME)


@pytest.fixture(scope="module")
def begin(compiled):
    """The learner that `whole` starts from, from the same key."""
    return functools.partial(compiled(init, static_argnames="env"), config=TINY, **GAME)


def test_the_same_key_gives_the_same_bits_and_another_key_others(whole):
    learner, metrics = whole(KEY)
    assert_same_bits((learner, metrics), whole(jax.random.key(3)))
    other, _ = whole(jax.random.key(8))
    assert np.abs(weight_change(learner, other)).max() > 1e-3


def test_training_is_a_fresh_learner_and_its_donated_updates(compiled, whole, begin):
    donating = compiled(update, static_argnames="env", donate_argnames="learner")
    learner, rows, keys = begin(KEY), [], set()
    for _ in range(TINY.num_updates):
        given = learner
        learner, metrics = donating(given, config=TINY, **GAME)
        rows.append(metrics)
        keys.add(np.asarray(jax.random.key_data(learner.key)).tobytes())
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given.weights))
    # Two programs: from jax 0.11 on the compiler may fuse them differently, down to the last bits.
    trained = whole(KEY)
    one_by_one = learner, jax.tree.map(lambda *leaf: jnp.stack(leaf), *rows)
    if jax.__version_info__ < (0, 11):
        assert_same_bits(trained, one_by_one)
    assert jax.tree.structure(trained) == jax.tree.structure(one_by_one)
    for left, right in zip(leaves(trained), leaves(one_by_one), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
    assert learner.num_updates == TINY.num_updates
    assert len(keys) == TINY.num_updates


def test_training_in_chunks_is_training_at_once_bit_for_bit(compiled, whole, begin):
    go_on = compiled(train_for, static_argnames=("env", "num_updates"))
    middle, first = go_on(begin(KEY), config=TINY, num_updates=2, **GAME)
    learner, second = go_on(middle, config=TINY, num_updates=2, **GAME)
    metrics = jax.tree.map(lambda *leaf: jnp.concatenate(leaf), first, second)
    assert_same_bits(whole(KEY), (learner, metrics))

    later, metrics = go_on(learner, config=TINY, num_updates=2, **GAME)
    assert metrics["reward"].shape == (2,)
    assert later.num_updates == TINY.num_updates + 2
    assert_same_bits(learner.weights, later.weights)  # the step size has come to zero


def test_advancing_by_any_count_is_training_bit_for_bit(compiled, whole, begin):
    go_on = compiled(advance, static_argnames="env")
    at_once, metrics = whole(KEY)
    middle, _ = go_on(begin(KEY), config=TINY, count=1, **GAME)
    learner, _ = go_on(middle, config=TINY, count=3, **GAME)
    assert_same_bits(at_once, learner)
    _, means = go_on(begin(KEY), config=TINY, count=4, **GAME)
    chex.assert_trees_all_close(means, jax.tree.map(jnp.mean, metrics), rtol=1e-5, atol=1e-7)


def test_a_sweep_over_learning_rates_is_a_map(compiled, whole):
    rates = jnp.array([1e-4, 1e-3, 1e-2])

    def train_at(rate):
        return train(KEY, config=TINY.replace(learning_rate=rate), **GAME)

    learners, metrics = compiled(lambda rates: jax.lax.map(train_at, rates))(rates)
    assert metrics["reward"].shape == (3, TINY.num_updates)
    for i, rate in enumerate(rates):
        learner, _ = whole(KEY, config=TINY.replace(learning_rate=float(rate)))
        mapped = jax.tree.map(lambda leaf, i=i: leaf[i], learners.weights)
        chex.assert_trees_all_close(mapped, learner.weights, rtol=1e-4, atol=1e-5)


STEP = TINY.replace(num_updates=10, epochs=1, minibatches=1, normalize_advantages=False)


def first_step(config, params=None, num_updates=0):
    """What one gradient step changes in a fresh learner that has made so many updates, and its metrics."""
    learner = quick_init(KEY, config=TINY, **GAME)
    learner = dataclasses.replace(learner, num_updates=jnp.asarray(num_updates))
    after, metrics = quick_update(learner, Target(), target() if params is None else params, config)
    return weight_change(learner, after), metrics


def test_gradients_are_clipped_by_their_global_norm():
    # So short a gradient is far below Adam's ε, which makes the step proportional to it.
    config = STEP.replace(learning_rate=1e3, max_gradient_norm=1e-9)
    step, metrics = first_step(config)
    twice, _ = first_step(config.replace(max_gradient_norm=2e-9))
    steeper, _ = first_step(config, target(30.0))
    assert metrics["gradient_norm"] > 1e-3, "the norm before clipping"
    np.testing.assert_allclose(np.linalg.norm(twice), 2 * np.linalg.norm(step), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(steeper), np.linalg.norm(step), rtol=1e-3)
    assert np.std(np.abs(step)) > 0.5 * np.mean(np.abs(step)), "clipped one by one, all would be equal"


def test_gradients_shorter_than_the_limit_are_left_alone():
    step, metrics = first_step(STEP.replace(max_gradient_norm=1e6))
    same, _ = first_step(STEP.replace(max_gradient_norm=2 * float(metrics["gradient_norm"])))
    np.testing.assert_array_equal(step, same)


def test_minibatches_share_out_all_rounds():
    config = STEP.replace(learning_rate=1e-12, max_gradient_norm=1e-12)
    _, together = first_step(config)
    _, apart = first_step(config.replace(minibatches=4))
    for name in ("surrogate", "value_error"):
        assert abs(together[name]) > 1e-3
        np.testing.assert_allclose(apart[name], together[name], rtol=1e-5)


@pytest.mark.parametrize("final", [0.0, 2e-4, 1e-3, 2e-3])
@pytest.mark.parametrize(
    ("num_updates", "progress"), [(3, 1 / 3), (6, 2 / 3), (9, 1.0), (10, 1.0), (30, 1.0)]
)
def test_the_step_size_moves_linearly_to_its_end_and_stays_there(final, num_updates, progress):
    config = STEP.replace(learning_rate=1e-3, final_learning_rate=final)
    first, _ = first_step(config)
    np.testing.assert_allclose(np.abs(first).max(), 1e-3, rtol=0.02)
    later, _ = first_step(config, num_updates=num_updates)
    share = ((1 - progress) * 1e-3 + progress * final) / 1e-3
    np.testing.assert_allclose(later, first * share, rtol=1e-2, atol=2e-7)


def test_the_step_size_is_exactly_that_of_its_ends():
    for first, last in ((3e-3, 1e-4), (3e-3, 0.0), (1e-4, 1e-4), (1e-4, 0.7)):
        config = STEP.replace(num_updates=7, learning_rate=first, final_learning_rate=last)
        sizes = [float(step_size(config, jnp.asarray(done))) for done in range(9)]
        assert sizes[0] == np.float32(first)
        assert sizes[6:] == [np.float32(last)] * 3
        np.testing.assert_allclose(sizes[:7], np.linspace(first, last, 7), rtol=1e-5, atol=1e-9)
    assert float(step_size(STEP.replace(num_updates=1, learning_rate=0.1), jnp.asarray(0))) == np.float32(0.1)


def test_a_final_step_size_of_zero_is_that_of_the_last_update(begin, compiled):
    one_more = functools.partial(compiled(update, static_argnames="env"), config=TINY, **GAME)
    learner = begin(KEY)
    moved = []
    for _ in range(TINY.num_updates):
        before, (learner, _) = learner, one_more(learner)
        moved.append(np.abs(weight_change(before, learner)).max())
    assert min(moved[:-1]) > 1e-5
    assert moved[-1] == 0.0


def trace_counter():
    """A jitted `train` and the list that grows with each of its traces."""
    traces = []

    def counted(key, env, params, config):
        traces.append(config)
        return train(key, env, params, config)

    return jax.jit(counted, static_argnames="env"), traces


def test_other_keys_and_numbers_share_one_trace():
    chex.clear_trace_counter()
    once = jax.jit(chex.assert_max_traces(train, n=1), static_argnames="env")
    for seed, rate in ((0, 1e-3), (1, 1e-2)):
        params = target(float(seed), low=-float(seed), high=9.0)
        once.trace(jax.random.key(seed), Target(), params, TINY.replace(learning_rate=rate))


NUMBERS = (
    "learning_rate",
    "final_learning_rate",
    "discount",
    "gae_lambda",
    "clip_range",
    "value_coefficient",
    "entropy_coefficient",
    "max_gradient_norm",
    "lookahead_rate",
    "trailing_rate",
)
PARTS = ("network", "policy_head")
OTHER_SIZES = {
    "num_updates": 5,
    "num_envs": 16,
    "num_steps": 3,
    "epochs": 3,
    "minibatches": 4,
    "estimator": "paper",
    "normalize_advantages": False,
    "target_kl": 0.1,
    "final_entropy_share": 0.5,
    "lookahead_updates": 2,
    "averaged_updates": 2,
    "head_step": 2.0,
    "partition": "rounds",
    "normalize_returns": True,
}


def test_every_field_is_a_number_or_a_size():
    names = {field.name for field in dataclasses.fields(PPOConfig)}
    assert names == {*NUMBERS, *OTHER_SIZES, *PARTS, "group_size", "derivative_gain"}


def test_equal_configs_and_changed_numbers_do_not_retrace():
    counted, traces = trace_counter()
    counted.trace(KEY, Target(), target(), TINY)
    counted.trace(KEY, Target(), target(), PPOConfig(**vars(TINY)))
    for name in NUMBERS:
        counted.trace(KEY, Target(), target(), TINY.replace(**{name: 0.123}))
    assert len(traces) == 1


def test_changed_sizes_retrace():
    counted, traces = trace_counter()
    counted.trace(KEY, Target(), target(), TINY)
    for i, (name, size) in enumerate(OTHER_SIZES.items()):
        counted.trace(KEY, Target(), target(), TINY.replace(**{name: size}))
        assert len(traces) == i + 2, name


def test_a_config_can_be_a_static_argument():
    traces = []

    def counted(key, env, params, config):
        traces.append(config.clip_range)
        return train(key, env, params, config)

    static = jax.jit(counted, static_argnames=("env", "config"))
    for config in (TINY, PPOConfig(**vars(TINY))):
        static.trace(KEY, Target(), target(), config)
    assert traces == [TINY.clip_range]


def test_sizes_of_a_training():
    assert TINY.batch_size == 8 * 2
    assert TINY.env_steps == 4 * 8 * 2


def test_a_config_is_frozen_hashable_and_compared_by_value():
    same = PPOConfig(**vars(TINY))
    assert same == TINY
    assert hash(same) == hash(TINY)
    assert {TINY: "found"}[same] == "found"
    assert TINY.replace(discount=0.8) != TINY
    with pytest.raises(dataclasses.FrozenInstanceError):
        TINY.discount = 0.5


def test_a_config_is_a_pytree_of_its_numbers():
    assert len(jax.tree.leaves(TINY)) == len(NUMBERS)
    doubled = jax.tree.map(lambda number: 2 * number, TINY)
    assert doubled.clip_range == 2 * TINY.clip_range
    assert doubled.num_updates == TINY.num_updates


NAN, INF = math.nan, INFINITY
NOT_NUMBERS = (NAN, INF, -INF, "0.1", None, True, 1j, [], {}, object)
NOT_WHOLE = (0, -1, 2.5, 3.0, NAN, INF, "3", None, True, 1j, [], {}, object, [3, 4], np.array([2, 2]))
ABOVE_ZERO, FROM_ZERO, SHARE = "a number in (0, inf)", "a number in [0, inf)", "a number in [0, 1]"
WHOLE, SIZES = "a whole number in [1, inf)", "whole numbers in [1, inf)"
REFUSED = {
    **dict.fromkeys(
        ("num_updates", "num_envs", "num_steps", "epochs", "minibatches", "group_size"), (NOT_WHOLE, WHOLE)
    ),
    **dict.fromkeys(
        ("learning_rate", "clip_range", "max_gradient_norm", "head_step"),
        ((0, 0.0, -1e-3, *NOT_NUMBERS), ABOVE_ZERO),
    ),
    **dict.fromkeys(
        ("final_learning_rate", "value_coefficient", "entropy_coefficient", "target_kl"),
        ((-1, -1e-9, *NOT_NUMBERS), FROM_ZERO),
    ),
    "averaged_updates": ((-1, 2.5, *NOT_NUMBERS), "a whole number in [0, inf)"),
    "lookahead_updates": ((-1, 2.5, *NOT_NUMBERS), "a whole number in [0, inf)"),
    **dict.fromkeys(
        ("lookahead_rate", "trailing_rate"), ((0, -0.1, 1.01, *NOT_NUMBERS), "a number in (0, 1]")
    ),
    "derivative_gain": ((-1, -1e-9, *NOT_NUMBERS), FROM_ZERO),
    "final_entropy_share": ((-1e-9, 1.001, 2, *NOT_NUMBERS), SHARE),
    **dict.fromkeys(("discount", "gae_lambda"), ((-1e-9, 1.001, 2, *NOT_NUMBERS), SHARE)),
    "estimator": (("", "GAE", "td", 1, None, [], ["gae"], NAN, object), "one of gae, paper"),
    "partition": (
        ("", "Fixed", 1, None, [], ["fixed"], NAN, object),
        "one of fixed, environments, rounds",
    ),
    **dict.fromkeys(
        ("normalize_advantages", "normalize_returns"),
        ((0, 1, "true", None, [], NAN, [True], object), "true or false"),
    ),
}


OF_PARTS = {
    (Gaussian, "initial_std"): (
        (0, -1e-3, 1e-5, 4.9e-5, 7.1, 10, *NOT_NUMBERS),
        "a number in [5e-05, 7]",
    ),
    (MLP, "hidden_sizes"): (
        ((), (0,), (8, -1), (2.5,), ("8",), (NAN,), (True,), ((8,), (8,)), 8, "8", None, {}, object),
        SIZES,
    ),
}


@pytest.mark.parametrize(
    ("record", "name", "value"),
    [(*names, value) for names, (values, _) in OF_PARTS.items() for value in values],
    ids=repr,
)
def test_a_bad_value_of_a_network_or_a_head_is_refused_in_one_line(record, name, value):
    with pytest.raises(ValueError, match="must be") as refusal:
        record(**{name: value})
    assert str(refusal.value) == f"{record.__name__}.{name} = {value!r}: must be {OF_PARTS[record, name][1]}"


@pytest.mark.parametrize(
    ("name", "value", "missing"),
    [
        ("network", Gaussian(), "a Network; Gaussian has no apply"),
        ("network", None, "a Network; NoneType has no init, apply"),
        ("policy_head", MLP(), "a PolicyHead; MLP has no num_outputs, init_certain, mode, sample"),
    ],
)
def test_what_is_no_network_and_no_head_is_refused_with_what_it_lacks(name, value, missing):
    with pytest.raises(ValueError, match="must be") as refusal:
        PPOConfig(**{name: value})
    assert str(refusal.value).startswith(f"PPOConfig: {name}: must be {missing}")


OLD = {
    "parallel_rounds": (64, {"num_envs": 64}, "is called num_envs now"),
    "rollout_length": (3, {"num_steps": 3}, "is called num_steps now"),
    "trace_decay": (0.5, {"gae_lambda": 0.5}, "is called gae_lambda now"),
    "hidden_sizes": ([8, 8], {"network": MLP(hidden_sizes=(8, 8))}, "is part of network now"),
    "initial_std": (0.25, {"policy_head": Gaussian(initial_std=0.25)}, "is part of policy_head now"),
}


@pytest.mark.parametrize("name", OLD)
def test_an_old_name_is_taken_with_a_line_that_says_the_new_one(name):
    value, new, said = OLD[name]
    with pytest.warns(FutureWarning, match=f"^PPOConfig: {name} {said}"):
        config = PPOConfig(**{name: value})
    assert config == PPOConfig(**new)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (values, _) in REFUSED.items() for value in values], ids=repr
)
def test_a_bad_value_is_refused_in_one_line(name, value):
    with pytest.raises(ValueError, match="must be") as refusal:
        PPOConfig(**{name: value})
    shown = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    assert str(refusal.value) == f"PPOConfig.{name} = {shown}: must be {REFUSED[name][1]}"


def test_every_field_refuses_something():
    assert {*REFUSED, *PARTS} == {field.name for field in dataclasses.fields(PPOConfig)}


@pytest.mark.parametrize(
    "good",
    [
        {"discount": 0},
        {"discount": 1.0},
        {"gae_lambda": 0.0},
        {"final_learning_rate": 0},
        {"entropy_coefficient": 0.0},
        {"minibatches": 1, "num_envs": 1, "normalize_advantages": False},
        {"minibatches": 1, "num_envs": 1, "num_steps": 2},
        {"minibatches": 8, "num_envs": 16},
        {"learning_rate": np.float32(1e-3)},
        {"num_updates": np.int64(3)},
        {"learning_rate": jnp.asarray(1e-3)},
    ],
    ids=repr,
)
def test_values_at_the_edge_are_accepted(good):
    config = PPOConfig(**good)
    assert all(getattr(config, name) == value for name, value in good.items())


def test_a_list_of_sizes_becomes_a_tuple():
    assert MLP(hidden_sizes=[8, 8]) == MLP(hidden_sizes=(8, 8))
    assert hash(MLP(hidden_sizes=[8, 8])) == hash(MLP(hidden_sizes=(8, 8)))


@pytest.mark.parametrize(("num_envs", "minibatches"), [(8, 3), (8, 16), (7, 2)])
def test_minibatches_must_divide_the_rounds(num_envs, minibatches):
    with pytest.raises(ValueError, match="must be") as refusal:
        PPOConfig(num_envs=num_envs, minibatches=minibatches)
    expected = f"PPOConfig.minibatches = {minibatches}: must be a divisor of num_envs = {num_envs}"
    assert str(refusal.value) == expected


@pytest.mark.parametrize("rounds", [1, 8])
def test_a_gradient_step_on_one_round_is_refused_where_advantages_are_normalised(rounds):
    with pytest.raises(ValueError, match="must be") as refusal:
        PPOConfig(num_envs=rounds, minibatches=rounds)
    assert str(refusal.value) == (
        f"PPOConfig.minibatches = {rounds}: must be at most num_envs · num_steps / 2 = "
        f"{rounds / 2:g} with normalize_advantages, which leaves nothing of the only round of a gradient step"
    )


@pytest.mark.parametrize("sizes", [{"minibatches": 8, "normalize_advantages": False}, {"minibatches": 4}])
def test_gradient_steps_on_the_fewest_rounds_that_are_allowed_learn(sizes):
    config = ACTION.replace(num_envs=8, epochs=1, **sizes)
    learner, metrics = quick_train(jax.random.key(0), Target(), target(0.7), config)
    assert float(jnp.mean(metrics["kl"])) > 1e-6
    np.testing.assert_allclose(learner.policy(jnp.array([20.0])), [0.7], atol=0.3)


@pytest.mark.parametrize("std", [5e-5, 7.0])
def test_every_initial_deviation_that_is_allowed_is_played(std):
    config = STEP.replace(learning_rate=1e-9, policy_head=Gaussian(initial_std=std), epochs=2)
    learner, _ = quick_update(quick_init(KEY, config=config, **GAME), config=config, **GAME)
    np.testing.assert_allclose(jnp.exp(learner.policy.parameters["log_std"]), std, rtol=1e-5)
    assert LOG_STD_RANGE[0] < float(learner.policy.parameters["log_std"][0]) < LOG_STD_RANGE[1]


def test_a_replaced_value_is_checked_too():
    with pytest.raises(ValueError, match=r"PPOConfig\.discount = 2: must be"):
        TINY.replace(discount=2)
    with pytest.raises(ValueError, match=r"PPOConfig\.minibatches = 3: must be a divisor"):
        TINY.replace(minibatches=3)


@pytest.mark.parametrize("value", [-np.ones((40, 40)), -jnp.ones((40, 40))], ids=["numpy", "jax"])
def test_a_large_bad_value_is_refused_in_one_short_line(value):
    with pytest.raises(ValueError, match="must be") as refusal:
        PPOConfig(learning_rate=value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="learning_rat"):
        PPOConfig(learning_rat=1e-3)
