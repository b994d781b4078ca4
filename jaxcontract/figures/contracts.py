"""What a contract offers, what it leaves to each type, and that every type picks its own item."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import (
    COLOURS,
    GREY,
    LOOKS,
    SMALL,
    TEXT,
    Label,
    dots,
    heading,
    ink,
    legend,
    place_labels,
    plain,
    readable,
    tidy,
)

FREQUENCY = "update frequency f$_k$ (updates per slot)"
PAYMENT = "payment r$_k$ (units of payment)"
UTILITY = "device utility u[k, k] (units of payment)"


class TypeLines(NamedTuple):
    """One contract, type by type.

    frequency: [K]  updates per slot
    payment:   [K]
    utility:   [K]  u[k, k], in units of payment
    """

    frequency: Any
    payment: Any
    utility: Any


@at_defaults()
def items(
    frequency: Mapping[str, Any],
    payment: Mapping[str, Any],
    feasible: Mapping[str, Any],
    device_types: Any,
    titles: Sequence[str],
) -> Figure:
    """Fig. 2(b): the items of each scheme in each of N network states, a panel for each state.

    frequency, payment: by scheme, [N, K], in updates per slot and units of payment
    feasible:           by scheme, [N]  hollow markers where a contract is not
    device_types:       [N, K]  φ, ascending
    titles:             [N]

    Grey lines: type 1 takes part above r = f/φ_1 (8); every other type is indifferent along the line
    of slope 1/φ_k through its item of the optimum (of the first scheme where that is not there), and
    by (9) no other item may lie above it.
    """
    types = np.asarray(device_types, float)
    anchor = "optimum" if "optimum" in frequency else next(iter(frequency))
    figure = Figure(figsize=(10, 4.3), layout="constrained")
    grid = figure.subplots(1, len(titles), squeeze=False, sharex=True, sharey=True)[0]
    for state, (axes, title) in enumerate(zip(grid, titles, strict=True)):
        heading(axes, title)
        axes.set_xlabel(FREQUENCY)
        for scheme in frequency:
            look = dots(scheme, hollow=not feasible[scheme][state], size=10 if scheme == anchor else 6.5)
            axes.plot(frequency[scheme][state], payment[scheme][state], **look)
    grid[0].set_ylabel(PAYMENT)
    high = [max(np.nanmax(by_scheme[s]) for s in frequency) for by_scheme in (frequency, payment)]
    grid[0].set(xlim=(0, 1.12 * high[0]), ylim=(0, 1.12 * high[1]))
    tidy(*grid)
    hollow = Line2D(
        [], [], color=GREY, marker="o", markerfacecolor="white", linestyle="", label="not feasible"
    )
    legend(figure, frequency, *[hollow] * (not all(np.all(feasible[s]) for s in frequency)), lines=False)
    figure.draw_without_rendering()
    for state, axes in enumerate(grid):
        indifference_lines(axes, types[state], frequency[anchor][state], payment[anchor][state])
        type_numbers(axes, [np.stack([frequency[s][state], payment[s][state]], axis=1) for s in frequency])
    return figure


@at_defaults()
def incentive_check(panels: Sequence[tuple[str, Any, str]]) -> Figure:
    """The utility of each type against the item that it chooses, a star at its own; panels two by two.

    panels: (title, u [K, K] with u[k, j] of type k choosing item j, scheme). IR (8) holds where the
    stars are on or above zero, IC (9) where each is the highest of its curve; the least slacks stand
    in the panel.
    """
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(9.6, 0.4 + 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, sharey="row")
    labels = {}
    for axes, (title, utilities, scheme) in zip(grid.flat, panels, strict=False):
        labels[axes] = choice_curves(axes, np.asarray(utilities, float), scheme)
        heading(axes, title, ink(scheme))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel("item j that the type chooses")
    for axes in grid[:, 0]:
        axes.set_ylabel("utility u[k, j] of type k\n(units of payment)")
    tidy(*labels)
    place_labels(figure, labels)
    return figure


@at_defaults()
def by_type(rows: Sequence[tuple[str, Mapping[str, TypeLines]]]) -> Figure:
    """Frequency, payment and device utility (the information rent) against the type, schemes together.

    rows: (title, contracts by scheme), a row for each network state
    """
    figure = Figure(figsize=(9.6, 0.8 + 2.1 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for line, (title, contracts) in zip(grid, rows, strict=True):
        heading(line[0], title)
        for scheme, lines in contracts.items():
            for axes, values in zip(line, lines, strict=True):
                number = np.arange(1, len(values) + 1)
                size = 8.0 if scheme == "optimum" else 5.5
                look = {**dots(scheme, size=size), "linestyle": LOOKS[scheme].line}
                axes.plot(number, values, color=COLOURS[scheme], linewidth=1.3, **look)
                axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    for axes, name in zip(grid[0], (FREQUENCY, PAYMENT, UTILITY), strict=True):
        axes.set_title(name + "\n", fontsize=TEXT)  # above the row's own heading
    for axes in grid[-1]:
        axes.set_xlabel("type k")
    tidy(*grid.flat)
    legend(figure, dict.fromkeys(scheme for _, contracts in rows for scheme in contracts))
    return figure


def indifference_lines(axes: Axes, types: np.ndarray, frequency: Any, payment: Any) -> None:
    """The lines along which a type's utility (5) is what its item gives it; type 1's is zero."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    for k, phi in enumerate(types):
        start = 0.0 if k == 0 else payment[k] - frequency[k] / phi
        end = min(right, (top - start) * phi)  # where the line leaves the panel
        axes.plot([0, end], [start, start + end / phi], color=GREY, linewidth=0.8, zorder=1)
        if k > 0 and len(types) > 3:
            continue  # too many lines to name
        stops = np.sort([0.0, *np.clip(frequency, 0.0, end), end])
        widest = np.argmax(np.diff(stops))  # between two items, there is most room for words
        at = stops[widest : widest + 2].mean()
        text = "IR of type 1: r = f/φ$_1$" if k == 0 else f"IC of type {k + 1}"
        axes.text(
            at,
            start + at / phi,
            text,
            color=GREY,
            fontsize=SMALL,
            ha="center",
            va="bottom" if k == 0 else "top",
            rotation=np.degrees(np.arctan(1 / phi)),
            rotation_mode="anchor",
            transform_rotates_text=True,
        )


