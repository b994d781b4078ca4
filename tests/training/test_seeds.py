"""Many seeds: each computes, bit for bit, what it would alone."""

import subprocess
import sys
import threading
import time

import chex
import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.algorithms.ppo.ppo import init, update
from jaxcontract.training.cores import run_in_pieces
from jaxcontract.training.seeds import compile_program, compile_training

CONFIG = jc.PPOConfig(num_updates=6, num_envs=32, minibatches=2, epochs=2, network=jc.MLP(hidden_sizes=(8,)))
ENV = jc.ContractEnv()


def weights_after(seeds, chunks):
    training = compile_training(seeds, ENV, ENV.default_params, CONFIG)
    learners = training.start()
    for chunk in chunks:
        learners, metrics = training.advance(learners, chunk)
    chex.assert_tree_all_finite(metrics)
    assert len(training.policies(learners)) == len(seeds)
    return [jax.device_get(learner.weights) for learner in learners]


def test_a_seed_does_not_depend_on_the_others():
    together = weights_after([0, 1, 2], [6])
    chex.assert_trees_all_equal(together[1], weights_after([1], [6])[0])
    chex.assert_trees_all_equal(together[2], weights_after([2, 7], [6])[0])


def test_seeds_differ_from_each_other():
    together = weights_after([0, 1], [6])
    assert not np.array_equal(together[0]["head"]["log_std"], together[1]["head"]["log_std"])


def test_where_the_chunks_are_cut_changes_nothing():
    chex.assert_trees_all_equal(weights_after([4], [6]), weights_after([4], [1, 3, 2]))


@pytest.mark.long
def test_a_chunk_is_that_many_updates():
    learner = init(jax.random.key(4), ENV, ENV.default_params, CONFIG)
    step = jax.jit(update, static_argnames="env")
    for _ in range(6):
        learner, _ = step(learner, ENV, ENV.default_params, CONFIG)
    together = weights_after([4], [6])
    chex.assert_trees_all_close(together[0], learner.weights, rtol=1e-4, atol=1e-5)


def test_the_learners_given_to_advance_are_consumed():
    training = compile_training([0], ENV, ENV.default_params, CONFIG)
    learners = training.start()
    training.advance(learners, 1)
    assert learners[0].observation.is_deleted()
    with pytest.raises((RuntimeError, ValueError), match="deleted"):
        training.advance(learners, 1)


def test_numbers_may_differ_from_seed_to_seed():
    """Each row of a mapped sweep is, bit for bit, what its own numbers give alone."""
    games = [ENV.default_params.replace(system=jc.System(aoi_preference=share)) for share in (0.2, 0.75)]
    configs = [CONFIG.replace(learning_rate=rate) for rate in (1e-3, 3e-3)]
    training = compile_training([3, 3], ENV, games, configs)
    learners, _ = training.advance(training.start(), 6)
    for index in range(2):
        alone = compile_training([3], ENV, games[index], configs[index])
        expected, _ = alone.advance(alone.start(), 6)
        chex.assert_trees_all_equal(learners[index].weights, expected[0].weights)
    assert not np.array_equal(learners[0].weights["head"]["log_std"], learners[1].weights["head"]["log_std"])


def test_one_program_serves_other_seeds_and_numbers():
    program = compile_program(2, ENV, ENV.default_params, CONFIG)
    other = CONFIG.replace(clip_range=0.1)
    training = program.training([8], ENV.default_params, other)
    learners, metrics = training.advance(training.start(), 6)
    alone = compile_training([8], ENV, ENV.default_params, other)
    expected, _ = alone.advance(alone.start(), 6)
    chex.assert_trees_all_equal(learners[0].weights, expected[0].weights)
    assert metrics["reward"].shape == (1,)


def test_sizes_may_not_differ_from_seed_to_seed():
    configs = [CONFIG, CONFIG.replace(network=jc.MLP(hidden_sizes=(4,)))]
    with pytest.raises(ValueError, match=r"PPOConfig: seeds trained together may differ in numbers only"):
        compile_training([0, 1], ENV, ENV.default_params, configs)


