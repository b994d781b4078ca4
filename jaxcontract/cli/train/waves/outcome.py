"""What a large run shows for itself: a row for each seed as its wave ends, quantiles, pictures, a summary."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcontract.cli.pictures import attempt
from jaxcontract.cli.program import DONE, NOT_WRITTEN, PARTLY_DONE
from jaxcontract.cli.text_tables import plain_table
from jaxcontract.cli.train.run import Run
from jaxcontract.cli.train.waves.curves import LEVELS, Curves, curve_rows, quantiles, read_curves
from jaxcontract.cli.train.waves.members import Point
from jaxcontract.cli.train.waves.wave import DONE as WELL
from jaxcontract.cli.train.waves.wave import Ended, Wave
from jaxcontract.evaluation.statistics import over_seeds
from jaxcontract.storage.files import json_lines, write_csv, write_json, write_text
from jaxcontract.storage.metrics import METRICS
from jaxcontract.storage.run_directory import SUMMARY
from jaxcontract.training.signals import say_when_interrupted

RESULTS, CURVES = "results.csv", "curves.csv"
MAIN = ("exploitability", "share_of_bound", "regret")  # what a game is judged by, the first that it has
SHOWN = ("feasible", "screening_gap", *MAIN)
UNMEASURED = ("seed", "wave", "status")

Outcome = tuple[Wave, Ended]


def write_results(out: Path, ended: Iterable[Outcome]) -> None:
    """Write the rows of all waves that have ended."""
    rows = [row for _, outcome in ended for row in outcome.rows]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _names(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    write_text(out / RESULTS, text.getvalue())


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns of all rows: games have measures of their own, and a failed member has none."""
    return list(dict.fromkeys(name for row in rows for name in row))


def finish(
    run: Run, points: Sequence[Point], ended: Sequence[Outcome], about: Mapping[str, Any], console: Any
) -> int:
    """Write quantiles, pictures and the summary, and print the table: the exit code."""
    rows = {point.name: _rows_of(point, ended) for point in points}
    bad = sum(row["status"] != WELL for own in rows.values() for row in own)
    try:
        curves = read_curves(points, [wave for wave, outcome in ended if outcome.seconds])
        written = _write_curves(run.out, points, curves)
        write_json(run.out / SUMMARY, {**_timing(ended), **about, **_found(run, points, rows)})
    except OSError as error:
        return run.program.fail(
            NOT_WRITTEN, f"the results could not be written ({error}); {run.how_to_go_on}"
        )
    say_when_interrupted(f"the run has ended, its results are in {run.out / SUMMARY}")
    drawn = _draw(run, points, rows, curves)
    console.print()
    console.print(_table(points, rows))
    listed = ", ".join(["config.json", RESULTS, *written, "waves/", *drawn, SUMMARY])
    console.print(f"\nwritten to {run.out}/: {listed}")
    if bad:
        run.program.fail(
            PARTLY_DONE, f"{bad} of the seeds diverged or failed; see status in {run.out / RESULTS}"
        )
    return PARTLY_DONE if bad else DONE


