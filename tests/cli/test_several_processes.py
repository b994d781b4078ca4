"""One training in two real processes: the same bits, and a peer that is killed or does not come."""

import os
import subprocess
import sys
import time

import pytest

from jaxcontract.cli.launch.command import _free_port
from jaxcontract.storage.files import read_json
from kill_processes import IN_TIME, Job, wait_for_step
from quick_programs import IN_ONE_PART, add_flags, compile_quickly

RUN = (
    "--seeds 2 --num-updates 150 --num-envs 256 --minibatches 2 --checkpoint-every 3 --eval-states 50 "
    "--curve-states 50 --curve-points 3 --hidden-sizes 8"
).split()


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A training, and what it gives in one process."""
    # Quicker programs than these depend on the cores.
    made = Job(tmp_path_factory.mktemp("several"), RUN, add_flags(IN_ONE_PART))
    assert made.finish("one", processes=1) == 0
    made.expected = made.outcome("one")
    return made


@pytest.mark.long
def test_two_processes_give_the_bits_of_one(job):
    with job.start("two") as process:
        _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    check_like_one(job, "two")


def check_like_one(job, name, processes=2):
    """A training that ended in so many processes has written what one process writes."""
    assert job.outcome(name) == job.expected
    assert sorted(os.listdir(job.folder / name)) == sorted(os.listdir(job.folder / "one"))
    device = read_json(job.folder / name / "summary.json")["device"]
    assert ("in each of 2 processes" in device) == (processes == 2)


@pytest.mark.parametrize(("victim", "processes"), [(0, 2), pytest.param(1, 1, marks=pytest.mark.long)])
def test_a_kill_ends_the_job_in_one_line_and_the_same_command_goes_on(victim, processes, job):
    name = f"killed-{victim}"
    kill = job.kill(name, victim, moment=-0.05)
    assert kill.is_answered, kill
    how = f"-m jaxcontract launch -n 2 -- train --resume {name}\n"
    assert kill.said.endswith(how)
    assert f"process {victim} of 2 was ended by SIGKILL" in kill.said
    assert job.finish(name, processes) == 0
    check_like_one(job, name, processes)


def test_a_signal_saves_in_all_and_ends_all(tmp_path):
    job = Job(tmp_path, RUN, compile_quickly())
    with job.start("interrupted") as process:
        wait_for_step(job.folder / "interrupted", process)
        process.terminate()
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, time.monotonic() - began < IN_TIME) == (143, True)
    assert "to go on: " in said.splitlines()[-1]
    assert said.count("interrupted by SIGTERM") == 1


def start(port, index, *more, cwd):
    command = [sys.executable, "-m", "jaxcontract", "train", *RUN, *more]
    place = f"--coordinator 127.0.0.1:{port} --processes 2 --process-id {index} --start-timeout 3".split()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *place], cwd=cwd, env=compile_quickly(), **pipes)


def test_a_process_that_nobody_meets_says_so(tmp_path):
    ports = _free_port(), _free_port()
    began = time.monotonic()
    lonely = [start(port, index, cwd=tmp_path) for index, port in enumerate(ports)]
    said = [process.communicate(timeout=60)[1] for process in lonely]
    assert time.monotonic() - began < 3 + 10
    assert [process.returncode for process in lonely] == [75, 75]
    assert f"not all 2 processes came to 127.0.0.1:{ports[0]} within 3 s" in said[0]
    assert f"process 0 does not answer at 127.0.0.1:{ports[1]}, for 3 s" in said[1]
    assert [line.count("\n") for line in said] == [1, 1]
    assert list(tmp_path.iterdir()) == []


def test_processes_started_with_other_options_are_refused(tmp_path):
    port = _free_port()
    both = [start(port, index, "--num-types", str(2 + index), cwd=tmp_path) for index in (0, 1)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert all(
        one.count("\n") == 1 and "process 1 was started with another --num-types" in one for one in said
    )
    assert list(tmp_path.iterdir()) == []


def test_what_process_0_refuses_ends_the_others_too(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    port = _free_port()
    both = [start(port, index, "--out", "taken", cwd=tmp_path) for index in (0, 1)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert said[0].endswith("--out taken: is not empty; name a new directory\n")


@pytest.mark.long
def test_waves_of_two_processes_are_those_of_one(job):
    given = [*RUN, "--seeds", "5", "--wave", "4"]
    assert Job(job.folder, given).finish("waves", processes=2) == 0
    folders = (job.folder / "waves" / "waves").iterdir()
    ended = {folder.name: read_json(folder / "results.json")["rows"] for folder in folders}
    assert sorted(ended) == ["000000-000002", "000003-000004"]  # so that no process is without a seed
    found = {row["seed"]: row["regret"] for rows in ended.values() for row in rows}
    alone = read_json(job.folder / "one" / "summary.json")["seeds"]
    assert [found[row["seed"]] for row in alone] == [row["regret"] for row in alone]


@pytest.mark.long
def test_a_sweep_of_two_processes_is_that_of_one(tmp_path):
    grid = "sweep --sweep learning_rate=1e-3,1e-2 --sweep num_envs=64,32 --seeds 3 --num-updates 6".split()
    sizes = "--hidden-sizes 8 --eval-states 50 --curve-states 50 --curve-points 2".split()
    for name, before in {"one": [], "two": ["launch", "-n", "2", "--"]}.items():
        command = [sys.executable, "-m", "jaxcontract", *before, *grid, *sizes, "--out", name]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    one, two = ((tmp_path / name / "results.csv").read_text() for name in ("one", "two"))
    assert one == two
    assert one.count("done") == 12


def test_a_program_of_fewer_seeds_than_processes_is_refused_and_leaves_nothing(tmp_path):
    sweep = "sweep --sweep num_envs=64,32 --seeds 1 --num-updates 6 --out few".split()
    done = subprocess.run(
        [sys.executable, "-m", "jaxcontract", "launch", "-n", "2", "--", *sweep],
        cwd=tmp_path,
        env=compile_quickly(),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "one for each process; num_envs=64 has a program of its own" in done.stderr
    assert not (tmp_path / "few").exists()
