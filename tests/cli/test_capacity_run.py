"""The capacity game by the commands: trained, extended, exported and plotted as the contract game is."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxcontract as jc
from jaxcontract.cli.plot import main as plot
from paths import EXPERIMENTS
from quick_programs import compile_quickly

SMALL = "--num-updates 3 --num-envs 64 --eval-states 40 --curve-states 40 --curve-points 1".split()
ROWS = np.random.default_rng(0).uniform(0.5, 1.0, (5, 8)).astype(np.float32)


def train(*arguments, cwd):
    command = [sys.executable, str(EXPERIMENTS / "run_ppo.py"), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=cwd, env=compile_quickly(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("capacity") / "out"
    train("--game", "capacity", "--capacity", "0.9", "--seeds", "2", "--out", "out", *SMALL, cwd=out.parent)
    return out


def test_a_run_is_measured_and_drawn(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["setting"]["env"]["capacity"] == 0.9
    for seed in summary["seeds"]:
        assert 0.150 < seed["exploitability"] < 5
        assert seed["feasible"] == 1.0
        assert seed["utility"] > 0
    assert summary["equilibrium"]["exploitability"] < 1e-6
    assert summary["best_Gaussian"]["exploitability"] == pytest.approx(0.152, abs=0.002)
    assert summary["best_single_payment"]["mode_exploitability"] == pytest.approx(1 - 1 / 1.8, abs=1e-6)
    for picture in ("learning_curve.png", "payments.png"):
        assert (finished / picture).read_bytes().startswith(b"\x89PNG")


def test_a_run_of_two_types_is_measured_and_drawn(tmp_path):
    asked = "--game capacity --num-types 2 --unit-profit 1 --slot-duration 0.1".split()
    train(*asked, "--seeds", "2", "--out", "out", *SMALL, "--eval-states", "4", cwd=tmp_path)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for seed in summary["seeds"]:
        assert 0.0 < seed["exploitability"] < summary["best_single_menu"]["exploitability"] < 1.0
        assert seed["feasible"] == 1.0
    assert (tmp_path / "out" / "payments.png").read_bytes().startswith(b"\x89PNG")
    drawn = jc.load_policy(tmp_path / "out").sample(jax.random.key(0), np.ones((3, 10), np.float32))
    assert drawn.shape == (3, 2)


@pytest.mark.long
def test_a_run_goes_on(finished):
    train("--resume", "out", "--num-updates", "5", cwd=finished.parent)
    assert json.loads((finished / "summary.json").read_text())["num_updates"] == 5


def test_a_policy_is_loaded_and_its_run_plotted(finished, tmp_path):
    env, params = jc.load_env(finished)
    rents = np.asarray(jc.load_policy(finished)(ROWS))
    assert isinstance(env, jc.CapacityEnv)
    assert float(params.capacity) == pytest.approx(0.9)
    assert ((rents > 0) & (rents < 1)).all()
    assert plot([str(finished), "--out", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all.png").exists()


@pytest.mark.long
def test_a_policy_is_exported(finished, tmp_path):
    pytest.importorskip("flatbuffers")
    expected = np.asarray(jc.load_policy(finished)(ROWS))
    jc.export_policy(finished, tmp_path / "one.jaxexport")
    for load in (jc.load_exported, jc.load_numpy_policy):
        np.testing.assert_allclose(load(tmp_path / "one.jaxexport")(ROWS), expected, atol=1e-6)
