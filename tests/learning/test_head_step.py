"""Steps of a head's own parameters: how far they go, and what lookahead and averages make of them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcontract as jc
from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.envs.capacity import CapacityEnv
from jaxcontract.learning.algorithms.ppo.ppo import init, update
from jaxcontract.learning.optimizer import make_optimizer
from jaxcontract.learning.policies.mixture import Mixture

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TIMES = 7.0
ONE_STEP = jc.PPOConfig(num_envs=64, epochs=1, minibatches=1, policy_head=Mixture(experts=3))


def learn(config, updates=1):
    """Where a policy of the capacity game begins, and where it is after some updates."""
    env = CapacityEnv()
    game = {"env": env, "params": env.default_params, "config": config}
    go_on = jax.jit(update, static_argnames="env")
    learner = begun = jax.jit(init, static_argnames="env")(jax.random.key(3), **game)
    for _ in range(updates):
        learner, _ = go_on(learner, **game)
    return begun, learner


def test_a_head_goes_so_many_times_as_far_and_a_network_as_far_as_before():
    begun, plain = learn(ONE_STEP)
    _, scaled = learn(ONE_STEP.replace(head_step=TIMES))
    before, once, often = (state.weights["head"]["log_std"] for state in (begun, plain, scaled))
    assert np.all(before != once)
    np.testing.assert_allclose(often - before, TIMES * (once - before), rtol=1e-3)
    for name in ("actor", "critic"):
        for one, two in zip(
            *(jax.tree.leaves(state.weights[name]) for state in (plain, scaled)), strict=True
        ):
            np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(
    ("steadied", "kept"),
    [({"lookahead_updates": 1, "lookahead_rate": 0.25}, 0.25), ({"averaged_updates": 2}, 0.75)],
    ids=["lookahead", "averages"],
)
def test_what_steadies_a_policy_is_of_whole_steps(steadied, kept):
    """Of two equal steps the mean is at 3/4 of the way; going back to 1/4 of each ends at 1/4 of it."""
    config = ONE_STEP.replace(num_updates=2, final_learning_rate=3e-3, head_step=TIMES, **steadied)
    weights, state = {"actor": jnp.ones(2), "head": {"log_std": jnp.ones(2)}}, None
    for number in range(2):
        optimizer = make_optimizer(config, number)
        state = optimizer.init(weights) if state is None else state
        moves, state = optimizer.update(jax.tree.map(jnp.ones_like, weights), state, weights)
        weights = optax.apply_updates(weights, moves)
    # Adam's step is its rate where all gradients are equal.
    np.testing.assert_allclose(1 - weights["actor"], kept * 2 * 3e-3, rtol=1e-3)
    np.testing.assert_allclose(1 - weights["head"]["log_std"], kept * 2 * 3e-3 * TIMES, rtol=1e-3)


def test_a_learner_with_such_steps_goes_on_from_arrays_exactly():
    config = ONE_STEP.replace(head_step=TIMES, averaged_updates=2, num_updates=3)
    begun, learner = learn(config, 1)
    again = from_arrays(begun, to_arrays(learner))
    env = CapacityEnv()
    go_on = jax.jit(update, static_argnames="env")
    expected, found = (
        to_arrays(go_on(state, env=env, params=env.default_params, config=config)[0])
        for state in (learner, again)
    )
    assert all(array.tobytes() == expected[name].tobytes() for name, array in found.items())
