"""A game, a network and a learner of one's own, a file and a line each, through the public commands."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from quick_programs import compile_quickly

TOY = Path(__file__).parent / "toy"
ENTRY_POINTS = """
[jaxcontract.games]
posted-price = toy_game:PostedPrice

[jaxcontract.networks]
polynomial = toy_network:Polynomial

[jaxcontract.algorithms]
random-search = toy_learner:RandomSearchConfig
"""
CHOSEN = ("--game", "posted-price", "--network", "polynomial", "--algorithm", "random-search")
SIZES = (
    *"--seeds 2 --num-updates 4000 --num-envs 64 --learning-rate 0.05 --degree 2".split(),
    "--checkpoint-every",
    "40",
)
CHECKS = """
import json, sys
import numpy as np
import jaxcontract as jc
rows = np.linspace(0.05, 0.95, 7, dtype=np.float32)[:, None]
policy = jc.load_policy("first")
exported, plain = jc.load_exported("policy.jaxexport"), jc.load_numpy_policy("policy.jaxexport")
env, params = jc.load_env("first")
print(json.dumps([np.asarray(one(rows)).ravel().tolist() for one in (policy, exported, plain)]))
print(type(env).__name__)
"""

NETWORK = (
    """{"states": [{"max_aoi": 0.9, "max_latency": 0.8, "type_probs": [0.5, 0.5], "device_types": [2, 9]}]}"""
)
CONTRACTS = """
import json
import numpy as np
import jaxcontract as jc
state = jc.NetworkState(max_aoi=0.9, max_latency=0.8, type_probs=[0.5, 0.5], device_types=[2.0, 9.0])
env, params = jc.load_env("contracts")
learned = env.contract(state, jc.load_policy("contracts")(jc.observe(params.system, state)), params)
exported, plain = (load("contracts.jaxexport")(state) for load in (jc.load_exported, jc.load_numpy_policy))
print(json.dumps([np.asarray(one.payment).tolist() for one in (learned, exported, plain)]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder on Python's path with three files and their entry points, as an installed package has them."""
    folder = tmp_path_factory.mktemp("toy")
    for file in TOY.glob("*.py"):
        shutil.copy(file, folder)
    metadata = folder / "toy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def start(folder, *arguments, program=("-m", "jaxcontract")):
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={**compile_quickly(), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder, *arguments, **keywords):
    """What a command prints."""
    with start(folder, *arguments, **keywords) as process:
        printed, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    return printed + said


def kill_when_saved(folder, *arguments):
    """Start a training, and kill it when it has saved."""
    with start(folder, *arguments) as process:
        steps = folder / "first" / "checkpoints"
        while not (steps.is_dir() and any(entry.name.isdigit() for entry in steps.iterdir())):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9


@pytest.fixture(scope="module")
def resumed(folder):
    """What is printed by a run that was killed, and then went on."""
    kill_when_saved(folder, "train", *CHOSEN, *SIZES, "--out", "first")
    return run(folder, "train", "--resume", "first")


def test_they_train_are_killed_resume_and_are_measured(folder, resumed):
    assert "going on at update" in resumed
    assert "a posted price, values up to 1" in resumed
    assert "price 1/2" in resumed
    assert "the good is worth 1 at most" in resumed
    summary = json.loads((folder / "first" / "summary.json").read_text())
    assert summary["setting"]["game"] == "posted-price"
    assert summary["setting"]["network"] == {"name": "polynomial", "degree": 2}
    assert summary["setting"]["algorithm"]["name"] == "random-search"
    assert 0 <= summary["mean"]["regret"] < 0.2 * summary["price_1/2"]["regret"]


def test_they_are_plotted_and_exported_by_the_same_commands(folder, resumed):
    assert resumed
    assert (folder / "first" / "learning_curve.png").exists()
    run(folder, "plot", "first", "--out", "picture")
    assert (folder / "picture.png").exists()
    printed = run(folder, "export", "first", "policy.jaxexport")
    assert "; called on observations [N, 1] of the game, it gives actions [N, 1]" in printed
    found, env = run(folder, "-c", CHECKS, program=()).splitlines()
    policy, exported, plain = json.loads(found)
    np.testing.assert_allclose(exported, policy, rtol=1e-5)
    np.testing.assert_allclose(plain, policy, rtol=1e-5)
    np.testing.assert_allclose(policy, np.linspace(0.05, 0.95, 7) / 2, atol=0.1)
    assert env == "PostedPriceEnv"


def test_the_options_of_ones_own_are_in_the_help_and_are_checked(folder):
    printed = run(folder, "train", *CHOSEN, "--help")
    for words in ("--largest-value", "--degree", "deviation of a change of a weight"):
        assert words in printed
    assert "--num-types WHOLE" not in printed
    with start(folder, "train", *CHOSEN, "--degree", "0") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.endswith(" train: error: Polynomial.degree = 0: must be a whole number in [1, 9]\n")
    assert said.count("\n") == 1


@pytest.mark.long
def test_a_network_of_ones_own_learns_contracts_and_is_exported(folder):
    """Of the contract game, whose policies are exported in a way of their own."""
    sizes = "--seeds 1 --num-updates 2 --num-envs 16 --eval-states 20 --curve-states 20".split()
    run(folder, "train", "--network", "polynomial", "--degree", "2", *sizes, "--out", "contracts")
    run(folder, "export", "contracts", "contracts.jaxexport")
    found = run(folder, "-c", CONTRACTS, program=())
    learned, exported, plain = json.loads(found)
    np.testing.assert_allclose(exported, learned, rtol=1e-5)
    np.testing.assert_allclose(plain, learned, rtol=1e-5)
    (folder / "n.json").write_text(NETWORK)
    with start(folder, "design", "n.json", "--policy", "first") as process:
        _, said = process.communicate(timeout=100)
    assert process.returncode == 2
    assert "--policy first: was trained in PostedPriceEnv, which has no such contracts" in said
