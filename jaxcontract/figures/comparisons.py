"""Schemes side by side: over the preference α, over network states, over the parameters."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import (
    COLOURS,
    GREY,
    LOOKS,
    SMALL,
    TEXT,
    Label,
    band,
    cut_key,
    dots,
    end_label,
    heading,
    ink,
    legend,
    log_axis,
    mark_cut,
    missing,
    missing_key,
    over_seeds,
    place_labels,
    plain,
    tidy,
    value_ticks,
)

STATION = "mean U$_B$ (units of payment)"
DEVICE = "mean device utility\n(units of payment)"
ALPHA = "preference α (0: latency, 1: age of information)"
EXACT: dict[str, Any] = {
    "color": COLOURS["optimum"],
    "linestyle": LOOKS["optimum"].line,
    "linewidth": 2.2,
    "label": "optimum",
}
NOTES = {
    "optimum": "the solution",
    "complete information": "upper bound",
    "take it or leave it": "types may stay out",
}


class PreferenceCurve(NamedTuple):
    """What the two sides gain at each preference, a mean over network states.

    preference:      [A]     α
    station_utility: [S, A]  mean U_B; S = 1 for an exact curve
    device_utility:  [S, A]  mean of Σ Q_k u[k, k], per device
    """

    preference: Any
    station_utility: Any
    device_utility: Any


class SchemeRow(NamedTuple):
    """A scheme's mean regret (NaN: nothing feasible), its 95 % interval, and how much of it is feasible."""

    scheme: str
    regret: float
    low: float
    high: float
    feasible: float


class SchemePanel(NamedTuple):
    """Schemes on the same network states."""

    title: str
    rows: Sequence[SchemeRow]


class Sweep(NamedTuple):
    """One parameter varied.

    name, unit: the parameter and its unit ("" for none)
    values:     [V]
    log_x:      whether its axis is logarithmic
    utility:    by scheme, [V] or [S, V]  mean U_B
    losses:     by scheme, [V] or [S, V]  U_B* − U_B, positive; for "complete information" U_B − U_B*
    """

    name: str
    unit: str
    values: Any
    log_x: bool
    utility: Mapping[str, Any]
    losses: Mapping[str, Any]


@at_defaults()
def preference(
    exact: PreferenceCurve,
    learned: Mapping[str, PreferenceCurve],
    peak: tuple[float, float, float],
    single_states: Mapping[str, tuple[Any, Any]],
) -> Figure:
    """Fig. 3: what the station and a device gain against α, on average and in single states.

    exact:         the optimum; learned: by scheme, a mean over seeds in its 95 % interval
    peak:          α at which the exact mean U_B is greatest, and the ends of its 95 % interval
    single_states: label -> (α [A], U_B* [A]), drawn as the change from the first α in per cent
    """
    figure = Figure(figsize=(9.6, 6.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.4, 1))[:, 0]
    station, device = upper.subplots(1, 2)
    single = lower.subplots()
    lost = False
    for axes, name in ((station, "station_utility"), (device, "device_utility")):
        axes.plot(exact.preference, np.ravel(getattr(exact, name)), **EXACT)
        for scheme, curve in learned.items():
            values = np.asarray(getattr(curve, name), float)
            band(axes, curve.preference, values, scheme, marked=True, width=0.8)
            lost |= missing(axes, curve.preference, values.T, scheme)
        axes.set_xlabel(ALPHA)
    _mark_peak(station, *peak)
    station.set_ylabel(STATION)
    device.set_ylabel(DEVICE)
    device.set_ylim(bottom=min(0.0, device.get_ylim()[0]))
    labels = {single: _single_states(single, single_states)}
    tidy(station, device, single)
    mark_cut(station)
    legend(upper, learned, Line2D([], [], **EXACT), *[missing_key()] * lost)
    place_labels(figure, labels)
    return figure


