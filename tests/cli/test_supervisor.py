"""The parent of several processes: signals, ends and the one line. Its children here are no trainings."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jaxcontract.cli.launch.cores import split
from jaxcontract.cli.processes import cluster
from jaxcontract.cli.processes.child import Child
from jaxcontract.cli.processes.options import Joining, read_joining
from jaxcontract.cli.processes.supervisor import supervise
from jaxcontract.cli.program import Program
from jaxcontract.cli.train.command import parse, read_options

PROGRAM = Program("train", "train")
SETTLED = "from jaxcontract.training.signals import *; leave_at_once('train'); import os, sys, time; "
WAITS = SETTLED + "time.sleep(60)"


def run(*programs):
    """The exit code of some children under one parent, and the seconds that it took."""
    began = time.monotonic()
    code = supervise(
        lambda: [
            Child(f"process {index} of {len(programs)}", ["-c", program], "launch", launched=True)
            for index, program in enumerate(programs)
        ],
        PROGRAM,
    )
    return code, time.monotonic() - began


@pytest.mark.parametrize("code", [0, 2, 3, 4, 5, 130, 143])
def test_a_child_that_ends_by_itself_has_the_last_word(code, capfd):
    assert run(f"raise SystemExit({code})", f"raise SystemExit({code})")[0] == code
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("victim", [0, 1])
def test_a_child_that_is_killed_takes_the_others_with_it(victim, capfd):
    programs = [WAITS, WAITS]
    programs[victim] = SETTLED + "os.kill(os.getpid(), 9)"
    code, seconds = run(*programs)
    assert (code, seconds < 10) == (75, True)
    said = f"train: error: process {victim} of 2 was ended by SIGKILL; the same command begins again\n"
    assert capfd.readouterr().err == said


def test_an_abort_for_a_peer_is_told_as_such_and_the_words_of_the_runtime_are_not(capfd):
    aborts = SETTLED + "say_when_interrupted('to go on: this'); os.write(2, b'F1129 fatal'); os.abort()"
    assert run(aborts)[0] == 75
    said = "another process of this training is gone, and process 0 of 1 ends with it; to go on: this"
    assert capfd.readouterr() == ("", f"train: error: {said}\n")


def test_a_fault_is_told_with_the_last_that_was_written(capfd):
    assert run(SETTLED + "os.write(2, b'one\\nCheck failed: x\\n'); os.kill(os.getpid(), 11)")[0] == 75
    assert "was ended by SIGSEGV (Check failed: x); the same" in capfd.readouterr().err


def test_a_line_of_a_child_comes_before_ours_and_stands_once(capfd):
    fails = SETTLED + "from jaxcontract.cli.program import Program; "
    fails += "sys.exit(Program('train', '').fail(75, 'no answer'))"
    assert run(fails, fails)[0] == 75
    assert capfd.readouterr().err == "train: error: no answer\n"


def test_what_python_prints_goes_where_it_should(capfd):
    assert run(SETTLED + "print('out'); print('err', file=sys.stderr); os.write(1, b'[Gloo] noise')")[0] == 0
    assert capfd.readouterr() == ("out\n", "err\n")


def test_a_child_ends_when_its_parent_is_gone():
    parent = f"""
from jaxcontract.cli.processes.child import Child
import os
print(Child("one", ["-c", {WAITS!r}], "launch").pid, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{done.stdout.strip()}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert time.monotonic() < deadline


INTERRUPTED = """
from jaxcontract.training.signals import leave_at_once
leave_at_once("launch")
import sys
from jaxcontract.cli.processes.child import Child
from jaxcontract.cli.processes.supervisor import supervise
from jaxcontract.cli.program import Program
command = ["-c", sys.argv[1]]
sys.exit(supervise(lambda: [Child(name, command, "launch") for name in "ab"], Program("train", "")))
"""
WORKS = SETTLED + (
    "interruption = Interruption(); interruption.__enter__(); print('ready', flush=True)\n"
    "while not interruption.requested: time.sleep(0.01)\n"
    "print('saved', flush=True); sys.exit(interruption.exit_code)"
)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_process_that_speaks_for_all(number, code):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, WORKS], **pipes) as job:
        assert [job.stdout.readline(), job.stdout.readline()] == ["ready\n", "ready\n"]
        os.killpg(job.pid, number)  # as a terminal does
        assert job.stdout.readline() == "saved\n"
        for _ in range(2):  # at the third, whoever is left is ended
            time.sleep(0.3)  # two at a time are one
            job.send_signal(number)
        printed, said = job.communicate(timeout=20)
    assert (job.returncode, printed) == (code, "")
    assert said.count("finishing this chunk") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--processes 2", "--coordinator: --coordinator, --processes, --process-id go together"),
        (
            "--coordinator h:1 --processes 2 --process-id 2",
            "--process-id 2: must be a whole number in [0, 2)",
        ),
        ("--coordinator h:1 --processes 2 --process-id -1", "'-1' must be a whole number in [0, inf)"),
        ("--coordinator h --processes 2 --process-id 0", "'h' must be HOST:PORT"),
        ("--coordinator h:70000 --processes 2 --process-id 0", "'h:70000' must be HOST:PORT"),
        ("--cluster --processes 2", "--processes: --cluster finds it"),
        ("--start-timeout 0", "'0' must be a number in (0, inf]"),
    ],
)
def test_half_of_the_options_is_refused(options, said, capsys):
    with pytest.raises(SystemExit) as ended:
        read_options(options.split(), PROGRAM)
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (2, 1)
    assert said in error


def test_one_process_is_no_several_and_the_options_make_no_other_run():
    alone = "--coordinator h:1 --processes 1 --process-id 0".split()
    assert read_options(alone, PROGRAM).joining is None
    several = "--coordinator h:1 --processes 2 --process-id 1 --start-timeout 5".split()
    options = read_options(several, PROGRAM)
    assert options.joining == Joining("h:1", 2, 1, start_timeout=5.0)
    assert options.joining.words == several
    assert read_joining(options.parsed) == options.joining
    assert parse(several).configuration == parse([]).configuration


SLURM = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}


def test_a_cluster_says_whether_there_are_several():
    assert cluster.is_several(SLURM)
    assert not cluster.is_several({**SLURM, "SLURM_STEP_NUM_TASKS": "1"})
    assert not cluster.is_several({"OMPI_COMM_WORLD_SIZE": "1"})
    assert cluster.is_several({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_MCA_orte_hnp_uri": "1.0;tcp://h:1"})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "neither Slurm's srun, nor Open MPI's mpirun, nor Kubernetes"),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}, "start the command by srun"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "--process-id $OMPI_COMM_WORLD_RANK"),
        ({"KUBERNETES_SERVICE_HOST": "h"}, "pip install kubernetes"),
    ],
)
def test_a_cluster_that_does_not_say_is_refused_in_one_line(environment, said, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(ValueError, match=r"^--cluster: ") as refused:
        cluster.is_several(environment)
    assert said in str(refused.value)


def test_two_steps_of_a_job_have_ports_of_their_own():
    one, other = dict(SLURM), {**SLURM, "SLURM_STEP_ID": "1"}
    assert cluster.prepare(one) != cluster.prepare(other)
    assert cluster.FIRST_PORT <= int(one["JAX_COORDINATOR_PORT"]) < 2**16
    assert cluster.prepare({**SLURM, "JAX_COORDINATOR_PORT": "1234"}) == "1234"


def test_cores_are_shared_without_a_rest():
    assert split(list(range(7)), 3) == [[0, 1], [2, 3], [4, 5, 6]]
    assert split([3], 2) == [[], []]
