"""How much of a certified bound PPO earns from devices that enrol, over the discount γ and the turnover η.

Each point is a run of `run_ppo.py --preset enrolment` in a folder of its own, beside the contract that is
best for its round alone, the best one for all rounds, a plan of all rounds and the dynamic program. The same
command goes on where an earlier one ended.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("sweep_enrolment.py")  # also while what follows is imported

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcontract.cli.options import OneLineParser, count, path
from jaxcontract.cli.program import BAD_INPUT, INTERRUPTED, Program
from jaxcontract.config.presets import PRESETS

PROGRAM = Program("sweep_enrolment.py", "python experiments/sweep_enrolment.py")
EPILOG = """\
examples:
  python experiments/sweep_enrolment.py --out runs/sweep      10 runs of a few minutes each
  python experiments/sweep_enrolment.py --discounts 0.5,0.95 --turnovers 0.1 --num-updates 100

writes shares.csv, shares.png and a folder for each run.

exit codes: 0 done, 2 bad input, 130 interrupted; that of a run that fails
"""
LINES = ("myopic", "constant", "plan", "program")
TITLES = {"discount": "discount γ", "turnover": "turnover η: the share that decides anew"}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    said = "(default %(default)s)"
    add("--discounts", type=shares, default="0.5,0.8,0.9,0.95,0.98", metavar="γ,…", help=said)
    add("--turnovers", type=shares, default="0.02,0.05,0.1,0.2,0.5,0.9", metavar="η,…", help=said)
    add("--seeds", type=count, default=2, metavar="N", help="of each run (default 2)")
    add("--num-updates", type=count, default=800, metavar="N", help="of each run (default 800)")
    add("--eval-states", type=count, default=20, metavar="N", help="unseen episodes (default 20)")
    add("--out", type=path, default="runs/sweep", metavar="DIR", help="(default runs/sweep)")
    return parser.parse_args(arguments)


def shares(text: str) -> list[float]:
    """Numbers strictly between 0 and 1 with commas between them."""
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < number < 1 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers in (0, 1) with commas between them")
    return sorted(set(numbers))


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    points = list_points(parsed)
    runs = list(dict.fromkeys((discount, turnover) for _, discount, turnover in points))
    found: dict[tuple[float, float], dict[str, Any]] = {}
    try:
        for number, (discount, turnover) in enumerate(runs, start=1):
            print(f"run {number} of {len(runs)}: γ = {discount:g}, η = {turnover:g} ...", flush=True)
            code, result = train(parsed, discount, turnover)
            if code:
                return code
            found[discount, turnover] = result
            print(f"  learned {result['learned']:.2%} of the bound", flush=True)
    except ValueError as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    except KeyboardInterrupt:
        return PROGRAM.fail(INTERRUPTED, "interrupted; the same command goes on")
    rows = [{"swept": name, "discount": g, "turnover": h, **found[g, h]} for name, g, h in points]
    try:
        write(rows, parsed.out)
    except OSError as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    print(f"written to {parsed.out}/: shares.csv, shares.png")
    return 0


def list_points(parsed: argparse.Namespace) -> list[tuple[str, float, float]]:
    """(what is swept, γ, η) of every point."""
    parts = PRESETS["enrolment"].parts
    usual_discount, usual_turnover = parts["env"].value_discount, parts["enrolment"].turnover
    along = [("discount", discount, usual_turnover) for discount in parsed.discounts]
    return along + [("turnover", usual_discount, turnover) for turnover in parsed.turnovers]


def train(parsed: argparse.Namespace, discount: float, turnover: float) -> tuple[int, dict[str, Any]]:
    """The exit code of a run and the shares of its bound. Raises ValueError where an older run is another."""
    folder = parsed.out / f"discount-{discount:g}-turnover-{turnover:g}"
    summary = folder / "summary.json"
    if not summary.exists():
        sizes = {"seeds": parsed.seeds, "num-updates": parsed.num_updates, "eval-states": parsed.eval_states}
        numbers = {"discount": discount, "value-discount": discount, "turnover": turnover, "curve-points": 2}
        options = [f"--{name}={value}" for name, value in {**sizes, **numbers}.items()]
        script = Path(__file__).with_name("run_ppo.py")
        command = [sys.executable, str(script), "--preset", "enrolment", *options, "--out", str(folder)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            return done.returncode, {}
    result = json.loads(summary.read_text("utf-8"))
    asked = {"num_seeds": parsed.seeds, "num_updates": parsed.num_updates, "num_states": parsed.eval_states}
    for name, wanted in asked.items():
        if result[name] != wanted:
            raise ValueError(
                f"{folder}: its run has {name} = {result[name]}, not {wanted}; choose another --out"
            )
    learned = [seed["share_of_bound"] for seed in result["seeds"]]
    named = {name: result[name]["share_of_bound"] for name in LINES}
    return 0, {"learned": result["mean"]["share_of_bound"], "worst_seed": min(learned), **named}


def write(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """The table and the picture of all points."""
    from jaxcontract.figures.rounds import share_lines
    from jaxcontract.figures.style import save

    with (out / "shares.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    panels = {}
    for name, title in TITLES.items():
        swept = [row for row in rows if row["swept"] == name]
        lines = {line: [row[line] for row in swept] for line in ("learned", *LINES)}
        panels[title] = ([row[name] for row in swept], lines)
    save(share_lines(panels), out / "shares")


if __name__ == "__main__":
    sys.exit(main())
