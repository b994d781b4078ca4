"""Many seeds: each computes, bit for bit, what it would alone."""

import subprocess
import sys

import chex
import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.learning.config import GradientConfig
from jaxcontract.learning.gradient import GRADIENT
from jaxcontract.learning.ppo import init_learner, update
from jaxcontract.learning.seeds import compile_program, compile_training, seed_mesh

CONFIG = jc.PPOConfig(num_updates=6, parallel_rounds=32, minibatches=2, epochs=2, hidden_sizes=(8,))
ENV = jc.ContractEnv()


def weights_after(seeds, chunks):
    training = compile_training(seeds, ENV, ENV.default_params, CONFIG, seed_mesh(len(seeds)))
    learners = training.start()
    for chunk in chunks:
        learners, metrics = training.advance(learners, chunk)
    chex.assert_tree_all_finite(metrics)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(seeds)], learners.weights)


def row(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def test_a_seed_does_not_depend_on_the_others():
    together = weights_after([0, 1, 2], [6])
    chex.assert_trees_all_equal(row(together, 1), row(weights_after([1], [6]), 0))
    chex.assert_trees_all_equal(row(together, 2), row(weights_after([2, 7], [6]), 0))


def test_seeds_differ_from_each_other():
    together = weights_after([0, 1], [6])
    assert not np.array_equal(row(together, 0)["log_std"], row(together, 1)["log_std"])


def test_where_the_chunks_are_cut_changes_nothing():
    chex.assert_trees_all_equal(weights_after([4], [6]), weights_after([4], [1, 3, 2]))


def test_a_chunk_is_that_many_updates():
    learner = init_learner(jax.random.key(4), ENV, ENV.default_params, CONFIG)
    step = jax.jit(update, static_argnames="env")
    for _ in range(6):
        learner, _ = step(learner, ENV, ENV.default_params, CONFIG)
    together = weights_after([4], [6])
    chex.assert_trees_all_close(row(together, 0), learner.weights, rtol=1e-4, atol=1e-5)


def test_the_learners_given_to_advance_are_consumed():
    training = compile_training([0], ENV, ENV.default_params, CONFIG, seed_mesh(1))
    learners = training.start()
    training.advance(learners, 1)
    assert learners.observation.is_deleted()
    with pytest.raises((RuntimeError, ValueError), match="deleted"):
        training.advance(learners, 1)


def test_numbers_may_differ_from_seed_to_seed():
    """Each row of a mapped sweep is, bit for bit, what its own numbers give alone."""
    games = [ENV.default_params.replace(system=jc.System(aoi_preference=share)) for share in (0.2, 0.75)]
    configs = [CONFIG.replace(learning_rate=rate) for rate in (1e-3, 3e-3)]
    training = compile_training([3, 3], ENV, games, configs, seed_mesh(2))
    learners, _ = training.advance(training.start(), 6)
    for index in range(2):
        alone = compile_training([3], ENV, games[index], configs[index], seed_mesh(1))
        expected, _ = alone.advance(alone.start(), 6)
        chex.assert_trees_all_equal(row(learners.weights, index), row(expected.weights, 0))
    assert not np.array_equal(row(learners.weights, 0)["log_std"], row(learners.weights, 1)["log_std"])


def test_one_program_serves_other_seeds_and_numbers():
    mesh = seed_mesh(1)
    program = compile_program(2, ENV, ENV.default_params, CONFIG, mesh)
    other = CONFIG.replace(clip_range=0.1)
    training = program.training([8], ENV.default_params, other)
    learners, metrics = training.advance(training.start(), 6)
    alone = compile_training([8], ENV, ENV.default_params, other, mesh)
    expected, _ = alone.advance(alone.start(), 6)
    chex.assert_trees_all_equal(row(learners.weights, 0), row(expected.weights, 0))
    chex.assert_trees_all_equal(row(learners.weights, 1), row(learners.weights, 0))
    assert metrics["reward"].shape == (2,)


def test_sizes_may_not_differ_from_seed_to_seed():
    configs = [CONFIG, CONFIG.replace(hidden_sizes=(4,))]
    with pytest.raises(ValueError, match=r"PPOConfig: seeds trained together may differ in numbers only"):
        compile_training([0, 1], ENV, ENV.default_params, configs, seed_mesh(1))


def test_another_algorithm_trains_the_same_way():
    config = GradientConfig(num_updates=6, parallel_rounds=32, hidden_sizes=(8,))
    training = compile_training([0, 1], ENV, ENV.default_params, config, seed_mesh(2), GRADIENT)
    learners, metrics = training.advance(training.start(), 6)
    chex.assert_tree_all_finite((learners.weights, metrics))
    assert learners.policy.log_std.shape == (2, 4)


SHARDED = """
import sys
import jax
import numpy as np
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import jaxcontract as jc
from jaxcontract.learning.seeds import compile_training, seed_mesh
config = jc.PPOConfig(num_updates=6, parallel_rounds=32, minibatches=2, epochs=2, hidden_sizes=(8,))
env, seeds = jc.ContractEnv(), [int(seed) for seed in sys.argv[2].split(",")]
mesh = seed_mesh(len(seeds))
training = compile_training(seeds, env, env.default_params, config, mesh)
learners, _ = training.advance(training.start(), 6)
leaves = [np.asarray(leaf)[seeds.index(2)] for leaf in jax.tree.leaves(learners.weights)]
print(mesh.size, b"".join(leaf.tobytes() for leaf in leaves).hex())
"""


def test_devices_share_the_seeds_without_changing_them():
    def run(devices, seeds):
        command = [sys.executable, "-c", SHARDED, str(devices), seeds]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        size, bits = done.stdout.split()
        return int(size), bits

    assert run(1, "2") == (1, run(2, "0,1,2")[1])
    assert run(2, "0,1,2")[0] == 2