def test_a_seed_that_diverges_stops_where_it_is_and_names_what_spoilt_it():
    wild = CONFIG.replace(learning_rate=1e30)
    training = compile_training([0, 1], ENV, ENV.default_params, [CONFIG, wild])
    learners, _ = training.advance(training.start(), 3)
    healthy, found = training.divergences(learners)
    assert healthy is None
    assert found.update == 1
    assert found.quantity in ("weights", "optimizer state", "gradient")
    stopped = int(learners[1].num_updates)
    learners, metrics = training.advance(learners, 3)
    assert int(learners[1].num_updates) == stopped
    assert np.isnan(metrics["reward"][1])
    chex.assert_trees_all_equal(learners[0].weights, weights_after([0], [6])[0])


def test_another_algorithm_trains_the_same_way():
    config = GradientConfig(num_updates=6, num_envs=32, network=jc.MLP(hidden_sizes=(8,)))
    training = compile_training([0, 1], ENV, ENV.default_params, config)
    learners, metrics = training.advance(training.start(), 6)
    chex.assert_tree_all_finite(metrics)
    for policy in training.policies(learners):
        chex.assert_tree_all_finite(policy.weights)
        assert policy.parameters["log_std"].shape == (4,)


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_cores_share_the_seeds_without_changing_them(cores):
    training = compile_training([0, 1, 2, 3, 4], ENV, ENV.default_params, CONFIG, cores)
    assert training.num_devices == cores
    learners, metrics = training.advance(training.start(), 6)
    assert metrics["reward"].shape == (5,)
    for seed in (0, 4):
        chex.assert_trees_all_equal(learners[seed].weights, weights_after([seed], [6])[0])


@pytest.mark.parametrize(
    ("jobs", "workers", "amount"), [(5, 2, 10), (3, 2, 1), (2, 4, 7), (4, 2, 6), (1, 3, 0)]
)
def test_pieces_add_up_and_no_job_runs_twice_at_a_time(jobs, workers, amount):
    busy, most, lock = set(), [0], threading.Lock()

    def work(job, units):
        with lock:
            assert job not in busy
            busy.add(job)
            most[0] = max(most[0], len(busy))
        time.sleep(0.002 * units)
        with lock:
            busy.remove(job)
        return job

    done = run_in_pieces(work, workers, jobs, amount)
    assert [sum(units for units, _ in pieces) for pieces in done] == [amount] * jobs
    assert all(result == job for job, pieces in enumerate(done) for _, result in pieces)
    assert most[0] <= workers


def test_five_jobs_take_two_workers_two_and_a_half_turns():
    began = time.perf_counter()
    run_in_pieces(lambda _, units: time.sleep(0.3 * units), 2, 5, 2)
    assert 1.5 <= time.perf_counter() - began < 1.79  # a turn is 0.6 s


def test_an_error_in_one_job_is_raised():
    def work(job, units):
        raise ValueError(f"job {job}")

    with pytest.raises(ValueError, match="job"):
        run_in_pieces(work, 2, 3, 4)


BATCHED = """
import jax
import jaxcontract as jc
from jaxcontract.training.seeds import Program, _compile_for_mesh
from jaxcontract.core.pytree import from_arrays, to_arrays
jax.config.update("jax_num_cpu_devices", 2)
config = jc.PPOConfig(num_updates=6, num_envs=32, minibatches=2, epochs=2, network=jc.MLP(hidden_sizes=(8,)))
env = jc.ContractEnv()
engine = _compile_for_mesh(3, env, env.default_params, config, None)
training = Program(engine, config.batch_size, 0.0).training([0, 1, 2], env.default_params, config)
learners, metrics = training.advance(training.start(), 2)
rows = training.apart(learners)
again = training.together([from_arrays(row, to_arrays(row)) for row in rows])  # as from a checkpoint
learners, metrics = training.advance(again, 4)
assert training.divergences(learners) == [None] * 3
log_stds = [float(policy.parameters['log_std'][0]) for policy in training.policies(learners)]
print(training.num_devices, metrics["reward"].shape[0], *log_stds)
"""


@pytest.mark.long
def test_a_mesh_of_devices_learns_what_the_cores_do():
    """The way of accelerators, on two CPU devices and small enough for a CPU to batch seeds."""
    command = [sys.executable, "-c", BATCHED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    used, rows, *log_stds = done.stdout.split()
    assert (used, rows, len(log_stds)) == ("2", "3", 3)
    expected = [weights["head"]["log_std"][0] for weights in weights_after([0, 1, 2], [6])]
    np.testing.assert_allclose([float(value) for value in log_stds], expected, rtol=1e-4)
