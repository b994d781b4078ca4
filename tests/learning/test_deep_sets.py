"""The network whose weights all items share: what it is told, what it hears, at how many items it works."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.config.presets import PRESETS
from jaxcontract.config.setting import Setting
from jaxcontract.core.item_layout import ItemLayout
from jaxcontract.envs.config import ContractGame
from jaxcontract.envs.registry import GAMES
from jaxcontract.learning.algorithms.gradient.gradient import GradientConfig
from jaxcontract.learning.algorithms.ppo.config import PPOConfig
from jaxcontract.learning.networks.deep_sets import DeepSets
from jaxcontract.learning.train import train

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SMALL = DeepSets(item_units=6, message_units=2, blocks=2)


def random_weights(num_items, outputs_each=2, network=SMALL, seed=0):
    """Weights of which none is near zero, so that every part of the network speaks."""
    layout = ItemLayout(num_shared=4, num_items=num_items, weighted=True)
    shapes = jax.eval_shape(
        lambda: network.init(jax.random.key(0), 4 + 2 * num_items, outputs_each * num_items, layout)
    )
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: generator.normal(scale=0.5, size=leaf.shape).astype(np.float32), shapes)


def inputs_of(shares, features, whole=(0.0, 0.0, 0.3, -0.4)):
    """Normalized inputs [4 + 2K] of shares Q and features."""
    return np.array([*whole, *(2.0 * np.asarray(shares) - 1.0), *features], np.float32)


def per_item(weights, inputs, network=SMALL):
    return np.asarray(network.apply(weights, inputs)).reshape(2, -1)


def test_weights_do_not_depend_on_the_number_of_items():
    shapes = [jax.tree.map(jnp.shape, random_weights(size)) for size in (1, 2, 17)]
    assert shapes[0] == shapes[1] == shapes[2]
    for size in (1, 3, 40):
        output = SMALL.apply(random_weights(2), np.zeros(4 + 2 * size))
        assert output.shape == (2 * size,)
        assert np.isfinite(output).all()


def test_a_batch_is_every_entry_by_itself():
    weights = random_weights(3)
    batch = np.random.default_rng(1).uniform(-1, 1, size=(10, 4, 5))
    together = SMALL.apply(weights, batch)
    alone = SMALL.apply(weights, batch[:, 2, 3])
    np.testing.assert_allclose(together[:, 2, 3], alone, rtol=1e-5, atol=1e-6)


def test_numpy_and_jax_give_the_same():
    weights, inputs = (
        random_weights(17),
        np.random.default_rng(1).uniform(-1, 1, size=(38, 3)).astype(np.float32),
    )
    in_jax = jax.jit(SMALL.apply)(weights, inputs)
    np.testing.assert_allclose(SMALL.apply(weights, inputs), in_jax, rtol=1e-4, atol=1e-5)


def test_the_order_of_the_items_is_part_of_the_input():
    weights = random_weights(3)
    one = per_item(weights, inputs_of((0.2, 0.3, 0.5), (-0.8, 0.1, 0.6)))
    turned = per_item(weights, inputs_of((0.5, 0.3, 0.2), (0.6, 0.1, -0.8)))
    assert np.abs(one - turned[:, ::-1]).max() > 0.1


def test_an_item_without_weight_is_heard_by_its_neighbours_alone():
    """With one block an item hears its neighbours and, of the others, only sums."""
    network = dataclasses.replace(SMALL, blocks=1)
    weights = random_weights(7, network=network)
    shares = (0.1, 0.2, 0.3, 0.4, 0.0, 0.0, 0.0)
    one = per_item(weights, inputs_of(shares, (-0.9, -0.5, -0.1, 0.2, 0.5, 0.7, 0.8)), network)
    moved = per_item(weights, inputs_of(shares, (-0.9, -0.5, -0.1, 0.2, 0.5, 0.7, 0.9)), network)
    # Items enter with their neighbours' features, and one block carries these one neighbour further.
    np.testing.assert_allclose(moved[:, :3], one[:, :3], atol=1e-6)
    assert np.abs(moved[:, 4:] - one[:, 4:]).max() > 1e-3


def test_items_that_tie_differ_by_where_they_stand():
    output = per_item(random_weights(3), inputs_of((1 / 3, 1 / 3, 1 / 3), (0.1, 0.1, 0.1)))
    assert np.isfinite(output).all()
    assert np.abs(output[:, 0] - output[:, 2]).max() > 1e-3


def test_derivatives_are_finite_at_ties_and_shares_of_zero():
    def total(inputs):
        return jnp.sum(SMALL.apply(random_weights(4), inputs))

    slope = jax.jit(jax.grad(total))
    for shares, features in (((0, 0, 1, 0), (0.1, 0.1, 0.1, 0.1)), ((1, 0, 0, 0), (-1, -1, 1, 1))):
        assert np.isfinite(slope(inputs_of(shares, features))).all()


def test_one_output_is_of_the_whole_list():
    layout = ItemLayout(num_shared=4, num_items=3, weighted=True)
    shapes = jax.eval_shape(lambda: SMALL.init(jax.random.key(0), 10, 1, layout))
    weights = jax.tree.map(lambda leaf: np.ones(leaf.shape), shapes)
    assert SMALL.apply(weights, np.zeros((10, 7))).shape == (1, 7)


def test_what_it_cannot_work_on_is_refused_in_one_line():
    layout = ItemLayout(num_shared=4, num_items=3)
    with pytest.raises(ValueError, match=r"^DeepSets: needs an ItemLayout, what an environment's"):
        SMALL.init(jax.random.key(0), 10, 6)
    with pytest.raises(ValueError, match=r"^DeepSets.num_outputs = 7: must be 1 or a multiple of 3$"):
        SMALL.init(jax.random.key(0), 10, 7, layout)
    with pytest.raises(
        ValueError, match=r"^ItemLayout: an observation of 9 numbers: must be 4 and a multiple"
    ):
        SMALL.init(jax.random.key(0), 9, 6, layout)


def test_a_game_without_items_is_refused_in_one_line():
    with pytest.raises(
        ValueError, match=r"^network deep_sets: works on a list of items, and the game"
    ) as found:
        Setting(game=GAMES.record("competition")(), algorithm=PPOConfig(network=SMALL))
    assert str(found.value).endswith("the game competition has none")
    assert PRESETS["default"].with_parts({"network": SMALL}).game == ContractGame()


def test_one_network_is_compiled_once_whatever_the_numbers_are():
    traces = []
    env = jc.ContractEnv(num_types=3)

    @jax.jit
    def counted(key, params, config):
        traces.append(1)
        return train(key, env, params, config)

    config = GradientConfig(num_updates=2, num_envs=4, network=SMALL)
    for rate in (1e-3, 2e-3):
        counted(jax.random.key(0), env.default_params, config.replace(learning_rate=rate))
    assert len(traces) == 1


@pytest.mark.long
def test_with_one_type_the_best_contract_is_found():
    """At K = 1 there is nothing to screen."""
    env = jc.ContractEnv(num_types=1)
    config = GradientConfig(num_updates=200, num_envs=64, network=SMALL)
    learner, _ = jax.jit(train, static_argnames="env")(jax.random.key(0), env, env.default_params, config)
    report = jc.evaluate(learner.policy, env, states=jc.unseen_states(env.default_params.distribution, 500))
    assert report.feasible == 1.0
    assert report.regret < 0.05  # random contracts: 2.4


def test_a_feature_is_scaled_alike_in_all_items():
    env = jc.ContractEnv(num_types=4)
    config = GradientConfig(num_updates=1, num_envs=2, network=SMALL)
    learner = config.make().init(jax.random.key(0), env, env.default_params, config)
    state = jc.NetworkState(
        max_aoi=0.7, max_latency=0.8, type_probs=[0.25] * 4, device_types=[1.0, 8.0, 8.0, 15.0]
    )
    inputs = learner.normalizer.normalize(jc.observe(jc.System(), state))
    np.testing.assert_allclose(inputs[8:], [-1, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(inputs[4:8], -0.5)
