"""Contracts as those who offer them look at them: the items, and what each type would earn of each."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.contracts import (
    CHOICE,
    FREQUENCY,
    PAYMENT,
    choice_curves,
    indifference_lines,
    item_boxes,
    reach,
    type_numbers,
    write_beside,
)
from jaxcontract.figures.style import SMALL, dots, heading, ink, legend, place_labels, tidy

ROOMY = 12  # types up to which items bear their numbers, and every type its line of indifference


class Design(NamedTuple):
    """One network and its contract, the first of the schemes.

    device_types: [K]  φ, ascending
    contracts:    by scheme, frequency and payment [K] each, in updates per slot and units of payment
    numbers:      [K]  of the types where these are some of a contract's; 1 to K by default
    checked:      what is said of the whole contract's constraints, as in `choice_curves`; by default the
                  least slacks of these types
    """

    title: str
    device_types: Any
    contracts: Mapping[str, tuple[Any, Any]]
    numbers: Any = None
    checked: Mapping[str, float] | None = None


@at_defaults()
def designs(rows: Sequence[Design]) -> Figure:
    """A row of two panels for each network.

    Left: the items of each scheme, with the lines of `items` for the first. Right: the utility of each
    type against the item that it chooses, as in `incentive_check`.
    """
    figure = Figure(figsize=(10, 0.6 + 3.4 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 2, squeeze=False)
    labels = {}
    for (left, right), row in zip(grid, rows, strict=True):
        scheme, (frequency, payment) = next(iter(row.contracts.items()))
        heading(left, row.title)
        _items(left, row.contracts)
        utilities = np.asarray(payment)[None, :] - np.asarray(frequency)[None, :] / _column(row.device_types)
        labels[right] = choice_curves(right, utilities, scheme, row.numbers, row.checked)
        left.set_ylabel(PAYMENT)
        right.set_ylabel("utility u[k, j] of type k\n(units of payment)")
    grid[-1, 0].set_xlabel(FREQUENCY)
    grid[-1, 1].set_xlabel(CHOICE)
    tidy(*grid.flat)
    legend(figure, dict.fromkeys(scheme for row in rows for scheme in row.contracts), lines=False)
    figure.draw_without_rendering()
    for axes, row in zip(grid[:, 0], rows, strict=True):
        _name(axes, row)
    place_labels(figure, labels)
    return figure


def _name(axes: Axes, row: Design) -> None:
    """The names of lines, of many types of type 1's alone; numbers of items; schemes other than the first."""
    frequency, payment = next(iter(row.contracts.values()))
    contracts = [np.stack(pair, axis=1) for pair in row.contracts.values()]
    roomy = len(row.device_types) <= ROOMY
    lines = len(row.device_types) if roomy else 1
    items = item_boxes(axes, contracts)
    types = np.asarray(row.device_types, float)[:lines]
    taken = indifference_lines(axes, types, frequency[:lines], payment[:lines], items)
    if roomy:
        taken += type_numbers(axes, contracts, taken, row.numbers)
    for scheme, pairs in list(zip(row.contracts, contracts, strict=True))[1:]:
        last = pairs[-1]
        if not np.isfinite(last).all():
            continue
        taken.append(write_beside(axes, last, scheme, [*items, *taken], fontsize=SMALL, color=ink(scheme)))


def _items(axes: Axes, contracts: Mapping[str, tuple[Any, Any]]) -> None:
    for position, (scheme, (frequency, payment)) in enumerate(contracts.items()):
        size = (6.5 if position else 10) if len(frequency) <= ROOMY else 5
        axes.plot(frequency, payment, **dots(scheme, size=size))
    right, top = (reach([pair[part] for pair in contracts.values()]) for part in (0, 1))
    axes.set(xlim=(0, right), ylim=(0, top))


def _column(values: Any) -> np.ndarray:
    return np.asarray(values, float)[:, None]
