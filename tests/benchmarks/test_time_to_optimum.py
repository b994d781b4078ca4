"""Seconds to a good contract: repeats put together, and the script end to end at a toy size."""

import dataclasses
import json
import math
import subprocess
import sys

import pytest

import time_to_optimum
from learners import plan
from paths import BENCHMARKS
from quick_programs import compile_quickly

TOY = "--learners jaxcontract --game default --sizes 16x2 --seeds 2 --env-steps 640 --points 3 --states 50"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("time")
    files = ["--json", str(folder / "time.json"), "--plot", str(folder / "time.png")]
    command = [sys.executable, str(BENCHMARKS / "time_to_optimum.py"), *TOY.split(), "--repeats", "2", *files]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=compile_quickly(), check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads((folder / "time.json").read_text()), done.stdout, folder / "time.png"


def a_run(seconds, **changes):
    return dataclasses.asdict(plan.Plan(name="rejax", **changes)) | {
        "status": "done",
        "seconds_to_regret": dict(zip(("1.0", "0.1", "0.01", "0.002"), [*seconds, None], strict=True)),
        "seconds_to_screening_gap": dict(zip(("0.1", "0.03", "0.02"), seconds, strict=True)),
        "curve": [{"seconds": 9.0, "regret": [0.5, 0.2], "feasible": [1.0, 1.0]}],
        "feasible": [1.0, 1.0],
        "regret": [0.5, 0.2],
        "screening_gap": [0.9, 0.4],
    }


def test_repeats_of_one_training_are_put_together():
    runs = [
        a_run([1.0, 5.0, None]),
        a_run([1.5, None, None]),
        a_run([3.0, 7.0, None]),
        a_run([2.0] * 3, seeds=5),
    ]
    three, one = time_to_optimum.summarise(runs)
    assert three["seconds_to_regret"]["1.0"] == {"median": 1.5, "min": 1.0, "max": 3.0}
    assert three["seconds_to_regret"]["0.1"] is None  # one of the repeats never came to it
    assert one["seeds"] == 5
    assert "1.5 (1.0 to 3.0)               never               never" in time_to_optimum.row(three)
    assert time_to_optimum.row(three).endswith("0.5000")
    by_gap = time_to_optimum.row(three, "screening_gap")
    assert "1.5 (1.0 to 3.0)               never" in by_gap
    assert by_gap.endswith("0.9000")
    assert len(by_gap) == len(time_to_optimum.titles("screening_gap"))


def test_types_and_whose_numbers_keep_trainings_apart():
    runs = [
        a_run([1.0] * 3, numbers=numbers, num_types=types) for numbers, types in (("ppo", 2), ("ppo", 32))
    ]
    runs += [a_run([1.0] * 3, numbers="gradient", num_types=32)]
    assert len(time_to_optimum.summarise(runs)) == 3
    assert time_to_optimum.title(runs[2]).split() == ["rejax", "gradient", "default", "32", "1", "512x16"]


def test_a_run_that_did_not_end_has_a_line_and_no_summary():
    run = dataclasses.asdict(plan.Plan(name="rejax")) | {"status": "hung", "message": "no result within 1 s"}
    assert time_to_optimum.line(run).endswith("hung: no result within 1 s")
    assert time_to_optimum.summarise([run]) == []


def test_only_trainings_of_as_many_seeds_stand_side_by_side():
    five, one = a_run([1.0] * 3, seeds=5), a_run([2.0] * 3, seeds=1) | {"name": "sb3-vectorised"}
    lost = {"seconds": 9.5, "regret": [0.5, None], "feasible": [1.0, 0.0]}
    other = five | {"name": "jaxcontract", "game": "paper", "curve": [*five["curve"], lost]}
    figure = time_to_optimum.make_figure([five, one, other])
    above = figure.axes[:3]
    assert [axes.get_title("left") for axes in above] == [
        "default game, K = 2, 5 seeds",
        "default game, K = 2, 1 seed",
        "paper game, K = 2, 5 seeds",
    ]
    assert [len(axes.lines) for axes in above] == [1 + 4] * 3  # one training and four levels
    first, second = above[2].lines[0].get_ydata()
    assert first == 0.5
    assert math.isnan(second)  # a seed has no feasible contract
    assert "units of payment" in above[0].get_ylabel()
    keys = [text.get_text() for text in figure.legends[0].get_texts()]
    assert keys == [
        "rejax, 512 × 16 rounds",
        "sb3-vectorised, 512 × 16 rounds",
        "jaxcontract, 512 × 16 rounds",
    ]


def test_no_contract_that_holds_has_no_regret():
    (summary,) = time_to_optimum.summarise([a_run([None] * 3) | {"regret": [math.nan], "feasible": [0.0]}])
    assert time_to_optimum.row(summary).endswith("0.0000      none")


@pytest.mark.long
def test_the_figures_are_complete(finished):
    result, printed, picture = finished
    assert len(result["runs"]) == 3 * 2  # our own PPO and gradient and the shared sizes, each repeated
    assert {(row["numbers"], row["num_envs"], row["num_steps"]) for row in result["summary"]} == {
        ("ppo", 2048, 1),
        ("gradient", 2048, 1),
        ("shared", 16, 2),
    }
    assert [len(run.get("curve", [])) for run in result["runs"]] == [4, 4, 4, 0, 0, 0]
    for run in result["runs"]:
        first = run["seconds_to_regret"]["1.0"]
        assert first is None or first > run["import_seconds"] + run["compile_seconds"]
    assert printed.count("jaxcontract") == 6 + 3
    assert picture.stat().st_size > 5000


@pytest.mark.parametrize("arguments", ["--points 0", "--plot curve.pdf", "--sizes 500x16", "--learners sb4"])
def test_bad_input_is_one_line_and_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        time_to_optimum.parse(arguments.split())
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("time_to_optimum.py: error: ")
    assert said.count("\n") == 1
