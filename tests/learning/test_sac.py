"""Soft actor-critic: targets and densities by hand, a ring beside a deque, games whose answers are known."""

import collections
import dataclasses
import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.core.spaces import Box
from jaxcontract.learning.algorithms.sac.config import SACConfig
from jaxcontract.learning.algorithms.sac.loss import critic_target, follow, temperature_loss
from jaxcontract.learning.algorithms.sac.replay import Transitions, add, draw, make_replay
from jaxcontract.learning.algorithms.sac.sac import act, find_target, init, judge, tune, update
from jaxcontract.learning.boxes import make_bijector
from jaxcontract.learning.loop import repeat
from jaxcontract.learning.policies.diffusion import Diffusion
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.learning.policies.mixture import Mixture

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(5)
INFINITY = math.inf
CHAIN = Diffusion(denoising_steps=3, denoiser_units=8)
LONG = pytest.mark.long  # what another case of the same test says as well
SMALL = SACConfig(
    num_updates=8,
    num_envs=8,
    gradient_steps=2,
    minibatch_size=16,
    buffer_size=20,
    critic_warmup=1,
    network=jc.MLP(hidden_sizes=(8,)),
    critic_hidden_sizes=(8,),
)


@dataclasses.dataclass(frozen=True)
class TwoRounds:
    """Two rounds, told apart by what is seen: each pays its reward; the second ends the episode, so or so.

    params: rewards [2], and whether the end is a termination or a truncation. A reset is seen as 0, the end
    of the first round as 1, that of the second as `last_view`.
    """

    low: float = -INFINITY
    high: float = INFINITY

    def reset(self, key, params):
        del key, params
        return jnp.zeros(1), jnp.asarray(0)

    def step(self, key, state, action, params):
        del key
        reward = params["rewards"][state] - params["cost"] * jnp.sum((action - 0.3) ** 2)
        ended, last = state == 1, jnp.where(state == 1, params["last_view"], 1.0)[None]
        terminated, truncated = ended & params["terminates"], ended & ~params["terminates"]
        observation = jnp.where(ended, 0.0, 1.0)[None]
        return observation, (state + 1) % 2, reward, terminated, truncated, {"final_observation": last}

    def observation_space(self, params):
        del params
        return Box(-1.0, 1.0, (1,))

    def action_space(self, params):
        del params
        return Box(self.low, self.high, (2,))


def two_rounds(terminates=True, cost=0.0, rewards=(1.0, 4.0)):
    numbers = {"rewards": jnp.asarray(rewards), "cost": jnp.asarray(cost), "last_view": jnp.asarray(0.5)}
    return {**numbers, "terminates": jnp.asarray(terminates)}


@dataclasses.dataclass(frozen=True)
class Follow:
    """Reward −(a − 0.2 − 0.5 o)², o uniform in [0, 1], a in a Box."""

    low: float
    high: float

    def reset(self, key, params):
        del params
        observation = jax.random.uniform(key, (1,))
        return observation, observation

    def step(self, key, state, action, params):
        observation, following = self.reset(key, params)
        never = jnp.asarray(False)
        reward = -((action[0] - 0.2 - 0.5 * state[0]) ** 2)
        return observation, following, reward, never, never, {"final_observation": observation}

    def observation_space(self, params):
        del params
        return Box(0.0, 1.0, (1,))

    def action_space(self, params):
        del params
        return Box(self.low, self.high, (1,))


@functools.partial(jax.jit, static_argnames="env")
def train_all(key, env, params, config):
    return repeat(update, init(key, env, params, config), env, params, config, config.num_updates)


@functools.partial(jax.jit, static_argnames="env")
def train_some(env, params, config, updates):
    return repeat(update, init(KEY, env, params, config), env, params, config, updates)[0]


def begin(config, env=None, params=None, updates=0):
    """A learner after some updates."""
    env, params = env or TwoRounds(), two_rounds() if env is None else params
    if not updates:  # an update takes long to compile
        return jax.jit(init, static_argnames="env")(KEY, env, params, config)
    return train_some(env, params, config, updates)


def rounds(numbers):
    """Rounds whose fields all say these numbers [N]."""
    numbers = jnp.asarray(numbers, float)
    return Transitions(
        observation=jnp.stack([numbers, -numbers]),
        action=numbers[None],
        reward=numbers,
        terminated=numbers > 5,
        following=jnp.stack([numbers + 1, numbers + 2]),
    )


