"""A wide network takes smaller steps, so that a size alone does not make a training fall."""

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.learning.networks.deep_sets import DeepSets
from jaxcontract.learning.optimizer import step_size


@pytest.mark.parametrize(
    ("network", "share"),
    [
        (jc.MLP(hidden_sizes=(8,)), 1.0),
        (jc.MLP(hidden_sizes=(64, 64)), 1.0),
        (jc.MLP(hidden_sizes=(16, 256)), 0.25),
        (DeepSets(item_units=128), 0.5),
    ],
)
def test_steps_are_as_much_smaller_as_a_network_is_wider(network, share):
    config = jc.PPOConfig(num_updates=11, network=network, learning_rate=0.5, final_learning_rate=0.1)
    found = [float(step_size(config, done)) for done in (0, 5, 10, 99)]
    np.testing.assert_allclose(found, share * np.array([0.5, 0.3, 0.1, 0.1]), rtol=1e-6)


def test_a_network_that_does_not_say_its_width_takes_the_whole_step():
    plain = type("Plain", (), {"init": lambda *_: {}, "apply": lambda *given: given[-1]})()
    assert float(step_size(jc.PPOConfig(network=plain), 0)) == pytest.approx(3e-3)


@pytest.mark.long
def test_a_wide_network_does_not_run_away():
    """With whole steps the mean kl of this training is 6.3."""
    env = jc.ContractEnv(num_types=8)
    config = jc.PPOConfig(num_updates=20, num_envs=256, network=jc.MLP(hidden_sizes=(256, 256)))
    _, metrics = jax.jit(jc.train, static_argnames="env")(jax.random.key(0), env, env.default_params, config)
    assert np.mean(metrics["kl"]) < 1.0
