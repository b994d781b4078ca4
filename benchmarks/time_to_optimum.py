"""Seconds from the start of a process to contracts near the optimum: this package beside others.

Imports, compilation and training count; judging does not, for it is done when training is over. A level
is reached when every seed's contracts are all feasible, with a mean regret at or below it, on 1024 states.
"""

if __name__ == "__main__":
    import _signal

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})  # until it is listened for
    from jaxcontract.training.signals import leave_at_once

    leave_at_once("time_to_optimum.py")  # also while what follows is imported

import argparse
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from command import check_device, describe_machine, draw_last, make_parser, picture_file, report
from jaxcontract.cli.options import count
from learners.comparison import (
    add_comparison_options,
    add_training_options,
    check_sizes,
    collect,
    describe,
    plans,
    train,
)
from learners.plan import GAMES, LEVELS, SHARED

EPILOG = """\
learners:
  jaxcontract  this package, at its own sizes and learning rate, and at those that all others have
  rejax        PPO in one JAX program, its seeds by vmap
  sb3          stable-baselines3, one seed, its environments stepped in one JAX call

games:
  default      feasible actions, centred reward
  paper        raw actions, reward (13), as in the paper

exit codes: 0 done, 1 a learner failed, 2 bad input, 130 interrupted; one that is missing or hangs has a line
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse(arguments)
    runs = collect("time_to_optimum.py", compare(parsed), line)
    if runs is None:
        return 130
    summaries = summarise(runs)
    show(summaries, parsed.measure)
    report({"summary": summaries, "runs": with_one_curve(runs)}, parsed.json)
    draw_last("time_to_optimum.py", parsed.plot, lambda path: draw(with_one_curve(runs), path))
    return int(any(run["status"] == "failed" for run in runs))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; on bad input, one line and exit code 2."""
    parser = make_parser("time_to_optimum.py", __doc__)
    parser.epilog = EPILOG
    add_comparison_options(parser, seeds=[5], sizes=[(512, 16)])
    add_training_options(parser)
    parser.add_argument(
        "--points", type=count, default=75, metavar="N", help="points on each learning curve (default 75)"
    )
    parser.add_argument(
        "--measure",
        choices=tuple(LEVELS),
        default="regret",
        help="regret, or the part of what screening is worth that is missed (default regret)",
    )
    parser.add_argument("--plot", type=picture_file, metavar="FILE", help="also draw the curves, as a PNG")
    parsed = parser.parse_args(arguments)
    check_sizes(parser, parsed)
    check_device(parser, apart=True)
    return parsed


