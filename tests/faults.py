"""Faults put into this package by the hundred, and what came of them: one table.

Every row makes its trials and counts those that went as they should. The short form takes a few minutes
and is also a test (tests/test_faults.py); the long form, the default, has as many trials as we promise for.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import faulty


class Tally(NamedTuple):
    """Trials, how many of them went as they should, and what else to know."""

    trials: int
    good: int
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.good == self.trials


class Row(NamedTuple):
    """A kind of fault: `trial(count)` puts it in so many times."""

    fault: str
    trial: Callable[[int], Tally]
    trials: int
    short: int


@cache
def bench() -> "faulty.processes.Bench":
    """One run that several rows disturb; what it writes is deleted at the end of the program."""
    folder = tempfile.TemporaryDirectory()
    FOLDERS.append(folder)
    return faulty.processes.Bench(Path(folder.name))


FOLDERS: list["tempfile.TemporaryDirectory[str]"] = []


def sigkills(count: int) -> Tally:
    hit, survived = faulty.processes.sigkills(bench(), count)
    return Tally(hit, survived, "the same command then ended with the same bits")


def damage(found: tuple[int, int], count: int) -> Tally:
    noticed, wrong = found
    return Tally(count, count - wrong, f"{noticed} noticed, {count - noticed - wrong} changed no array")


def bad_inputs(count: int) -> Tally:
    lines = faulty.inputs.command_lines()
    chosen = lines[:: max(1, len(lines) // count)]
    good = 0
    for line in chosen:
        with tempfile.TemporaryDirectory() as folder:
            refused = faulty.inputs.is_refused(line, Path(folder))
        good += refused
        if not refused:
            print(f"  not refused as it should be: {' '.join(line)}", file=sys.stderr)
    return Tally(len(chosen), good)


def cost(repeats: int) -> Tally:
    share = faulty.numerics.detector_cost(repeats)
    return Tally(1, int(share <= 0.03), f"{share:+.1%} of the time of training, median of {repeats} pairs")


def edges(count: int) -> Tally:
    solved, right = faulty.numerics.edges(count)
    return Tally(solved, right, "K = 1 to 10,000")


def clarabel(count: int) -> Tally:
    solved, worst = faulty.numerics.against_clarabel(count)
    return Tally(solved, solved if worst <= 1e-7 else 0, f"Clarabel at most {worst:.1e} above")


def above(count: int) -> Tally:
    contracts, least = faulty.numerics.above_the_optimum(count)
    return Tally(contracts, contracts if least >= -1e-5 else 0, f"least regret {least:.1e} of U_B*")


ROWS = {
    "sigkill": Row("SIGKILL at a random moment of a run", sigkills, 50, 1),
    "save": Row(
        "SIGKILL inside a save", lambda n: Tally(n, faulty.storage.apart("kills_in_a_save", n)), 120, 12
    ),
    "signals": Row(
        "Ctrl-C and SIGTERM in training",
        lambda n: Tally(n, faulty.processes.interruptions(bench(), n)),
        40,
        2,
    ),
    "flips": Row(
        "one bit of a checkpoint flipped", lambda n: damage(faulty.storage.bit_flips(n), n), 1000, 100
    ),
    "truncated": Row(
        "a file of a checkpoint truncated", lambda n: damage(faulty.storage.truncations(n), n), 200, 30
    ),
    "crowded": Row(
        "foreign files and empty steps beside a checkpoint",
        lambda n: Tally(n, faulty.storage.crowded(n)),
        100,
        20,
    ),
    "disk": Row("no space left in a save", lambda n: Tally(n, faulty.storage.apart("full_disks", n)), 30, 5),
    "readonly": Row(
        "a directory that may not be written",
        lambda n: Tally(n, faulty.storage.apart("read_only", n)),
        10,
        2,
    ),
    "malicious": Row("malicious checkpoint", lambda n: Tally(n, faulty.storage.malicious(n)), 41, 41),
    "nan": Row(
        "reward NaN or infinite in one round", lambda n: Tally(n, faulty.numerics.injected_nans(n)), 100, 12
    ),
    "cost": Row("what the detector costs", cost, 15, 3),
    "inputs": Row("bad command line", bad_inputs, 400, 12),
    "edges": Row("states at the edges of what is allowed", edges, 3000, 300),
    "clarabel": Row("Clarabel finds a better contract", clarabel, 100, 10),
    "above": Row("a policy above the optimum", above, 40_000, 4000),
}
BEYOND = (
    "Not shown here: several processes or hosts, a GPU that hangs or resets, a disk that loses what it has "
    "confirmed."
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="fewer trials: a few minutes")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(ROWS)}")
    parsed = parser.parse_args()
    names = parsed.only.split(",") if parsed.only else list(ROWS)
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"--only: {unknown[0]} is not one of {','.join(ROWS)}")
    print(f"{'fault':<52}{'good':>8}{'of':>8}{'seconds':>9}  note")
    passed = True
    for name in names:
        row = ROWS[name]
        began = time.monotonic()
        outcome = row.trial(row.short if parsed.short else row.trials)
        seconds = time.monotonic() - began
        passed &= outcome.passed
        note = outcome.note if outcome.passed else f"FAILED {outcome.note}"
        print(f"{row.fault:<52}{outcome.good:>8}{outcome.trials:>8}{seconds:>9.1f}  {note}", flush=True)
    print(BEYOND)
    return 0 if passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("faults.py: interrupted", file=sys.stderr)
        sys.exit(130)
