"""The scripts for clusters: linted, and run with schedulers that are made up."""

import os
import subprocess
import sys

import pytest

from jaxcontract.cli.train.command import PROGRAM, read_options
from kill_processes import Job
from paths import ROOT
from quick_programs import compile_quickly

CLUSTER = ROOT / "experiments" / "cluster"
SLURM = CLUSTER / "slurm.sh"
NAMED = 'printf "%s\\n" "$*" >> "$CALLS"; '
# As `srun` does on one machine: a step of two tasks, and the worst of their exit codes.
SRUN = """
shift
export SLURM_STEP_ID=0 SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=localhost
SLURM_PROCID=0 SLURM_LOCALID=0 "$@" & zero=$!
SLURM_PROCID=1 SLURM_LOCALID=1 "$@" & one=$!
wait $zero; first=$?
wait $one; second=$?
exit $(( first > second ? first : second ))
"""


def programs(folder, **scripts):
    """The environment of a Slurm job in which these programs, bodies of shell scripts, come first."""
    folder.mkdir()
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    job = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": "0",
        "CALLS": str(folder / "calls"),
    }
    return {**compile_quickly(), "PATH": f"{folder}:{os.environ['PATH']}", **job}


def submit(environment, *arguments, cwd):
    return subprocess.run(
        ["bash", str(SLURM), *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_the_slurm_script_is_well_formed():
    assert subprocess.run(["bash", "-n", str(SLURM)], check=False).returncode == 0
    lines = SLURM.read_text("utf-8").splitlines()
    assert lines[0] == "#!/bin/bash"
    assert {"#SBATCH --requeue", "#SBATCH --ntasks-per-node=1"} <= set(lines)
    assert os.access(SLURM, os.X_OK)


@pytest.mark.parametrize(
    ("code", "restarts", "ends", "requeued"),
    [(0, 0, 0, False), (2, 0, 2, False), (75, 0, 0, True), (137, 4, 0, True), (75, 5, 75, False)],
)
def test_a_job_whose_peer_is_gone_is_queued_again(code, restarts, ends, requeued, tmp_path):
    environment = programs(tmp_path / "bin", srun=f"{NAMED}exit {code}", scontrol=NAMED)
    done = submit({**environment, "SLURM_RESTART_COUNT": str(restarts)}, "--out", "a b", cwd=tmp_path)
    assert done.returncode == ends, done.stderr
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert calls[0] == "--kill-on-bad-exit=0 jaxcontract train --cluster --out a b"
    assert calls[1:] == [f"requeue {environment['SLURM_JOB_ID']}"] * requeued


def test_a_job_that_could_not_go_on_is_refused(tmp_path):
    done = submit(programs(tmp_path / "bin", srun=NAMED), "--seeds", "4", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--out" in done.stderr
    assert not (tmp_path / "bin" / "calls").exists()


def test_two_tasks_find_each_other_as_slurm_says(tmp_path):
    ours = f'exec {sys.executable} -m jaxcontract "$@"'
    environment = programs(tmp_path / "bin", srun=SRUN, jaxcontract=ours)
    sizes = "--seeds 2 --num-updates 4 --num-envs 32 --minibatches 2 --eval-states 20 --curve-states 20"
    done = submit(environment, *sizes.split(), "--curve-points", "1", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert "in each of 2 processes" in done.stdout
    assert len(Job(tmp_path).outcome("run")["seeds"]) == 2


def test_the_pods_are_started_with_options_that_there_are(capsys):
    lines = (CLUSTER / "kubernetes.yaml").read_text("utf-8").splitlines()
    words = [line.strip()[2:] for line in lines if line.strip().startswith("- --")]
    options = read_options([word.replace("$(JOB_COMPLETION_INDEX)", "3") for word in words], PROGRAM)
    assert (options.joining.processes, options.joining.process_id) == (4, 3)
    assert "parallelism: 4" in "\n".join(lines)
