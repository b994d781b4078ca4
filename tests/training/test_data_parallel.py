"""One seed on several devices: the results of one device, but for the order of sums."""

import json
import subprocess
import sys

import pytest

from quick_programs import compile_quickly

TRAINED = """
import json, sys
import jax
import numpy as np
import jaxcontract as jc
from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.learning.algorithms.gradient.config import GradientConfig
from jaxcontract.learning.policies.mixture import Mixture
from jaxcontract.training.data_parallel import compile_data_parallel
from jaxcontract.training.seeds import compile_training

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_disable_most_optimizations", True)
common = {"num_updates": 6, "network": jc.MLP(hidden_sizes=(8,))}
GAMES = {
    "contract": (jc.ContractEnv(), jc.PPOConfig(num_envs=64, minibatches=2, **common)),
    "gradient": (jc.ContractEnv(), GradientConfig(num_envs=64, **common)),
    "capacity": (jc.CapacityEnv(), jc.PPOConfig(num_envs=32, minibatches=2, policy_head=Mixture(), **common)),
}
env, config = GAMES[sys.argv[1]]
params = env.default_params


def weights(training):
    learners, _ = training.advance(training.start(), 2)
    rows = training.apart(learners)
    learners = training.together([from_arrays(row, to_arrays(row)) for row in rows])  # as from a checkpoint
    learners, metrics = training.advance(learners, 4)
    assert training.divergences(learners) == [None, None]
    assert metrics["reward"].shape == (2,)
    return [np.asarray(leaf) for policy in training.policies(learners) for leaf in jax.tree.leaves(policy)]


alone = compile_data_parallel(env, params, config, 1)
both = compile_data_parallel(env, params, config)
one, two = (weights(program.training([0, 1], params, config)) for program in (alone, both))
cores = weights(compile_training([0, 1], env, params, config))
far = [max(float(np.max(np.abs(a - b))) for a, b in zip(one, other)) for other in (two, cores)]
print(json.dumps({"far": far, "devices": both.engine.num_devices,
                  "memory": both.engine.memory_bytes / alone.engine.memory_bytes}))
"""


@pytest.mark.parametrize(
    "game", ["contract", *(pytest.param(g, marks=pytest.mark.long) for g in ("gradient", "capacity"))]
)
def test_two_devices_learn_what_one_does(game):
    command = [sys.executable, "-c", TRAINED, game]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=compile_quickly(), check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["devices"] == 2
    assert max(found["far"]) < 1e-10
    if game != "capacity":  # whose players are batched beside the rounds, which XLA cannot spread
        assert found["memory"] < 0.75  # of a device: rounds are spread, not copied


def test_states_that_do_not_divide_are_refused_in_one_line():
    import jaxcontract as jc
    from jaxcontract.training import data_parallel

    class Two:
        @staticmethod
        def local_devices():
            return [None, None]

    env = jc.ContractEnv()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_parallel.jax, "local_devices", Two.local_devices)
        with pytest.raises(
            ValueError, match=r"^--data-parallel: an update begins with 33 states, .* devices, 2;"
        ):
            data_parallel.compile_data_parallel(
                env, env.default_params, jc.PPOConfig(num_envs=33, minibatches=1)
            )


@pytest.mark.long
def test_seeds_in_waves_can_each_be_spread_too(tmp_path):
    sizes = "--num-updates 2 --num-envs 64 --eval-states 20 --curve-states 20 --curve-points 1"
    command = [sys.executable, "-m", "jaxcontract", "train", "--data-parallel", "--seeds", "2", "--wave", "1"]
    done = subprocess.run(
        [*command, *sizes.split(), "--out", "run"],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env={**compile_quickly(), "JAX_NUM_CPU_DEVICES": "2"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = (tmp_path / "run" / "results.csv").read_text().splitlines()
    assert [row.split(",")[2] for row in rows] == ["status", "done", "done"]
