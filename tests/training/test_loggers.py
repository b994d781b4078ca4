"""Those who watch a run are told each point of its curve once, and cost it nothing but their time."""

import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import types

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from jaxcontract.training import loggers as watching
from jaxcontract.training.loggers import Observers, TensorBoard, Watching, open_observers, scalars
from paths import EXPERIMENTS
from quick_programs import compile_quickly

SCRIPT = EXPERIMENTS / "run_ppo.py"
SMALL = "--num-updates 4 --num-envs 64 --eval-states 200 --curve-states 200 --curve-points 4".split()
SMALL += ["--seeds", "2", "--first-seed", "5", "--checkpoint-every", "2"]

# What we use of wandb, with a file for a server.
FAKE = """
import json, os, pathlib
SERVER = pathlib.Path(os.environ["FAKE_WANDB"])

class Run:
    def __init__(self, **given):
        if os.environ.get("FAKE_WANDB_FAILS"):
            raise RuntimeError("No API key configured.\\nUse `wandb login`")
        self.path = SERVER / given["id"]
        before = self.path.read_text().splitlines() if self.path.exists() else []
        self.step = 1 + max((json.loads(line)["step"] for line in before), default=-1)
        (SERVER / "begun.jsonl").open("a").write(json.dumps(given) + "\\n")

    def log(self, values, step):
        assert step >= self.step, "wandb would drop this with a warning"
        self.step = step
        self.path.open("a").write(json.dumps({"step": step, **values}) + "\\n")

    def finish(self):
        (SERVER / "finished").open("a").write("x")

def init(**given):
    return Run(**given)
"""


def point(env_steps, **others):
    values = {"update": env_steps // 64, "env_steps": env_steps, "optimum": 9.5, "regret": [0.5, None]}
    return {**values, "learner": {"entropy": [1.0, 2.0]}, **others}


def events(directory):
    """What is in the files of events of a directory, in the order in which they were begun."""
    for path in sorted(directory.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack("<Q", data[at : at + 8])
            yield Event.FromString(data[at + 12 : at + 12 + length])
            at += 12 + length + 4


def shown(directory):
    """(step, name, value) of what TensorBoard shows: a restart takes back all steps from its own on."""
    kept = []
    for event in events(directory):
        if event.session_log.status == SessionLog.START:
            kept = [one for one in kept if one[0] < event.step]
        kept += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return kept


def test_every_number_of_a_point_is_told_with_its_seed():
    assert list(scalars(point(64), [5, 6])) == [
        ("update", None, 1.0),
        ("optimum", None, 9.5),
        ("regret", 5, 0.5),
        ("learner/entropy", 5, 1.0),
        ("learner/entropy", 6, 2.0),
    ]


def test_tensorboard_shows_each_point_once_though_a_run_went_on(tmp_path):
    for told in ([0, 64, 128], [0, 64, 128, 192]):
        observer = TensorBoard(tmp_path, [5, 6])
        for steps in told:
            observer.note(point(steps))
            assert shown(tmp_path / "seed-5")[-1][0] == steps, "to be seen at once"
        observer.close()
    assert shown(tmp_path / "seed-5") == [
        one for steps in told for one in ((steps, "regret", 0.5), (steps, "learner/entropy", 1.0))
    ]
    assert [name for _, name, _ in shown(tmp_path / "seed-6")] == ["learner/entropy"] * 4
    assert {name for _, name, _ in shown(tmp_path / "run")} == {"update", "optimum"}
    assert next(events(tmp_path / "run")).file_version == "brain.Event:2"


class Deaf:
    def note(self, point):
        del point
        raise OSError(28, "No space left on device")

    def close(self):
        raise AssertionError("it was let go")


class Listener:
    def __init__(self):
        self.heard = []

    def note(self, point):
        self.heard.append(point["env_steps"])

    def close(self):
        self.heard.append("end")


def test_an_observer_that_fails_is_let_go_and_the_others_go_on():
    said, listener = [], Listener()
    observers = Observers({"tensorboard": Deaf(), "wandb": listener}, said.append)
    observers.note(point(0))
    observers.note(point(64))
    observers.close()
    assert listener.heard == [0, 64, "end"]
    assert len(said) == 1
    assert said[0].startswith("--tensorboard: [Errno 28] No space left on device")


def test_tensorboard_in_a_directory_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "tensorboard").write_text("mine")
    with pytest.raises(ValueError, match=r"--tensorboard: .*tensorboard/run cannot be written") as refusal:
        open_observers(Watching(tensorboard=True), tmp_path, [0], {}, print)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "variable", "project"),
    [(None, None, "jaxcontract"), (None, "theirs", "theirs"), ("mine", "theirs", "mine")],
)
def test_the_project_is_the_one_that_was_asked_for(given, variable, project, tmp_path, monkeypatch):
    begun = {}
    fake = types.SimpleNamespace(init=lambda **given: begun.update(given))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    if variable:
        monkeypatch.setenv("WANDB_PROJECT", variable)
    watching.WeightsAndBiases(tmp_path, [0], {"preset": "default"}, given)
    assert begun["project"] == project
    assert begun["config"] == {"preset": "default"}
    assert "mode" not in begun, "WANDB_MODE decides"


