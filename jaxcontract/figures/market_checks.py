"""A market simulated request by request, held against the closed forms."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcontract.figures.backend import at_defaults
from jaxcontract.figures.style import (
    GREY,
    SMALL,
    Label,
    heading,
    log_axis,
    place_labels,
    plain,
    readable,
    tidy,
    value_ticks,
)

AGE, LATENCY, ROUND = "#0072B2", "#D55E00", "#56B4E9"


@at_defaults()
def market(
    cycles: Any,
    aoi: Any,
    aoi_error: Any,
    latency: Any,
    latency_error: Any,
    *,
    slot_duration: float,
    rounds: Mapping[str, tuple[Any, float]],
) -> Figure:
    """Simulated age and latency against (1) and (2), and the station's utility in rounds against (7).

    cycles:                       [C]  θ, slots per update cycle
    aoi, latency:                 [C]  simulated means, seconds
    aoi_error, latency_error:     [C]  their standard errors, seconds
    slot_duration:                t, seconds
    rounds:                       label -> (realised U_B [N] of rounds, what (7) expects)
    """
    cycles = np.asarray(cycles, float)
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.15, 1))[0]
    means, errors = left.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
    fine = np.geomspace(cycles.min(), cycles.max(), 200)
    labels: dict[Axes, list[Label]] = {means: []}
    for name, colour, marker, form, mean, error in (
        ("AoI (1)", AGE, "o", lambda c: slot_duration * (1 / c + c / 2 + 0.5), aoi, aoi_error),
        ("latency (2)", LATENCY, "s", lambda c: slot_duration * (1 + 1 / c), latency, latency_error),
    ):
        means.plot(fine, 1e3 * form(fine), color=colour, linewidth=1.2)
        bars = {"linestyle": "none", "markersize": 4.5, "color": colour, "capsize": 2}
        mean, error = np.asarray(mean, float), np.asarray(error, float)
        means.errorbar(cycles, 1e3 * mean, 2e3 * error, marker=marker, **bars)
        deviation = (mean - form(cycles)) / np.where(error > 0, error, np.nan)
        errors.plot(cycles, deviation, marker=marker, color=colour, markersize=4.5, linestyle="none")
        labels[means].append(Label(name, readable(colour), 1e3 * form(fine[-1]), fine[-1]))
    _finish_left(means, errors)
    panels = right.subplots(len(rounds), 1, squeeze=False)[:, 0]
    for axes, (label, (realised, expected)) in zip(panels, rounds.items(), strict=True):
        _histogram(axes, label, np.asarray(realised, float) - expected)
    panels[-1].set_xlabel("realised − expected U$_B$ of a round (units of payment)")
    tidy(means, errors, *panels)
    place_labels(figure, labels)
    value_ticks(errors, cycles)
    return figure


def _finish_left(means: Axes, errors: Axes) -> None:
    log_axis(means, "x")
    log_axis(means, "y", between=2.2)
    means.margins(x=0.03)
    means.set_ylabel("mean (ms)")
    heading(means, "Simulated requests (dots, ± 2 s.e.) and closed forms (lines)")
    errors.axhspan(-2, 2, color=GREY, alpha=0.15, linewidth=0)
    errors.axhline(0, color=GREY, linewidth=0.8)
    reach = max(3.0, 1.15 * np.nanmax(np.abs(np.concatenate([line.get_ydata() for line in errors.lines]))))
    errors.set_ylim(-reach, reach)
    errors.set_ylabel("deviation (s.e.)")
    errors.set_xlabel("update cycle θ (slots)")


def _histogram(axes: Axes, label: str, surplus: np.ndarray) -> None:
    """Realised less expected utility [N] of one kind of rounds, with its mean in two standard errors."""
    mean, error = surplus.mean(), surplus.std(ddof=1) / np.sqrt(len(surplus))
    axes.hist(surplus, bins=40, color=ROUND, alpha=0.7)
    axes.axvline(0, color="black", linewidth=1.0)
    height = 1.08 * axes.get_ylim()[1]
    axes.errorbar(mean, height, xerr=2 * error, marker="D", markersize=4.5, capsize=3, color=LATENCY)
    axes.annotate(
        f"mean {plain(float(f'{mean:.2g}'))} ± {plain(float(f'{2 * error:.1g}'))} (2 s.e.)",
        (mean, height),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        color=readable(LATENCY),
        fontsize=SMALL,
    )
    axes.set_ylim(0, 1.2 * height)
    axes.set_ylabel("rounds")
    heading(axes, f"{label} ({len(surplus):,} rounds)")
