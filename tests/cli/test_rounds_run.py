"""Games of rounds that matter by the commands: trained, measured, drawn, extended and loaded."""

import json
import subprocess
import sys

import numpy as np
import pytest

import jaxcontract as jc
from paths import EXPERIMENTS
from quick_programs import compile_quickly

SMALL = "--seeds 2 --num-updates 3 --eval-states 6 --curve-states 6 --curve-points 1 --num-types 1".split()
LENGTH = {"enrolment": 7, "budget": 9, "enrolment_budget": 10}


def train(*arguments, cwd):
    command = [sys.executable, str(EXPERIMENTS / "run_ppo.py"), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=cwd, env=compile_quickly(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.long
@pytest.mark.parametrize("game", ["budget", "enrolment", "enrolment_budget"])
def test_a_run_is_measured_drawn_loaded_and_goes_on(game, tmp_path):
    train(
        "--game", game, "--out", "out", *SMALL, "--partition", "rounds", "--normalize-returns", cwd=tmp_path
    )
    out = tmp_path / "out"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["setting"]["game"] == game
    for seed in (*summary["seeds"], summary["myopic"]):
        assert seed["value"] <= seed["upper_bound"]
        assert seed["standard_error"] > 0
        assert seed["share_of_bound"] == pytest.approx(seed["value"] / seed["upper_bound"])
    for picture in ("learning_curve.png", "share_of_bound.png", "rounds.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    env, params = jc.load_env(out)
    actions = np.asarray(jc.load_policy(out)(np.ones((4, LENGTH[game]), np.float32)))
    assert actions.shape == (4, *env.action_space(params).shape)
    train("--resume", "out", "--num-updates", "5", cwd=tmp_path)
    assert json.loads((out / "summary.json").read_text())["num_updates"] == 5
