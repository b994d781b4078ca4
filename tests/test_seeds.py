"""Many seeds: each computes, bit for bit, what it would alone."""

import subprocess
import sys

import chex
import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.learning.ppo import init_learner, update
from jaxcontract.learning.seeds import compile_training, seed_mesh

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
