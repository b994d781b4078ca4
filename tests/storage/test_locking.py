"""One process at a time in a directory: also beside a dead one, and where a file system has no locks."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcontract.storage.locking import LOCK, hold, let_go
from jaxcontract.storage.run_directory import abandon_run, close_run, open_run
from paths import EXPERIMENTS

SCRIPT = EXPERIMENTS / "run_ppo.py"
SMALL = "--seeds 1 --num-updates 4 --num-envs 64 --eval-states 200 --curve-states 200".split()
RUN = {"seeds": [0]}
# Works in the directory as the same command would, until it is killed.
OWNER = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(SCRIPT.parent)!r})
from jaxcontract.cli.train.command import parse
from jaxcontract.storage.run_directory import open_run
request = parse(sys.argv[1:])
open_run(request.out, request.preset, request.configuration)
print("works", flush=True)
time.sleep(600)
"""


def run(*arguments, cwd):
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


def states(folder):
    """Every file with its bytes and when it was last written to."""
    return {
        path: (path.is_file() and path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*")
    }


@pytest.fixture
def owner(tmp_path):
    """A process that works in tmp_path/out as the command of `SMALL` does."""
    command = [sys.executable, "-c", OWNER, *SMALL, "--out", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "works\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("command", [[*SMALL, "--out", "out"], ["--resume", "out"]])
def test_a_second_run_is_refused_and_a_dead_one_is_not_in_the_way(command, owner, tmp_path):
    before = states(tmp_path)
    done = run(*command, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    asked = f"{command[-2]} out"
    assert done.stderr.startswith(f"run_ppo.py: error: {asked}: process {owner.pid} works in it since 20")
    assert done.stderr.endswith("; wait for it, or name another directory\n")
    assert states(tmp_path) == before
    owner.kill()
    owner.wait()
    hold(tmp_path / "out", "--out")
    assert json.loads((tmp_path / "out" / LOCK).read_text())["process"] == os.getpid()
    let_go(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["config.json"]


def test_two_runs_of_one_second_get_a_directory_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20260101-120000")
    monkeypatch.setattr(Path, "exists", lambda _: False)  # each looks before the other has made its own
    runs = [open_run(None, "default", RUN) for _ in range(3)]
    names = ["default-20260101-120000", "default-20260101-120000-2", "default-20260101-120000-3"]
    assert [(run.path.name, run.state) for run in runs] == [(name, "new") for name in names]
    for run in runs:
        close_run(run)


def test_what_is_not_ours_gets_no_lock(tmp_path):
    (tmp_path / LOCK).write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        open_run(tmp_path, "default", RUN)
    assert states(tmp_path).keys() == {tmp_path / LOCK}
    assert (tmp_path / LOCK).read_text() == "mine"


def test_a_lock_that_its_owner_deletes_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    flock, calls = fcntl.flock, []

    def deleted_first(descriptor, kind):
        flock(descriptor, kind)
        if not calls:
            (tmp_path / LOCK).unlink()
        calls.append(kind)

    monkeypatch.setattr(fcntl, "flock", deleted_first)
    hold(tmp_path, "--out")
    assert len(calls) == 2
    assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    let_go(tmp_path)


def test_a_file_system_without_locks_is_named_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    def no_locks(descriptor, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    run = open_run(tmp_path / "out", "default", RUN)
    said = capsys.readouterr().err
    assert said == (
        f"--out {tmp_path / 'out'}: its file system has no locks (No locks available); "
        "start nothing else there\n"
    )
    close_run(run)


def test_a_run_that_could_not_begin_leaves_nothing(tmp_path):
    abandon_run(open_run(tmp_path / "out", "default", RUN))
    assert list(tmp_path.iterdir()) == []
