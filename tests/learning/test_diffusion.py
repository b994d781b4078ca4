"""The diffusion head against SciPy, its schedules, its law, and what it learns."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

import jaxcontract as jc
from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.core.spaces import Box
from jaxcontract.evaluation.chain_law import chain_law
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.algorithms.ppo.ppo import Batch, _loss
from jaxcontract.learning.boxes import make_bijector, make_normalizer
from jaxcontract.learning.loop import repeat
from jaxcontract.learning.policies.diffusion import Diffusion
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.learning.policies.network_policy import NetworkPolicy
from jaxcontract.learning.policies.schedules import SCHEDULES, make_posterior, variances
from jaxcontract.learning.rollout import rollout

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
UNITS = 6


def shaken(head, num_actions, size=0.7):
    """Parameters far from fresh, and an output [H]."""
    fresh, structure = jax.tree.flatten(head.init(num_actions))
    keys = jax.random.split(jax.random.key(3), len(fresh))
    moved = [leaf + size * jax.random.normal(key, leaf.shape) for leaf, key in zip(fresh, keys, strict=True)]
    return jax.tree.unflatten(structure, moved), jax.random.normal(jax.random.key(4), (head.denoiser_units,))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_the_reversal_of_a_schedule_is_the_law_of_normals_given_both_ends(schedule, count):
    """x_{n−1} given x_n and x_0 by regression: the covariance of the forward chain, from its recursion."""
    beta = np.array(variances(schedule, count))
    posterior = np.array(make_posterior(schedule, count))
    assert np.all((beta > 0) & (beta < 1))
    assert np.all(np.isfinite(posterior))
    np.testing.assert_allclose(posterior[:, 0], [1.0, 0.0, 0.0], atol=1e-12)
    variance = 0.0  # of x_{n−1} given x_0, whose mean is `scale` x_0
    scale = 1.0
    for n in range(count):
        keep = np.sqrt(1 - beta[n])
        gain = keep * variance / (keep**2 * variance + beta[n])
        expected = [scale - gain * keep * scale, gain, np.sqrt(max(0.0, variance - gain * keep * variance))]
        np.testing.assert_allclose(posterior[:, n], expected, rtol=1e-7, atol=1e-9)
        scale, variance = keep * scale, keep**2 * variance + beta[n]
    assert scale**2 < 0.01  # nothing is left of x_0
    np.testing.assert_allclose(variance, 1.0 - scale**2, rtol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_log_prob_of_a_chain_is_that_of_its_normals(shape):
    head = Diffusion(denoising_steps=3, denoiser_units=UNITS, schedule="cosine")
    parameters, _ = shaken(head, 2)
    output = jax.random.normal(KEY, (UNITS, *shape))
    draw = head.sample(jax.random.key(1), output, parameters)
    assert draw.shape == (8, *shape)
    chain = np.asarray(draw).reshape(4, 2, *shape)[::-1]  # x_0 first
    expected = scipy.stats.norm.logpdf(chain[3]).sum(axis=0)
    std = [np.exp(parameters["log_std"]), *np.array(head.posterior.std)[1:, None] * np.ones(2)]
    for step, deviation in zip((1, 2, 3), std, strict=True):
        mean = np.asarray(head.step_mean(step, jnp.asarray(chain[step]), output, parameters))
        column = np.reshape(deviation, (2,) + (1,) * len(shape))
        expected = expected + scipy.stats.norm.logpdf(chain[step - 1], mean, column).sum(axis=0)
    np.testing.assert_allclose(head.log_prob(draw, output, parameters), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(head.raw_action(draw), chain[0])


def test_one_step_that_does_not_hear_its_noise_is_the_gaussian():
    """With N = 1 the chain is the Gaussian around the map that the network and the denoiser make."""
    head = Diffusion(denoising_steps=1, denoiser_units=UNITS)
    parameters, _ = shaken(head, 2)
    parameters["noisy_kernel"] *= 0
    output = jax.random.normal(KEY, (UNITS, 4))
    hidden = np.tanh(np.asarray(output) + np.asarray(parameters["step_bias"][0])[:, None])
    mean = np.asarray(parameters["kernel"]).T @ hidden + np.asarray(parameters["bias"])[:, None]
    np.testing.assert_allclose(head.mode(output, parameters), mean, rtol=1e-5, atol=1e-6)
    draw = head.sample(jax.random.key(1), output, parameters)
    plain = Gaussian().log_prob(head.raw_action(draw), jnp.asarray(mean), {"log_std": parameters["log_std"]})
    start = scipy.stats.norm.logpdf(np.asarray(draw[:2])).sum(axis=0)
    np.testing.assert_allclose(head.log_prob(draw, output, parameters), plain + start, rtol=1e-5, atol=1e-5)
    certain = head.init_certain(2)
    drawn = head.raw_action(head.sample(KEY, output, certain))
    np.testing.assert_allclose(drawn, head.mode(output, certain), atol=6 * head.least_std)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("what", ["log_prob", "raw action", "mode", "entropy"])
def test_derivatives_are_those_of_finite_differences(what):
    head = Diffusion(denoising_steps=2, denoiser_units=4)
    parameters, output = shaken(head, 2)
    draw = head.sample(KEY, output, parameters)
    value = {
        "log_prob": lambda parameters, output: head.log_prob(draw, output, parameters),
        "raw action": lambda parameters, output: jnp.sum(
            head.raw_action(head.sample(KEY, output, parameters)) ** 2
        ),
        "mode": lambda parameters, output: jnp.sum(head.mode(output, parameters) ** 2),
        "entropy": lambda parameters, output: head.entropy(output[:, None], parameters),
    }[what]
    flat, restore = jax.flatten_util.ravel_pytree((parameters, output))

    def at(numbers):
        return value(*restore(numbers))

    both_sides = np.concatenate([1e-5 * np.eye(flat.size), -1e-5 * np.eye(flat.size)])
    above, below = np.split(np.asarray(jax.jit(jax.vmap(at))(flat[None] + both_sides)), 2)
    np.testing.assert_allclose(jax.jit(jax.grad(at))(flat), (above - below) / 2e-5, rtol=1e-6, atol=1e-7)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("steps", [1, 5])
def test_the_law_on_a_line_is_that_of_many_chains(steps):
    head = Diffusion(denoising_steps=steps, denoiser_units=UNITS)
    parameters, output = shaken(head, 1)
    parameters = {**parameters, "log_std": jnp.array([-3.0])}
    places, chances = jax.jit(chain_law, static_argnums=0)(head, output, parameters)
    np.testing.assert_allclose(chances[-1], 1.0, atol=1e-6)
    beside = jnp.broadcast_to(output[:, None], (UNITS, 200_000))
    drawn = head.raw_action(head.sample(jax.random.key(5), beside, parameters))[0]
    distance = scipy.stats.kstest(drawn, lambda x: np.interp(x, places, chances)).statistic
    assert distance < 1.95 / np.sqrt(200_000)  # exceeded once in a thousand times
    assert np.std(drawn) > 3 * np.exp(-3.0)  # no normal of the last step


@pytest.mark.usefixtures("float64")
def test_the_law_of_a_straight_denoiser_is_the_normal_that_regression_gives():
    """Where x̂_0 is a constant c all steps are linear: x_0 is normal around c, whatever came before."""
    head = Diffusion(denoising_steps=3, denoiser_units=UNITS, initial_std=0.4)
    fresh = head.init(1)
    parameters = {**fresh, "kernel": jnp.zeros((UNITS, 1)), "bias": jnp.array([0.3])}
    places, chances = jax.jit(chain_law, static_argnums=0)(head, jnp.zeros(UNITS), parameters)
    np.testing.assert_allclose(chances, scipy.stats.norm.cdf(places, 0.3, 0.4), atol=2e-6)


@pytest.mark.usefixtures("float64")
def test_the_entropy_is_that_of_the_action_in_its_box():
    """Of one step that does not hear its noise: the normal's, and mean slope, integrated."""
    head = Diffusion(denoising_steps=1, denoiser_units=UNITS, initial_std=0.4)
    parameters = {**head.init(1), "kernel": jnp.zeros((UNITS, 1)), "bias": jnp.array([0.3])}
    law = scipy.stats.norm(0.3, 0.4)
    slope = law.expect(lambda x: scipy.special.log_expit(x) + scipy.special.log_expit(-x))
    found = head.entropy(jnp.zeros((UNITS, 50)), parameters)
    np.testing.assert_allclose(found, law.entropy() + slope, atol=1e-2)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, pytest.param(8, marks=pytest.mark.long)])