@at_defaults()
def schemes(panels: Sequence[SchemePanel]) -> Figure:
    """Regret of each scheme as a dot in its 95 % interval, the least first; panels two by two.

    A regret that is not above zero is written out, since the axis is logarithmic. At the right edge
    the share of feasible contracts; the dot is hollow where some are not.
    """
    lines = -(-len(panels) // 2)
    most = max(len(panel.rows) for panel in panels)
    figure = Figure(figsize=(10, lines * (0.9 + 0.24 * most)), layout="constrained")
    grid = figure.subplots(lines, 2, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _dot_plot(axes, panel)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    return figure


@at_defaults()
def sweeps(columns: Sequence[Sweep]) -> Figure:
    """Mean U_B, and below it what is lost against the optimum on a logarithmic axis, by parameter.

    A column for each parameter. Above, the optimum is a line and the others dots; below, means over
    seeds in their 95 % intervals. U_B is on a logarithmic axis where it spans more than a factor 20;
    a loss of zero falls below its axis.
    """
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    grid = figure.subplots(2, len(columns), squeeze=False, sharex="col")
    lost = False
    for (above, below), column in zip(grid.T, columns, strict=True):
        for axes, draw, by_scheme in ((above, _utility, column.utility), (below, _loss, column.losses)):
            if column.log_x:
                log_axis(axes, "x")
            for scheme, values in by_scheme.items():
                lost |= draw(axes, column.values, values, scheme)
        if _spans(column.utility.values()):
            log_axis(above, "y")
        log_axis(below, "y")
        below.set_xlabel(f"{column.name}\n({column.unit})" if column.unit else column.name)
    grid[0, 0].set_ylabel(STATION)
    grid[1, 0].set_ylabel("mean distance to U$_B^*$\n(units of payment)")
    tidy(*grid.flat)
    cuts = [mark_cut(axes, named=False) for axes in grid.flat]
    names = dict.fromkeys(s for column in columns for part in (column.utility, column.losses) for s in part)
    others = (Line2D([], [], **EXACT), *[missing_key()] * lost, *[cut_key()] * any(cuts))
    legend(figure, [s for s in names if s != "optimum"], *others)
    figure.align_ylabels()
    figure.draw_without_rendering()
    for axes, column in zip(grid[1], columns, strict=True):
        value_ticks(axes, column.values)
    return figure


def _mark_peak(axes: Axes, peak: float, low: float, high: float) -> None:
    axes.axvspan(low, high, color=COLOURS["optimum"], alpha=0.15, linewidth=0)
    axes.axvline(peak, color=COLOURS["optimum"], linewidth=1.0)
    axes.text(
        peak,
        0.04,
        f"the exact mean peaks at α = {peak:.3f}\n(95 %: {low:.3f} to {high:.3f})",
        transform=axes.get_xaxis_transform(),
        ha="center",
        color=ink("optimum"),
        fontsize=TEXT,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )


def _utility(axes: Axes, x: Any, values: Any, scheme: str) -> bool:
    """The optimum is a line, others are dots with 95 % intervals; whether any value is missing."""
    values = np.atleast_2d(np.asarray(values, float))
    mean, low, high = over_seeds(values)
    if scheme == "optimum":
        axes.plot(x, mean, **EXACT)
    else:
        axes.vlines(x, low, high, color=COLOURS[scheme], linewidth=1.2)
        axes.plot(x, mean, **dots(scheme, size=5.5))
    return missing(axes, x, values.T, scheme)


def _loss(axes: Axes, x: Any, values: Any, scheme: str) -> bool:
    """A line with markers, in a band where there are seeds; whether any value is missing."""
    values = np.atleast_2d(np.asarray(values, float))
    band(axes, x, values, scheme, marked=True, width=1.5)
    return missing(axes, x, values.T, scheme)


def _spans(curves: Any) -> bool:
    """Whether the curves are positive and so far apart that only a logarithmic axis shows them."""
    values = np.concatenate([np.ravel(curve) for curve in curves]).astype(float)
    values = values[np.isfinite(values)]
    return values.size > 0 and values.min() > 0 and values.max() > 20 * values.min()


def _single_states(axes: Axes, states: Mapping[str, tuple[Any, Any]]) -> list[Label]:
    labels, inside = [], 0
    strokes = ("-", "--", "-.", ":")
    for number, (name, (alphas, utility)) in enumerate(states.items()):
        change = 100 * (np.asarray(utility, float) / utility[0] - 1)
        axes.plot(alphas, change, color=COLOURS["optimum"], linewidth=1.5, linestyle=strokes[number % 4])
        labels += end_label(name, COLOURS["optimum"], alphas, change)
        inside += int(0 < np.argmax(change) < len(change) - 1)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel=ALPHA, ylabel="U$_B^*$ of one state:\nchange from the first α (%)")
    axes.margins(x=0)
    heading(axes, f"Single network states: {inside} of {len(states)} have a peak inside")
    return labels


def _dot_plot(axes: Axes, panel: SchemePanel) -> None:
    rows = sorted(panel.rows, key=lambda row: (np.isnan(row.regret), row.regret))
    log_axis(axes, "x")
    edge = axes.get_yaxis_transform()
    for place, row in enumerate(rows):
        if row.regret > 0:
            axes.plot(
                [row.low, row.high], [place, place], color=COLOURS[row.scheme], linewidth=2.2, alpha=0.6
            )
            axes.plot(row.regret, place, **dots(row.scheme, hollow=row.feasible < 1, size=8))
        else:
            words = axes.text(0.02, place, _in_words(row), transform=edge, va="center", fontsize=SMALL)
            words.set_color(ink(row.scheme))
        axes.text(1.02, place, _share(row.feasible), transform=edge, va="center", fontsize=SMALL)
    axes.text(1.02, 1.0, "feasible", transform=axes.transAxes, va="bottom", fontsize=SMALL, color=GREY)
    axes.set_yticks(range(len(rows)), [row.scheme for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("mean regret U$_B^*$ − U$_B$ of feasible contracts (units of payment)")
    heading(axes, panel.title)
    tidy(axes)
    _write_numbers(axes, rows)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(color=ink(row.scheme), fontsize=TEXT)


def _write_numbers(axes: Axes, rows: Sequence[SchemeRow]) -> None:
    """Each regret beside its dot, towards the middle of the panel."""
    middle = np.sqrt(np.prod(axes.get_xlim()))
    for place, row in enumerate(rows):
        if row.regret > 0:
            right = row.regret < middle
            end = np.nanmax([row.regret, row.high]) if right else np.nanmin([row.regret, row.low])
            axes.annotate(
                plain(float(f"{row.regret:.2g}")),
                (end, place),
                xytext=(8 if right else -8, 0),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                color=ink(row.scheme),
                fontsize=SMALL,
            )


def _in_words(row: SchemeRow) -> str:
    """A regret that a logarithmic axis cannot show: "0 (the solution)"."""
    if np.isnan(row.regret):
        return "no feasible contract"
    note = NOTES.get(row.scheme)
    number = plain(float(f"{row.regret:.2g}"))
    return f"{number} ({note})" if note else number


def _share(feasible: float) -> str:
    """Per cent, never rounded up to all."""
    if feasible == 1:
        return "100 %"
    return f"{np.floor(feasible * 1e4) / 1e2:g} %"
