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
from jaxcontract.figures.placement import TextBox, along, beside, in_points, size_of, stroke_boxes
from jaxcontract.figures.style import (
    COLOURS,
    GREY,
    LOOKS,
    SMALL,
    TEXT,
    Label,
    cut_key,
    dots,
    heading,
    ink,
    legend,
    mark_cut,
    place_labels,
    plain,
    readable,
    tidy,
)

FREQUENCY = "update frequency f$_k$ (updates per slot)"
PAYMENT = "payment r$_k$ (units of payment)"
UTILITY = "device utility u[k, k] (units of payment)"
CHOICE = "item j that the type chooses (star: its own)"
APART = 4.0  # points between two numbers
MARKER = 6.0  # points from the middle of an item's marker to its edge


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
    right, top = (reach([by_scheme[s] for s in frequency]) for by_scheme in (frequency, payment))
    grid[0].set(xlim=(0, right), ylim=(0, top))
    tidy(*grid)
    hollow = Line2D(
        [], [], color=GREY, marker="o", markerfacecolor="white", linestyle="", label="not feasible"
    )
    legend(figure, frequency, *[hollow] * (not all(np.all(feasible[s]) for s in frequency)), lines=False)
    figure.draw_without_rendering()
    for state, axes in enumerate(grid):
        contracts = [np.stack([frequency[s][state], payment[s][state]], axis=1) for s in frequency]
        own = frequency[anchor][state], payment[anchor][state]
        names = indifference_lines(axes, types[state], *own, item_boxes(axes, contracts))
        type_numbers(axes, contracts, names)
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
        axes.set_xlabel(CHOICE)
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
    cuts = [mark_cut(axes, named=False) for axes in grid.flat]
    schemes = dict.fromkeys(scheme for _, contracts in rows for scheme in contracts)
    legend(figure, schemes, *[cut_key()] * any(cuts))
    return figure


def indifference_lines(
    axes: Axes, types: np.ndarray, frequency: Any, payment: Any, taken: Sequence[TextBox]
) -> list[TextBox]:
    """The lines along which a type's utility (5) is what its item gives it; type 1's is zero.

    Each bears its name where there is most room, clear of `taken`; returns the boxes of names and lines.
    """
    lines = [_line(axes, k, float(phi), frequency, payment) for k, phi in enumerate(types)]
    named: list[TextBox] = []
    for k, line in enumerate(lines):
        if not np.isfinite(line).all():
            continue
        (left, low), (right, high) = line
        axes.plot([left, right], [low, high], color=GREY, linewidth=0.8, zorder=1)
        short = len(types) > 3
        text = ("IR 1" if k == 0 else f"IC {k + 1}") if short else _constraint(k)
        others = [other for number, other in enumerate(lines) if number != k and np.isfinite(other).all()]
        at = along(axes, line, others, text, [*taken, *named])
        named.append(_on_line(axes, line, at, text))
    return named + stroke_boxes(axes, [line for line in lines if np.isfinite(line).all()])