def test_nothing_is_undefined_at_the_ends_of_a_schedule(schedule, steps):
    head = Diffusion(denoising_steps=steps, denoiser_units=4, schedule=schedule)
    parameters = head.bound({**head.init(1), "log_std": jnp.array([-jnp.inf])})
    output = jnp.ones((4, 3))

    def value(parameters):
        draw = head.sample(KEY, output, parameters)
        found = head.log_prob(draw, output, parameters), head.mode(output, parameters)
        return jnp.sum(found[0]) + jnp.sum(found[1]) + head.entropy(output, parameters)

    both = jax.jit(jax.value_and_grad(value))(parameters)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(both))


@pytest.mark.usefixtures("float64")
def test_a_thinned_draw_has_the_last_step_of_a_chain_and_another():
    """The density of both by SciPy; all others are drawn alike, and are of one and the same chain."""
    head = Diffusion(denoising_steps=4, denoiser_units=UNITS, schedule="cosine")
    parameters, _ = shaken(head, 2)
    output = jax.random.normal(jax.random.key(2), (UNITS, 3000))
    draw = head.thinned.sample(KEY, output, parameters)
    step, pairs = np.asarray(draw[0]), np.asarray(draw[1:]).reshape(4, 2, -1)
    assert draw.shape == (9, 3000)
    np.testing.assert_allclose(np.bincount(step.astype(int), minlength=5)[2:], 1000, atol=130)
    np.testing.assert_array_equal(head.thinned.raw_action(draw), pairs[3])
    np.testing.assert_array_equal(pairs[1][:, step == 2], pairs[2][:, step == 2])  # x_1 is both ends'
    log_std = np.asarray(parameters["log_std"])[:, None]
    mean = head.step_mean(1, draw[5:7], output, parameters)
    expected = scipy.stats.norm.logpdf(pairs[3], mean, np.exp(log_std)).sum(axis=0)
    for n in (2, 3, 4):
        mean = head.step_mean(n, draw[1:3], output, parameters)
        other = scipy.stats.norm.logpdf(pairs[1], mean, head.posterior.std[n - 1]).sum(axis=0)
        expected = expected + np.where(step == n, other, 0.0)
    np.testing.assert_allclose(head.thinned.log_prob(draw, output, parameters), expected, rtol=1e-9)


