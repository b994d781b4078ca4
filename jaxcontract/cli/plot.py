"""Compare runs: interquartile means over seeds in 95 % bootstrap intervals, beside the exact optimum."""

import contextlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxcontract.cli.options import OneLineParser, path
from jaxcontract.cli.pictures import attempt
from jaxcontract.cli.program import BAD_INPUT, DONE, NOT_WRITTEN, Program, name_command
from jaxcontract.storage.files import csv_text, ensure_directory, write_new
from jaxcontract.storage.metrics import MEASURES, OWN, Metrics, read_metrics

PROGRAM = name_command("plot")
EPILOG = """\
Each DIR is a training run, finished or under way; runs are compared by the rounds that each seed has
played. The interquartile mean is of the middle half of the seeds: of five the middle three. Regret is over
the seeds that have a feasible contract. Runs of games with an equilibrium are compared by exploitability too:
what the worst station could gain by another contract, as a share of what it earns at the equilibrium; runs of
games over rounds by the share of their upper bound that they earn.

examples:
  PROGRAM runs/first runs/raw
  PROGRAM runs/* --out figures/all     writes figures/all.png and figures/all.csv

exit codes: 0 done, 2 bad input, 5 the results could not be written, 130 interrupted; nothing is overwritten
"""
MISSED = "below the upper bound\n(% of it)"
LONGEST = 28  # characters of a run's name in the picture
DIGITS = {"reward": 3, "feasible": 4, "regret": 5, "exploitability": 5, "share_of_bound": 5}


class Request(NamedTuple):
    """What a person asked for on the command line; `out` has no ending yet, and None is to be found."""

    runs: list[Path]
    out: Path | None


