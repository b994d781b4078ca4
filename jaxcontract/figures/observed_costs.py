"""Observed costs taken together into few types: the groups, and what the number of types costs."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import (
    GREY,
    LOOKS,
    TEXT,
    Label,
    dots,
    heading,
    ink,
    log_axis,
    mark_cut,
    place_labels,
    tidy,
)

BINS = 60
LOOK = "optimum"
HELD_OUT = ink("pooled")


class GroupedCosts(NamedTuple):
    """Observed update costs and their groups.

    costs, counts:   [D] different costs, and how many devices have each
    ends, stand_for: [G] the highest cost of each group, and the cost that its type has
    word: what has been observed
    """

    costs: Any
    counts: Any
    ends: Any
    stand_for: Any
    word: str = "devices"


class Resolution(NamedTuple):
    """U_B against the number of types.

    num_types: [V]; observed: [V] when observed devices choose; modelled: [V] if they were of the grouped
    types; finest: [] of the best of all menus, NaN where it is not known
    held_out: [3, V] what is earned more than by one type on other observations, with the ends of its interval
    """

    num_types: Any
    observed: Any
    modelled: Any
    finest: float
    held_out: Any = None


@at_defaults()
def grouping(grouped: GroupedCosts, resolution: Resolution) -> Figure:
    """Left: observed costs and their groups. Right: what the number of types costs."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    _costs(left, grouped)
    labels = _resolution(right, resolution)
    tidy(left, right)
    mark_cut(right)
    place_labels(figure, {right: labels})
    return figure


def _costs(axes: Axes, grouped: GroupedCosts) -> None:
    edges = (10 ** np.histogram_bin_edges(np.log10(grouped.costs), BINS)).tolist()
    axes.hist(grouped.costs, bins=edges, weights=grouped.counts, color="#B0B0B0")
    ends = np.asarray(grouped.ends)
    for end in ends[ends < np.max(grouped.costs)]:
        axes.axvline(end, color=GREY, linewidth=0.9, linestyle=":")
    look = {**dots(LOOK, size=8), "clip_on": False, "zorder": 5}
    axes.plot(grouped.stand_for, np.zeros(len(grouped.stand_for)), **look)
    axes.set(
        xlabel="update cost 1/φ (units of payment)",
        ylabel="observed devices" if grouped.word == "devices" else grouped.word,
    )
    log_axis(axes, "x")
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the keys
    heading(axes, "observed costs and their groups")
    keys = [
        Line2D([], [], label="cost that a type stands for", **dots(LOOK)),
        Line2D([], [], color=GREY, linewidth=0.9, linestyle=":", label="where a group ends"),
    ]
    axes.legend(handles=keys, fontsize=TEXT, loc="upper left", edgecolor="none", framealpha=1.0)


def _resolution(axes: Axes, resolution: Resolution) -> list[Label]:
    """The curves; returns their labels."""
    number, observed, modelled, finest, held_out = resolution
    hollow: dict[str, Any] = {"marker": "o", "markersize": 4, "markerfacecolor": "white"}
    axes.plot(number, modelled, color=GREY, linestyle=":", **hollow)
    look = {**dots(LOOK, size=5), "linestyle": LOOKS[LOOK].line}
    axes.plot(number, observed, color=LOOKS[LOOK].colour, **look)
    same = np.allclose(observed, modelled, rtol=1e-9)
    name = "observed, as modelled" if same else "observed devices"
    labels = [Label(name, ink(LOOK), float(observed[-1]), float(number[-1]))]
    if not same:
        labels.append(Label("as modelled", GREY, float(modelled[-1]), float(number[-1])))
    if held_out is not None:
        labels.append(_held_out(axes, resolution))
    if np.isfinite(finest):
        axes.axhline(finest, color="black", linewidth=0.9, linestyle="--")
        labels.append(Label("the best of all menus", "black", finest))
    axes.set(xlabel="number of types K", ylabel="utility U$_B$ (units of payment)")
    log_axis(axes, "x", between=2.0)
    heading(axes, "what the number of types costs")
    return labels


def _held_out(axes: Axes, resolution: Resolution) -> Label:
    """Gains over one type with their intervals, drawn from where one type stands; returns their label."""
    number = np.asarray(resolution.num_types)
    gain, low, high = resolution.observed[0] + np.asarray(resolution.held_out)
    shown = np.isfinite(gain) & (number > 1)
    axes.vlines(number[shown], low[shown], high[shown], color=HELD_OUT, linewidth=3, alpha=0.35, zorder=1)
    axes.plot(number[shown], gain[shown], color=HELD_OUT, marker="_", markersize=8, linestyle="none")
    last = int(np.flatnonzero(shown)[-1]) if shown.any() else 0
    text = "held-out gain, 90 %"
    return Label(text, HELD_OUT, float(gain[last]), float(number[last]))