def _rows_of(point: Point, ended: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The rows of a setting's seeds."""
    return [
        row
        for wave, outcome in ended
        for member, row in zip(wave.members, outcome.rows, strict=True)
        if member.point is point
    ]


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """[S], NaN where a row has none."""
    values = [row.get(name) for row in rows]
    return np.array([np.nan if value is None else value for value in values], float)


def _measures(rows: Sequence[Mapping[str, Any]], point: Point) -> list[str]:
    """What was measured."""
    return [name for name in _names(rows) if name not in (*UNMEASURED, *point.values)]


def _summarise(point: Point, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of each measure the mean with its interval, and quantiles over the seeds."""
    names = _measures(rows, point)
    columns = np.array([_column(rows, name) for name in names]).reshape(len(names), len(rows))
    centre, low, high = over_seeds(columns.T)
    levels = quantiles(columns.T).tolist()
    return {
        **({"values": dict(point.values)} if point.values else {}),
        "num_seeds": len(rows),
        "num_done": sum(row["status"] == WELL for row in rows),
        "mean": dict(zip(names, centre.tolist(), strict=True)),
        "interval": {name: [a, b] for name, a, b in zip(names, low.tolist(), high.tolist(), strict=True)},
        "quantiles": {
            f"{q:g}": dict(zip(names, row, strict=True)) for q, row in zip(LEVELS, levels, strict=True)
        },
    }


def _found(run: Run, points: Sequence[Point], rows: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    request = run.request
    summaries = [_summarise(point, rows[point.name]) for point in points]
    if points[0].values:
        return {"settings": summaries}
    return {
        "preset": request.preset,
        "setting": request.setting.as_dict(),
        "num_updates": request.num_updates,
        "rounds_per_update": request.learner.batch_size,
        **summaries[0],
    }


def _timing(ended: Sequence[Outcome]) -> dict[str, Any]:
    seconds = sum(outcome.seconds for _, outcome in ended)
    steps = sum(
        member.point.request.learner.env_steps
        for wave, outcome in ended
        if outcome.seconds
        for member in wave.members
    )
    return {
        "num_waves": len(ended),
        "train_seconds": seconds,
        "env_steps_per_second": steps / seconds if seconds else None,
    }


def _write_curves(out: Path, points: Sequence[Point], curves: Mapping[str, Curves]) -> list[str]:
    """Write quantiles of all learning curves, and each setting's curves as `plot` reads them."""
    rows = [row for point in points for row in curve_rows(point.values, curves[point.name])]
    if not rows:
        return []
    write_csv(out / CURVES, rows)
    for point in points:
        folder = out / "settings" / point.name if point.values else out
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / METRICS, json_lines(list(curves[point.name].lines())))
    return [CURVES, "settings/" if points[0].values else METRICS]


def _draw(
    run: Run,
    points: Sequence[Point],
    rows: Mapping[str, Sequence[dict[str, Any]]],
    curves: Mapping[str, Curves],
) -> list[str]:
    """Draw what there is to see: the names of the pictures."""
    from jaxcontract.cli.train.waves.drawings import draw_curves, draw_sweep

    measured = [row for own in rows.values() for row in own if row["status"] == WELL]
    if not measured:
        return []
    main = next(name for name in MAIN if all(name in row for row in measured))
    if not points[0].values:
        name = "learning_curve.png"
        own = curves[points[0].name]
        return attempt(
            name, lambda: draw_curves(own, run.request.game, run.out / "learning_curve"), run.program.say
        )
    values = {name: _column(own, main) for name, own in rows.items()}
    return attempt("sweep.png", lambda: draw_sweep(points, values, main, run.out / "sweep"), run.program.say)


def _table(points: Sequence[Point], rows: Mapping[str, Sequence[dict[str, Any]]]) -> Any:
    """A row for each setting, of each measure the quartiles over the seeds."""
    measured = _names(row for own in rows.values() for row in own)
    names = [name for name in SHOWN if name in measured]
    options = list(points[0].values)
    table = plain_table(
        "Over the seeds, on unseen states: the median (from the 5 % to the 95 % quantile)",
        [*options, "seeds", *(name.replace("_", " ") for name in names)],
        left=True,
    )
    for point in points:
        own = rows[point.name]
        done = sum(row["status"] == WELL for row in own)
        counts = f"{len(own):,}" if done == len(own) else f"{done:,} of {len(own):,}"
        table.add_row(*point.values.values(), counts, *(_cell(_column(own, name)) for name in names))
    return table


def _cell(values: np.ndarray) -> str:
    low, _, middle, _, high = quantiles(values[:, None])[:, 0].tolist()
    return f"{middle:.4g} ({low:.4g} to {high:.4g})" if np.isfinite(middle) else "-"