def type_numbers(axes: Axes, contracts: Sequence[np.ndarray], numbers: Sequence[int] | None = None) -> None:
    """The types' numbers beside their items, once where items of the same types lie together.

    contracts: [K, 2] each, (frequency, payment); numbers: [K], 1 to K by default
    """
    numbers = range(1, 1 + len(contracts[0])) if numbers is None else numbers
    points = 72 / axes.figure.dpi
    edge = axes.transAxes.transform((0, 0))[0] * points
    written: list[tuple[list[int], np.ndarray]] = []
    for pairs in contracts:
        places = axes.transData.transform(pairs) * points
        for group in _together(places, 11.0):
            place = places[group[0]]
            near = [k for known, other in written if np.hypot(*(place - other)) < 22 for k in known]
            if not set(group) <= set(near):
                written.append((group, place))
                cramped = place[0] - edge < 15  # on the left it would lie on the axis
                axes.annotate(
                    ", ".join(str(numbers[k]) for k in group),
                    tuple(pairs[group[0]]),
                    xytext=(5 if cramped else -5, 7),
                    textcoords="offset points",
                    ha="left" if cramped else "right",
                    va="center",
                    fontsize=TEXT,
                    fontweight="bold",
                )


def _together(places: np.ndarray, reach: float) -> list[list[int]]:
    """Neighbours among places [K, 2] that are within reach of each other, such as pooled types."""
    groups: list[list[int]] = []
    for k, place in enumerate(places):
        if groups and np.hypot(*(place - places[groups[-1][-1]])) < reach:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def choice_curves(
    axes: Axes,
    utilities: np.ndarray,
    scheme: str,
    numbers: Sequence[int] | None = None,
    checked: Mapping[str, float] | None = None,
) -> list[Label]:
    """The curves of one contract; returns their labels.

    utilities: [K, K]; numbers: [K] of the types, 1 to K by default
    checked: what the panel says of the constraints, such as {"least slack: IR": 0.0, "IC": 0.0}; by default
        the least slacks of these utilities. A violation counts as its negative
    """
    number = np.arange(1, len(utilities) + 1) if numbers is None else np.asarray(numbers)
    axes.axhline(0, color=GREY, linewidth=1.0, linestyle="--")
    shades = [to_hex(c) for c in colormaps["viridis"](np.linspace(0, 0.88, len(utilities)))]
    for curve, shade in zip(utilities, shades, strict=True):
        axes.plot(number, curve, color=shade, linewidth=1.4, marker=".", markersize=5)
    own = np.diagonal(utilities)
    axes.plot(number, own, **{**dots(scheme, size=9), "marker": "*", "markersize": 13}, zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    axes.margins(x=0.04, y=0.12)
    checked = checked or {"least slack: IR": own.min(), "IC": _least_ic(utilities)}
    checked = {name: value for name, value in checked.items() if np.isfinite(value)}  # of one type no IC
    text = ", ".join(f"{name} {_slack(value)}" for name, value in checked.items())
    worst = min(-value if "violation" in name else value for name, value in checked.items())
    colour = GREY if worst >= -1e-6 else ink("gradient")
    axes.text(0.02, 0.03, text, transform=axes.transAxes, fontsize=SMALL, color=colour)
    every = -(-len(own) // 10)  # as many labels as a panel has room for
    named = [k for k in range(len(own)) if k % every == 0 or k == len(own) - 1]
    labels = [Label(f"type {number[k]}", readable(shades[k]), utilities[k, -1], number[-1]) for k in named]
    return [*labels, Label("IR: zero", GREY, 0.0)]


def _least_ic(utilities: np.ndarray) -> float:
    """The least of u[k, k] − u[k, j] over j ≠ k  (9)."""
    slacks = np.diagonal(utilities)[:, None] - utilities
    return float(np.min(slacks[~np.eye(len(slacks), dtype=bool)], initial=np.inf))


def _slack(value: float) -> str:
    """Two digits; the rounding of doubles counts as zero."""
    return "0" if abs(value) < 1e-12 else plain(float(f"{value:.2g}"))
