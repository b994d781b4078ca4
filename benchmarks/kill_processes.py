"""Kills of either of two processes of a training, at random moments, and what became of it.

A job of two processes is killed several times, each time in one process, and then runs to its end in two
processes or in one. A kill is survived when the job ended in time with exit code 75 and one line, and when
its run ended with the policies of an undisturbed one, bit for bit. Linux only: it looks for processes in
/proc.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("kill_processes.py")  # also while what follows is imported

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from command import output_file
from jaxcontract.cli.options import OneLineParser, count

RUN = (
    "--seeds 2 --num-updates 600 --num-envs 512 --checkpoint-every 20 --eval-states 200 --curve-states 50 "
    "--curve-points 5 --hidden-sizes 32,32"
).split()
IN_TIME = 15.0  # seconds from a kill to the end of the job
TIME_LIMIT = 300.0
KILLS_IN_A_RUN = 3


class Kill(NamedTuple):
    """What came of one kill: of which process, seconds to the end of the job, and what it ended with."""

    process: int
    moment: float
    seconds: float
    code: int
    said: str

    @property
    def is_answered(self) -> bool:
        """Whether the job ended as it should."""
        return self.code == 75 and self.seconds < IN_TIME and self.said.count("\n") == 1


class Job:
    """One training, in one process or in two, its compiled programs kept.

    run:         its options
    environment: of its processes, by default this one's
    """

    def __init__(self, folder: Path, run: list[str] = RUN, environment: dict[str, str] | None = None) -> None:
        self.folder, self.run, self.environment = folder, run, environment

    def start(self, name: str, processes: int = 2) -> "subprocess.Popen[str]":
        """The training, begun or gone on with."""
        several = ["launch", "-n", str(processes), "--"] if processes > 1 else []
        out = ["--out", name, "--compilation-cache", str(self.folder / "programs")]
        return subprocess.Popen(
            [sys.executable, "-m", "jaxcontract", *several, "train", *self.run, *out],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, name: str, processes: int = 2) -> int:
        """Let the training come to its end: the exit code."""
        with self.start(name, processes) as job:
            job.communicate(timeout=TIME_LIMIT)
        return job.returncode

    def outcome(self, name: str) -> dict[str, Any]:
        """All that a training gives, but for its times."""
        arrays: dict[str, bytes] = {}
        for path in sorted((self.folder / name / "policy").glob("*.npz")):
            with np.load(path, allow_pickle=False) as archive:
                arrays |= {f"{path.name}/{one}": archive[one].tobytes() for one in archive.files}
        summary = json.loads((self.folder / name / "summary.json").read_text("utf-8"))
        return {"arrays": arrays, "seeds": summary["seeds"]}

    def kill(self, name: str, process: int, moment: float) -> Kill | None:
        """Start the training in two processes and kill one; None where it had ended by then.

        A job that ends with 0 had ended: process 0 had written all, and the other was about to leave.

        moment: seconds after its start, or after its first checkpoint where it is negative
        """
        with self.start(name) as job:
            if moment < 0:
                wait_for_step(self.folder / name, job)
            time.sleep(abs(moment))
            victim = find_process(job.pid, process)
            if victim is None:
                job.communicate(timeout=TIME_LIMIT)
                return None
            os.kill(victim, 9)
            began = time.monotonic()
            _, said = job.communicate(timeout=TIME_LIMIT)
        seconds = time.monotonic() - began
        return Kill(process, moment, seconds, job.returncode, said) if job.returncode else None


def find_process(parent: int, process: int) -> int | None:
    """The child of a launcher that is this process of its job."""
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text("utf-8").split()
        lines = {child: Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0") for child in children}
    except OSError:
        return None
    wanted = [int(child) for child, words in lines.items() if _process_id(words) == process]
    return wanted[0] if wanted else None


def _process_id(words: list[bytes]) -> int | None:
    return int(words[words.index(b"--process-id") + 1]) if b"--process-id" in words else None


def wait_for_step(out: Path, job: "subprocess.Popen[str]") -> None:
    """Return when a training has been saved, or has ended."""
    while job.poll() is None and not list(out.glob("checkpoints/[0-9]*")):
        time.sleep(0.02)


def tally(kills: list[Kill], right: int) -> dict[str, Any]:
    """The kills in figures."""
    seconds = sorted(kill.seconds for kill in kills)
    return {
        "kills": len(kills),
        "of_process_0": sum(kill.process == 0 for kill in kills),
        "answered": sum(kill.is_answered for kill in kills),
        "in_runs_that_ended_right": right,
        "seconds": {"median": float(np.median(seconds)), "max": seconds[-1]},
    }


def kill_often(job: Job, wanted: int, seed: int) -> dict[str, Any]:
    """Kill so many processes, and finish every training that was disturbed."""
    moments = random.Random(seed)
    job.finish("first")  # compiles
    began = time.monotonic()
    job.finish("clean")
    whole = time.monotonic() - began
    expected = job.outcome("clean")
    print(f"undisturbed: {whole:.1f} s", flush=True)
    kills: list[Kill] = []
    right = run = 0
    while len(kills) < wanted:
        name, here = f"killed-{run}", 0
        run += 1
        while here < KILLS_IN_A_RUN and len(kills) < wanted:
            kill = job.kill(name, moments.randrange(2), moments.uniform(0.5, whole))
            if kill is None:
                break
            kills.append(kill)
            here += 1
            print(
                f"{kill.moment:5.1f} s: {kill.code} after {kill.seconds:.2f} s: {kill.said}",
                end="",
                flush=True,
            )
        processes = 1 + run % 2
        code = job.finish(name, processes)
        ended_right = code == 0 and job.outcome(name) == expected
        right += here * ended_right
        print(f"finished in {processes}: {'the same bits' if ended_right else f'WRONG, exit code {code}'}")
    return tally(kills, right)


def main() -> int:
    """Kill as the command line asks: 0 where every kill was survived."""
    parser = OneLineParser(prog="kill_processes.py", description=__doc__)
    parser.add_argument("--kills", type=count, default=50, metavar="N", help="how many (default 50)")
    parser.add_argument("--seed", type=int, default=0, metavar="SEED", help="of the moments (default 0)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the figures here")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(Job(Path(folder)), parsed.kills, parsed.seed)
    print(
        f"{found['answered']} of {found['kills']} kills ({found['of_process_0']} of process 0) ended with "
        f"one line and exit code 75 within {IN_TIME:.0f} s: median {found['seconds']['median']:.2f} s, at "
        f"most {found['seconds']['max']:.2f} s; {found['in_runs_that_ended_right']} in runs that ended right"
    )
    if parsed.json:
        from command import report

        report(found, parsed.json)
    return 0 if found["answered"] == found["in_runs_that_ended_right"] == found["kills"] else 1


if __name__ == "__main__":
    sys.exit(main())