def test_the_ring_keeps_what_a_deque_keeps():
    replay, kept, count = make_replay(rounds(range(4)), size=10), collections.deque(maxlen=12), 0
    for _ in range(8):
        numbers = np.arange(count, count + 4)
        replay, count = jax.jit(add)(replay, rounds(numbers)), count + 4
        kept.extend(numbers)
        filled = int(replay.filled)
        np.testing.assert_array_equal(np.sort(replay.rounds.reward[:filled]), sorted(kept))
        np.testing.assert_array_equal(replay.rounds.observation[:, 1], -replay.rounds.reward)
        np.testing.assert_array_equal(replay.rounds.following[:filled, 1], replay.rounds.reward[:filled] + 2)
        drawn = draw(jax.random.key(count), replay, 3, 200)
        assert drawn.observation.shape == (3, 2, 200)
        assert set(np.asarray(drawn.reward).ravel()) == set(map(float, kept))
        chex.assert_trees_all_equal(drawn, jax.vmap(rounds)(drawn.reward))


def test_a_target_is_what_the_paper_says_it_is():
    rng = np.random.default_rng(0)
    reward, value, entropy = rng.normal(size=(3, 6)).astype(np.float32)
    terminated = np.arange(6) % 2 == 0
    found = critic_target(reward, terminated, value, entropy, discount=0.9, temperature=0.3)
    for at in range(6):
        expected = reward[at] + (0.0 if terminated[at] else 0.9 * (value[at] + 0.3 * entropy[at]))
        np.testing.assert_allclose(found[at], expected, rtol=1e-6)


@pytest.mark.parametrize("terminates", [True, pytest.param(False, marks=LONG)])
def test_what_follows_is_what_was_seen_before_a_reset(terminates):
    """Targets of played rounds, from the critics' own words at 0, 1 and the last view of an episode."""
    config, params = SMALL.replace(discount=0.5), two_rounds(terminates)
    learner = begin(config, TwoRounds(), params, updates=4)
    played = jax.tree.map(lambda ring: jnp.moveaxis(ring, 0, -1), learner.replay.rounds)
    found = find_target(KEY, learner, learner.weights, learner.target, played, config)
    following = {0.0: 1.0, 1.0: 0.5}
    np.testing.assert_array_equal(
        played.following[0], [following[float(seen)] for seen in played.observation[0]]
    )
    action, entropy = act(KEY, learner, learner.weights["actor"], played.following)
    value = np.min(judge(learner.target, played.following, action, config), axis=0)
    soft = value + float(jnp.exp(learner.weights["log_temperature"])) * np.asarray(entropy)
    second = np.asarray(played.observation[0]) == 1.0
    assert 0 < second.sum() < len(second)
    expected = np.where(second, 4.0, 1.0) + np.where(second & terminates, 0.0, 0.5 * soft)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("terminates", "values"), [pytest.param(True, (3.0, 4.0), marks=LONG), (False, (4.0, 6.0))]
)
def test_critics_learn_the_value_of_two_rounds(terminates, values):
    """Without entropy Q(0) = 1 + γ Q(1) and Q(1) = 4, or 4 + γ Q(0) with a last view like that of a reset."""
    config = SACConfig(
        num_updates=250,
        num_envs=8,
        gradient_steps=8,
        minibatch_size=32,
        buffer_size=64,
        discount=0.5,
        target_rate=0.05,
        temperature=1e-6,
        tune_temperature=False,
        critic_learning_rate=1e-2,
        critic_hidden_sizes=(16,),
        network=jc.MLP(hidden_sizes=(4,)),
    )
    params = {**two_rounds(terminates), "last_view": jnp.asarray(0.0)}
    learner, _ = train_all(KEY, TwoRounds(0.0, 1.0), params, config)
    seen = jnp.array([[0.0, 1.0]])
    found = np.mean(judge(learner.weights["critics"], seen, jnp.zeros((2, 2)), config), axis=0)
    np.testing.assert_allclose(found, values, rtol=0.03)


