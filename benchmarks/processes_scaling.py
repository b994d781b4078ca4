"""Weak scaling over processes: twice the seeds in two processes on two cores, beside one process on one.

Every repeat runs, one after the other on the same cores: one process with S seeds on one core, two processes
with 2 S seeds on a core each, and, for what the machine itself loses with two cores at work, two trainings of
S seeds that know nothing of each other. Each is a whole `jaxcontract train`; the speed is that of its
summary, from the start of the first update to the end of the last, exchanges included. Linux only.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("processes_scaling.py")  # also while what follows is imported

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from command import check_device, make_parser, report
from jaxcontract.cli.options import OneLineParser, count
from jaxcontract.storage.files import read_json

WAYS = ("one process", "two processes", "two apart")


class Trainings:
    """Trainings of one size, in folders of their own, on these two cores."""

    def __init__(self, folder: Path, cores: Sequence[int], parsed: Any) -> None:
        self.folder, self.cores, self.parsed, self.count = folder, cores, parsed, 0

    def measure(self, way: str) -> float:
        """Env steps a second, of all seeds together."""
        seeds, cores = self.parsed.seeds, self.cores
        if way == "one process":
            return sum(self._finish([self._start([], seeds, cores[:1])]))
        if way == "two processes":
            return sum(self._finish([self._start(["launch", "-n", "2", "--"], 2 * seeds, cores)]))
        return sum(self._finish([self._start([], seeds, [core]) for core in cores]))

    def _start(
        self, before: list[str], seeds: int, cores: Sequence[int]
    ) -> "tuple[Path, subprocess.Popen[str]]":
        out = self.folder / str(self.count)
        self.count += 1
        sizes = {
            "--seeds": seeds,
            "--num-updates": self.parsed.num_updates,
            "--num-envs": self.parsed.num_envs,
            "--curve-points": 1,
            "--eval-states": 100,
            "--out": out,
            "--compilation-cache": self.folder / "programs",
        }
        words = [str(word) for pair in sizes.items() for word in pair]
        return out, subprocess.Popen(
            [sys.executable, "-m", "jaxcontract", *before, "train", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(os.sched_setaffinity, 0, cores),  # before it has threads
        )

    def _finish(self, started: "list[tuple[Path, subprocess.Popen[str]]]") -> list[float]:
        speeds = []
        for out, process in started:
            _, said = process.communicate()
            if process.returncode:
                raise RuntimeError(f"a training ended with {process.returncode}: {said}")
            speeds.append(float(read_json(out / "summary.json")["env_steps_per_second"]))
        return speeds


def spread(speeds: Sequence[float]) -> dict[str, Any]:
    """The middle and the ends of some speeds."""
    return {"median": statistics.median(speeds), "min": min(speeds), "max": max(speeds), "all": list(speeds)}


def compare(trainings: Trainings, repeats: int) -> dict[str, Any]:
    """All ways in turn, so many times: speeds of each, and the ratios to one process within each turn."""
    trainings.measure("one process")  # compiles
    turns = []
    for _ in range(repeats):
        turns.append({way: trainings.measure(way) for way in WAYS})
        print("   ".join(f"{way} {speed:,.0f} steps/s" for way, speed in turns[-1].items()), flush=True)
    speeds = {way: spread([turn[way] for turn in turns]) for way in WAYS}
    ratios = {way: spread([turn[way] / turn["one process"] for turn in turns]) for way in WAYS[1:]}
    return {"env_steps_per_second": speeds, "ratio_to_one_process": ratios}


def main(arguments: list[str] | None = None) -> int:
    """Measure as the command line asks."""
    parser: OneLineParser = make_parser("processes_scaling.py", __doc__)
    add = parser.add_argument
    add("--seeds", type=count, default=4, metavar="S", help="of one process (default 4)")
    add("--num-updates", type=count, default=600, metavar="N", help="of each training (default 600)")
    add("--num-envs", type=count, default=2048, metavar="B", help="rounds of an update (default 2048)")
    parsed = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        parser.error("two cores that it may run on are needed")
    check_device(parser, apart=True)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(Trainings(Path(folder), cores, parsed), parsed.repeats)
    for way, ratio in found["ratio_to_one_process"].items():
        print(f"{way}: {ratio['median']:.2f} x one process ({ratio['min']:.2f} to {ratio['max']:.2f})")
    sizes = {name: getattr(parsed, name) for name in ("seeds", "num_updates", "num_envs")}
    report({**sizes, "game": "contract, K = 2", **found}, parsed.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
