"""Policy heads side by side: what a Gaussian, a mixture of experts and a diffusion earn by each learner.

Each row is a run of `run_ppo.py` in a folder of its own, with its own clock and the updates that its game and
learner begin with (`--num-updates` for as many of all). `--denoising-steps 1,2,5,10` draws what more steps of
a diffusion bring and cost. The same command goes on where an earlier one ended.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("compare_heads.py")  # also while what follows is imported

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.cli.options import OneLineParser, count, path
from jaxcontract.cli.program import BAD_INPUT, INTERRUPTED, Program
from jaxcontract.storage.files import write_json

PROGRAM = Program("compare_heads.py", "python experiments/compare_heads.py")
EPILOG = """\
examples:
  python experiments/compare_heads.py --out runs/heads
  python experiments/compare_heads.py --games contract-2,capacity-0.75 --seeds 2

writes heads.json and a folder for each run, and denoising.png where --denoising-steps names several.

exit codes: 0 done, 2 bad input, 130 interrupted; that of a run that fails
"""


class Contest(NamedTuple):
    """A game.

    options:   what its runs are asked for
    measure:   what they are judged by
    has_slope: whether the plain gradient can climb its reward
    richer:    what runs of heads other than the Gaussian are asked for besides
    """

    options: Sequence[str]
    measure: str
    has_slope: bool = True
    richer: Sequence[str] = ()


def of_capacity(share: str, *others: str, preset: str = "capacity") -> Contest:
    """Heads that can draw the equilibrium's law have less need of a bonus than a Gaussian."""
    game = "--game", "capacity", "--capacity", share, *others
    return Contest(game, "exploitability", has_slope=False, richer=("--preset", preset))


STAKES = "--preset", "stress", "--taste-scale", "0.1"
GAMES = {
    "contract-2": Contest(("--num-types", "2"), "regret"),
    "contract-8": Contest(("--num-types", "8"), "screening_gap"),
    "contract-32": Contest(("--num-types", "32"), "screening_gap"),
    "participation": Contest(("--game", "participation", *STAKES), "exploitability"),
    "competition": Contest(("--game", "competition", *STAKES), "exploitability"),
    "capacity-0.6": of_capacity("0.6"),
    "capacity-0.75": of_capacity("0.75"),
    "capacity-0.9": of_capacity("0.9", preset="capacity_90"),
    "menus-0.75": of_capacity("0.75", "--num-types", "2", "--unit-profit", "1", "--slot-duration", "0.1"),
    "enrolment": Contest(("--preset", "enrolment"), "share_of_bound", has_slope=False),
}
HEADS = {
    "gaussian": ("--policy-head", "gaussian"),
    "mixture": ("--policy-head", "mixture"),
    "diffusion": ("--policy-head", "diffusion"),
    "gradient": ("--policy-head", "gaussian", "--algorithm", "gradient"),
    "diffusion-gradient": ("--policy-head", "diffusion", "--algorithm", "gradient"),
    "sac": ("--policy-head", "gaussian", "--algorithm", "sac"),
    "diffusion-sac": ("--policy-head", "diffusion", "--algorithm", "sac"),
}
KEPT = ("train_seconds", "compile_seconds", "env_steps_per_second")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    said = "(default: all)"
    add(
        "--games",
        type=names_of(GAMES),
        default=list(GAMES),
        metavar="NAME,…",
        help=f"{', '.join(GAMES)} {said}",
    )
    add(
        "--heads",
        type=names_of(HEADS),
        default=list(HEADS),
        metavar="NAME,…",
        help=f"{', '.join(HEADS)} {said}; of each game those that have a use in it",
    )
    add(
        "--denoising-steps",
        type=whole_numbers,
        default=[],
        metavar="N,…",
        help="also a diffusion of so many steps in the contract game of two types (default: none)",
    )
    add("--seeds", type=count, default=5, metavar="N", help="of each run (default 5)")
    add("--num-updates", type=count, metavar="N", help="of each run (default: as its game begins)")
    add("--out", type=path, default="runs/heads", metavar="DIR", help="(default runs/heads)")
    return parser.parse_args(arguments)


