"""The main job from end to end, at a small size, as a person runs it."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import jaxcontract as jc
from design_command import design
from jaxcontract.cli import export as export_policy  # beside design_contract
from jaxcontract.cli.tables import MEASURES as TITLES
from jaxcontract.cli.train.command import parse
from jaxcontract.training.summary import MEASURES
from paths import EXAMPLES, EXPERIMENTS
from quick_programs import compile_quickly

SCRIPT = EXPERIMENTS / "run_ppo.py"
SMALL = "--num-updates 4 --num-envs 64 --eval-states 200 --curve-states 200 --curve-points 2".split()


def run(*arguments, cwd, timeout=240, env=None):
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, cwd=cwd, env=env, check=False
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    done = run("--seeds", "3", "--first-seed", "5", "--out", str(out), *SMALL, cwd=out.parent)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_the_summary_has_its_fields(finished):
    summary = json.loads((finished[0] / "summary.json").read_text())
    assert set(summary) == {
        "preset",
        "device",
        "num_devices",
        "num_seeds",
        "env_steps_per_seed",
        "compile_seconds",
        "train_seconds",
        "env_steps_per_second",
        "seeds",
        "diverged",
        "random",
        "random_feasible",
        "pooled",
        "mean",
        "interval",
        "printed_states",
        "num_states",
        "without_quality",
        "bound_binds",
        "optimum",
        "jax",
        "setting",
        "num_updates",
        "rounds_per_update",
        "init_from",
        "extended_from",
        "remarks",
    }
    assert summary["diverged"] == []
    assert (summary["preset"], summary["num_seeds"], summary["env_steps_per_seed"]) == ("default", 3, 256)
    assert [seed["seed"] for seed in summary["seeds"]] == [5, 6, 7]
    for seed in summary["seeds"]:
        assert set(seed) == {"seed", *MEASURES}
        assert seed["feasible"] == 1.0
        assert seed["regret"] > 0
    for name in ("random", "random_feasible", "pooled", "mean", "interval"):
        assert set(summary[name]) == set(MEASURES)
    assert summary["train_seconds"] > 0
    assert summary["env_steps_per_second"] == pytest.approx(3 * 256 / summary["train_seconds"])


def rows_of(printed, title):
    """The rows of a table as lists of words, by how they begin."""
    lines = printed.partition(title)[2].partition("\n\n")[0].splitlines()[2:]
    return [line.split() for line in lines]


def test_the_summary_has_every_number_of_the_tables(finished):
    out, printed = finished
    summary = json.loads((out / "summary.json").read_text())
    assert (
        f"On {summary['num_states']} unseen states (mean optimum U_B* = {summary['optimum']:.3f})" in printed
    )
    shown = {
        **{str(seed["seed"]): seed for seed in summary["seeds"]},
        "mean": summary["mean"],
        "95 % from": {name: interval[0] for name, interval in summary["interval"].items()},
        "to": {name: interval[1] for name, interval in summary["interval"].items()},
        **{name: summary[name.replace(" ", "_")] for name in ("pooled", "random feasible", "random")},
    }
    table = [
        [*label.split(), *(form.format(values[name]) for name, (_, form) in TITLES.items())]
        for label, values in shown.items()
    ]
    assert rows_of(printed, "unseen states") == table

    states = summary["printed_states"]
    assert states["seed"] == 5
    table = []
    for row in states["contracts"]:
        for k in range(2):
            items = [row[of][name][k] for name in ("frequency", "payment") for of in ("learned", "exact")]
            ends = [f"{row['regret']:.5f}"] if k == 0 else []
            start = [str(row["state"])] if k == 0 else []
            table.append([*start, str(k + 1), *(f"{item:.5f}" for item in items), *ends])
    assert rows_of(printed, "learned and exact items") == table
    assert f"compiled in {summary['compile_seconds']:.1f} s" in printed
    assert f"{summary['env_steps_per_second']:,.0f} env" in printed


def test_every_file_is_written_and_readable(finished):
    out, printed = finished
    written = {path.name for path in out.iterdir()}
    expected = {"config.json", "metrics.jsonl", "policy", "checkpoints", "learning_curve.png", "summary.json"}
    assert written == expected
    assert str(out) in printed
    config = json.loads((out / "config.json").read_text())
    assert config["run"]["seeds"] == [5, 6, 7]
    assert config["run"]["setting"]["algorithm"]["num_envs"] == 64
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == [0, 2, 4]
    assert all(len(line["regret"]) == 3 for line in lines)
    assert (out / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_loaded_policy_earns_what_the_summary_says(finished):
    out, _ = finished
    env, params = jc.load_env(out / "policy")
    states = jc.unseen_states(params.distribution, 200)
    report = jc.evaluate(jc.load_policy(out / "policy", 6), env, params, states=states)
    recorded = json.loads((out / "summary.json").read_text())["seeds"][1]
    assert report.regret == pytest.approx(recorded["regret"], rel=1e-6)
    assert report.reward == pytest.approx(recorded["reward"], rel=1e-9)


def test_what_is_printed_teaches(finished):
    printed = finished[1]
    first = " ".join(printed.split("compiling")[0].split())
    for words in ("cpu", "preset default", "K = 2", "3 seeds x 256 env steps", "4 updates of 64 rounds"):
        assert words in first
    for words in ("steps/s", "s left", "mean regret", "screening gap", "95 %", "pooled", "f exact"):
        assert words in printed


@pytest.mark.long
def test_a_seed_earns_the_same_alone(finished, tmp_path):
    out, _ = finished
    other_breaks = ("--curve-points", "1", "--checkpoint-every", "3")
    alone = run("--seeds", "1", "--first-seed", "6", "--out", "alone", *SMALL, *other_breaks, cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    with (
        np.load(out / "policy" / "seed-6.npz") as one,
        np.load(tmp_path / "alone" / "policy" / "seed-6.npz") as other,
    ):
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize(
    "preset",
    [
        "paper",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("raw", "stress", "capacity", "capacity_90")
        ),
    ],
)
def test_the_other_presets_run(preset, tmp_path):
    asked = "--seeds 2 --out out --num-updates 2 --eval-states 100 --curve-states 100".split()
    done = run("--preset", preset, *asked, cwd=tmp_path, env=compile_quickly())
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["preset"] == preset
    assert 0 <= summary["seeds"][0]["feasible"] <= 1


@pytest.mark.long
def test_more_types_run(tmp_path):
    asked = ("--num-types", "5", "--seeds", "1", "--out", "out", *SMALL)
    done = run(*asked, cwd=tmp_path, env=compile_quickly())
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["seeds"][0]["feasible"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--sedes 5", "did you mean --seeds?"),
        ("--seeds 0", "--seeds"),
        ("--seeds many", "--seeds"),
        ("--first-seed -1", "--first-seed -1"),
        ("--unit-profit -3", "System.unit_profit = -3.0: must be a number in (0, inf)"),
        ("--minibatches 7", "PPOConfig.minibatches = 7"),
        ("--num-envs 8", "PPOConfig.minibatches = 8: must be at most"),
        ("--initial-std 1e-5", "Gaussian.initial_std = 1e-05: must be a number in [5e-05, 7]"),
        ("--num-updates 10 --curve-points 11", "--curve-points 11: must be in [1, 10]"),
        ("--out {full}", "is not empty"),
        ("--out {file}", "cannot be made a directory"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(arguments, said, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    words = arguments.format(full=tmp_path / "full", file=tmp_path / "file").split()
    began = time.monotonic()
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert time.monotonic() - began < 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_a_seed_that_diverges_is_named_and_ends_with_three(tmp_path, capsys):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")  # and a backend that is not there
    hostile = {"MPLBACKEND": "of.no.module"}
    # A critic's error is what overflows: with groups of actions the policy only saturates.
    hostile_numbers = ("--learning-rate", "1e30", "--group-size", "1")
    asked = ("--seeds", "1", "--out", "out", *hostile_numbers, *SMALL)
    done = run(*asked, cwd=tmp_path, env={**compile_quickly(), **hostile})
    assert done.returncode == 3, done.stdout + done.stderr
    assert "seed 0 diverged in update 1: its" in done.stderr
    assert "Traceback" not in done.stderr
    assert "could not be drawn" not in done.stderr
    assert (tmp_path / "out" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.warns(UserWarning, match="seed 0 diverged in update 1: its .* is not finite"):
        policy = jc.load_policy(tmp_path / "out" / "policy")
    assert np.isfinite(policy.parameters["log_std"]).all()  # the last that was finite
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["seeds"][0]["regret"] is None
    (diverged,) = summary["diverged"]
    assert diverged.keys() == {"seed", "update", "quantity"}
    line = f"seed 0 diverged in update 1: its {diverged['quantity']} is not finite"
    for again in (asked, ("--resume", "out")):
        ended = run(*again, cwd=tmp_path)
        assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)
        assert ended.stderr.startswith(f"run_ppo.py: error: {line}")
        assert "this run has ended" in ended.stdout
    networks, policy = EXAMPLES / "networks.csv", tmp_path / "out" / "policy"
    assert design(networks, "--policy", policy, "--out", tmp_path / "no") == 2
    assert export_policy.main([str(tmp_path / "out"), str(tmp_path / "file")]) == 2
    for said in capsys.readouterr().err.splitlines():
        assert line in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["matplotlibrc", "out"]


LINGERS = """
import runpy, sys, time
import jaxcontract.cli.pictures as pictures
draw_last = pictures.attempt
def attempt(name, draw, say):
    draw_last(name, lambda: 1 / 0, say)
    print("lingers", file=sys.stderr, flush=True)
    time.sleep(600)
