"""Reproduce the paper, figure by figure, each beside the exact optimum: PNG, CSV and one summary.md."""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("reproduce_paper.py")  # also while what follows is imported

import argparse
import dataclasses
import importlib
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.cli.options import OneLineParser, count, path, share
from jaxcontract.cli.pictures import attempt
from jaxcontract.cli.program import BAD_INPUT, INTERRUPTED, NOT_WRITTEN, Program
from jaxcontract.storage.files import ensure_directory, read_json, write_csv, write_json, write_text
from jaxcontract.storage.locking import LOCK, hold, is_lock, let_go
from jaxcontract.training.devices import require_device
from jaxcontract.training.signals import before_leaving, say_when_interrupted

STUDIES = {
    "fig2a": "learning",
    "fig2b": "items",
    "fig3": "preference",
    "incentives": "verification",
    "by_type": "by_type",
    "schemes": "schemes",
    "sweeps": "sweeps",
    "sensitivity": "sensitivity",
    "market": "market",
    "participation": "participation",
}
MARKER = "reproduction.json"

PROGRAM = Program("reproduce_paper.py", "python experiments/reproduce_paper.py")
EPILOG = """\
studies:
  fig2a        test reward, feasibility and regret against rounds played, over seeds
  fig2b        the items in the paper's three printed network states
  fig3         utilities against the preference for freshness, and where they peak
  incentives   what each type would earn from each item: IC and IR seen
  by_type      frequency, payment and rent of eight types
  schemes      all schemes side by side, K = 2 and 8, the paper's setting and stress
  sweeps       against K, unit profit, update costs, slot duration, number of devices
  sensitivity  against the learners' own settings
  market       a simulated market against (1), (2) and (7)
  participation  what the contract of (10) earns when devices may walk away

examples:
  python experiments/reproduce_paper.py --quick             a few minutes on two cores
  python experiments/reproduce_paper.py                     all seeds and budgets
  python experiments/reproduce_paper.py --only fig3,market  some of it

The same command again goes on where an interrupted one stopped: every training is kept in DIR/trainings.

exit codes: 0 done, 2 bad input, a directory in use, or no device of the kind that JAX_PLATFORMS asks for,
5 the results could not be written, 130 interrupted
"""


class Request(NamedTuple):
    """What a person asked for on the command line."""

    out: Path
    studies: list[str]
    quick: bool
    changes: dict[str, Any]
    devices: int | None


