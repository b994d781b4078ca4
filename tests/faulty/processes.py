"""Whole runs that are killed, interrupted and started again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parents[2] / "experiments" / "run_ppo.py"
RUN = (
    "--seeds 2 --num-updates 120 --num-envs 512 --checkpoint-every 7 --eval-states 200 "
    "--curve-states 200 --curve-points 5 --hidden-sizes 32,32"
).split()
TIME_LIMIT = 120.0


class Bench:
    """One run over and over, its compiled programs kept, against what it gives undisturbed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        began = time.monotonic()
        self.finish(folder / "first")  # compiles
        began = time.monotonic()
        self.finish(folder / "clean")
        self.seconds = time.monotonic() - began
        self.expected = outcome(folder / "clean")

    def start(self, out: Path) -> "subprocess.Popen[str]":
        """The run, begun or gone on with."""
        cache = ["--compilation-cache", str(self.folder / "programs")]
        command = [sys.executable, str(SCRIPT), *RUN, "--out", str(out), *cache]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self.environment
        )

    def finish(self, out: Path) -> int:
        """Let the run come to its end: its exit code."""
        with self.start(out) as process:
            process.communicate(timeout=TIME_LIMIT)
        return process.returncode

    def right(self, out: Path) -> bool:
        """Whether a disturbed run, finished, has the results of the undisturbed one bit for bit."""
        return self.finish(out) == 0 and outcome(out) == self.expected


def outcome(out: Path) -> dict[str, object]:
    """All that a run gives, but for its times."""
    arrays = {}
    for path in sorted((out / "policy").glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            arrays |= {f"{path.name}/{name}": archive[name].tobytes() for name in archive.files}
    curve = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    for row in curve:
        del row["train_seconds"]
    return {
        "arrays": arrays,
        "curve": curve,
        "seeds": json.loads((out / "summary.json").read_text())["seeds"],
    }


def sigkills(bench: Bench, trials: int, kills_in_a_run: int = 5) -> tuple[int, int]:
    """(kills that hit, of them in runs that ended with the same bits when the command was repeated)."""
    moments = random.Random(1)
    hit = survived = run = 0
    while hit < trials:
        out = bench.folder / f"killed-{run}"
        run += 1
        here = 0
        while here < kills_in_a_run and hit + here < trials:
            with bench.start(out) as process:
                time.sleep(moments.uniform(0.3, bench.seconds))
                if process.poll() is not None:
                    break
                process.kill()
                process.communicate(timeout=TIME_LIMIT)
                here += 1
        hit += here
        survived += here * bench.right(out)
    return hit, survived


def interruptions(bench: Bench, trials: int) -> int:
    """How many SIGINTs and SIGTERMs in training ended it in time, saved, with the right code and line."""
    good = 0
    for trial in range(trials):
        number = (signal.SIGINT, signal.SIGTERM)[trial % 2]
        out = bench.folder / f"interrupted-{trial}"
        with bench.start(out) as process:
            _wait_for(out / "metrics.jsonl")
            process.send_signal(number)
            began = time.monotonic()
            _, said = process.communicate(timeout=TIME_LIMIT)
            waited = time.monotonic() - began
        stopped = process.returncode == 128 + number and waited < 3.0 and f"--resume {out}" in said
        went_well = stopped and "Traceback" not in said and bench.right(out)
        if not went_well:
            print(f"  exit code {process.returncode} after {waited:.1f} s: {said}", file=sys.stderr)
        good += went_well
    return good


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + TIME_LIMIT
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