pictures.attempt = attempt
sys.argv[0] = {script!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_run_whose_picture_fails_has_its_results_and_ctrl_c_says_that_it_has_ended(tmp_path):
    command = [sys.executable, "-c", LINGERS.format(script=str(SCRIPT)), "--seeds", "1", "--out", "out"]
    with subprocess.Popen(
        [*command, *SMALL],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=compile_quickly(),
    ) as process:
        # So short a training is worse than one item for all, which is said first.
        failed = next(line for line in process.stderr if "learning_curve" in line)
        if process.stderr.readline() == "lingers\n":
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert failed == (
        "run_ppo.py: learning_curve.png could not be drawn (ZeroDivisionError: division by zero); "
        "all other results are written\n"
    )
    assert process.returncode == 130
    assert said == (
        "run_ppo.py: interrupted by SIGINT; the run has ended, its results are in out/summary.json\n"
    )
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["seeds"][0]["feasible"] == 1.0
    again = run("--resume", "out", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")


def test_ctrl_c_ends_without_a_traceback(tmp_path):
    command = [sys.executable, str(SCRIPT), "--seeds", "1", "--out", "out", "--num-updates", "100000"]
    environment = {**compile_quickly(), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        metrics = tmp_path / "out" / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while not metrics.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "interrupted" in errors


@pytest.mark.long
def test_kept_programs_are_found_again_and_change_no_bit(finished, tmp_path):
    cache = tmp_path / "programs"
    asked = ("--seeds", "3", "--first-seed", "5", "--compilation-cache", str(cache), *SMALL)
    kept = []
    for name in ("first", "second"):
        done = run(*asked, "--out", str(tmp_path / name), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        kept.append({path.name for path in cache.iterdir() if path.name.endswith("-cache")})
    assert kept[0]
    assert kept[1] == kept[0]
    summaries = [
        json.loads((path / "summary.json").read_text())
        for path in (finished[0], tmp_path / "first", tmp_path / "second")
    ]
    assert summaries[0]["seeds"] == summaries[1]["seeds"] == summaries[2]["seeds"]
    assert summaries[2]["compile_seconds"] < summaries[1]["compile_seconds"]


def test_a_cache_that_cannot_be_a_directory_is_one_line(tmp_path):
    file = tmp_path / "file"
    file.write_text("something")
    done = run("--compilation-cache", str(file), "--out", str(tmp_path / "out"), *SMALL, cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"run_ppo.py: error: --compilation-cache {file}: cannot be made a directory (File exists)\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_cache_that_others_may_write_is_refused(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    done = run("--compilation-cache", str(shared), "--out", str(tmp_path / "out"), *SMALL, cwd=tmp_path)
    assert done.returncode == 2
    assert "may be written by others" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_run_that_has_ended_is_left_alone(finished):
    out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run("--seeds", "3", "--first-seed", "5", "--out", str(out), *SMALL, cwd=out.parent)
    resumed = run("--resume", str(out), cwd=out.parent)
    for done in (again, resumed):
        assert done.returncode == 0
        assert "this run has ended" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_changed_run_is_refused_with_what_differs(finished, capsys):
    out, _ = finished
    done = run("--seeds", "2", "--first-seed", "5", "--out", str(out), *SMALL, cwd=out.parent)
    assert done.returncode == 2
    assert "seeds is [5, 6, 7] there, [5, 6] here" in done.stderr
    for option, value in (("--game", "budget"), ("--policy-head", "mixture")):
        with pytest.raises(SystemExit):
            parse(["--resume", str(out), option, value])
        assert f"{option}: --resume goes on with a run as it was asked for" in capsys.readouterr().err
    resumed = run("--resume", str(out), "--seeds", "2", cwd=out.parent)
    assert resumed.returncode == 2
    assert "--seeds: --resume goes on with a run as it was asked for" in resumed.stderr


def test_a_run_with_no_checkpoint_that_loads_ends_with_four(finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    (out / "summary.json").unlink()
    for manifest in out.glob("checkpoints/*/manifest.json"):
        manifest.write_text("{}")
    done = run("--resume", str(out), cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("is passed over") == 2
    assert "none of its 2 checkpoints can be loaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_results_that_cannot_be_written_end_with_five(tmp_path):
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    limited += (
        f"sys.argv = [{str(SCRIPT)!r}, *sys.argv[1:]]; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", limited, "--seeds", "1", "--out", "out", *SMALL]
    unkept = {name: value for name, value in compile_quickly().items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=tmp_path, env=unkept, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "could not be saved" in done.stderr
    assert "Traceback" not in done.stderr


HANGS = """
import runpy, sys, time
import jaxcontract.training.seeds as seeds
work, calls = seeds.run_in_pieces, []
def run_in_pieces(*arguments):
    calls.append(1)
    time.sleep(0 if len(calls) < 3 else 600)
    return work(*arguments)
seeds.run_in_pieces = run_in_pieces
sys.argv[0] = {script!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.long
def test_a_device_that_does_not_answer_is_reported_and_the_run_goes_on_later(finished, tmp_path):
    asked = ("--seeds", "3", "--first-seed", "5", "--out", str(tmp_path / "out"), *SMALL)
    command = [sys.executable, "-c", HANGS.format(script=str(SCRIPT)), *asked, "--stall-limit", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 75, done.stderr
    assert "has not ended a chunk of updates in" in done.stderr
    assert f"--resume {tmp_path / 'out'}" in done.stderr
    resumed = run("--resume", str(tmp_path / "out"), cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    summaries = [json.loads((out / "summary.json").read_text()) for out in (finished[0], tmp_path / "out")]
    assert summaries[0]["seeds"] == summaries[1]["seeds"]
