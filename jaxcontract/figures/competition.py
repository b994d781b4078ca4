"""Stations that compete: how far from an equilibrium, what they offer, and where devices go."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.contracts import FREQUENCY, PAYMENT
from jaxcontract.figures.curves import DEFAULT, STEPS
from jaxcontract.figures.style import (
    COLOURS,
    GREY,
    LOOKS,
    SMALL,
    Label,
    band,
    dots,
    end_label,
    heading,
    legend,
    levels,
    log_axis,
    mark_cut,
    nth_look,
    place_labels,
    plain,
    readable,
    tidy,
)

EXPLOITABILITY = "exploitability\n(% of the equilibrium payoff)"
ACROSS = 4  # panels side by side
ROOM = 0.15  # of what is shown, around it
NUMBER = 9.0  # points from one number of a type to the next


@at_defaults()
def exploitability_curve(
    env_steps: Any, exploitability: Any, lines: Mapping[str, float], *, title: str
) -> Figure:
    """What the worst station could gain by another contract against the rounds played, on a log axis.

    env_steps: [P]; exploitability: [S, P]  shares of the equilibrium payoff, a thin line for each seed and
        a thick one for their mean in its 95 % interval
    lines:     levels of what needs no learning, by name
    """
    steps, values = np.asarray(env_steps, float), 100.0 * np.asarray(exploitability, float)
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    count = len(values)
    for seed in values if count > 1 else ():
        axes.plot(steps, seed, color=COLOURS["learned"], linewidth=0.8, alpha=0.45)
    mean = band(axes, steps, values, "learned", width=2.2)
    labels = end_label(f"learned ({count} seed{'s' * (count > 1)})", COLOURS["learned"], steps, mean)
    looks = {name: nth_look(1 + number) for number, name in enumerate(lines)}
    labels += levels(axes, {name: 100.0 * level for name, level in lines.items()}, looks)
    axes.set(xlabel=STEPS, ylabel=EXPLOITABILITY, xlim=(0, steps[-1] or 1.0))
    if np.any(values > 0):
        log_axis(axes, "y")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    heading(axes, title)
    tidy(axes)
    place_labels(figure, {axes: labels})
    return figure


@at_defaults()
def station_items(learned: Any, equilibrium: Any, *, title: str) -> Figure:
    """The items (f, r) of every station in one network, learned ones beside the equilibrium's.

    learned:     (frequency, payment), [S, N, K] each, in updates per slot and units of payment
    equilibrium: the same, [N, K], numbered by type

    A panel for each of the first four stations; payments do not begin at 0.
    """
    learned, equilibrium = (np.asarray(pair, float) for pair in (learned, equilibrium))
    count = learned.shape[2]
    shown = min(count, ACROSS)
    figure = Figure(figsize=(min(10.0, 2.4 + 3.0 * shown), 4.2), layout="constrained")
    grid = figure.subplots(1, shown, squeeze=False, sharex=True, sharey=True)[0]
    for station, axes in enumerate(grid):
        for frequency, payment in learned[:, :, station].swapaxes(0, 1):
            axes.plot(frequency, payment, color=COLOURS["learned"], linewidth=0.8, alpha=0.45)
            axes.plot(frequency, payment, **dots("learned", size=5))
        best = equilibrium[:, station]
        axes.plot(*best, color=COLOURS["optimum"], linestyle=LOOKS["optimum"].line, linewidth=1.2)
        axes.plot(*best, **dots("optimum", size=8))
        axes.set_xlabel(FREQUENCY)
    grid[0].set_ylabel(PAYMENT)
    _fit_limits(grid[0], np.concatenate([learned.reshape(2, -1), equilibrium.reshape(2, -1)], axis=1))
    tidy(*grid)
    more = f"; stations 1 to {shown} of {count}" * (count > shown)
    for station, axes in enumerate(grid):
        above = title + more if station == 0 else ""  # as wide as all panels
        heading(axes, f"{above}\nstation {station + 1}" if count > 1 else title)
        mark_cut(axes, named=station == 0)
    seeds = learned.shape[1]
    told = f"learned ({seeds} seed{'s' * (seeds > 1)})"
    _legend(figure, {"learned": told, "optimum": "equilibrium, by type"})
    figure.draw_without_rendering()
    for station, axes in enumerate(grid):
        _number_types(axes, equilibrium[:, station])
    return figure


@at_defaults()
def market_shares(taste_scales: Any, shares: Any, *, own: float, title: str) -> Figure:
    """Where devices go at the equilibrium against the scale of their taste, on a logarithmic axis.

    taste_scales: [T]  μ, units of payment; shares: [T, N + 1]  of every station, and of those that stay out
    own:          the μ of the game, marked
    """
    scales, shares = np.asarray(taste_scales, float), np.asarray(shares, float)
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    log_axis(axes, "x")
    labels: list[Label] = []
    stations = shares.shape[1] - 1
    for number, share in enumerate(shares.T[:-1]):
        look = nth_look(number)
        axes.plot(scales, share, color=look.colour, linestyle=look.line, marker="o", markersize=3.5)
        text = f"station {number + 1}" if stations > 1 else "the station"
        labels += end_label(text, look.colour, scales, share)
    axes.plot(scales, shares[:, -1], color=GREY, linestyle="--", marker="o", markersize=3.5)
    labels += end_label("stay out", GREY, scales, shares[:, -1])
    axes.axvline(own, **DEFAULT)
    axes.annotate(
        f"μ = {plain(own)}, as played",
        (own, 1.0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(5, -2),
        textcoords="offset points",
        va="top",
        color=readable(GREY),
        fontsize=SMALL,
    )
    axes.set(xlabel="scale μ of devices' taste (units of payment)", ylabel="share of the devices")
    axes.set(xlim=(scales[0], scales[-1]), ylim=(-0.03, 1.06))
    heading(axes, title)
    tidy(axes)
    place_labels(figure, {axes: labels})
    return figure


def _number_types(axes: Axes, items: np.ndarray) -> None:
    """The type beside each of the equilibrium's items [2, K], where there is room: the ends first.

    The layout must be settled, since the room is measured.
    """
    points = axes.transData.transform(items.T) * 72.0 / axes.figure.dpi
    kept: list[int] = []
    for at in sorted(range(len(points)), key=lambda at: at not in (0, len(points) - 1)):
        if all(np.max(np.abs(points[at] - points[other])) >= NUMBER for other in kept):
            kept.append(at)
    for at in kept:
        axes.annotate(
            str(at + 1),
            tuple(items[:, at]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            color=readable(COLOURS["optimum"]),
            fontsize=SMALL,
        )


def _fit_limits(axes: Axes, points: np.ndarray) -> None:
    """Limits around points [2, P], with few ticks that say the whole number."""
    low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
    room = np.maximum(ROOM * (high - low), 1e-3 * np.maximum(np.abs(high), 1e-9))
    axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, _: plain(float(f"{value:.6g}"))))


def _legend(figure: Figure, texts: Mapping[str, str]) -> None:
    keys = [
        Line2D([], [], color=COLOURS[name], label=text, **{**dots(name), "linestyle": LOOKS[name].line})
        for name, text in texts.items()
    ]
    legend(figure, [], *keys)