def _line(
    axes: Axes, k: int, phi: float, frequency: Any, payment: Any
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of type k's line, where it comes into the panel and where it leaves it."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    start = 0.0 if k == 0 else float(payment[k] - frequency[k] / phi)
    first = max(0.0, -start * phi)  # below zero where the type would lose
    end = min(right, (top - start) * phi)
    return (first, start + first / phi), (end, start + end / phi)


def _constraint(k: int) -> str:
    return "IR of type 1: r = f/φ$_1$" if k == 0 else f"IC of type {k + 1}"


def _on_line(axes: Axes, line: Any, at: tuple[float, float], text: str) -> TextBox:
    """Write a line's name onto it, as on a map's contours; returns about the box that it takes."""
    start, end = in_points(axes, line)
    slope = np.arctan2(*(end - start)[::-1])
    axes.text(
        *at,
        text,
        color=GREY,
        fontsize=SMALL,
        ha="center",
        va="center",
        rotation=np.degrees(slope),
        rotation_mode="anchor",
        zorder=1.5,
        bbox={"facecolor": "white", "linewidth": 0, "pad": 0.6},
    )
    half, high = size_of(text, SMALL)
    x, y = in_points(axes, [at])[0]
    wide, tall = abs(np.cos(slope)), abs(np.sin(slope))
    return TextBox(x, y, half * wide + high * tall, half * tall + high * wide)


def reach(values: Sequence[Any]) -> float:
    """Where an axis that begins at 0 ends, with room above the largest of the values that are finite."""
    every = np.concatenate([np.ravel(np.asarray(one, float)) for one in values])
    return 1.12 * float(np.max(every, where=np.isfinite(every), initial=0.0)) or 1.0


def item_boxes(axes: Axes, contracts: Sequence[np.ndarray]) -> list[TextBox]:
    """What the markers of contracts [K, 2] take."""
    places = in_points(axes, _finite(np.concatenate(contracts)))
    return [TextBox(x, y, MARKER, MARKER) for x, y in places]


def _finite(places: np.ndarray) -> np.ndarray:
    """Those of places [N, 2] that are somewhere."""
    found: np.ndarray = places[np.isfinite(places).all(axis=1)]
    return found


def type_numbers(
    axes: Axes,
    contracts: Sequence[np.ndarray],
    taken: Sequence[TextBox] = (),
    numbers: Sequence[int] | None = None,
) -> list[TextBox]:
    """The types' numbers beside their items, once where items of the same types lie on each other.

    contracts: [K, 2] each, (frequency, payment); taken: what they should be clear of beside the items;
    numbers: [K], 1 to K by default. Returns the boxes of the numbers.
    """
    numbers = range(1, 1 + len(contracts[0])) if numbers is None else numbers
    written: list[tuple[list[int], np.ndarray]] = []
    boxes: list[TextBox] = []
    for pairs in contracts:
        places = in_points(axes, pairs)
        for group in _together(places, 2 * MARKER):
            place = places[group[0]]
            if not np.isfinite(place).all():
                continue
            near = [k for known, other in written if np.hypot(*(place - other)) < 2 * MARKER for k in known]
            if set(group) <= set(near):
                continue
            written.append((group, place))
            others = [*item_boxes(axes, contracts), *taken, *(one.grown(APART) for one in boxes)]
            text = _list_numbers([numbers[k] for k in group])
            boxes.append(write_beside(axes, pairs[group[0]], text, others, fontweight="bold"))
    return boxes


def write_beside(axes: Axes, place: Any, text: str, taken: Sequence[TextBox], **look: Any) -> TextBox:
    """Write words beside an item, where they hide least; returns the box that they take."""
    box = beside(axes, (float(place[0]), float(place[1])), text, taken, MARKER)
    x, y = in_points(axes, [place])[0]
    words = axes.annotate(
        text,
        tuple(place),
        xytext=(box.x - x, box.y - y),
        textcoords="offset points",
        ha="center",
        va="center",
        **{"fontsize": TEXT, **look},
    )
    words.set_in_layout(False)  # the layout is settled
    return box


def _list_numbers(numbers: Sequence[int]) -> str:
    """Ascending numbers of types: "3", "3, 4", "3 to 7", "3, 9"."""
    first, last = numbers[0], numbers[-1]
    a_run = last - first == len(numbers) - 1 > 1
    return f"{first} to {last}" if a_run else ", ".join(map(str, numbers))


def _together(places: np.ndarray, reach: float) -> list[list[int]]:
    """Neighbours among places [K, 2] that lie within reach of the first of them, such as pooled types."""
    groups: list[list[int]] = []
    for k, place in enumerate(places):
        if groups and np.hypot(*(place - places[groups[-1][0]])) < reach:
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
    ticks = MaxNLocator(10, integer=True, min_n_ticks=1).tick_values(number[0], number[-1])
    axes.set_xticks([tick for tick in ticks if number[0] <= tick <= number[-1]])  # there is no item 0
    axes.margins(x=0.04, y=0.12)
    checked = checked or {"least slack: IR": own.min(), "IC": _least_ic(utilities)}
    checked = {name: value for name, value in checked.items() if np.isfinite(value)}  # of one type no IC
    text = ", ".join(f"{name} {_slack(value)}" for name, value in checked.items())
    slacks = [-value if "violation" in name else value for name, value in checked.items()]
    worst = min(slacks, default=-np.inf)
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