def names_of(known: dict[str, Any]) -> Any:
    """What reads some of these names with commas between them."""

    def read(text: str) -> list[str]:
        names = list(dict.fromkeys(name.strip() for name in text.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r}: must be one of {', '.join(known)}")
        return names

    return read


def whole_numbers(text: str) -> list[int]:
    """Whole numbers from 1 on with commas between them."""
    try:
        return sorted({count(word) for word in text.split(",")})
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers with commas between them") from None


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    rows: list[dict[str, Any]] = []
    runs = list_runs(parsed)
    if not runs:
        games, heads = ", ".join(parsed.games), ", ".join(parsed.heads)
        why = "gradients need a reward with a slope"
        return PROGRAM.fail(BAD_INPUT, f"--heads {heads}: no use in {games}: {why}")
    try:
        for game, head, options in runs:
            print(f"{game}, {head} ...", flush=True)
            code, row = train(parsed, game, head, options)
            if code:
                return code
            rows.append(row)
            values = row["seeds"]
            print(
                f"  {row['measure']} {row['mean']:.4g} ({min(values):.4g} to {max(values):.4g}), trained in "
                f"{row['train_seconds']:.0f} s",
                flush=True,
            )
    except KeyboardInterrupt:
        return PROGRAM.fail(INTERRUPTED, "interrupted; the same command goes on")
    try:
        written = write(rows, parsed.out)
    except OSError as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    print(f"written to {parsed.out}/: {', '.join(written)}")
    return 0


def list_runs(parsed: argparse.Namespace) -> list[tuple[str, str, Sequence[str]]]:
    """(game, head, options) of every run: of each game the heads that have a use in it."""
    runs: list[tuple[str, str, Sequence[str]]] = [
        (game, head, HEADS[head])
        for game in parsed.games
        for head in parsed.heads
        if GAMES[game].has_slope or "gradient" not in HEADS[head]
    ]
    for steps in parsed.denoising_steps:
        options = (*HEADS["diffusion"], "--denoising-steps", str(steps))
        runs.append(("contract-2", f"diffusion, {steps} steps", options))
    return runs


def train(
    parsed: argparse.Namespace, game: str, head: str, options: Sequence[str]
) -> tuple[int, dict[str, Any]]:
    """The exit code of a run, and what came of it."""
    folder = parsed.out / f"{game}-{head.replace(', ', '-').replace(' ', '-')}"
    given = arguments_of(parsed, game, options)
    script = Path(__file__).with_name("run_ppo.py")
    # A run that has ended says so at once, and one of other options is refused.
    command = [sys.executable, str(script), *given, "--out", str(folder)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        return done.returncode, {}
    found, measure = json.loads((folder / "summary.json").read_text("utf-8")), GAMES[game].measure
    return 0, {
        "game": game,
        "head": head,
        "options": given,
        "measure": measure,
        "mean": found["mean"][measure],
        "seeds": [seed[measure] for seed in found["seeds"]],
        "env_steps": found["num_updates"] * found["rounds_per_update"],
        **({"distance": found["mean"]["distance"]} if "distance" in found["mean"] else {}),
        **{name: found[name] for name in KEPT},
    }


def arguments_of(parsed: argparse.Namespace, game: str, options: Sequence[str]) -> list[str]:
    """What `run_ppo.py` is asked for."""
    contest = GAMES[game]
    richer = () if "gaussian" in options else contest.richer
    points = min(2, parsed.num_updates or 2)
    sizes = ("--seeds", str(parsed.seeds), "--curve-points", str(points))
    updates = ("--num-updates", str(parsed.num_updates)) if parsed.num_updates else ()
    return [*contest.options, *richer, *options, *sizes, *updates]


def write(rows: Sequence[dict[str, Any]], out: Path) -> list[str]:
    """The figures of all runs, and the picture where steps were varied: the names of the files."""
    write_json(out / "heads.json", {"rows": rows})
    stepped = [row for row in rows if row["head"].endswith(" steps")]
    if len(stepped) < 2:
        return ["heads.json"]
    from jaxcontract.figures import Panel, save, sensitivity

    steps = [int(row["head"].split()[1]) for row in stepped]
    seconds = [[row["train_seconds"]] for row in stepped]
    panels = [
        Panel(
            title, "denoising steps", "", steps, None, 5, {"learned": values}, measure, log_x=True, log_y=True
        )
        for title, values, measure in (
            ("what it leaves", [row["seeds"] for row in stepped], "regret\n(units of payment)"),
            ("what it takes", seconds, "training (s)"),
        )
    ]
    save(sensitivity(panels), out / "denoising")
    return ["heads.json", "denoising.png"]


if __name__ == "__main__":
    sys.exit(main())