def compare(parsed: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every training once, then all of them again: a noisy moment of the machine meets each learner."""
    names = ["sb3-vectorised" if name == "sb3" else name for name in parsed.learners]
    games = [game for game in GAMES if parsed.game in (game, "both")]
    own = ("ppo", "gradient")
    entries = [(name, plan) for game in games for name in names for plan in plans(name, game, parsed, own)]
    missing = set()
    for _ in range(parsed.repeats):
        for name, plan in entries:
            if name not in missing:
                run = train(name, parsed, parsed.points, **plan)
                yield run
                missing |= {name} if run["status"] == "missing" else set()


WHAT = ("name", "numbers", "game", "num_types", "seeds", "num_envs", "num_steps")


def what(run: dict[str, Any]) -> tuple[Any, ...]:
    """What was trained: the same for each repeat."""
    return tuple(run[name] for name in WHAT)


def summarise(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The repeats of each training together: seconds to each level, and what the first ends with."""
    together: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in runs:
        if run["status"] == "done":
            together.setdefault(what(run), []).append(run)
    return [_summary(repeats) for repeats in together.values()]


def _summary(repeats: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first = repeats[0]
    names = (*WHAT, "feasible", "regret", "screening_gap")
    reached = {
        f"seconds_to_{measure}": {
            str(level): _spread([run[f"seconds_to_{measure}"][str(level)] for run in repeats])
            for level in levels
        }
        for measure, levels in LEVELS.items()
    }
    end = _spread([run["curve"][-1]["seconds"] for run in repeats])
    return {**{name: first[name] for name in names}, **reached, "seconds_in_all": end}


def with_one_curve(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs, each learning curve in the first of its repeats only."""
    seen = set()
    kept = []
    for run in runs:
        shown = run if what(run) not in seen else {name: run[name] for name in run if name != "curve"}
        kept.append(shown)
        if "curve" in run:
            seen.add(what(run))
    return kept


def _spread(seconds: Sequence[float | None]) -> dict[str, float] | None:
    """Median, least and most of the repeats; None unless all of them came to it."""
    reached = [moment for moment in seconds if moment is not None]
    if len(reached) < len(seconds):
        return None
    return {"median": statistics.median(reached), "min": min(reached), "max": max(reached)}


WORDS = {"regret": "regret", "screening_gap": "gap"}


def titles(measure: str = "regret") -> str:
    """The table's heading."""
    levels = "".join(f"{level:>20}" for level in name_levels(measure))
    start = f"{'learner':<21}{'game':<8}{'K':>4}{'seeds':>6}{'sizes':>10}"
    return f"{start}{levels}{'in all':>20}{'feasible':>10}{WORDS[measure]:>10}"


def name_levels(measure: str) -> list[str]:
    """What is reached, in words."""
    return [f"{WORDS[measure]} {level:g}" for level in LEVELS[measure]]


def title(run: dict[str, Any]) -> str:
    """Who trains what."""
    size = f"{run['num_envs']}x{run['num_steps']}"
    return f"{describe(run):<21}{run['game']:<8}{run['num_types']:>4}{run['seeds']:>6}{size:>10}"


def row(summary: dict[str, Any], measure: str = "regret") -> str:
    """The repeats of a training as a line of the table; the least feasible and the worst of its seeds."""
    *seconds, feasible, worst = cells(summary, measure)
    return f"{title(summary)}{''.join(f'{cell:>20}' for cell in seconds)}{feasible:>10}{worst:>10}"


def cells(summary: dict[str, Any], measure: str = "regret") -> list[str]:
    """The seconds to each level and in all, the least feasible and the worst of the seeds."""
    spreads = [*summary[f"seconds_to_{measure}"].values(), summary["seconds_in_all"]]
    seconds = [f"{s['median']:.1f} ({s['min']:.1f} to {s['max']:.1f})" if s else "never" for s in spreads]
    known = [value for value in summary[measure] if math.isfinite(value)]
    worst = f"{max(known):.4f}" if known else "none"
    return [*seconds, f"{min(summary['feasible']):.4f}", worst]


def show(summaries: Sequence[dict[str, Any]], measure: str = "regret") -> None:
    """Print the table; on a terminal that is too narrow for its lines, its columns below one another."""
    from jaxcontract.cli.console import make_console
    from jaxcontract.cli.text_tables import plain_table

    console = make_console()
    console.print(
        f"\n{describe_machine()}; seconds: the median of the repeats (least to most)", soft_wrap=True
    )
    if not console.is_terminal or console.width >= len(titles(measure)):
        rows = [row(summary, measure) for summary in summaries]
        console.print("\n".join([titles(measure), *rows]), soft_wrap=True)
        return
    columns = ["training", *name_levels(measure), "in all", "feasible", WORDS[measure]]
    table = plain_table("", columns, left=True)
    for summary in summaries:
        table.add_row(" ".join(title(summary).split()), *cells(summary, measure))
    console.print(table)


def line(run: dict[str, Any]) -> str:
    """A run that has just ended, for a person who waits."""
    if run["status"] != "done":
        return f"{title(run)}  {run['status']}: {run['message']}"
    reached = run["seconds_to_regret"].items()
    moments = ", ".join(
        f"regret {level} {f'at {moment:.1f} s' if moment is not None else 'never'}"
        for level, moment in reached
    )
    return f"{title(run)}  {moments}; ended at {run['curve'][-1]['seconds']:.1f} s"


def draw(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the picture, where there is anything to draw."""
    from jaxcontract.figures.style import save

    drawn = [run for run in runs if "curve" in run]
    if not drawn:
        print("time_to_optimum.py: nothing to draw", file=sys.stderr)
        return
    save(make_figure(drawn), path.with_suffix(""))
    print(f"written to {path}")


def make_figure(drawn: Sequence[dict[str, Any]]) -> Any:
    """Regret above feasibility, the worst seed's, against seconds; of each training its first run.

    A column for each game, number of types and of seeds: only trainings of as many stand side by side.
    """
    from matplotlib.figure import Figure

    from jaxcontract.figures.style import heading, log_axis, tidy

    columns = list(dict.fromkeys((run["game"], run["num_types"], run["seeds"]) for run in drawn))
    columns.sort(key=lambda column: (list(GAMES).index(column[0]), column[1], -column[2]))
    looks = _looks(drawn)
    figure = Figure(figsize=(max(5.0, 1.2 + 2.2 * len(columns)), 5.4), layout="constrained")
    panels = figure.subplots(2, len(columns), sharex=True, sharey="row", squeeze=False, height_ratios=(2, 1))
    for (above, below), (game, types, seeds) in zip(panels.T, columns, strict=True):
        for run in drawn:
            if (run["game"], run["num_types"], run["seeds"]) == (game, types, seeds):
                _draw_run(run, above, below, looks[describe_training(run)])
        for level in LEVELS["regret"]:
            above.axhline(level, color="0.5", linewidth=0.8, linestyle=":")
        heading(above, f"{game} game, K = {types}, {seeds} seed{'s' * (seeds > 1)}")
        log_axis(above, "y")
        below.set(xlabel="seconds since start", xlim=(0, None), ylim=(-0.04, 1.04))
    panels[0, 0].set_ylabel(
        "mean regret U$_B^*$ − U$_B$ of feasible contracts,\nworst seed (units of payment)"
    )
    panels[1, 0].set_ylabel("share of feasible\ncontracts, worst seed")
    tidy(*panels.flat)
    _key(figure, looks)
    figure.align_ylabels()
    return figure


def _looks(drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A colour and a line of its own for each kind of training."""
    from jaxcontract.figures.style import LINES, nth_look

    names = dict.fromkeys(map(describe_training, drawn))
    return {
        name: nth_look(number)._replace(line=LINES[number % len(LINES)]) for number, name in enumerate(names)
    }


def _key(figure: Any, looks: dict[str, Any]) -> None:
    from matplotlib.lines import Line2D

    from jaxcontract.figures.style import TEXT

    keys = [
        Line2D([], [], color=look.colour, linestyle=look.line, label=name) for name, look in looks.items()
    ]
    where = {"loc": "outside upper center", "ncols": 2, "frameon": False}
    figure.legend(handles=keys, fontsize=TEXT, handlelength=3, **where)


def describe_training(run: dict[str, Any]) -> str:
    """Who trains, at which sizes, whatever the game and the seeds."""
    own = f", its own {run['numbers']}" if run["numbers"] != SHARED else ""
    return f"{run['name']}, {run['num_envs']} × {run['num_steps']} rounds{own}"


def _draw_run(run: dict[str, Any], above: Any, below: Any, look: Any) -> None:
    seconds = [point["seconds"] for point in run["curve"]]
    style = {"color": look.colour, "linestyle": look.line, "linewidth": 1.6}
    worst = [_worst(point["regret"]) for point in run["curve"]]
    above.plot(seconds, worst, **style)
    below.plot(seconds, [min(point["feasible"]) for point in run["curve"]], **style)


def _worst(regrets: Sequence[float | None]) -> float:
    """The largest; none where a seed has no feasible contract, which Python's `max` passes over."""
    known = [one for one in regrets if one is not None and math.isfinite(one)]
    return max(known) if len(known) == len(regrets) else math.nan


if __name__ == "__main__":
    sys.exit(main())
