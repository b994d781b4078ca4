"""The scripts that train with and on other people's libraries: their command lines, and one in full."""

import importlib.util
import re
import subprocess
import sys

import pytest

import train_pendulum
import train_sb3
from paths import EXPERIMENTS


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        (train_sb3, "--seconds 0", "argument --seconds: '0' must be a number in (0, inf]"),
        (train_sb3, "--num-types 0", "argument --num-types: '0' must be a whole number in [1, inf)"),
        (train_sb3, "--seed -1", "--seed -1: must be a whole number in [0, 2^31)"),
        (
            train_sb3,
            "--preset enrolment --reward paper",
            "--reward: --preset enrolment has no such option",
        ),
        (train_sb3, "--action raw", "unknown option --action; did you mean --actions?"),
        (train_pendulum, "--seeds none", "argument --seeds: 'none' must be a whole number in [1, inf)"),
        (train_pendulum, "--updates 3", "unknown option --updates; did you mean --num-updates?"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(script, arguments, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.parse(arguments.split())
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"{script.__name__}.py: error: {said}\n"


def run_without(library, script, arguments):
    """A script in an interpreter in which a library cannot be imported."""
    code = (
        f"import runpy, sys; sys.modules[{library!r}] = None; sys.argv = {[script, *arguments]!r}; "
        f"runpy.run_path({str(EXPERIMENTS / script)!r}, run_name='__main__')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("script", "library", "remedy"),
    [
        ("train_sb3.py", "stable_baselines3", "pip install 'jaxcontract[stable-baselines3]'"),
        ("train_sb3.py", "gymnasium", "pip install 'jaxcontract[gymnasium]'"),
        ("train_pendulum.py", "gymnax", 'pip install "gymnax>=1" six'),
    ],
)
def test_a_library_that_is_missing_is_one_line_that_says_how_to_get_it(script, library, remedy):
    if library == "stable_baselines3" and importlib.util.find_spec("gymnasium") is None:
        pytest.skip("gymnasium is not installed, and is missed first")
    done = run_without(library, script, [])
    assert done.returncode == 2
    assert done.stderr.startswith(f"{script}: error: ")
    assert done.stderr.count("\n") == 1
    assert remedy in done.stderr


@pytest.mark.parametrize("script", ["train_sb3.py", "train_pendulum.py"])
def test_help_needs_no_jax(script):
    done = run_without("jax", script, ["--help"])
    assert done.returncode == 0, done.stderr
    assert "needs: pip install" in done.stdout


@pytest.mark.skipif(
    importlib.util.find_spec("stable_baselines3") is None, reason="stable-baselines3 is not installed"
)
def test_every_learner_has_a_row_beside_the_optimum(capsys):
    assert train_sb3.main(["--seconds", "1", "--eval-states", "200"]) == 0
    printed = capsys.readouterr().out
    rows = {
        name: re.findall(r"-?[\d.,]+%?|-", line.partition(name)[2])
        for line in printed.splitlines()
        for name in (*train_sb3.LEARNERS, "exact optimum")
        if line.strip().startswith(name + " ")
    }
    assert list(rows) == [*train_sb3.LEARNERS, "exact optimum"]
    assert rows["exact optimum"][:2] == ["1.00000", "0.00000"]
    for name in train_sb3.LEARNERS:
        *_, seconds, env_steps = rows[name]
        assert 0.3 < float(seconds) < 6.0
        assert int(env_steps.replace(",", "")) > 1000
        assert rows[name][0] == "1.00000"
        assert float(rows[name][1]) > 0.0001


@pytest.mark.skipif(
    importlib.util.find_spec("stable_baselines3") is None, reason="stable-baselines3 is not installed"
)
def test_games_over_rounds_are_measured_against_their_bounds(capsys):
    assert train_sb3.main("--preset budget --seconds 1 --eval-states 4".split()) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "%" in line]
    shares = {" ".join(words[:-7]): float(words[-4].rstrip("%")) for words in rows}
    assert {*train_sb3.LEARNERS, "program", "price re-solved"} <= shares.keys()
    assert all(0 < share <= 100 for share in shares.values())