def run(*arguments, cwd, without=(), **variables):
    """Run the script with the fake on the path, if need be where some packages cannot be found."""
    code = "import importlib.util as u, runpy, sys\nfind = u.find_spec\n"
    code += f"u.find_spec = lambda name, *rest: None if name in {tuple(without)} else find(name, *rest)\n"
    code += (
        f"sys.argv = [{str(SCRIPT)!r}, *sys.argv[1:]]\nrunpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    path = os.pathsep.join([str(cwd / "fake"), str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**compile_quickly(), "PYTHONPATH": path, "FAKE_WANDB": str(cwd / "server"), **variables}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, timeout=240, cwd=cwd, env=environment, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with a fake wandb and its server, and a run that nobody watched."""
    folder = tmp_path_factory.mktemp("watched")
    for name in ("fake", "server"):
        (folder / name).mkdir()
    (folder / "fake" / "wandb.py").write_text(FAKE)
    done = run("--out", "plain", *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.long
def test_a_watched_run_that_went_on_tells_each_point_once_and_keeps_its_bits(place):
    watched = ("--tensorboard", "--wandb", "--wandb-project", "mine")
    done = run("--out", "out", *SMALL, *watched, cwd=place)
    assert done.returncode == 0, done.stderr
    out = place / "out"
    (out / "summary.json").unlink()  # as if it had been killed after it had told of update 4, saved at 2
    shutil.rmtree(out / "checkpoints" / "4")
    resumed = run("--resume", "out", *watched, cwd=place)
    assert resumed.returncode == 0, resumed.stderr
    assert "going on at update 2 of 4" in resumed.stdout

    curve = lines(out / "metrics.jsonl")
    steps = [one["env_steps"] for one in curve]
    assert steps == [0, 64, 128, 192, 256]
    for position, seed in enumerate((5, 6)):
        regrets = [
            (step, value)
            for step, name, value in shown(out / "tensorboard" / f"seed-{seed}")
            if name == "regret"
        ]
        assert [step for step, _ in regrets] == steps
        np.testing.assert_allclose(
            [value for _, value in regrets], [one["regret"][position] for one in curve], rtol=1e-6
        )

    begun = lines(place / "server" / "begun.jsonl")
    assert [one["id"] for one in begun] == [begun[0]["id"]] * 2
    assert {one["project"] for one in begun} == {"mine"}
    assert begun[0]["config"]["setting"]["algorithm"]["num_updates"] == 4
    assert (place / "server" / "finished").read_text() == "xx"
    history = lines(place / "server" / begun[0]["id"])
    assert [row["step"] for row in history] == steps
    assert [row["regret/seed-6"] for row in history] == [one["regret"][1] for one in curve]

    for seed in (5, 6):
        with (
            np.load(place / "plain" / "policy" / f"seed-{seed}.npz") as one,
            np.load(out / "policy" / f"seed-{seed}.npz") as other,
        ):
            for name in one.files:
                np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("option", ["tensorboard", "wandb"])
def test_a_missing_library_is_one_line_before_anything_begins(place, option):
    done = run("--out", "missing", f"--{option}", *SMALL, cwd=place, without=("wandb", "tensorboardX"))
    assert done.returncode == 2
    package = watching.PACKAGES[option]
    assert (
        done.stderr
        == f'run_ppo.py: error: --{option}: needs {package}: pip install "jaxcontract[{option}]"\n'
    )
    assert done.stdout == ""
    assert not (place / "missing").exists()


def test_a_run_that_wandb_cannot_begin_is_one_line_before_anything_compiles(place):
    done = run("--out", "failing", "--wandb", *SMALL, cwd=place, FAKE_WANDB_FAILS="1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "run_ppo.py: error: --wandb: no run could be begun (No API key configured.); "
        "log in, or set WANDB_MODE=offline\n"
    )


def test_a_project_goes_with_wandb(place):
    done = run("--wandb-project", "mine", cwd=place)
    assert (done.returncode, done.stderr) == (2, "run_ppo.py: error: --wandb-project: goes with --wandb\n")


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb itself is not installed")
def test_wandb_itself_takes_what_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    observer = watching.WeightsAndBiases(tmp_path, [5, 6], {"preset": "default"}, None)
    for steps in (0, 64):
        observer.note(point(steps))
    assert dict(observer.run.summary)["regret/seed-5"] == 0.5
    observer.close()
    (written,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert b"learner/entropy/seed-6" in written.read_bytes()