def parse(arguments: Sequence[str] | None = None) -> Request:
    """Read the command line, without JAX; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=PROGRAM.name, description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="few seeds and values, a twentieth of the training: to see that all works",
    )
    add("--out", type=path, metavar="DIR", help="default runs/reproduction, or runs/reproduction-quick")
    add("--only", type=_studies, metavar="NAMES", help="studies to make, with commas between (default all)")
    add("--seeds", type=count, metavar="N", help="seeds of Fig. 2(a), from 312 on (default 20; quick 3)")
    add("--others", type=count, metavar="N", help="seeds of all other trainings (default 3; quick 2)")
    add("--budget", type=share, metavar="SHARE", help="part of the updates in (0, 1] (default 1; quick 0.05)")
    add("--states", type=count, metavar="N", help="unseen states to measure on (default 20000; quick 4000)")
    add("--devices", type=count, metavar="N", help="devices, on a CPU cores, to train on (default: all)")
    parsed = parser.parse_args(arguments)
    default = Path("runs") / ("reproduction-quick" if parsed.quick else "reproduction")
    names = ("seeds", "others", "budget", "states")
    return Request(
        out=parsed.out or default,
        studies=parsed.only or list(STUDIES),
        quick=parsed.quick,
        changes={name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None},
        devices=parsed.devices,
    )


def _studies(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(STUDIES)}")
    return [name for name in STUDIES if name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    request = parse(arguments)
    try:
        require_device()
        open_directory(request)
    except (ValueError, OSError) as error:
        return PROGRAM.fail(BAD_INPUT, str(error))
    began = time.monotonic()
    words = f"the same command goes on from {request.out}/trainings"
    say_when_interrupted(words)
    try:
        with before_leaving(lambda: spend(request.out, began)):
            return run(request, began)
    except OSError as error:
        return PROGRAM.fail(NOT_WRITTEN, f"the results could not be written ({error})")
    except KeyboardInterrupt:
        spend(request.out, began)
        return PROGRAM.fail(INTERRUPTED, f"interrupted; {words}")
    finally:
        let_go(request.out)


def open_directory(request: Request) -> None:
    """Make the directory, or find in it an earlier run of the same scale; no other process gets in.

    Raises:
        ValueError: when it holds anything else, is in use, or cannot be written: nothing is overwritten.
    """
    out = request.out
    ensure_directory(out, "--out")
    check_directory(request)  # what is not ours gets no lock either
    hold(out, "--out")
    try:
        if check_directory(request):
            write_json(out / MARKER, {"asked": scale_of(request), "seconds": 0.0, "runs": 0})
    except BaseException:
        let_go(out)
        raise


def scale_of(request: Request) -> dict[str, Any]:
    """The scale of a run."""
    return {"quick": request.quick, **request.changes}


def check_directory(request: Request) -> bool:
    """Whether a directory is empty. Raises ValueError when something else is there."""
    out = request.out
    if not [entry for entry in out.iterdir() if not (entry.name == LOCK and is_lock(entry))]:
        return True
    found = read_json(out / MARKER)
    if not isinstance(found, dict) or found.keys() != {"asked", "seconds", "runs"}:
        raise ValueError(f"--out {out}: holds something else; name a new directory")
    if found["asked"] != scale_of(request):
        raise ValueError(
            f"--out {out}: holds a run of {found['asked']}, not {scale_of(request)}; name a new directory"
        )
    return False


def spend(out: Path, began: float) -> str:
    """Add this run's time to what the directory's results have taken so far; that, in words."""
    marker = read_json(out / MARKER)
    marker["seconds"] += time.monotonic() - began
    marker["runs"] += 1
    write_json(out / MARKER, marker)
    several = f" over {marker['runs']} runs, each training made once" if marker["runs"] > 1 else ""
    return f"{marker['seconds'] / 60:.1f} minutes{several}"


def run(request: Request, began: float) -> int:
    """Train what is missing, make every study, write the summary: the exit code."""
    import jax

    from jaxcontract.cli.console import make_console
    from jaxcontract.training.cores import describe_devices
    from reproduction.cases import FULL, QUICK
    from reproduction.progress import Progress
    from reproduction.trainer import Trainer

    scale = dataclasses.replace(QUICK if request.quick else FULL, **request.changes)
    studies = {name: importlib.import_module(f"reproduction.{STUDIES[name]}") for name in request.studies}
    planned = {name: study.cases(scale) for name, study in studies.items()}
    console = make_console()
    with Progress(console) as progress:
        trainer = Trainer(scale, request.out, progress, request.devices)
        missing = trainer.missing(planned.values())
        progress.expect(sum(case.work for case in missing))
        device = describe_devices(trainer.num_devices)
        console.print(
            f"{device}, jax {jax.__version__}; {len(missing)} trainings to make, into {request.out}/"
        )
        items = {}
        for name, study in studies.items():
            progress.begin(study.TITLE)
            items[name] = study.report(trainer, trainer.train(planned[name]))
            write_item(request.out, items[name])
    spent = spend(request.out, began)
    made_by = (
        f"Made by `{command(request)}` in {spent}, on {device}, jax "
        f"{jax.__version__}; {scale.seeds} seeds in Fig. 2(a), {scale.others} elsewhere, {scale.budget:g} of "
        f"the full training budgets, {scale.states:,} unseen states."
    )
    finish(request, items, {name: study.TITLE for name, study in studies.items()}, made_by, console)
    return 0


def command(request: Request) -> str:
    """What a person can type to make the same results."""
    options = [f"--{name} {value:g}" for name, value in request.changes.items()]
    if request.studies != list(STUDIES):
        options.append(f"--only {','.join(request.studies)}")
    return " ".join([PROGRAM.call, *["--quick"] * request.quick, *options])


def write_item(out: Path, item: Any) -> None:
    """Its tables as CSV, and then its figures as PNG."""
    for name, rows in item.tables.items():
        write_csv(out / f"{name}.csv", rows)
    for name, figure in item.figures.items():
        attempt(f"{name}.png", partial(draw, figure, out / name), PROGRAM.say)


def draw(figure: Any, path: Path) -> None:
    """Write one picture."""
    from jaxcontract.figures import save

    save(figure(), path)


def finish(request: Request, items: Any, titles: Any, made_by: str, console: Any) -> None:
    """Write `summary.md` and print the verdicts."""
    from reproduction.summary import summary

    write_text(request.out / "summary.md", summary(items, titles, made_by))
    console.print()
    for item in items.values():
        for claim in item.claims:
            console.print(f"{claim.verdict:>14}  {claim.text}")
    console.print(f"\n{made_by}\nFigures, tables and summary.md are in {request.out}/")


if __name__ == "__main__":
    sys.exit(main())