def parse(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> Request:
    """Read the command line; on bad input, one line and exit code 2."""
    parser = OneLineParser(prog=program.name, description=__doc__, epilog=program.fill_in(EPILOG))
    parser.add_argument("runs", type=path, nargs="+", metavar="DIR", help="directories of runs")
    parser.add_argument(
        "--out",
        type=path,
        metavar="PATH",
        help="write PATH.png and PATH.csv (default runs/comparison-<time>)",
    )
    parsed = parser.parse_args(arguments)
    out = parsed.out
    if out and out.suffix in (".png", ".csv"):
        out = out.with_suffix("")
    return Request(parsed.runs, out)


def main(arguments: Sequence[str] | None = None, program: Program = PROGRAM) -> int:
    """Compare as the command line asks: the exit code."""
    request = parse(arguments, program)
    try:
        runs = dict(zip(name_runs(request.runs), map(read_metrics, request.runs), strict=True))
        open_place(request.out)
        measures = find_measures(runs)
        rows = {name: summarise(name, metrics, measures) for name, metrics in runs.items()}
        out = write([row for own in rows.values() for row in own], request.out)
    except ValueError as error:
        return program.fail(BAD_INPUT, str(error))
    except OSError as error:
        return program.fail(NOT_WRITTEN, f"the results could not be written ({error})")
    drawn = attempt(str(add_ending(out, "png")), lambda: draw(runs, out), program.say)
    words = choose_words(runs.values())
    show([own[-1] for own in rows.values()], measures, words, [*drawn, str(add_ending(out, "csv"))])
    return DONE


def list_places(out: Path | None) -> list[Path]:
    """Where to write: as asked for, or under `runs` by the time, with a number where that is taken."""
    if out:
        return [out]
    stem = Path("runs") / f"comparison-{time.strftime('%Y%m%d-%H%M%S')}"
    return [stem, *(Path(f"{stem}-{count}") for count in range(2, 1000))]


def write(rows: Sequence[Mapping[str, Any]], out: Path | None) -> Path:
    """Write the CSV file, over no other: where it is, without the ending. Raises ValueError."""
    for place in list_places(out):
        if not add_ending(place, "png").exists():
            with contextlib.suppress(FileExistsError):  # another command has the same idea
                write_new(add_ending(place, "csv"), csv_text(rows))
                return place
    raise ValueError(f"--out {add_ending(place, 'csv')}: exists already; name another")


def name_runs(runs: Sequence[Path]) -> list[str]:
    """What to call each run: its directory, with the path where two would be called the same.

    Raises:
        ValueError: when a run is named twice.
    """
    places = [run.resolve() for run in runs]
    for place, run in zip(places, runs, strict=True):
        if places.count(place) > 1:
            raise ValueError(f"{run}: is named twice")
    last = [place.name for place in places]
    return [name if last.count(name) == 1 else str(run) for name, run in zip(last, runs, strict=True)]


def open_place(out: Path | None) -> None:
    """Make the directory to write into. Raises ValueError when something is in the way."""
    ensure_directory(list_places(out)[0].parent, "--out")
    for file in (add_ending(out, "png"), add_ending(out, "csv")) if out else ():
        if file.exists():
            raise ValueError(f"--out {file}: exists already; name another")


def add_ending(out: Path, suffix: str) -> Path:
    return out.with_name(f"{out.name}.{suffix}")


def find_measures(runs: Mapping[str, Metrics]) -> tuple[str, ...]:
    """What the runs are compared by: what all games have, and what one of these has of its own."""
    return (*MEASURES, *(name for name in OWN if any(map(partial(is_measured, name), runs.values()))))


def is_measured(name: str, run: Metrics) -> bool:
    """Whether a run's game has a measure of this name."""
    return any(map(math.isfinite, getattr(run, name).flat))


def summarise(name: str, metrics: Metrics, measures: Sequence[str] = MEASURES) -> list[dict[str, Any]]:
    """A row for each point of a run: of each measure the interquartile mean, and its interval's ends."""
    import numpy as np

    from jaxcontract.evaluation.statistics import interquartile_mean, over_seeds

    columns: dict[str, Any] = {"env_steps": metrics.env_steps.astype(int), "optimum": metrics.optimum}
    for measure in measures:
        centre, low, high = over_seeds(getattr(metrics, measure), interquartile_mean)
        columns |= {measure: centre, f"{measure}_low": low, f"{measure}_high": high}
    columns["regret_seeds"] = np.isfinite(metrics.regret).sum(axis=0)
    first = {"run": name, "seeds": len(metrics.reward)}
    return [{**first, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]


def draw(runs: Mapping[str, Metrics], out: Path) -> None:
    """Write the picture."""
    from jaxcontract.evaluation.statistics import interquartile_mean
    from jaxcontract.figures import EXPLOITABILITY, LOOKS, Curve, learning_comparison, nth_look, save

    words = choose_words(runs.values())
    runs = dict(zip(shorten_names(list(runs)), runs.values(), strict=True))
    looks = {name: nth_look(number) for number, name in enumerate(runs)}
    best = find_optima(runs, words.optimum)
    distances, distance = {name: run.regret for name, run in runs.items()}, ""
    if all(map(partial(is_measured, "exploitability"), runs.values())):
        distances = {name: 100.0 * run.exploitability for name, run in runs.items()}
        distance = EXPLOITABILITY
    elif all(map(partial(is_measured, "share_of_bound"), runs.values())):
        distances = {name: 100.0 * (1.0 - run.share_of_bound) for name, run in runs.items()}
        distance = MISSED
    figure = learning_comparison(
        {name: Curve(run.env_steps, run.reward, run.feasible, distances[name]) for name, run in runs.items()},
        reward_levels=best,
        regret_levels={},
        title="Interquartile mean over seeds, 95 % bootstrap interval",
        looks={**dict.fromkeys(best, LOOKS["optimum"]), **looks},
        statistic=interquartile_mean,
        distance=distance,
        words=words,
    )
    save(figure, out)


def shorten_names(names: Sequence[str]) -> list[str]:
    """Names that leave the picture room for its curves: of long ones the middle is left out."""
    short: list[str] = []
    for name in names:
        tail = LONGEST // 2 - 1
        told = name if len(name) <= LONGEST else f"{name[: LONGEST - tail - 1]}…{name[-tail:]}"
        number = 2
        while told in short:
            told = f"{told.removesuffix(f' #{number - 1}')} #{number}"
            number += 1
        short.append(told)
    return short


def choose_words(runs: Iterable[Metrics]) -> Any:
    """What the measures are called: as the runs' game has it, or in general where their games differ."""
    from jaxcontract.figures import OF_SEVERAL_GAMES, find_words

    found = {find_words([name for name in OWN if is_measured(name, run)]) for run in runs}
    return found.pop() if len(found) == 1 else OF_SEVERAL_GAMES


def find_optima(runs: Mapping[str, Metrics], called: str = "optimum") -> dict[str, float]:
    """The level of the optimum; several where the runs' games, or the states of their tests, differ."""
    levels: dict[float, list[str]] = {}
    for name, run in runs.items():
        levels.setdefault(round(float(run.optimum[-1]), 6), []).append(name)
    if len(levels) == 1:
        return {called: next(iter(levels))}
    return {f"{called} of {shorten(own)}": level for level, own in levels.items()}


def shorten(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def show(
    rows: Sequence[Mapping[str, Any]], measures: Sequence[str], words: Any, written: Sequence[str]
) -> None:
    """Print the last point of each run, with the ends of its intervals below."""
    from jaxcontract.cli.console import make_console
    from jaxcontract.cli.text_tables import plain_table

    titles = (getattr(words, name, name.replace("_", " ")) for name in measures)
    columns = ("run", "seeds", "env steps", words.optimum, *titles)
    table = plain_table("", columns, left=True)
    for row in rows:
        counts = (str(row["seeds"]), f"{row['env_steps']:,}", f"{row['optimum']:.3f}")
        table.add_row(row["run"], *counts, *format_cells(row, measures, ""))
        if row["seeds"] > 1:
            table.add_row("  95 % from", "", "", "", *format_cells(row, measures, "_low"))
            table.add_row("  to", "", "", "", *format_cells(row, measures, "_high"))
    console = make_console()
    console.print(table)
    console.print(
        f"\nat each run's last point, interquartile means over its seeds; written: {', '.join(written)}"
    )


def format_cells(row: Mapping[str, Any], measures: Sequence[str], end: str) -> list[str]:
    """The measures, or an end of their intervals; a dash where there is none."""
    from jaxcontract.cli.text_tables import round_down

    def text(measure: str, value: float) -> str:
        if not math.isfinite(value):
            return "-"
        digits = DIGITS[measure]
        return round_down(value, digits) if measure == "feasible" else f"{value:.{digits}f}"

    return [text(measure, row[f"{measure}{end}"]) for measure in measures]