@pytest.mark.parametrize("box", [(-INFINITY, INFINITY), (0.0, 3.0), (1.0, INFINITY), (-INFINITY, 1.0)])
def test_the_density_of_an_action_integrates_to_one(box, float64):
    """Of the scaled action: what the change of variables says, against sums over a grid of actions."""
    bijector = make_bijector(Box(*box, (1,)))
    raw = jnp.linspace(-12.0, 12.0, 20_001)[None]
    head, parameters = Gaussian(), {"log_std": jnp.log(jnp.array([0.8]))}
    log_prob = head.log_prob(raw, jnp.full_like(raw, 0.3), parameters) - bijector.log_slope(raw)[0]
    action = np.asarray(bijector.scale(raw))[0]
    density = np.exp(np.asarray(log_prob))
    np.testing.assert_allclose(np.trapezoid(density, action), 1.0, atol=1e-5)
    bounds = np.where(np.isfinite(box), box, 0.0)
    inside = np.asarray(bijector.forward(raw))[0]
    width = 0.5 * (box[1] - box[0]) if np.all(np.isfinite(box)) else 1.0
    middle = np.mean(box) if np.all(np.isfinite(box)) else bounds.sum()
    np.testing.assert_allclose(action, (inside - middle) / width, atol=1e-6)


@pytest.mark.parametrize("box", [pytest.param((-INFINITY, INFINITY), marks=LONG), (0.0, 3.0)])
def test_the_estimated_entropy_of_one_step_is_that_of_a_gaussian(box):
    """A chain of one step that does not hear its noise is a Gaussian, whose entropy is a mean of −ln π."""
    chain = Diffusion(denoising_steps=1, denoiser_units=4)
    learner = begin(SMALL.replace(policy_head=chain), TwoRounds(*box), two_rounds())
    certain = {**chain.init(2), "noisy_kernel": jnp.zeros((2, 4))}
    observation = jnp.zeros((1, 4))
    actor = {**learner.weights["actor"], "head": certain}
    estimate = act(KEY, learner, actor, observation)[1]
    mean = chain.mode(learner.network.apply(actor["network"], observation), certain)
    draws = mean[:, :1] + 0.5 * jax.random.normal(KEY, (2, 100_000))
    gaussian = Gaussian()
    density = gaussian.log_prob(draws, jnp.broadcast_to(mean[:, :1], draws.shape), gaussian.init(2))
    expected = jnp.mean(jnp.sum(learner.bijector.log_slope(draws), axis=0) - density)
    np.testing.assert_allclose(estimate, expected, atol=0.02)


@pytest.mark.parametrize("head", [pytest.param(Gaussian(), marks=LONG), CHAIN])
def test_the_actors_gradient_is_that_of_finite_differences(head, float64):
    """−E min Q + α E ln π of the same draws, for each weight of the head and the network's last bias."""
    config = SMALL.replace(policy_head=head, temperature=0.2)
    learner = begin(config, TwoRounds(0.0, 1.0), two_rounds(), updates=3)
    seen = jax.random.normal(KEY, (1, 16))

    def loss(actor):
        action, entropy = act(KEY, learner, actor, seen)
        value = jnp.min(judge(learner.weights["critics"], seen, action, config), axis=0)
        return -jnp.mean(value + 0.2 * entropy)

    actor = learner.weights["actor"]
    gradient, arrays = to_arrays(jax.jit(jax.grad(loss))(actor)), to_arrays(actor)
    value = jax.jit(lambda moved: loss(from_arrays(actor, moved)))
    for name in [*[name for name in arrays if name.startswith("head")], "network/params/Dense_1/bias"]:
        index, ends = (0,) * arrays[name].ndim, []
        for step in (1e-5, -1e-5):
            moved = arrays[name].copy()
            moved[index] += step
            ends.append(float(value({**arrays, name: moved})))
        slope = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradient[name][index], slope, rtol=1e-4, atol=1e-8, err_msg=name)


@pytest.mark.parametrize(("entropy", "rises"), [(-2.0, True), (0.0, False)])
def test_the_temperature_rises_where_there_is_too_little_entropy(entropy, rises):
    slope = jax.grad(temperature_loss)(jnp.log(0.3), jnp.asarray(entropy), -1.0)
    np.testing.assert_allclose(slope, 0.3 * (entropy + 1.0), rtol=1e-6)
    tuned = SMALL.replace(critic_warmup=0, target_entropy=-0.5)  # of two numbers: −1
    fixed = tuned.replace(tune_temperature=False)
    learner = begin(tuned)
    before = learner.weights["log_temperature"]
    after, untouched = (
        tune(learner, learner.weights, learner.optimizer_state, jnp.asarray(entropy), config)[0]
        for config in (tuned, fixed)
    )
    assert (after > before) == rises
    assert untouched == before


