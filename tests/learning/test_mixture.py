"""The mixture head against SciPy and integrals, and the Gaussian that one expert is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from jax.flatten_util import ravel_pytree

import jaxcontract as jc
from jaxcontract.evaluation.payment_laws import mixture_law
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.policies.gaussian import Gaussian
from jaxcontract.learning.policies.mixture import Mixture

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
HEAD = Mixture(experts=3)


def shaken(head, num_actions, shape=()):
    """Parameters far from fresh, and an output [..., *shape]."""
    log_std = -0.5 + 0.4 * jax.random.normal(jax.random.key(3), (head.experts, num_actions))
    return {"log_std": log_std}, jax.random.normal(jax.random.key(4), (head.num_outputs(num_actions), *shape))


def parts(head, parameters, output):
    """Weights [E], means and deviations [E, A] of one output, as a person would write them down."""
    experts, size = head.experts, parameters["log_std"].shape[1]
    rows = np.asarray(output, float).reshape(2, experts, size)
    return (
        scipy.special.softmax(rows[1].mean(axis=1)),
        rows[0] + head.offsets(size),
        np.exp(np.asarray(parameters["log_std"], float)),
    )


def density(head, parameters, output, actions):
    """At actions [N, A]: [N]."""
    weights, means, std = parts(head, parameters, output)
    each = scipy.stats.norm.pdf(actions[:, None], means, std).prod(axis=2)
    return each @ weights


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [1, 2, 5])
def test_log_prob_is_that_of_scipys_normals(size):
    parameters, output = shaken(HEAD, size)
    actions = 2.0 * np.random.default_rng(0).normal(size=(50, size))
    found = jax.vmap(lambda action: HEAD.log_prob(action, output, parameters))(jnp.asarray(actions))
    np.testing.assert_allclose(found, np.log(density(HEAD, parameters, output, actions)), rtol=1e-10)


def test_the_density_integrates_to_one():
    parameters, output = shaken(HEAD, 2)
    line = np.linspace(-9.0, 9.0, 801)
    grid = np.stack(np.meshgrid(line, line), axis=0).reshape(2, -1)
    beside = jnp.broadcast_to(output[:, None], (len(output), grid.shape[1]))
    found = np.exp(np.asarray(HEAD.log_prob(jnp.asarray(grid), beside, parameters), float))
    assert found.sum() * (line[1] - line[0]) ** 2 == pytest.approx(1.0, abs=1e-5)


def test_draws_have_the_law_that_the_density_says():
    parameters, output = shaken(HEAD, 1)
    beside = jnp.broadcast_to(output[:, None], (len(output), 200_000))
    (drawn,) = HEAD.sample(KEY, beside, parameters)
    weights, means, std = parts(HEAD, parameters, output)

    def chances(values):
        return scipy.stats.norm.cdf(values[:, None], means[:, 0], std[:, 0]) @ weights

    assert scipy.stats.kstest(drawn, chances).statistic < 1.95 / np.sqrt(200_000)
    places, found = mixture_law(HEAD, output, parameters)
    np.testing.assert_allclose(found, chances(np.asarray(places, float)), atol=2e-6)


def test_the_mode_is_the_experts_mean_of_the_highest_density():
    parameters, output = shaken(HEAD, 2, (40,))
    mode = np.asarray(HEAD.mode(output, parameters)).T
    in_numpy = HEAD.mode(np.asarray(output), jax.tree.map(np.asarray, parameters)).T
    np.testing.assert_allclose(in_numpy, mode, rtol=1e-5)
    for row in range(40):
        _, means, _ = parts(HEAD, parameters, output[:, row])
        best = means[np.argmax(density(HEAD, parameters, output[:, row], means))]
        np.testing.assert_allclose(mode[row], best, rtol=1e-5, atol=1e-6)


def test_one_expert_is_the_gaussian():
    head, plain = Mixture(experts=1), Gaussian()
    assert head.num_outputs(3) == plain.num_outputs(3) == 3
    parameters, output = shaken(head, 3, (7,))
    same = {"log_std": parameters["log_std"][0]}
    np.testing.assert_array_equal(head.sample(KEY, output, parameters), plain.sample(KEY, output, same))
    np.testing.assert_array_equal(head.mode(output, parameters), plain.mode(output, same))
    draw = plain.sample(KEY, output, same)
    for name in ("log_prob", "entropy"):
        given = (draw, output) if name == "log_prob" else (output,)
        np.testing.assert_allclose(
            getattr(head, name)(*given, parameters), getattr(plain, name)(*given, same), rtol=1e-6
        )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("what", ["log_prob", "entropy"])
def test_derivatives_are_those_of_finite_differences(what):
    parameters, output = shaken(HEAD, 2)
    draw = jnp.array([0.4, -0.8])

    def value(parameters, output):
        if what == "log_prob":
            return HEAD.log_prob(draw, output, parameters)
        return HEAD.entropy(output[:, None], parameters)

    flat, restore = ravel_pytree((parameters, output))
    steps = 1e-5 * np.eye(flat.size)
    at = jax.jit(jax.vmap(lambda numbers: value(*restore(numbers))))
    slope = jax.jit(jax.grad(lambda numbers: value(*restore(numbers))))(flat)
    np.testing.assert_allclose(
        slope, (at(flat[None] + steps) - at(flat[None] - steps)) / 2e-5, rtol=1e-6, atol=1e-8
    )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("apart", [0.0, 0.5, 2.0, 30.0])
def test_the_entropy_is_below_that_of_many_draws_and_exact_at_both_ends(apart):
    """Of the action in (0, 1). Experts that are equal, or far apart, leave nothing of the bound open."""
    head = Mixture(experts=2, spread=1e-6)
    parameters = {"log_std": jnp.array([[-0.5], [-0.5]])}
    output = jnp.array([-0.5 * apart, 0.5 * apart, 0.3, -0.2])
    found = float(head.entropy(output[:, None], parameters))
    beside = jnp.broadcast_to(output[:, None], (4, 400_000))
    (drawn,) = head.sample(KEY, beside, parameters)
    slope = jax.nn.log_sigmoid(drawn) + jax.nn.log_sigmoid(-drawn)
    exact = float(jnp.mean(slope - head.log_prob(drawn[None], beside, parameters)))
    assert found <= exact + 5e-3
    assert exact - found <= np.log(2) + 5e-3
    if apart in (0.0, 30.0):
        assert found == pytest.approx(exact, abs=1e-2)


def test_logits_without_limit_choose_one_expert_and_have_finite_slopes():
    parameters, output = shaken(HEAD, 1)
    for logit in (1e4, -1e4, 3e38):
        extreme = output.at[3].set(logit)
        value, slope = jax.value_and_grad(lambda out: HEAD.log_prob(jnp.array([0.1]), out, parameters))(
            extreme
        )
        assert np.isfinite(value)
        assert np.isfinite(slope).all()
    weights = HEAD.gate(output.at[3].set(1e4), parameters)
    np.testing.assert_allclose(weights, [1.0, 0.0, 0.0], atol=1e-6)


def test_fresh_experts_lie_apart_and_learn_differently():
    offsets = Mixture(experts=4).offsets(3)
    assert len({tuple(row) for row in offsets}) == 4
    np.testing.assert_allclose(
        np.sort(offsets, axis=0)[:, 0], scipy.stats.norm.ppf([0.125, 0.375, 0.625, 0.875])
    )


def test_the_plain_gradient_needs_a_head_with_a_slope():
    with pytest.raises(
        ValueError, match=r"policy_head = Mixture: must be learned by PPO: an expert is chosen"
    ):
        GradientConfig(policy_head=Mixture())
    assert GradientConfig(policy_head=Mixture(experts=1)).policy_head.experts == 1


def test_ppo_learns_with_it():
    env = jc.ContractEnv(num_types=2)
    config = jc.PPOConfig(num_updates=12, num_envs=256, policy_head=Mixture(experts=2))
    train = jax.jit(jc.train, static_argnames="env")
    learner, _ = train(KEY, env, env.default_params, config)
    begun, _ = train(KEY, env, env.default_params, config.replace(learning_rate=1e-9))
    after, before = (jc.evaluate(one.policy, env) for one in (learner, begun))
    assert after.regret < 0.5 * before.regret
