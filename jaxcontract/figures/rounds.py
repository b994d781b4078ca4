"""Games whose rounds depend on each other: what happens in them, and how much of a bound is earned."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.curves import STEPS
from jaxcontract.figures.style import (
    COLOURS,
    Label,
    Look,
    band,
    end_label,
    heading,
    levels,
    nth_look,
    place_labels,
    readable,
    tidy,
)

SHARE = "value\n(% of the upper bound)"


def find_looks(names: Any) -> dict[str, Look]:
    """The look of what is drawn beside what was learned, by name."""
    return {name: nth_look(1 + number) for number, name in enumerate(names)}


@at_defaults()
def share_curve(env_steps: Any, shares: Any, lines: Mapping[str, float], *, title: str) -> Figure:
    """How much of the upper bound is earned, against the rounds played.

    env_steps: [P]; shares: [S, P]  of the bound, a thin line for each seed and a thick one for their mean
    lines:     levels of what needs no learning, by name
    """
    steps, values = np.asarray(env_steps, float), 100.0 * np.asarray(shares, float)
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    count = len(values)
    for seed in values if count > 1 else ():
        axes.plot(steps, seed, color=COLOURS["learned"], linewidth=0.8, alpha=0.45)
    mean = band(axes, steps, values, "learned", width=2.2)
    labels = end_label(f"learned ({count} seed{'s' * (count > 1)})", COLOURS["learned"], steps, mean)
    labels += levels(axes, {name: 100.0 * level for name, level in lines.items()}, find_looks(lines))
    lowest = min([100.0 * level for level in lines.values()] + [50.0])
    axes.set(xlabel=STEPS, ylabel=SHARE, xlim=(0, steps[-1] or 1.0), ylim=(lowest - 5.0, 101.0))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    heading(axes, title)
    tidy(axes)
    place_labels(figure, {axes: labels})
    return figure


@at_defaults()
def round_paths(panels: Mapping[str, Mapping[str, Any]], *, title: str) -> Figure:
    """Quantities from round to round, a panel for each, with a line for what was learned and for each other.

    panels: {what it is, with its unit: {name: [Z]}}, `learned` among the names
    """
    figure = Figure(figsize=(8, 2.7 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    labels: dict[Any, list[Label]] = {}
    for axes, (quantity, lines) in zip(grid, panels.items(), strict=True):
        looks = find_looks(name for name in lines if name != "learned")
        for name, values in lines.items():
            colour = COLOURS["learned"] if name == "learned" else looks[name].colour
            style = "-" if name == "learned" else looks[name].line
            rounds = np.arange(1, len(values) + 1)
            axes.plot(rounds, values, color=colour, linestyle=style, linewidth=1.6)
            labels.setdefault(axes, []).append(
                Label(name, readable(colour), float(values[-1]), float(rounds[-1]))
            )
        axes.set(ylabel=quantity)
        axes.margins(x=0.0)
    grid[-1].set(xlabel="round")
    grid[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    heading(grid[0], title)
    tidy(*grid)
    place_labels(figure, labels)
    return figure


@at_defaults()
def share_lines(panels: Mapping[str, tuple[Any, Mapping[str, Any]]]) -> Figure:
    """How much of the upper bound is earned against a number of the game, a panel for each number.

    panels: {what the number is: (its values [N], {name: shares [N]})}, `learned` among the names
    """
    figure = Figure(figsize=(4.4 * len(panels), 3.8), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    labels: dict[Any, list[Label]] = {}
    for axes, (quantity, (values, lines)) in zip(row, panels.items(), strict=True):
        looks = find_looks(name for name in lines if name != "learned")
        for name, shares in lines.items():
            colour = COLOURS["learned"] if name == "learned" else looks[name].colour
            style = "-" if name == "learned" else looks[name].line
            percent = 100.0 * np.asarray(shares, float)
            axes.plot(values, percent, color=colour, linestyle=style, marker="o", markersize=3, linewidth=1.6)
            if axes is row[-1]:
                labels.setdefault(axes, []).append(
                    Label(name, readable(colour), float(percent[-1]), float(values[-1]))
                )
        axes.set(xlabel=quantity)
    row[0].set_ylabel(SHARE)
    tidy(*row)
    place_labels(figure, labels)
    return figure