def test_target_critics_follow_by_a_part_of_the_way():
    np.testing.assert_allclose(follow({"w": jnp.array(1.0)}, {"w": jnp.array(3.0)}, 0.25)["w"], 1.5)
    learner = begin(SMALL.replace(discount=0.5, target_rate=1.0), TwoRounds(), two_rounds(), updates=2)
    chex.assert_trees_all_close(learner.target, learner.weights["critics"], rtol=1e-6)
    assert begin(SMALL).target is None


def test_the_actor_waits_for_the_critics():
    config = SMALL.replace(critic_warmup=2)
    assert config.replace(num_updates=4).first_of_actor == 1
    fresh, waiting, moved = (to_arrays(begin(config, updates=count).weights) for count in (0, 2, 3))
    for name in ("actor/network/params/Dense_1/bias", "actor/head/log_std", "log_temperature"):
        np.testing.assert_array_equal(fresh[name], waiting[name])
        assert np.all(moved[name] != fresh[name]), name
    assert np.all(waiting["critics/0/params/Dense_1/bias"] != 0)


LEARNS = SACConfig(
    num_updates=150,
    num_envs=64,
    gradient_steps=8,
    minibatch_size=64,
    buffer_size=2048,
    learning_rate=3e-3,
    critic_learning_rate=1e-2,
    target_entropy=-1.0,
    network=jc.MLP(hidden_sizes=(8,)),
    critic_hidden_sizes=(16,),
)


@pytest.mark.parametrize(
    ("head", "box"),
    [
        pytest.param(Gaussian(), (-INFINITY, INFINITY), marks=LONG),
        pytest.param(Gaussian(), (0.0, 1.0), marks=LONG),
        (CHAIN, (-INFINITY, INFINITY)),
    ],
)
def test_the_best_action_of_a_quadratic_is_found(head, box):
    learner, metrics = train_all(KEY, Follow(*box), None, LEARNS.replace(policy_head=head))
    seen = jnp.linspace(0.05, 0.95, 7)[:, None]
    np.testing.assert_allclose(learner.policy(seen), 0.2 + 0.5 * seen, atol=0.06)
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize(("head", "discount"), [pytest.param(Gaussian(), 0.0, marks=LONG), (CHAIN, 0.9)])
def test_training_that_goes_on_is_training_that_never_stopped(head, discount):
    """Two chunks with everything carried through arrays on the host, against one."""
    config, env, params = SMALL.replace(policy_head=head, discount=discount), TwoRounds(), two_rounds()

    @jax.jit
    def go_on(learner, count):
        return repeat(update, learner, env, params, config, count)[0]

    begun = jax.jit(lambda: init(KEY, env, params, config))()
    half = go_on(begun, 2)
    resumed = to_arrays(go_on(from_arrays(half, to_arrays(half)), 3))
    for name, leaf in to_arrays(go_on(begun, 5)).items():
        np.testing.assert_array_equal(resumed[name], leaf, err_msg=name)


def test_another_number_does_not_compile_anew():
    chex.clear_trace_counter()
    once = jax.jit(chex.assert_max_traces(jc.train, n=1), static_argnames="env")
    for number in (0.1, 0.2):
        config = SMALL.replace(learning_rate=number, temperature=number, target_rate=number)
        once.trace(KEY, TwoRounds(), two_rounds(), config)


def test_players_of_a_game_learn_one_policy_from_rows_of_their_own():
    env = jc.CapacityEnv()
    learner, metrics = train_all(KEY, env, env.default_params, SMALL)
    assert learner.replay.rounds.reward.shape == (32,)  # whole updates, of two players in 8 rounds each
    assert int(learner.replay.filled) == 32
    assert all(np.isfinite(value) for value in metrics.values())


def test_a_head_whose_draws_have_no_derivative_is_refused_in_one_line():
    with pytest.raises(ValueError, match="must be learned by PPO") as refusal:
        SACConfig(policy_head=Mixture())
    assert str(refusal.value) == (
        "SACConfig: policy_head = Mixture: must be learned by PPO: an expert is chosen or drawn, and neither "
        "has a slope by the gate"
    )
    assert SACConfig(policy_head=Mixture(experts=1)).policy_head.experts == 1


def test_a_diverged_training_says_what_diverged():
    config = SMALL.replace(critic_learning_rate=1e30)
    learner, _ = train_all(KEY, TwoRounds(), two_rounds(cost=1.0), config)
    assert int(learner.divergence[0]) > 0
