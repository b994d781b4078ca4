"""PPO on probe environments whose answers are known, and what training promises about traces and bits."""

import dataclasses
import math
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract import ContractEnv, PPOConfig, train
from jaxcontract.learning.ppo import init_learner, train_for, update
from jaxcontract.spaces import Box

jit_init = jax.jit(init_learner, static_argnames="env")
jit_train = jax.jit(train, static_argnames="env")
jit_train_for = jax.jit(train_for, static_argnames=("env", "num_updates"))
jit_update = jax.jit(update, static_argnames="env")

TINY = PPOConfig(
    num_updates=5,
    parallel_rounds=8,
    rollout_length=2,
    epochs=2,
    minibatches=2,
    hidden_sizes=(4,),
    discount=0.9,
)
ONE_STEP = {"epochs": 1, "minibatches": 1}


def played(observation, state, reward, terminated=False, truncated=False, final_observation=None):
    """What gymnax's `step` returns."""
    final_observation = observation if final_observation is None else final_observation
    flags = jnp.asarray(terminated), jnp.asarray(truncated)
    return observation, state, jnp.asarray(reward, float), *flags, {"final_observation": final_observation}


@dataclasses.dataclass(frozen=True)
class Probe:
    """One number seen, one number done; the subclasses say what it is worth."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def default_params(self) -> Any:
        return None

    def reset(self, key, params):
        del key, params
        return jnp.zeros(1), jnp.asarray(0)

    def observation_space(self, params):
        del params
        return Box(-1.0, 1.0, (1,))

    def action_space(self, params):
        del params
        return Box(self.low, self.high, (1,))


@dataclasses.dataclass(frozen=True)
class Constant(Probe):
    """Every round pays `params` and ends its episode in the same way, or never."""

    ending: str = "never"

    def step(self, key, state, action, params):
        del key, action
        terminated, truncated = self.ending == "terminated", self.ending == "truncated"
        return played(jnp.zeros(1), state, params, terminated, truncated)


@dataclasses.dataclass(frozen=True)
class Quadratic(Probe):
    """Reward −(a − best)²."""

    best: float = 0.7

    def step(self, key, state, action, params):
        del key, params
        return played(jnp.zeros(1), state, -((action[0] - self.best) ** 2))


@dataclasses.dataclass(frozen=True)
class Follow(Probe):
    """Reward −(a − (o − 20)/2)²: the best action follows the observation, drawn from [10, 30]."""

    def look(self, key):
        observation = jax.random.uniform(key, (1,), minval=10.0, maxval=30.0)
        return observation, observation

    def reset(self, key, params):
        del params
        return self.look(key)

    def observation_space(self, params):
        del params
        return Box(10.0, 30.0, (1,))

    def step(self, key, state, action, params):
        del params
        return played(*self.look(key), -((action[0] - (state[0] - 20.0) / 20.0) ** 2))


@dataclasses.dataclass(frozen=True)
class Delayed(Probe):
    """An action costs a²/2 now and pays a in the second, last round: with discount γ the best is γ."""

    def reset(self, key, params):
        del key, params
        return jnp.zeros(1), (jnp.asarray(0), jnp.asarray(0.0))

    def step(self, key, state, action, params):
        second, earlier = state
        reward = jnp.where(second, earlier, -0.5 * action[0] ** 2)
        observation, (start, nothing) = self.reset(key, params)
        following = jnp.where(second, start, 1), jnp.where(second, nothing, action[0])
        return played(jnp.where(second, observation, 1.0), following, reward, second == 1)


@dataclasses.dataclass(frozen=True)
class TwoRooms(Probe):
    """Room 0 pays params[0] and leads to room 1, which pays params[1] and ends; its last view is room 1."""

    ending: str = "truncated"

    def step(self, key, state, action, params):
        del key, action
        terminated, truncated = (
            (state == 1) & (self.ending == "terminated"),
            (state == 1) & (self.ending == "truncated"),
        )
        following = 1 - state
        observation = following[None].astype(float)
        return played(observation, following, params[state], terminated, truncated, jnp.ones(1))


@dataclasses.dataclass(frozen=True)
class Climb(Probe):
    """Rewards params[0], params[1], … whatever is done; the last one truncates."""

    def step(self, key, state, action, params):
        del key, action
        truncated = state == len(params) - 1
        following = jnp.where(truncated, 0, state + 1)
        return played(jnp.zeros(1), following, params[state], truncated=truncated)


def leaves(tree):
    """The leaves as NumPy arrays, keys as their bits."""
    arrays = jax.tree.leaves(tree)
    return [
        np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for leaf in arrays
    ]


def assert_same_bits(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for left, right in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(left, right)


def assert_finite(tree):
    assert all(np.all(np.isfinite(leaf)) for leaf in leaves(tree))


def largest_difference(one, other):
    return max(np.abs(left - right).max() for left, right in zip(leaves(one), leaves(other), strict=True))


def mean_value(learner, env, config):
    """The critic's mean value on what it sees, read off its errors against targets of 0 and of 1.

    For environments whose `params` are their rewards.
    """
    bandit = config.replace(**ONE_STEP, discount=0.0, estimator="gae")
    shape = (2,) if isinstance(env, TwoRooms) else ()
    errors = [
        jit_update(learner, env, jnp.full(shape, target), bandit)[1]["value_error"] for target in (0.0, 1.0)
    ]
    return 0.5 * (1.0 + errors[0] - errors[1])


VALUE = PPOConfig(
    num_updates=150,
    parallel_rounds=16,
    rollout_length=4,
    epochs=4,
    minibatches=2,
    hidden_sizes=(8,),
    learning_rate=2e-2,
    normalize_advantages=False,
)


@pytest.mark.parametrize(
    ("ending", "discount", "expected"),
    [
        ("never", 0.0, 1.0),
        ("never", 0.5, 2.0),
        ("never", 0.8, 5.0),
        ("truncated", 0.0, 1.0),
        ("truncated", 0.5, 2.0),
        ("terminated", 0.5, 1.0),
        ("terminated", 0.8, 1.0),
    ],
)
def test_the_critic_learns_the_value_of_a_constant_reward(ending, discount, expected):
    env, config = Constant(ending=ending), VALUE.replace(discount=discount)
    learner, metrics = jit_train(jax.random.key(0), env, jnp.asarray(1.0), config)
    np.testing.assert_allclose(mean_value(learner, env, config), expected, rtol=0.03)
    np.testing.assert_array_equal(metrics["reward"], np.ones(config.num_updates))


@pytest.mark.parametrize(
    ("ending", "expected"),
    [("truncated", (1.0 + 2.0) / 2), ("terminated", (0.5 + 1.0) / 2), ("never", (2 / 3 + 4 / 3) / 2)],
)
def test_a_truncated_episode_is_worth_what_its_last_observation_promises(ending, expected):
    env, config = TwoRooms(ending=ending), VALUE.replace(discount=0.5)
    learner, _ = jit_train(jax.random.key(0), env, jnp.array([0.0, 1.0]), config)
    np.testing.assert_allclose(mean_value(learner, env, config), expected, rtol=0.03)


ACTION = PPOConfig(
    num_updates=100,
    parallel_rounds=64,
    rollout_length=1,
    epochs=4,
    minibatches=2,
    hidden_sizes=(8,),
    learning_rate=1e-2,
)


@pytest.mark.parametrize("best", [0.7, -1.5])
def test_the_policy_finds_the_best_action(best):
    learner, metrics = jit_train(jax.random.key(0), Quadratic(best=best), None, ACTION)
    np.testing.assert_allclose(learner.policy(jnp.zeros(1)), [best], atol=0.05)
    assert metrics["reward"][-1] > metrics["reward"][0]


@pytest.mark.parametrize("best", [0.97, 0.03])
def test_the_policy_finds_a_best_action_near_the_edge_of_its_box(best):
    learner, _ = jit_train(jax.random.key(0), Quadratic(low=0.0, high=1.0, best=best), None, ACTION)
    np.testing.assert_allclose(learner.policy(jnp.zeros(1)), [best], atol=0.02)


def test_the_policy_follows_the_observation():
    learner, _ = jit_train(jax.random.key(0), Follow(), None, ACTION)
    observation = jnp.linspace(10.0, 30.0, 9)[:, None]
    np.testing.assert_allclose(learner.policy(observation), (observation - 20.0) / 20.0, atol=0.1)


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_a_delayed_reward_counts_by_the_discount(discount):
    config = ACTION.replace(rollout_length=4, discount=discount)
    learner, _ = jit_train(jax.random.key(0), Delayed(), None, config)
    np.testing.assert_allclose(learner.policy(jnp.zeros(1)), [discount], atol=0.1)


@pytest.fixture(scope="module")
def climbed():
    """A learner whose critic has moved away from zero, and what it is worth where it looks."""
    config = TINY.replace(
        num_updates=40,
        rollout_length=4,
        normalize_advantages=False,
        learning_rate=1e-2,
        final_learning_rate=1e-2,
        **ONE_STEP,
    )
    env = Constant()
    learner, _ = jit_train(jax.random.key(0), env, jnp.asarray(1.0), config)
    value = float(mean_value(learner, env, config))
    assert abs(value) > 0.05
    return learner, config, value


REWARDS = np.array([1.0, -2.0, 4.0, 8.0])


def test_one_update_judges_by_gae_with_a_truncation_at_the_end(climbed):
    learner, config, value = climbed
    config = config.replace(discount=0.9, trace_decay=0.8)
    _, metrics = jit_update(learner, Climb(), jnp.asarray(REWARDS), config)
    advantage, following = np.zeros(4), 0.0
    for t in reversed(range(4)):
        following = REWARDS[t] + 0.9 * value - value + 0.9 * 0.8 * following
        advantage[t] = following
    np.testing.assert_allclose(metrics["surrogate"], advantage.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["value_error"], (advantage**2).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["reward"], REWARDS.mean(), rtol=1e-6)


def test_one_update_judges_by_15_and_16_as_printed(climbed):
    learner, config, value = climbed
    config = config.replace(discount=0.9, estimator="paper")
    _, metrics = jit_update(learner, Climb(), jnp.asarray(REWARDS), config)
    advantage, target = np.zeros(4), np.zeros(4)
    for z in range(1, 5):
        advantage[z - 1] = 0.9 ** (4 - z) * value - value
        advantage[z - 1] += sum(0.9 ** (y - z) * REWARDS[y - 1] for y in range(z, 4))
        target[z - 1] = sum(0.9 ** (y - z) * REWARDS[y - 1] for y in range(z, 5))
    np.testing.assert_allclose(metrics["surrogate"], advantage.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["value_error"], ((value - target) ** 2).mean(), rtol=1e-4)


def test_the_papers_estimator_learns():
    config = ACTION.replace(estimator="paper", rollout_length=4)
    learner, metrics = jit_train(jax.random.key(0), Quadratic(best=0.7), None, config)
    np.testing.assert_allclose(learner.policy(jnp.zeros(1)), [0.7], atol=0.05)
    assert_finite((learner, metrics))


def test_the_papers_estimator_on_rollouts_of_one_round_is_refused_or_learns_nothing():
    try:
        config = TINY.replace(estimator="paper", rollout_length=1)
    except ValueError as error:
        assert "rollout_length" in str(error)  # noqa: PT017
        return
    learner, _ = jit_train(jax.random.key(0), Quadratic(), None, config)
    assert_finite(learner)


def test_the_first_step_of_an_update_starts_at_the_old_policy(climbed):
    learner, config, _ = climbed
    _, metrics = jit_update(learner, Climb(), jnp.asarray(REWARDS), config)
    np.testing.assert_allclose(metrics["kl"], 0.0, atol=1e-6)
    assert metrics["clipped"] == 0.0


def trace_counter():
    """A jitted `train` and the list that grows with each of its traces."""
    traces = []

    def counted(key, env, params, config):
        traces.append(config)
        return train(key, env, params, config)

    return jax.jit(counted, static_argnames="env"), traces


def test_keys_params_and_numbers_share_one_trace():
    chex.clear_trace_counter()
    once = jax.jit(chex.assert_max_traces(train, n=1), static_argnames="env")
    for seed, rate, discount in ((0, 1e-3, 0.9), (1, 1e-2, 0.5), (2, 3e-4, 0.0)):
        config = TINY.replace(learning_rate=rate, discount=discount)
        once(jax.random.key(seed), Constant(), jnp.asarray(float(seed)), config)


NUMBERS = (
    "learning_rate",
    "final_learning_rate",
    "discount",
    "trace_decay",
    "clip_range",
    "value_coefficient",
    "entropy_coefficient",
    "max_gradient_norm",
    "initial_std",
)
OTHER_SIZES = {
    "num_updates": 6,
    "parallel_rounds": 16,
    "rollout_length": 3,
    "epochs": 3,
    "minibatches": 4,
    "hidden_sizes": (5,),
    "estimator": "paper",
    "normalize_advantages": False,
}


def test_every_field_is_a_number_or_a_size():
    names = {field.name for field in dataclasses.fields(PPOConfig)}
    assert names == {*NUMBERS, *OTHER_SIZES}


def test_equal_configs_and_changed_numbers_do_not_retrace():
    counted, traces = trace_counter()
    arguments = jax.random.key(0), Constant(), jnp.asarray(1.0)
    counted.trace(*arguments, TINY)
    assert len(traces) == 1
    counted.trace(*arguments, PPOConfig(**dataclasses.asdict(TINY)))
    for name in NUMBERS:
        counted.trace(*arguments, TINY.replace(**{name: 0.123}))
    assert len(traces) == 1


@pytest.mark.parametrize("name", OTHER_SIZES)
def test_a_changed_size_retraces(name):
    counted, traces = trace_counter()
    arguments = jax.random.key(0), Constant(), jnp.asarray(1.0)
    counted.trace(*arguments, TINY)
    counted.trace(*arguments, TINY.replace(**{name: OTHER_SIZES[name]}))
    assert len(traces) == 2


def test_a_config_can_be_a_static_argument():
    env, reward = Constant(), jnp.asarray(1.0)
    static = jax.jit(train, static_argnames=("env", "config"))
    _, metrics = static(jax.random.key(0), env, reward, TINY)
    _, expected = jit_train(jax.random.key(0), env, reward, TINY)
    chex.assert_trees_all_close(metrics, expected, rtol=1e-3, atol=1e-5)


def test_the_same_key_gives_the_same_bits_and_another_key_others():
    env = Quadratic()
    one = jit_train(jax.random.key(7), env, None, TINY)
    assert_same_bits(one, jit_train(jax.random.key(7), env, None, TINY))
    other = jit_train(jax.random.key(8), env, None, TINY)
    assert largest_difference(one[0].weights, other[0].weights) > 1e-3


def test_training_is_a_fresh_learner_and_its_updates_bit_for_bit():
    env, key = Quadratic(), jax.random.key(3)
    whole, whole_metrics = jit_train(key, env, None, TINY)
    learner, rows = jit_init(key, env, None, TINY), []
    for _ in range(TINY.num_updates):
        learner, metrics = jit_update(learner, env, None, TINY)
        rows.append(metrics)
    assert_same_bits(whole, learner)
    assert_same_bits(whole_metrics, jax.tree.map(lambda *leaf: jnp.stack(leaf), *rows))


def test_training_in_chunks_is_training_at_once_bit_for_bit():
    env, key = Quadratic(), jax.random.key(3)
    whole, whole_metrics = jit_train(key, env, None, TINY)
    learner, chunks = jit_init(key, env, None, TINY), []
    for length in (1, 3, 1):
        learner, metrics = jit_train_for(learner, env, None, TINY, length)
        chunks.append(metrics)
    assert_same_bits(whole, learner)
    assert_same_bits(whole_metrics, jax.tree.map(lambda *leaf: jnp.concatenate(leaf), *chunks))
    assert learner.num_updates == TINY.num_updates


def test_a_learner_can_be_donated():
    env = Quadratic()
    donating = jax.jit(update, static_argnames="env", donate_argnames="learner")
    learner = init_learner(jax.random.key(0), env, None, TINY)
    expected = jit_update(learner, env, None, TINY)
    result = donating(learner, env, None, TINY)
    assert_same_bits(result, expected)
    assert any(leaf.is_deleted() for leaf in jax.tree.leaves(learner.weights))
    again, _ = donating(result[0], env, None, TINY)
    assert again.num_updates == 2


def weight_change(learner, after):
    """The change of every weight, in one vector."""
    pairs = zip(leaves(learner.weights), leaves(after.weights), strict=True)
    return np.concatenate([(right - left).ravel() for left, right in pairs])


def first_step(config, env=None):
    """What the first gradient step of a training changes, and its metrics."""
    env = Quadratic() if env is None else env
    learner = jit_init(jax.random.key(0), env, None, config)
    after, metrics = jit_update(learner, env, None, config)
    return weight_change(learner, after), metrics


def test_gradients_are_clipped_by_their_global_norm():
    # So short a gradient is far below Adam's ε, which makes the step proportional to it.
    config = TINY.replace(**ONE_STEP, normalize_advantages=False, learning_rate=1e3, max_gradient_norm=1e-9)
    step, metrics = first_step(config)
    twice, _ = first_step(config.replace(max_gradient_norm=2e-9))
    steeper, _ = first_step(config, Quadratic(best=30.0))
    assert metrics["gradient_norm"] > 1e-3, "the norm reported is the one before clipping"
    np.testing.assert_allclose(np.linalg.norm(twice), 2 * np.linalg.norm(step), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(steeper), np.linalg.norm(step), rtol=1e-3)
    assert np.std(np.abs(step)) > 0.5 * np.mean(np.abs(step)), "element by element, all would be equal"


def test_gradients_shorter_than_the_limit_are_left_alone():
    config = TINY.replace(**ONE_STEP, max_gradient_norm=1e6)
    step, metrics = first_step(config)
    same, _ = first_step(config.replace(max_gradient_norm=2 * float(metrics["gradient_norm"])))
    np.testing.assert_array_equal(step, same)


@pytest.mark.parametrize("final", [0.0, 2e-4, 1e-3])
def test_the_step_size_falls_linearly_and_stays_at_its_end(final):
    env = Quadratic()
    config = TINY.replace(**ONE_STEP, num_updates=10, learning_rate=1e-3, final_learning_rate=final)
    learner = jit_init(jax.random.key(0), env, None, config)

    def step_at(num_updates):
        late = dataclasses.replace(learner, num_updates=jnp.asarray(num_updates))
        return weight_change(late, jit_update(late, env, None, config)[0])

    first = step_at(0)
    np.testing.assert_allclose(np.abs(first).max(), 1e-3, rtol=0.02)
    for num_updates, share in ((5, 0.5), (9, 0.9), (10, 1.0), (11, 1.0), (30, 1.0)):
        rate = (1 - share) * 1e-3 + share * final
        np.testing.assert_allclose(step_at(num_updates), first * rate / 1e-3, rtol=1e-2, atol=2e-7)


def test_a_finished_training_goes_no_further():
    env = Quadratic()
    learner, _ = jit_train(jax.random.key(0), env, None, TINY)
    later, metrics = jit_train_for(learner, env, None, TINY, 3)
    assert_same_bits(learner.weights, later.weights)
    assert later.num_updates == TINY.num_updates + 3
    assert metrics["reward"].shape == (3,)


def test_an_entropy_bonus_widens_the_policy():
    config = TINY.replace(num_updates=20, learning_rate=1e-2)
    entropy = {}
    for coefficient in (0.0, 1.0):
        _, metrics = jit_train(
            jax.random.key(0),
            Constant(),
            jnp.asarray(0.0),
            config.replace(entropy_coefficient=coefficient, normalize_advantages=False),
        )
        entropy[coefficient] = metrics["entropy"]
    assert entropy[1.0][-1] > entropy[1.0][0] + 0.2
    assert abs(entropy[0.0][-1] - entropy[0.0][0]) < 0.1


def test_the_deviation_stays_within_float32():
    config = TINY.replace(
        num_updates=60, learning_rate=1.0, final_learning_rate=1.0, entropy_coefficient=10.0
    )
    learner, metrics = jit_train(jax.random.key(0), Constant(), jnp.asarray(0.0), config)
    assert np.all(learner.policy.log_std <= 2.0)
    assert_finite((learner, metrics))


def test_a_sweep_over_learning_rates_is_a_map():
    env, key = Quadratic(), jax.random.key(0)
    rates = jnp.array([1e-4, 1e-3, 1e-2])

    @jax.jit
    def sweep(rates):
        return jax.lax.map(lambda rate: train(key, env, None, TINY.replace(learning_rate=rate)), rates)

    learners, metrics = sweep(rates)
    assert metrics["reward"].shape == (3, TINY.num_updates)
    for i, rate in enumerate(rates):
        learner, _ = jit_train(key, env, None, TINY.replace(learning_rate=rate))
        alone = jax.tree.map(lambda leaf, i=i: leaf[i], learners.weights)
        chex.assert_trees_all_close(alone, learner.weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("actions", "reward"), [("raw", "paper"), ("feasible", "centred")])
def test_training_on_the_contract_game_is_finite(actions, reward):
    env = ContractEnv(actions=actions, reward=reward)
    learner, metrics = jit_train(jax.random.key(312), env, env.default_params, TINY)
    assert_finite((learner, metrics))
    assert all(row.shape == (TINY.num_updates,) for row in metrics.values())


def test_huge_rewards_leave_training_finite():
    learner, metrics = jit_train(jax.random.key(0), Constant(), jnp.asarray(1e12), TINY)
    assert_finite((learner.weights, metrics["surrogate"]))


def test_sizes_of_a_training():
    assert TINY.batch_size == 8 * 2
    assert TINY.env_steps == 5 * 8 * 2


def test_a_config_is_frozen_hashable_and_compared_by_value():
    same = PPOConfig(**dataclasses.asdict(TINY))
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


NAN, INF = math.nan, math.inf
NOT_NUMBERS = (NAN, INF, -INF, "0.1", None, True, 1j, [], {}, object)
NOT_WHOLE = (0, -1, 2.5, 3.0, NAN, INF, "3", None, True, 1j, [], {}, object, [3, 4], np.array([2, 2]))
ABOVE_ZERO, FROM_ZERO, SHARE = "a number in (0, inf)", "a number in [0, inf)", "a number in [0, 1]"
WHOLE, SIZES = "a whole number in [1, inf)", "whole numbers in [1, inf)"
REFUSED = {
    **dict.fromkeys(
        ("num_updates", "parallel_rounds", "rollout_length", "epochs", "minibatches"), (NOT_WHOLE, WHOLE)
    ),
    **dict.fromkeys(
        ("learning_rate", "clip_range", "max_gradient_norm", "initial_std"),
        ((0, 0.0, -1e-3, *NOT_NUMBERS), ABOVE_ZERO),
    ),
    **dict.fromkeys(
        ("final_learning_rate", "value_coefficient", "entropy_coefficient"),
        ((-1, -1e-9, *NOT_NUMBERS), FROM_ZERO),
    ),
    **dict.fromkeys(("discount", "trace_decay"), ((-1e-9, 1.001, 2, *NOT_NUMBERS), SHARE)),
    "hidden_sizes": (
        ((), (0,), (8, -1), (2.5,), ("8",), (NAN,), (True,), ((8,), (8,)), 8, "8", None, {}, object),
        SIZES,
    ),
    "estimator": (("", "GAE", "td", 1, None, [], ["gae"], NAN, object), "one of gae, paper"),
    "normalize_advantages": ((0, 1, "true", None, [], NAN, [True], object), "true or false"),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (values, _) in REFUSED.items() for value in values], ids=repr
)
def test_a_bad_value_is_refused_in_one_line(name, value):
    with pytest.raises(ValueError, match="must be") as refusal:
        PPOConfig(**{name: value})
    shown = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    assert str(refusal.value) == f"PPOConfig.{name} = {shown}: must be {REFUSED[name][1]}"


def test_every_field_refuses_something():
    assert set(REFUSED) == {field.name for field in dataclasses.fields(PPOConfig)}


@pytest.mark.parametrize(
    "good",
    [
        {"discount": 0},
        {"discount": 1.0},
        {"trace_decay": 0.0},
        {"final_learning_rate": 0},
        {"entropy_coefficient": 0.0},
        {"minibatches": 1, "parallel_rounds": 1},
        {"hidden_sizes": (1,)},
        {"learning_rate": np.float32(1e-3)},
        {"num_updates": np.int64(3)},
        {"learning_rate": jnp.asarray(1e-3)},
    ],
    ids=repr,
)
def test_values_at_the_edge_are_accepted(good):
    config = PPOConfig(**good)
    assert all(getattr(config, name) == value for name, value in good.items())


def test_a_list_of_sizes_is_refused_or_becomes_a_tuple():
    try:
        config = PPOConfig(hidden_sizes=[8, 8])
    except ValueError as error:
        assert "hidden_sizes" in str(error)  # noqa: PT017
        return
    assert hash(config) == hash(PPOConfig(hidden_sizes=(8, 8)))


@pytest.mark.parametrize(("parallel_rounds", "minibatches"), [(8, 3), (8, 16), (7, 2)])
def test_minibatches_must_divide_the_rounds(parallel_rounds, minibatches):
    with pytest.raises(ValueError, match="must be") as refusal:
        PPOConfig(parallel_rounds=parallel_rounds, minibatches=minibatches)
    expected = (
        f"PPOConfig.minibatches = {minibatches}: must be a divisor of parallel_rounds = {parallel_rounds}"
    )
    assert str(refusal.value) == expected


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
