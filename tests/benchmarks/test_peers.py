"""The comparison with other libraries, end to end at a toy size with whatever of them is installed here."""

import dataclasses
import importlib.util
import json
import math
import subprocess
import sys

import pytest

import peers
from learners import child, plan
from paths import BENCHMARKS
from quick_programs import compile_quickly

TOY = "--game paper --seeds 2 --sizes 16x2 --env-steps 160 --states 50".split()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    file = tmp_path_factory.mktemp("peers") / "peers.json"
    command = [sys.executable, str(BENCHMARKS / "peers.py"), *TOY, "--json", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=compile_quickly(), check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return {run["name"]: run for run in json.loads(file.read_text())["runs"]}, done.stdout


@pytest.mark.long
def test_our_own_figures_are_complete(finished):
    run = finished[0]["jaxcontract"]
    assert (run["status"], run["game"], run["seeds"], run["env_steps"]) == ("done", "paper", 2, 160)
    speed = run["env_steps_per_second"]
    assert 0 < speed["min"] <= speed["median"] <= speed["max"]
    assert run["import_seconds"] > 0
    assert run["compile_seconds"] > 0
    assert run["peak_memory_bytes"] > 1e8
    assert len(run["feasible"]) == len(run["regret"]) == 2
    assert [point["env_steps"] for point in run["curve"]] == [0, 32, 64, 96, 128, 160]
    moments = [point["seconds"] for point in run["curve"]]
    assert moments == sorted(moments)
    assert moments[0] > run["import_seconds"] + run["compile_seconds"]


@pytest.mark.parametrize(("name", "library"), [("rejax", "rejax"), ("sb3-vectorised", "stable_baselines3")])
def test_a_peer_has_figures_or_one_line_that_says_how_to_get_them(finished, name, library):
    runs, printed = finished
    lines = [line for line in printed.splitlines() if line.startswith(name)]
    if importlib.util.find_spec(library):
        assert runs[name]["status"] == "done"
        assert len(runs[name]["curve"]) == 6
    else:
        assert runs[name]["status"] == "missing"
        assert len(lines) == 1
        assert "pip install -e '.[peers]'" in lines[0]
        assert f"--{name.partition('-')[0]}-python" in lines[0]


def test_a_training_without_an_end_is_ended_and_said_to_hang():
    run = plan.run_child("jaxcontract", time_limit=0.3)
    assert run["status"] == "hung"
    assert "no result within 0.3 s" in run["message"]


def test_a_training_that_fails_says_why_in_one_line():
    run = plan.run_child("jaxcontract", minibatches=7)
    assert run["status"] == "failed"
    assert "minibatches" in run["message"]
    assert "\n" not in run["message"]


def test_a_plan_survives_the_command_line(monkeypatch):
    asked = plan.Plan(name="rejax", game="paper", seeds=5, budget=7.5, env_steps=10, stretches=3)
    monkeypatch.setattr(sys, "argv", ["child.py", *plan.options(asked), "--started=3.5"])
    assert child.parse() == (asked, 3.5)


def test_no_stretch_begins_after_the_budget_is_spent():
    class Idle:
        compile_seconds = 0.0
        updates = 0

        def advance(self, num_updates):
            self.updates += num_updates

        def policies(self):
            return [lambda observation: observation[:, :4]]

    learner = Idle()
    short = plan.Plan(name="jaxcontract", env_steps=10**6, budget=5.0, states=10)
    result = child.learn(learner, short, started=0.0)  # it began long ago
    assert learner.updates == 0
    assert result["env_steps_per_second"]["max"] == 0.0
    assert len(result["curve"]) == 1


def test_a_level_is_reached_when_every_seed_reaches_it_with_contracts_that_hold():
    curve = [
        {"seconds": 1.0, "feasible": [1.0, 0.9], "regret": [0.05, 0.05]},
        {"seconds": 2.0, "feasible": [1.0, 1.0], "regret": [0.05, 0.2]},
        {"seconds": 3.0, "feasible": [1.0, 1.0], "regret": [0.05, 0.1]},
    ]
    assert [child.first_time(curve, level) for level in (1.0, 0.1, 0.01)] == [2.0, 3.0, None]
    assert child.first_time([{"seconds": 1.0, "feasible": [0.0], "regret": [math.nan]}], 1.0) is None


def test_a_row_says_none_where_no_contract_holds():
    run = dataclasses.asdict(plan.Plan(name="rejax")) | {
        "status": "done",
        "import_seconds": 1.0,
        "compile_seconds": 1.0,
        "train_seconds": 1.0,
        "env_steps_per_second": {"median": 2.0, "min": 1.0, "max": 3.0},
        "feasible": [0.0],
        "regret": [math.nan],
        "screening_gap": [math.nan],
        "peak_memory_bytes": 1e9,
    }
    assert "0.00000     none    none" in peers.row(run)


def test_another_library_trains_for_as_long_as_we_did(monkeypatch):
    asked = []

    def train(name, parsed, stretches, **plan):
        asked.append((name, plan))
        moments = [{"seconds": 5.0}, {"seconds": 25.0}]  # 5 s to import and compile
        return plan | {
            "name": name,
            "status": "done",
            "curve": moments,
            "env_steps_per_second": {"max": 1000.0},
        }

    monkeypatch.setattr(peers, "train", train)
    options = "--learners jaxcontract,rejax --game default --seeds 2 --num-types 8 --sizes 16x2 --equal-time"
    runs = list(peers.compare(peers.parse(options.split())))
    assert [run["name"] for run in runs] == ["jaxcontract", "jaxcontract", "rejax"]
    trial, last = (plan for name, plan in asked if name == "rejax")
    assert trial["env_steps"] == 2 * 16 * 2
    assert last["env_steps"] == (25.0 - 5.0) * 1000.0 / 2  # of each of two seeds


@pytest.mark.parametrize(
    "arguments",
    [
        "--game chess",
        "--learners sb4",
        "--sizes 512",
        "--sizes 512x0",
        "--sizes 500x16",
        "--seeds 0",
        "--budget 0",
        "--time-limit soon",
        "--rejax-python no-such-program",
        "--no-such-option",
        "--num-types 8,2",
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        peers.parse(arguments.split())
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("peers.py: error: ")
    assert said.count("\n") == 1