@pytest.mark.usefixtures("float64")
def test_the_mean_over_drawn_steps_is_the_last_step_and_the_mean_of_the_others():
    """Of the gradient too: three times the thinned one is the whole chain's and twice the last step's."""
    head = Diffusion(denoising_steps=4, denoiser_units=UNITS)
    parameters, output = shaken(head, 2)
    draw = head.sample(KEY, output, parameters)
    ends = draw.reshape(5, 2)

    def thinned(parameters, n):
        part = jnp.concatenate([jnp.full(1, float(n)), ends[4 - n], ends[5 - n], ends[3], ends[4]])
        return head.thinned.log_prob(part, output, parameters)

    def last(parameters):
        mean = head.step_mean(1, ends[3], output, parameters)
        return jax.scipy.stats.norm.logpdf(ends[4], mean, jnp.exp(parameters["log_std"])).sum()

    def both(parameters):
        return sum(thinned(parameters, n) for n in (2, 3, 4)), head.log_prob(draw, output, parameters)

    of_thinned, of_whole = jax.jacrev(both)(parameters)
    of_last = jax.grad(last)(parameters)
    for name, gradient in of_thinned.items():
        np.testing.assert_allclose(gradient, of_whole[name] + 2 * of_last[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_chain_of_two_steps_is_learned_from_whole(steps):
    head = Diffusion(denoising_steps=steps)
    assert head.thinned is head


@pytest.mark.parametrize("bonus", [0.0, 0.1])
def test_a_bonus_has_its_slope_where_it_counts(bonus):
    """One gradient step on rewards that are all alike, where nothing but a bonus moves the policy."""
    env, params = jc.ContractEnv(), jc.ContractEnv().default_params
    config = SMALL.replace(entropy_coefficient=bonus, policy_head=Diffusion(denoising_steps=3))
    learner = config.make().init(KEY, env, params, config)
    head, size = config.policy_head, config.network
    observation = jnp.ones((len(learner.observation), 6))
    output = size.apply(learner.weights["actor"], observation)
    draw = head.thinned.sample(KEY, output, learner.weights["head"])
    batch = Batch(
        observation=observation,
        draw=draw,
        log_prob=head.thinned.log_prob(draw, output, learner.weights["head"]),
        advantage=jnp.zeros(6),
        target=None,
    )
    gradient = jax.jit(jax.grad(lambda weights: _loss(weights, learner, batch, config)[0]))(learner.weights)
    slope = jax.grad(lambda parameters: head.entropy(output, parameters))(learner.weights["head"])
    for name, found in gradient["head"].items():
        np.testing.assert_allclose(found, -bonus * slope[name], rtol=1e-4, atol=1e-6)


SMALL = jc.PPOConfig(
    num_updates=3,
    num_envs=24,
    minibatches=2,
    network=jc.MLP(hidden_sizes=(8,)),
    policy_head=Diffusion(denoising_steps=2, denoiser_units=4),
)


@pytest.mark.parametrize(
    ("group_size", "steps"), [(4, 3), pytest.param(4, 2, marks=pytest.mark.long), (1, 3)]
)
def test_ppo_moves_the_chain(group_size, steps):
    env = jc.ContractEnv()
    head = Diffusion(denoising_steps=steps, denoiser_units=4)
    config = SMALL.replace(group_size=group_size, policy_head=head)
    learner, metrics = jax.jit(jc.train, static_argnames="env")(KEY, env, env.default_params, config)
    assert np.all(metrics["kl"][:-1] > 0)  # the last step has size 0
    fresh = config.policy_head.init(4)
    for name, before in fresh.items():
        assert np.all(learner.policy.parameters[name] != before), name
    _, _, played = rollout(
        KEY, learner.policy, env, env.default_params, learner.env_state, learner.observation, 2, group_size
    )
    assert played.draw.shape == (2, 4 * (steps + 1), 24)


def test_training_that_goes_on_is_training_that_never_stopped():
    """Two chunks with everything carried through arrays on the host, against one."""
    env = jc.ContractEnv()
    algorithm = SMALL.make()

    @jax.jit
    def go_on(learner, count):
        return repeat(algorithm.update, learner, env, env.default_params, SMALL, count)

    begun = jax.jit(lambda: algorithm.init(KEY, env, env.default_params, SMALL))()
    at_once, _ = go_on(begun, 3)
    half, _ = go_on(begun, 1)
    resumed, _ = go_on(from_arrays(half, to_arrays(half)), 2)
    for name, leaf in to_arrays(at_once).items():
        np.testing.assert_array_equal(to_arrays(resumed)[name], leaf, err_msg=name)


def test_the_plain_gradient_climbs_through_the_chain():
    """The first update's direction, against finite differences of the reward of the same draws."""
    env, params = jc.ContractEnv(), jc.ContractEnv().default_params
    config = GradientConfig(
        num_updates=1, num_envs=8, network=jc.MLP(hidden_sizes=(8,)), policy_head=SMALL.policy_head
    )
    algorithm = config.make()
    learner = algorithm.init(KEY, env, params, config)

    def reward(shift):
        head = {**learner.weights["head"], "bias": learner.weights["head"]["bias"] + shift}
        moved = learner.replace_weights({**learner.weights, "head": head})
        return algorithm.update(moved, env, params, config)[1]["reward"]

    both = jax.jit(jax.value_and_grad(reward))
    _, gradient = both(jnp.zeros(4))
    for index, slope in enumerate(np.asarray(gradient)):
        step = jnp.zeros(4).at[index].set(1e-2)
        expected = float(both(step)[0] - both(-step)[0]) / 2e-2
        np.testing.assert_allclose(slope, expected, rtol=3e-2, atol=2e-3 * np.abs(gradient).max())
    stepped, _ = jax.jit(algorithm.update, static_argnames="env")(learner, env, params, config)
    assert config.learns_head
    assert all(
        np.any(stepped.weights["head"][name] != leaf) for name, leaf in learner.weights["head"].items()
    )


def test_another_number_does_not_compile_anew():
    env = jc.ContractEnv()
    chex.clear_trace_counter()
    once = jax.jit(chex.assert_max_traces(jc.train, n=1), static_argnames="env")
    for rate in (1e-3, 2e-3):
        again = SMALL.replace(learning_rate=rate, policy_head=Diffusion(denoising_steps=2, denoiser_units=4))
        once.trace(KEY, env, env.default_params, again)


@pytest.mark.parametrize("steps", [1, 5])
def test_the_mode_in_numpy_is_that_in_jax(steps):
    head = Diffusion(denoising_steps=steps, denoiser_units=UNITS)
    parameters, _ = shaken(head, 2)
    output = np.random.default_rng(0).normal(size=(UNITS, 7)).astype(np.float32)
    found = head.mode(output, jax.tree.map(np.asarray, parameters))
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, head.mode(jnp.asarray(output), parameters), rtol=1e-5, atol=1e-6)


def test_draws_of_a_policy_lie_in_the_box_and_its_mode_does_not_depend_on_a_key():
    head = Diffusion(denoising_steps=3, denoiser_units=UNITS)
    parameters, _ = shaken(head, 2)
    network = jc.MLP(hidden_sizes=(8,))
    policy = NetworkPolicy(
        weights=network.init(KEY, 3, UNITS),
        parameters=parameters,
        normalizer=make_normalizer(Box(-2.0, 2.0, (3,))),
        bijector=make_bijector(Box(0.0, 1.0, (2,))),
        network=network,
        head=head,
    )
    observation = jax.random.uniform(KEY, (50, 3), minval=-2, maxval=2)
    one, other = (np.asarray(policy.sample(jax.random.key(seed), observation)) for seed in (0, 1))
    assert one.shape == (50, 2)
    assert np.all((one > 0) & (one < 1) & (one != other))
    np.testing.assert_array_equal(policy(observation), policy(observation))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"denoising_steps": 0}, "Diffusion.denoising_steps = 0: must be a whole number in [1, 100]"),
        ({"schedule": "linear"}, "Diffusion.schedule = 'linear': must be one of variance_preserving, cosine"),
        ({"least_std": 1.0}, "Diffusion.initial_std = 0.5: must be at least least_std = 1.0"),
    ],
)
def test_numbers_that_make_no_chain_are_refused_in_one_line(changes, line):
    with pytest.raises(ValueError, match="must be") as refusal:
        Diffusion(**changes)
    assert str(refusal.value) == line
